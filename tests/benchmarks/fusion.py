"""How much of each coordinate a fusion is to take from pictures, and what that gains.

Shares are chosen on the development clips, one for a group of coordinates, left and right alike;
the balancing clip is report only. Errors are at lag 0, after the usual filter.

    python -m tests.benchmarks.fusion [--data FOLDER] [--landmarks NAME] [--pictures RUN]
                                      [--looks HZ ...] [--csv FILE]
"""

import argparse
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from d3ke.evaluate import evaluate
from d3ke.export import FILTER_HZ
from d3ke.motion.motion import Motion
from d3ke.network.checkpoint import load_weights
from d3ke.network.fused import LOOKS_HZ, FusedD3KE
from d3ke.network.image_inference import looked_at
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import Array, Regression, regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.place import up_in_camera
from d3ke.recordings import load_motion
from d3ke.vision.camera import camera_of
from d3ke.vision.person import track_person
from d3ke.vision.video import Video
from tests.benchmarks.accuracy import SETS

GROUPS = {
    "hips": ("hip_flexion", "hip_adduction", "hip_rotation"),
    "knees": ("knee_angle",),
    "ankles": ("ankle_angle",),
    "spine": ("lumbar_extension", "lumbar_bending", "lumbar_rotation"),
    "shoulders": ("arm_flex", "arm_add", "arm_rot"),
    "elbows": ("elbow_flex",),
}
SHARES = tuple(np.linspace(0, 1, 11).round(1).tolist())


class View(NamedTuple):
    """One camera's clip, as both networks see it. looks: by the rate in Hz at which it is."""

    clip: str
    truth: Motion
    time: Array
    by_landmarks: Regression
    looks: dict[float, tuple[Array, Regression]]


def views(
    folder: Path, landmarks: LandmarkD3KE, pictures: ImageD3KE, rates: list[float]
) -> Iterator[View]:
    """Every camera of one recording."""
    truth, _ = load_motion(folder / "truth.mot", lambda warning: None)
    for clip in sorted(folder.glob("video_cam*.mp4")):
        video = Video(clip)
        camera, track = camera_of(video), track_person(video)
        found = regress(landmarks, track, camera, -up_in_camera(0.0))
        looks = {rate: looked_at(pictures, video, track, camera, rate_hz=rate) for rate in rates}
        yield View(f"{folder.name} {clip.stem}", truth, track.time, found, looks)


def errors(view: View, rate: float, share: float, fused: FusedD3KE) -> pd.Series:
    """Mean absolute error of each coordinate, deg, where all of them are mixed by one share."""
    everywhere = np.full(len(fused.osim.coordinate_names), share)
    fused.shares.copy_(fused.shares.new_tensor(everywhere))
    q = fused.mixed(view.time, view.by_landmarks, *view.looks[rate]).q
    flags = tuple(coordinate.rotational for coordinate in fused.osim.coordinates)
    raw = Motion(view.time, q, fused.osim.coordinate_names, flags)
    motion = raw.resampled(raw.rate_hz, math.inf).lowpassed(FILTER_HZ)
    return evaluate(motion, view.truth, lag=0.0).to_frame()["mae_deg"]


def groups_of(found: pd.Series) -> dict[str, float]:
    """Means over the coordinates of each group that the truth has."""
    return {
        group: float(
            np.mean([v for k, v in found.items() if str(k).rstrip("rl").rstrip("_") in names])
        )
        for group, names in GROUPS.items()
    }


def table(found: list[View], fused: FusedD3KE) -> pd.DataFrame:
    """Errors in degrees, mean over the views: a row a rate and share, a column a group."""
    rows = {
        (rate, share): pd.DataFrame(
            [groups_of(errors(view, rate, share, fused)) for view in found]
        ).mean()
        for rate in found[0].looks
        for share in SHARES
    }
    return pd.DataFrame(rows).T.rename_axis(["looks_hz", "share"])


def main() -> None:
    """Print the tables, and write them as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--landmarks", default="landmarks")
    parser.add_argument("--pictures", default="pictures")
    parser.add_argument("--looks", type=float, nargs="+", default=[LOOKS_HZ])
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    landmarks, pictures = load_weights(given.landmarks), load_weights(given.pictures)
    assert isinstance(landmarks, LandmarkD3KE)
    assert isinstance(pictures, ImageD3KE)
    fused = FusedD3KE(landmarks, pictures, {})
    tables = {}
    for title, clips in SETS.items():
        folders = [given.data / "clips" / clip for clip in clips]
        found = [
            view for folder in folders for view in views(folder, landmarks, pictures, given.looks)
        ]
        tables[title] = table(found, fused)
        print(f"\n## {title}: mean absolute error, deg\n\n{tables[title].round(2).to_string()}")
    chosen, reported = tables.values()
    for rate in given.looks:
        print(f"\nat {rate:g} Hz, by the best share on the development clips:")
        for group, share in chosen.loc[rate].idxmin().items():
            before, after = (chosen.loc[(rate, s), group] for s in (0.0, share))
            judged = [reported.loc[(rate, s), group] for s in (0.0, share)]
            print(
                f"{group:9} {share:.1f}: {before:.2f} -> {after:.2f}, "
                f"balancing {judged[0]:.2f} -> {judged[1]:.2f}"
            )
    if given.csv:
        pd.concat(tables, names=["clips"]).round(2).to_csv(given.csv)


if __name__ == "__main__":
    main()
