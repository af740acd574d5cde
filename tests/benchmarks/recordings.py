"""Recordings of synthetic people, solved as a laboratory's: how far labels lie off the truth.

Every session is read as it lies in its folder and solved from the static trial to the camera, once
with the calibration that it has and once without. Motion, clocks and camera are known exactly.

    python -m tests.benchmarks.recordings [--people N] [--seconds S] [--folder FOLDER] [--csv FILE]
"""

import argparse
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from d3ke.errors import D3keError
from d3ke.motion.opensim_files import read_motion
from d3ke.omc.filming import Filming, FilmingOptions
from d3ke.omc.lab import LabSource, read_lab
from d3ke.omc.recording import Recording
from d3ke.omc.solved_session import SolveJob
from d3ke.omc.solving import SolvedTake, Solver
from d3ke.skeleton import default_model
from d3ke.synth.laboratory import LabConfig
from d3ke.synth_sessions import write_sessions

OSIM = default_model()
ROOT = {coordinate.name for coordinate in OSIM.joints[0].coordinates}
GROUPS = {
    "pelvis": ("pelvis_tilt", "pelvis_list", "pelvis_rotation"),
    "legs": ("hip_", "knee_", "ankle_"),
    "trunk": ("lumbar_", "neck_"),
    "arms": ("arm_", "elbow_"),
}


def coordinate_errors(solved: SolvedTake, truth: Path) -> dict[str, float]:
    """RMS in degrees over the trusted moments, the mean over the coordinates of each group."""
    motion = read_motion(truth).at(solved.time)
    found = {}
    for group, starts in GROUPS.items():
        errors = []
        for name in OSIM.coordinate_names:
            column = OSIM.coordinate_names.index(name)
            sure = solved.q_mask[:, column] & np.isfinite(motion.column(name))
            if name.startswith(starts) and sure.any():
                off = np.degrees(solved.q[sure, column] - motion.column(name)[sure])
                errors.append(float(np.sqrt(np.mean(off**2))))
        found[f"{group}_deg"] = float(np.mean(errors)) if errors else np.nan
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
    """Each take of each session, with its calibration and without."""
    filming = Filming(OSIM, FilmingOptions())
    for session in sorted((folder / "sessions").iterdir()):
        truth = folder / "truth" / session.name
        clocks = json.loads((truth / "sync.json").read_text(encoding="utf-8"))
        recorded = read_lab(SolveJob(session.name, session.name, LabSource(session, None)))
        solver = Solver(recorded.person, OSIM)
        for take in recorded.takes:
            solved = solver.solve(take)
            angles = coordinate_errors(solved, truth / f"{take.name}.mot")
            for footage in take.footage:
                of_camera = json.loads(
                    (truth / f"camera_{footage.camera}.json").read_text(encoding="utf-8")
                )
                clock = clocks[take.name][footage.camera]
                for view in (footage.view, None):
                    row: dict[str, object] = {
                        "session": session.name,
                        "take": take.name,
                        "camera": "calibrated" if view else "found",
                        **angles,
                    }
                    try:
                        film = filming.film(
                            recorded.person, take, solved, footage._replace(view=view)
                        ).recording
                    except D3keError as error:
                        yield row | {"refused": str(error).replace(f"{folder}/", "")}
                        continue
                    seen = camera_errors(film, of_camera)
                    yield row | {"sync_ms": sync_error(film, clock), **seen}


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
    for camera, part in table.groupby("camera"):
        print(f"\n{camera}: median and worst of {len(part)}")
        print(part[numbers].agg(["median", "max"]).round(2).to_string())
    if given.csv:
        table.round(3).to_csv(given.csv, index=False)


if __name__ == "__main__":
    main()
