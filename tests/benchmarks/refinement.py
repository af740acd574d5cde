"""What the refinement and the neutral pose change on real clips, and what each part of it is worth.

    python -m tests.benchmarks.refinement [--data FOLDER] [--weights NAME]

Mean absolute errors in deg at the best lag, against markerless truth (see accuracy.py); `place` is
the pelvis' error of place without its mean, mm; `gravity` how far up is from the calibrated
camera's, deg; `slip` the speed of soles that stand, mm/s; `below` how deep the lowest 5 % of soles
are under the floor, mm. The settings were chosen on the development clips. Of the neutral pose the
first half second of these is told, in which the man stands; on the balance beam nobody does.
"""

import argparse
import json
import math
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from d3ke import refine
from d3ke.evaluate import Evaluation, evaluate
from d3ke.export import Sampling, sampled
from d3ke.fitting import terms, upright
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_motion
from d3ke.network.checkpoint import DEFAULT, load_weights
from d3ke.network.d3ke import D3KE
from d3ke.neutral import CORRECTED, neutral_pose
from d3ke.place import FEET
from d3ke.predict import Scene, Seen, _regressed, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.progress import Silent
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import sole_places
from d3ke.vision.camera import camera_of
from d3ke.vision.person import track_person
from d3ke.vision.video import Video
from tests.benchmarks.accuracy import SETS

Array = NDArray[np.float64]

STANDS_S = (0.0, 0.5)
OFF = 1e4  # m: a standard deviation that says nothing
STILL_MM_S = 250.0  # as of d3ke.floor
FREE = {"knee_angle": 8.0}
FREE_SPINE = {"lumbar_extension": 7.0, "lumbar_bending": 4.0, "lumbar_rotation": 4.0}
Change = tuple[ModuleType, str, Any]
VARIANTS: dict[str, tuple[Change, ...]] = {
    "without the picture": ((terms, "IMAGE_SD_M", OFF),),
    "without the floor": ((terms, "STANDING_SD_M", OFF), (terms, "BELOW_SD_M", OFF)),
    "without slip": ((terms, "SLIP_M2_S", OFF),),
    "without balance": ((upright, "BALANCE_SD_M", OFF),),
    "gravity as a level camera's": ((refine, "TILT_SD_DEG", 0.01),),
    "knees as free as hips": ((refine, "PRIOR_SD_DEG", {**refine.PRIOR_SD_DEG, **FREE}),),
    "the spine free": ((refine, "PRIOR_SD_DEG", {**refine.PRIOR_SD_DEG, **FREE_SPINE}),),
}
COORDINATES = ("hip_flexion", "hip_adduction", "hip_rotation", "knee_angle", "ankle_angle")


@dataclass(frozen=True)
class Way:
    """How a clip is predicted. changes: other constants than the usual ones."""

    refined: bool = False
    neutral: bool = False
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class View:
    """One video of a recording. up: (3,) against gravity in the camera, as calibrated."""

    seen: Seen
    truth: Path
    up: Array


def looked_at(folder: Path, camera: str, model: D3KE) -> View:
    """What is seen in a video, without its calibration, and what is true of it."""
    video = Video(folder / f"video_{camera}.mp4")
    lens = camera_of(video, None, None)
    track = track_person(video, "largest", progress=Silent())
    scene = Scene(video, track, lens, 0.0)
    regression = _regressed(model, scene, ("cpu", "auto"), Silent())
    figures = json.loads((folder / f"camera_{camera}.json").read_text(encoding="utf-8"))
    seen = Seen(track, lens, regression, video.rate_hz)
    return View(seen, folder / "truth.mot", np.array(figures["R"])[:, 1])


@contextmanager
def changed(changes: tuple[Change, ...]) -> Iterator[None]:
    """With other constants."""
    with ExitStack() as stack:
        for module, name, value in changes:
            stack.enter_context(patch.object(module, name, value))
        yield


