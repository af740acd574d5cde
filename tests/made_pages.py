"""A prediction of made-up truth and its clip, for tests of the page."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.skeleton import default_model
from tests.made_clips import write_clip
from tests.scenes import SIZE, camera_at, scene, squat

# Frames do not come evenly: a page that counts them instead of reading their times is wrong.
UNEVEN_S = np.cumsum(np.where(np.arange(60) % 7 == 0, 0.1, 1 / 30)) - 0.1
SD_DEG = 4.0  # of the right knee; nothing is known of the other coordinates


def squatting(name: str = "squat.mp4") -> Prediction:
    """A person who squats for two seconds, seen by a perfect network, at uneven times."""
    seen = scene(squat(2.0), camera_at())
    sight = Seen(seen.track, seen.camera, seen.regression, 30.0)
    found = in_ground(sight, default_model(), PredictOptions(refine=False))
    spread = np.full(found.q.shape, np.nan)
    spread[:, found.coordinate_names.index("knee_angle_r")] = np.radians(SD_DEG)
    observed = np.array([not n.startswith(("neck", "mtp")) for n in found.coordinate_names])
    meta = found.meta | {"clip": name, "warnings": ["the person is only 90 px tall"]}
    return replace(found, time=UNEVEN_S, q_std=spread, observed=observed, meta=meta)


def degrees_of(prediction: Prediction, name: str) -> NDArray[np.float64]:
    """One rotation over time."""
    column: NDArray[np.float64] = prediction.q[:, prediction.coordinate_names.index(name)]
    return np.rad2deg(column)


def grey_clip(path: Path, times: NDArray[np.float64] = UNEVEN_S) -> Path:
    """A clip of the prediction's size and times, in which there is nothing to see."""
    grey = np.full((SIZE[1], SIZE[0], 3), 90, np.uint8)
    return write_clip(path, [grey] * len(times), times=times.tolist())
