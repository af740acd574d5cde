"""The model card's tables, from what the benchmark measured: `python -m tests.model_card`."""

import json
import re
import sys
from pathlib import Path

import pandas as pd

ROOT = Path(__file__).parents[1]
CARD = ROOT / "models" / "d3ke" / "assets" / "weights" / "MODEL_CARD.md"
RESULTS = ROOT / "tests" / "benchmarks" / "results"
SETS = ("development", "report")
ACTIVITIES = {
    "cmbbe_squats": "squats",
    "cmbbe_jump_high_knees": "high-knee jumps",
    "cmbbe_jump": "jump",
    "pose2sim_balancing": "balancing",
}
GROUPS = {"lower_limb": "lower limb", "knee": "knee", "trunk": "trunk", "arms": "arms"}


def coordinates() -> str:
    """Errors by coordinate and activity, left and right and the views of each taken together."""
    found = pd.concat([pd.read_csv(RESULTS / f"{name}_coordinates.csv") for name in SETS])
    found["activity"] = found["view"].str.split().str[0].map(ACTIVITIES)
    found["coordinate"] = found["coordinate"].str.replace(r"_[rl]$", "", regex=True)
    story = json.loads(CARD.with_name("landmarks.json").read_text(encoding="utf-8"))
    predicted = dict.fromkeys(
        name.removesuffix("_r").removesuffix("_l") for name in story["config"]["bounds"]
    )
    both = found.groupby(["coordinate", "activity"])
    ours, still = (both[c].mean().unstack() for c in ("lag_0_mae_deg", "mean_pose_mae_deg"))
    rows = [
        [name, *(_beside(ours.loc[name, a], still.loc[name, a]) for a in ACTIVITIES.values())]
        for name in predicted
    ]
    return _table(["coordinate (mean pose)", *ACTIVITIES.values()], rows)


def views() -> str:
    """Errors by camera and group of coordinates."""
    found = pd.concat([pd.read_csv(RESULTS / f"{name}_groups.csv") for name in SETS])
    seen = found[found["clip"] != "mean"].set_index("clip").to_dict("index")
    rows = []
    for view, row in seen.items():
        clip, camera = str(view).split()
        errors = [_beside(row[f"{g}_lag_0_mae_deg"], row[f"{g}_mean_pose_mae_deg"]) for g in GROUPS]
        rows.append([f"{ACTIVITIES[clip]}, {camera.removeprefix('cam')}", *errors])
    return _table(["activity, camera (mean pose)", *GROUPS.values()], rows)


def written() -> str:
    """The card with its tables as they are to be."""
    text = CARD.read_text(encoding="utf-8")
    for name, table in (("coordinates", coordinates()), ("views", views())):
        place = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = place.subn(rf"\g<1>{table}\g<2>", text)
        assert count == 1, name
    return text


def _beside(ours: float, still: float) -> str:
    return "" if pd.isna(ours) else f"{ours:.1f} ({still:.1f})"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> int:
    """Write the card anew."""
    CARD.write_text(written(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
