"""The skeleton against OpenSim: exactness and speed on every model that is read.

A table of the largest difference of the body frames over random coordinates and random scales in
float64, and of the time of a frame: OpenSim's Python API (set the coordinates and realise the
positions; then read the body frames as numbers), and SkeletalModel.bodies at batch 256 in float32
with scales, whose answer is numbers. The ratio is that of frames as numbers; the one in brackets
leaves the reading out. Medians of rounds that take turns, processor time, one thread.

    python -m tests.benchmarks.skeleton [--data FOLDER]
"""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_skeleton import (
    body_frames,
    couple,
    frame_errors,
    load,
    random_coordinates,
    scale,
)

BATCH = 256
POSES = 20  # of each of the unscaled and two scaled models
ROUNDS = 15
FRAMES = 32  # of OpenSim in a round: some milliseconds, as long as
BATCHES = 8  # of ours
AXES = range(3)
Array = NDArray[np.float64]


class Row(NamedTuple):
    """What was found for a model."""

    name: str
    bodies: int
    coordinates: int
    error_mm: float
    error_rad: float
    moving_ms: float
    reading_ms: float
    ours_ms: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return (self.moving_ms + self.reading_ms) / self.ours_ms


def main(data: Path) -> None:
    """Print the table."""
    torch.set_num_threads(1)
    rows, refused = [], []
    print(f"{'model':44}   N   K   error mm  error rad  move ms  read ms  ours ms  ratio")
    for path in sorted((data / "osim").rglob("*.osim")):
        try:
            osim = OsimModel.from_file(path)
        except D3keError as error:
            refused.append(str(error).partition(": ")[2])
            print(f"{path.stem[:44]:44}   refused: {refused[-1][:70]}")
            continue
        row = measured(path, osim)
        rows.append(row)
        print(
            f"{row.name[:44]:44} {row.bodies:3d} {row.coordinates:3d}  {row.error_mm:9.1e}  "
            f"{row.error_rad:9.1e}  {row.moving_ms:7.4f}  {row.reading_ms:7.4f}  "
            f"{row.ours_ms:7.5f}  {row.ratio:5.0f} ({row.moving_ms / row.ours_ms:.0f})"
        )
    ratios = [row.ratio for row in rows]
    print(
        f"{len(rows)} read, {len(refused)} refused; at most {max(r.error_mm for r in rows):.1e} mm "
        f"and {max(r.error_rad for r in rows):.1e} rad; ratio {min(ratios):.0f} to "
        f"{max(ratios):.0f}, median {statistics.median(ratios):.0f}"
    )


def measured(path: Path, osim: OsimModel) -> Row:
    """Errors and times of one model."""
    rng = np.random.default_rng(0)
    names, errors = osim.body_names, []
    for scaled in (False, True, True):
        scales = rng.uniform(0.7, 1.4, (len(names), 3)) if scaled else np.ones((len(names), 3))
        model = load(path)
        if scaled:
            scale(model, names, scales)
        skeleton = SkeletalModel(osim, torch.float64)
        for _ in range(POSES):
            q = couple(model, random_coordinates(osim, rng))
            given = torch.tensor(scales) if scaled else None
            found = skeleton.bodies(torch.tensor(q), given).numpy()
            errors.append(frame_errors(found, body_frames(model, q)))
    times = frame_times(load(path), osim, rng)
    error_mm, error_rad = (max(column) for column in zip(*errors, strict=True))
    counts = (len(names), len(osim.coordinates))
    return Row(path.stem, *counts, error_mm, error_rad, *times)


def frame_times(model: Any, osim: OsimModel, rng: np.random.Generator) -> tuple[float, ...]:
    """Milliseconds a frame: OpenSim's moving and reading, and ours at batch 256."""
    poses = np.stack([couple(model, random_coordinates(osim, rng)) for _ in range(BATCH)])
    state = model.initSystem()
    coordinates, bodies = list(model.getCoordinateSet()), list(model.getBodySet())
    for coordinate in coordinates:
        coordinate.setLocked(state, False)

    def move() -> None:
        for q in poses[:FRAMES].tolist():
            for coordinate, value in zip(coordinates, q, strict=True):
                coordinate.setValue(state, value, False)
            model.realizePosition(state)

    def read() -> None:
        for _ in range(FRAMES):
            for body in bodies:
                frame = body.getTransformInGround(state)
                place, turn = frame.p(), frame.R()
                _ = [place.get(i) for i in AXES], [turn.get(i, j) for i in AXES for j in AXES]

    skeleton = SkeletalModel(osim)
    q = torch.tensor(poses, dtype=torch.float32)
    scales = torch.rand(BATCH, len(bodies), 3) + 0.5

    def ours() -> None:
        with torch.no_grad():
            for _ in range(BATCHES):
                skeleton.bodies(q, scales)

    rounds = [[_seconds(work) for work in (move, read, ours)] for _ in range(ROUNDS)]
    moving_s, reading_s, ours_s = map(statistics.median, zip(*rounds, strict=True))
    return 1e3 * moving_s / FRAMES, 1e3 * reading_s / FRAMES, 1e3 * ours_s / (BATCHES * BATCH)


def _seconds(work: Callable[[], None]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="The data folder.")
    main(parser.parse_args().data)
