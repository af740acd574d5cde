"""How far the predicted skeleton lies from the true one in real pictures, calibrated cameras.

    python -m tests.benchmarks.placement [--data FOLDER] [--weights NAME]

On the development clips, whose truth is markerless: right and down, of the picture, at the depth
of the true body, mm; and how much farther away than the truth the prediction is, m.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from d3ke.motion.names import to_names
from d3ke.motion.opensim_files import read_motion
from d3ke.network.checkpoint import DEFAULT
from d3ke.predict import predict
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.benchmarks.accuracy import SETS

Array = NDArray[np.float64]
BODIES = ("femur", "tibia", "calcn", "humerus", "ulna")


def true_origins(folder: Path, time: Array) -> dict[str, Array]:
    """Origins of the truth's bodies in ground at some times, (T, 3) each, m."""
    osim = OsimModel.from_file(folder / "model.osim")
    motion = to_names(read_motion(folder / "truth.mot"), osim.coordinate_names)
    q = np.stack([np.interp(time, motion.time, column) for column in motion.q.T], axis=1)
    bodies = SkeletalModel(osim, torch.float64).bodies(torch.from_numpy(np.nan_to_num(q)))
    return dict(zip(osim.body_names, bodies[:, :, :3, 3].transpose(0, 1).numpy(), strict=True))


def predicted_origins(prediction: Prediction) -> dict[str, Array]:
    """Origins of the predicted bodies in the camera, (T, 3) each, m."""
    osim = OsimModel.from_xml(prediction.osim)
    q = torch.from_numpy(prediction.q.astype(np.float64))
    places = SkeletalModel(osim, torch.float64).bodies(q)[:, :, :3, 3].numpy()
    camera_from_ground = np.linalg.inv(prediction.ground_from_camera)
    seen = places @ camera_from_ground[:3, :3].T + camera_from_ground[:3, 3]
    return dict(zip(osim.body_names, seen.transpose(1, 0, 2), strict=True))


def errors(folder: Path, camera: str, weights: str) -> pd.DataFrame:
    """Medians over a clip: rows of BODIES on both sides."""
    calibration = folder / f"camera_{camera}.json"
    figures = json.loads(calibration.read_text(encoding="utf-8"))
    R, t = (np.array(figures[name], float) for name in "Rt")
    options = PredictOptions(calibration=calibration, weights=weights)
    found = predict(folder / f"video_{camera}.mp4", options)
    truth, guess = true_origins(folder, found.time), predicted_origins(found)
    rows = []
    for name in (f"{body}_{side}" for body in BODIES for side in "rl"):
        there, here = truth[name] @ R.T + t, guess[name]
        off = here[:, :2] / here[:, 2:] - there[:, :2] / there[:, 2:]
        aside = np.median(off * there[:, 2:], axis=0) * 1e3
        rows.append((name[:-2], *aside, np.median(here[:, 2] - there[:, 2])))
    return pd.DataFrame(rows, columns=["body", "right mm", "down mm", "farther m"])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT)
    words = parser.parse_args()
    clips = SETS["development clips (chosen on)"]
    tables = [
        errors(words.data / "clips" / clip, camera, words.weights)
        for clip in clips
        for camera in ("cam0", "cam1")
    ]
    table = pd.concat(tables)
    table["off mm"] = np.hypot(table["right mm"], table["down mm"])
    print(table.groupby("body", sort=False).mean().round(2).to_string())


if __name__ == "__main__":
    main()
