"""Whether answers are better averaged by how certain they are: with 1 / sigma^2 beside the usual.

A frame has an answer from each window over it, and each of these also from its mirror. Errors are
at lag 0, after the usual filter, of the fusion; the cmbbe clips are development clips, balancing is
report only. What BlazePose and pictures say is kept in FOLDER.

    python -m tests.benchmarks.weighted_averaging FOLDER [--data FOLDER] [--weights NAME]
"""

import argparse
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from d3ke.agreement import GROUPS
from d3ke.network.checkpoint import DEFAULT
from d3ke.network.d3ke import Answer
from d3ke.network.inference import (
    LEAST_SHARE,
    Array,
    Regression,
    answers_of_windows,
    clamped,
    on_grid,
    regress,
    values_at,
)
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.mirror import coordinate_signs, swap_of
from tests.benchmarks.accuracy import SETS
from tests.benchmarks.uncertainty import error_of, network
from tests.benchmarks.watched_clips import Watched, filmed, watched


class Weighing(NamedTuple):
    """What is weighed by certainty: the mirrored answer beside the straight one, windows."""

    mirror: bool
    windows: bool


WAYS = {
    "usual": Weighing(mirror=False, windows=False),
    "mirror": Weighing(mirror=True, windows=False),
    "windows": Weighing(mirror=False, windows=True),
    "both": Weighing(mirror=True, windows=True),
}


class WeighedMirror(LandmarkD3KE):
    """A landmark network that trusts the straight or the mirrored answer as each deserves."""

    def both_ways(self, window: LandmarkWindow) -> Answer:
        """The usual answer, but for its coordinates."""
        straight, mirrored = self(window), self(window.mirrored())
        names = self.osim.coordinate_names
        swap, signs = swap_of(names), coordinate_signs(names).to(mirrored.q)
        one, other = certainty(straight.log_sigma), certainty(mirrored.log_sigma[..., swap])
        q = (straight.q * one + mirrored.q[..., swap] * signs * other) / (one + other)
        return super().both_ways(window)._replace(q=q)


def certainty(log_sigma: Tensor) -> Tensor:
    """1 / sigma^2, and 1 for what is not predicted."""
    return torch.exp(-2 * log_sigma).nan_to_num(1.0)


def q_of(model: LandmarkD3KE, clip: Watched, windows: bool) -> Array:
    """Coordinates (T, K) at the track's times, by windows that count as they are certain."""
    grid, landmarks, valid = on_grid(clip.track, clip.camera, model.config.rate_hz)
    length = min(model.config.window, len(grid))
    ramp = torch.arange(length) + 0.5
    middle = torch.minimum(ramp, length - ramp)
    q, total = (torch.zeros(len(grid), len(model.osim.coordinate_names)) for _ in range(2))
    down = torch.tensor([0.0, 1.0, 0.0])
    for starts, answer in answers_of_windows(model, landmarks, valid, down, length):
        assert answer.log_sigma is not None
        for place, start in enumerate(starts):
            part = slice(start, start + length)
            share = max(float(valid[part].float().mean()), LEAST_SHARE)
            weight = (share * middle)[:, None].expand_as(q[part])
            if windows:
                weight = weight * certainty(answer.log_sigma[place])
            q[part] += weight * answer.q[place]
            total[part] += weight
    return values_at(clip.track.time, grid, clamped(model, (q / total).numpy()))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("folder", type=Path)
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT, help="A fusion.")
    given = parser.parse_args()
    model = network(given.weights, None)
    usual = model.landmarks
    weighed = WeighedMirror(usual.config, usual.osim).eval()
    weighed.load_state_dict(usual.state_dict())
    names = model.osim.coordinate_names
    rows = {}
    for title, recordings in SETS.items():
        clips = filmed(given.data, *recordings)
        for clip in watched(clips, model.pictures, given.folder / "kept"):
            found: Regression = regress(usual, clip.track, clip.camera)
            for way, weighing in WAYS.items():
                by = weighed if weighing.mirror else usual
                led = found._replace(q=q_of(by, clip, weighing.windows))
                said = found._replace(q=clip.by_pictures)
                mixed = model.mixed(clip.track.time, led, clip.when, said)
                errors_deg = np.rad2deg(np.abs(error_of(model, clip, mixed).errors))
                of = pd.DataFrame(errors_deg, columns=list(names)).mean()
                rows[title, clip.name, way] = {
                    group: of[list(members)].mean() for group, members in GROUPS.items()
                }
    table = pd.DataFrame(rows).T.rename_axis(["clips", "clip", "weighed"])
    print(table.groupby(["clips", "weighed"], sort=False).mean().round(3).to_string())


if __name__ == "__main__":
    main()
