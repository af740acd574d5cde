"""Doubts: what a prediction's own numbers say against it, one line each."""

import numpy as np
from numpy.typing import NDArray

from d3ke.prediction import Prediction
from d3ke.quality import VISIBLE
from d3ke.skeleton.landmark_places import landmark_places

OFTEN = 0.25  # part of the frames from which it is told
BEYOND_RAD = np.deg2rad(5.0)  # past the end of a range: less may be the range's fault
MOST = 4  # coordinates named
LIMBS = {"arm": ("elbow", "wrist"), "leg": ("knee", "ankle")}
SIDES = {"r": "right", "l": "left"}


def doubts_of(prediction: Prediction) -> list[str]:
    """Limbs that are covered, and angles beyond what the model's joints allow."""
    return [*_covered(prediction.landmarks), *_beyond(prediction)]


def _covered(landmarks: NDArray[np.float32]) -> list[str]:
    """landmarks: (T, 33, 7), see PersonTrack."""
    names = landmark_places().names
    seen = landmarks[np.isfinite(landmarks[:, 0, 0]), :, 3]
    lines = []
    for limb, ends in LIMBS.items():
        for side, word in SIDES.items():
            chosen = [names.index(f"{end}_{side}") for end in ends]
            part = float((seen[:, chosen] < VISIBLE).mean()) if len(seen) else 0.0
            if part >= OFTEN:
                lines.append(
                    f"the {word} {limb} is covered in {part:.0%} of the frames: a guess there"
                )
    return lines


def _beyond(prediction: Prediction) -> list[str]:
    """Measured rotations that leave their coordinate's range."""
    parts: dict[str, float] = {}
    rows = zip(prediction.model().coordinates, prediction.q.T, prediction.observed, strict=True)
    for coordinate, values, observed in rows:
        values = values[np.isfinite(values)]
        if observed and coordinate.rotational and len(values):
            low, high = coordinate.range
            out = (values < low - BEYOND_RAD) | (values > high + BEYOND_RAD)
            parts[coordinate.name] = float(out.mean())
    worst = sorted(((part, name) for name, part in parts.items() if part > 0), reverse=True)
    if not worst:
        return []
    named = ", ".join(
        f"{name} ({max(part, 0.01):.0%} of the frames)" for part, name in worst[:MOST]
    )
    more = f" and {len(worst) - MOST} more" if len(worst) > MOST else ""
    return [f"beyond the range of its joint: {named}{more}"]
