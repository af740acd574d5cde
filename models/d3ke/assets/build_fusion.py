"""Write the fusion that ships: the landmark network, and what it takes from the one for pictures.

    python models/d3ke/assets/build_fusion.py

The shares are those that `python -m tests.benchmarks.fusion` finds best on the development clips.
"""

from d3ke.network.checkpoint import DEFAULT, FUSION, WEIGHTS, save_fusion

OF_GROUPS = {
    ("ankle_angle_r", "ankle_angle_l"): 0.5,
    ("lumbar_extension", "lumbar_bending", "lumbar_rotation"): 0.3,
    ("arm_flex_r", "arm_add_r", "arm_rot_r", "arm_flex_l", "arm_add_l", "arm_rot_l"): 0.2,
    ("elbow_flex_r", "elbow_flex_l"): 0.2,
}
STORY = {
    "what": "the shipped networks `landmarks` and `pictures` as one",
    "licence": "Apache-2.0; what the two learnt from is in their own stories",
    "shares": "chosen on the development clips (cmbbe_*); balancing was report only",
}


def main() -> None:
    """Write the JSON under assets/weights."""
    shares = {name: share for group, share in OF_GROUPS.items() for name in group}
    save_fusion(WEIGHTS / f"{DEFAULT}{FUSION}", "landmarks", "pictures", shares, STORY)


if __name__ == "__main__":
    main()
