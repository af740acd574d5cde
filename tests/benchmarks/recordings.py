"""Recordings of synthetic people, solved as a laboratory's: how far labels lie off the truth.

Every session is read as it lies in its folder and solved from the static trial to the camera: with
the calibration that it has; without, from each take alone; from all takes together; and from these
with a focal length as metadata tell it, so far off. Motion, clocks and camera are known exactly.

    python -m tests.benchmarks.recordings [--people N] [--seconds S] [--folder FOLDER] [--csv FILE]
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from d3ke.errors import D3keError
from d3ke.motion.opensim_files import read_motion
from d3ke.omc.filming import Filmed, Filming, FilmingOptions
from d3ke.omc.lab import LabSource, read_lab
from d3ke.omc.recording import Recording
from d3ke.omc.reprojection import TOLD_FOCAL_SD
from d3ke.omc.solved_session import SolveJob
from d3ke.omc.solving import SolvedTake, Solver
from d3ke.omc.watching import Watched
from d3ke.skeleton import default_model
from d3ke.synth.laboratory import LabConfig
from d3ke.synth_sessions import write_sessions

OSIM = default_model()
SEED = 5  # of how far a told focal length is off
ROOT = {coordinate.name for coordinate in OSIM.joints[0].coordinates}
GROUPS = {
    "pelvis": ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    "legs": ("hip_", "knee_", "ankle_"),
    "trunk": ("lumbar_", "neck_"),
    "arms": ("arm_", "elbow_"),
}


def coordinate_errors(solved: SolvedTake, truth: Path) -> dict[str, float]:
    """RMS in degrees over the trusted moments, the mean over the coordinates of each group.

    about_mean_deg: of all groups, less what is constant: markers lie 5 mm beside their places, and
    no recording tells that from another posture.
    """
    motion = read_motion(truth).at(solved.time)
    found, about_mean = {}, []
    for group, starts in GROUPS.items():
        errors = []
        for name in OSIM.coordinate_names:
            column = OSIM.coordinate_names.index(name)
            sure = solved.q_mask[:, column] & np.isfinite(motion.column(name))
            if name.startswith(starts) and sure.any():
                off = np.degrees(solved.q[sure, column] - motion.column(name)[sure])
                errors.append(float(np.sqrt(np.mean(off**2))))
                about_mean.append(float(np.std(off)))
        found[f"{group}_deg"] = float(np.mean(errors)) if errors else np.nan
    found["about_mean_deg"] = float(np.mean(about_mean))
    return found


def camera_errors(found: Recording, truth: dict[str, list[list[float]]]) -> dict[str, float]:
    """How a camera was turned, where it stood and what its focal length was, beside the truth."""
    R, t, K = (np.array(truth[key]) for key in ("R", "t", "K"))
    cosine = (np.trace(found.view.R @ R.T) - 1) / 2
    place = -R.T @ t + found.view.R.T @ found.view.t
    return {
        "turn_deg": float(np.degrees(np.arccos(np.clip(cosine, -1, 1)))),
        "place_mm": float(1000 * np.linalg.norm(place)),
        "focal_percent": float(100 * abs(found.view.K[0, 0] / K[0, 0] - 1)),
    }


def rows(folder: Path) -> Iterator[dict[str, object]]:
    """Each take of each session, with more and less known of its camera."""
    filming = Filming(OSIM, FilmingOptions())
    for session in sorted((folder / "sessions").iterdir()):
        truth = folder / "truth" / session.name
        recorded = read_lab(SolveJob(session.name, session.name, LabSource(session, None)))
        solver = Solver(recorded.person, OSIM)
        watched = [
            filming.watch(recorded.person, take, solver.solve(take), footage)
            for take in recorded.takes
            for footage in take.footage
        ]
        for way, groups in ways(watched, truth):
            for group in groups:
                for one, filmed in zip(group, films(filming, group), strict=True):
                    angles = coordinate_errors(one.solved, truth / f"{one.take.name}.mot")
                    row: dict[str, object] = {
                        "session": session.name,
                        "take": one.take.name,
                        "camera": way,
                        **angles,
                    }
                    if isinstance(filmed, D3keError):
                        refused = str(filmed).replace(f"{folder}/", "")
                        yield row | {"refused": refused}
                        continue
                    found, clock = filmed.recording, clock_of(one, truth)
                    seen = camera_errors(found, camera_of(one, truth))
                    unsure = any("is known to" in remark for remark in filmed.remarks)
                    yield row | {"sync_ms": sync_error(found, clock), **seen, "unsure": unsure}


def ways(watched: list[Watched], truth: Path) -> Iterator[tuple[str, list[list[Watched]]]]:
    """Videos of a session that are filmed together, with more and less known of their cameras."""
    yield "calibrated", [[one] for one in watched]
    unknown = [one._replace(footage=one.footage._replace(view=None)) for one in watched]
    yield "found alone", [[one] for one in unknown]
    names = dict.fromkeys(one.footage.camera for one in unknown)
    by_camera = [[one for one in unknown if one.footage.camera == name] for name in names]
    yield "found", by_camera
    rng = np.random.default_rng(SEED)
    told = []
    for group in by_camera:
        focal_px = camera_of(group[0], truth)["K"][0][0] * np.exp(TOLD_FOCAL_SD * rng.normal())
        seen = [replace(one.trial.seen, focal_px=focal_px) for one in group]
        pairs = zip(group, seen, strict=True)
        told.append([one._replace(trial=one.trial._replace(seen=s)) for one, s in pairs])
    yield "lens told", told


def films(filming: Filming, group: list[Watched]) -> list[Filmed | D3keError]:
    """Their recordings, or why there are none."""
    if group[0].footage.view is None:
        return filming.film_together(group)
    try:
        return [filming.film(group[0])]
    except D3keError as error:
        return [error]


def camera_of(one: Watched, truth: Path) -> dict[str, list[list[float]]]:
    """The camera of a video as it is."""
    text = (truth / f"camera_{one.footage.camera}.json").read_text(encoding="utf-8")
    found: dict[str, list[list[float]]] = json.loads(text)
    return found


def clock_of(one: Watched, truth: Path) -> dict[str, float]:
    """The clock of a video as it is."""
    clocks = json.loads((truth / "sync.json").read_text(encoding="utf-8"))
    found: dict[str, float] = clocks[one.take.name][one.footage.camera]
    return found


def sync_error(found: Recording, clock: dict[str, float]) -> float:
    """How far off the moments of a video's frames are, RMS in ms."""
    time = found.frames / LabConfig().video_hz
    off = found.video_time - ((1 + clock["drift"]) * time + clock["offset_s"])
    return float(1000 * np.sqrt(np.mean(off**2)))


def main() -> None:
    """Print the table, and write it as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--people", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--folder", type=Path, help="Sessions that were written before.")
    parser.add_argument("--csv", type=Path)
    given = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch) / "lab"
        if not folder.exists():
            config = LabConfig(seconds=given.seconds)
            write_sessions(folder, range(given.people), config)
        table = pd.DataFrame(rows(folder))
    numbers = table.select_dtypes("number").columns
    print(table.round(2).to_string(index=False))
    for camera, part in table.groupby("camera", sort=False):
        print(f"\n{camera}: median and worst of {len(part)}")
        print(part[numbers].agg(["median", "max"]).round(2).to_string())
    if given.csv:
        table.round(3).to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