def figures_of(view: View, model: D3KE, way: Way, standing: bool) -> dict[str, float]:
    """A row of the table. standing: whether people stand at the start."""
    seen = view.seen
    if way.neutral:
        neutral = neutral_pose(in_ground(seen, model.osim, PredictOptions(refine=False)), STANDS_S)
        corrected = neutral.off(seen.regression.q)
        seen = seen._replace(regression=seen.regression._replace(q=corrected))
    began = time.process_time()
    found = in_ground(seen, model.osim, PredictOptions(refine=way.refined))
    spent_s = time.process_time() - began
    motion = sampled(found, Sampling()).motion
    row = errors(evaluate(motion, view.truth)) | feet(found)
    cosine = min(1.0, float(found.ground_from_camera[1, :3] @ view.up))
    row |= {"gravity": math.degrees(math.acos(cosine)), "ms a frame": 1e3 * spent_s / len(found.q)}
    if standing:
        straight = errors(evaluate(motion, straightened(read_motion(view.truth))))
        row |= {"lower*": straight["lower"], "knee*": straight["knee_angle"]}
    return row


def straightened(truth: Motion) -> Motion:
    """The truth with its own standing taken to be straight, too."""
    q = truth.q.copy()
    standing = (truth.time >= STANDS_S[0]) & (truth.time <= STANDS_S[1])
    for column, name in enumerate(truth.names):
        if name[:-2] in CORRECTED:
            q[:, column] -= np.median(q[standing, column])
    return replace(truth, q=q)


def errors(judged: Evaluation) -> dict[str, float]:
    """Of groups, of coordinates over both sides, and of the pelvis."""
    groups, found = judged.best.groups, judged.best.coordinates
    row = {"lower": groups["lower_limb"], "trunk": groups["trunk"], "arms": groups["arms"]}
    for name in COORDINATES:
        row[name] = float(np.mean([found[f"{name}_{side}"].mae for side in "rl"]))
    assert judged.pelvis is not None
    for name in ("pelvis_tilt", "pelvis_list"):
        row[name] = judged.pelvis.turns[name].mae
    row["place"] = float(np.mean([e.unbiased_rmse for e in judged.pelvis.places.values()]))
    return row


def feet(found: Prediction) -> dict[str, float]:
    """How soles meet the floor of a prediction."""
    osim = found.model()
    index, places = sole_places(osim.body_names, FEET)
    places = places * found.scales[index]
    bodies = SkeletalModel(osim)(torch.as_tensor(found.q, dtype=torch.float32)).bodies.numpy()
    frames = bodies[:, index].astype(float)
    soles = np.einsum("tpij,pj->tpi", frames[..., :3, :3], places) + frames[..., :3, 3]
    speed = np.linalg.norm(np.diff(soles[..., ::2], axis=0), axis=-1) / np.diff(found.time)[:, None]
    still = 1e3 * speed[1e3 * speed < STILL_MM_S]
    below = -1e3 * min(0.0, float(np.percentile(soles[..., 1].min(axis=1), 5)))
    return {"slip": float(still.mean()) if len(still) else math.nan, "below": below}


def table(views: Mapping[str, View], model: D3KE, standing: bool) -> pd.DataFrame:
    """Means over views: rows of ways to predict. standing: at the start of each."""
    rows = {"as predicted": Way(), "refined": Way(refined=True)}
    rows |= {f"  {name}": Way(refined=True, changes=changes) for name, changes in VARIANTS.items()}
    if standing:
        rows["neutral pose"] = Way(neutral=True)
        rows["neutral pose, refined"] = Way(refined=True, neutral=True)
    found = []
    for way in rows.values():
        with changed(way.changes):
            each = [figures_of(view, model, way, standing) for view in views.values()]
        found.append(pd.DataFrame(each).mean())
    return pd.DataFrame(found, index=list(rows))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT)
    words = parser.parse_args()
    torch.set_num_threads(1)
    model = load_weights(words.weights)
    print(f"python -m tests.benchmarks.refinement --weights {words.weights}")
    for title, clips in SETS.items():
        folders = [words.data / "clips" / clip for clip in clips]
        views = {}
        for folder in folders:
            for video in sorted(folder.glob("video_cam*.mp4")):
                camera = video.stem.removeprefix("video_")
                views[f"{folder.name} {camera}"] = looked_at(folder, camera, model)
                print(f"seen: {folder.name} {camera}", file=sys.stderr)
        development = title.startswith("development")
        shown = table(views, model, standing=development)
        print(f"\n## {title}, {len(views)} views\n\n{shown.round(2).to_string(na_rep='')}")
        if development:
            print("\n* where the truth's own standing is taken to be straight, too")


if __name__ == "__main__":
    main()
