"""How well feet stand and limbs keep apart, by activity and by recording, and what it takes.

    python -m tests.benchmarks.motions [--motions FOLDER] [--people N] [--seconds S]

Float and slide are of stances, mm: the median, the 95th percentile, the greatest; sink is the
deepest point of a sole under what it stands on; deep is how far limbs reach into each other.
"""

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.motions.foot_soles import both_soles
from d3ke.synth.motions.grounding import ground
from d3ke.synth.motions.library import MotionLibrary, PlannedMotion
from d3ke.synth.motions.programme import PROGRAMME
from tests.contact_errors import contact_errors
from tests.sole_points import shoe_soles

RATE_HZ = 30.0
LIMIT_MM = 10.0


class Found(NamedTuple):
    """Figures of one or more clips. floating, sliding: of stances, mm; the rest of clips."""

    floating: list[float]
    sliding: list[float]
    sinking: list[float]
    depth: list[float]
    ms: list[float]

    def line(self, name: str) -> str:
        """One row of the table."""
        worst = np.maximum(self.floating, self.sliding)
        columns = [_three(values) for values in (self.floating, self.sliding)]
        return (
            f"{name[:34]:34s} {len(worst):6d} {columns[0]} {columns[1]} {max(self.sinking):6.1f}"
            f" {max(self.depth):6.0f} {100 * (worst <= LIMIT_MM).mean():6.1f}"
            f" {np.mean(self.ms):6.2f}"
        )


def _three(values: list[float]) -> str:
    return "".join(f"{value:6.1f}" for value in np.percentile(values, [50, 95, 100]))


def measure(library: MotionLibrary, motions: Iterator[PlannedMotion], seed: int) -> Found:
    """Ground motions for people of different size and say how well it went."""
    skeleton = SkeletalModel(library.osim)
    sole_bodies, soles = shoe_soles(library.osim)
    rng = np.random.default_rng([seed, 1])
    found = Found([], [], [], [], [])
    for motion in motions:
        size = torch.full((len(library.osim.bodies), 3), float(rng.uniform(0.88, 1.1)))
        before = time.perf_counter()
        result = ground(skeleton, motion, size, sole_bodies, soles)
        found.ms.append((time.perf_counter() - before) * 1e3 / len(motion.q))
        feet = both_soles(skeleton, size, sole_bodies, soles.astype(float))
        bodies = result.bodies.double().numpy()
        errors = contact_errors(feet, bodies, result.contact, result.levels, result.belt_step)
        found.floating.extend((errors.floating * 1e3).tolist())
        found.sliding.extend((errors.sliding * 1e3).tolist())
        found.sinking.append(float(errors.sinking.max()) * 1e3)
        found.depth.append(float(library.clearance.depths(result.q, size).max()) * 1e3)
    return found


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--motions", type=Path, help="Folder of recorded .mot.")
    parser.add_argument("--people", type=int, default=6, help="Clips of each activity.")
    parser.add_argument("--seconds", type=float, default=3.2, help="Length of a clip, s.")
    options = parser.parse_args()
    torch.set_num_threads(1)
    library = MotionLibrary.load(options.motions, default_model())
    frames = round(options.seconds * RATE_HZ)
    print(f"{'':34s} {'stances':>6s} {'float mm':>16s} {'slide mm':>18s}", end="")
    print(f" {'sink':>6s} {'deep':>6s} {'ok %':>6s} {'ms':>6s}")
    every = []
    for activity in PROGRAMME:
        rngs = [np.random.default_rng([seed, 2]) for seed in range(options.people)]
        clips = (library.perform(rng, activity, frames, RATE_HZ) for rng in rngs)
        every.append(measure(library, clips, 0))
        print(every[-1].line(activity), flush=True)
    names = list(dict.fromkeys(recording.name for recording in library.recordings))
    for name in names:
        own = [recording for recording in library.recordings if recording.name == name]
        rng = np.random.default_rng(3)
        every.append(measure(library, (library.play(rng, r, frames, RATE_HZ) for r in own), 0))
        print(every[-1].line(name), flush=True)
    whole = Found(*([value for found in every for value in found[part]] for part in range(5)))
    print(whole.line("all"))
    rng = np.random.default_rng(4)
    before = time.perf_counter()
    drawn = [library.draw(rng, "train", frames, RATE_HZ) for _ in range(60)]
    ms = (time.perf_counter() - before) * 1e3 / (60 * frames)
    print(measure(library, iter(drawn), 1).line("as drawn"), f"and {ms:.2f} ms a frame to draw")


if __name__ == "__main__":
    main()
