"""Films of synthetic people with their truth, to predict as any video.

Each clip is a .mp4 beside the .mot, .trc and .osim of what it shows, through a phone's whole
picture. Splits share no person. What is there already is left out, so that it can be stopped.

    python -m tests.benchmarks.rendered_clips FOLDER [--split valid] [--clips 100] [--seed 11]
                                              [--data FOLDER]
"""

import argparse
from pathlib import Path

from d3ke.dataset.source import Film
from d3ke.openable import missing_of, write_openable
from d3ke.skeleton import default_model
from d3ke.synth.generator import SyntheticPeople
from d3ke.synth.plans import ClipPlan, SynthConfig, clips_only

FRAMES = 64  # of a clip, at 30 Hz
LONGER_SIDE_PX = 480


def write_clips(folder: Path, data: Path, split: str, clips: int, seed: int) -> None:
    """Write the clips of a split that are not there yet."""
    osim = default_model()
    config = SynthConfig(
        frames=clips * FRAMES,
        seed=seed,
        clip_frames=FRAMES,
        motions=data / "motions",
        wardrobe=data / "body" / "makehuman",
    )
    people = SyntheticPeople(config, osim)

    def film(plan: ClipPlan, longer_side: int, whole: bool) -> Film:
        return people.film(plan, min(longer_side, LONGER_SIDE_PX), whole)

    folder.mkdir(parents=True, exist_ok=True)
    for plan in clips_only(config, split, clips):
        stem = folder / plan.subject
        if missing_of(stem):
            write_openable(film, plan, osim, stem)


def main() -> None:
    """Write the clips that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("folder", type=Path)
    parser.add_argument("--split", default="valid", choices=("train", "valid", "test"))
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--seed", type=int, default=11)
    parser.add_argument("--data", type=Path, default=default)
    given = parser.parse_args()
    write_clips(given.folder, given.data, given.split, given.clips, given.seed)


if __name__ == "__main__":
    main()
