"""How long `d3ke prepare movi` takes, and how large its data set is: a stand-in, and BML-MoVi.

    python -m tests.benchmarks.prepare_movi [--frames 2000] [--movements 20]

Two synthetic people, one to train and one to test, do movements before PG1 and PG2; --frames of
each through both cameras together. Drawing them, a tenth of a second each, is not counted. What is
the same however long somebody was filmed (start, their size) is told by a shorter recording.
Seconds are of one core, with whatever its processes did: the machine need not be quiet.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import NamedTuple

from d3ke.movi.cameras import VIDEO_HZ
from d3ke.movi.recorded import movi_recordings
from d3ke.prepare import PrepareOptions
from d3ke.prepare_omc import RecordingsConfig, prepare_recordings
from d3ke.progress import Silent
from tests.movi_people import CAMERAS, MoviLaboratory, Subject, write_people

ACTIVITIES = ("kicking", "jump", "throwing", "squat", "reaching", "turning", "hop", "lunge")
SUBJECTS = {"train": 3, "test": 2}
# Frames of BML-MoVi through both cameras, and those that its data set holds. Source: 84,900 of
# training, 21,822 and 100,839 of the others, of 67, 4 and 18 people (Bittner et al. 2023, published
# program); people who train were filmed as long as the others, we take it.
PEOPLE = {"train": 67, "test": 4 + 18}
HELD = {"train": 84_900, "test": 21_822 + 100_839}
FILMED = {
    "train": round(PEOPLE["train"] / PEOPLE["test"] * HELD["test"]),
    "test": HELD["test"],
}


class Measured(NamedTuple):
    """filmed: frames of movements, of which `held` are in the data set; seconds: of one core."""

    filmed: int
    held: int
    bytes: int
    seconds: float


def main() -> None:
    words = arguments()
    seconds = words.frames / len(CAMERAS) / words.movements / VIDEO_HZ
    activities = tuple(ACTIVITIES[n % len(ACTIVITIES)] for n in range(words.movements))
    print(f"{words.movements} movements of {seconds:.1f} s, {words.frames} frames a person")
    short = measured("test", activities[:1], 1.0)
    found = {split: measured(split, activities, seconds) for split in SUBJECTS}
    longer = found["test"]
    pace = (longer.seconds - short.seconds) / (longer.filmed - short.filmed)
    start_s = short.seconds - pace * short.filmed
    paces = {split: (one.seconds - start_s) / one.filmed for split, one in found.items()}
    sizes = {split: one.bytes / one.held for split, one in found.items()}
    print(f"start and size of a person: {start_s:.0f} s")
    for split, one in found.items():
        print(
            f"{split:5} {one.held} of {one.filmed} frames held: {1000 * paces[split]:.0f} ms a "
            f"frame filmed, {sizes[split] / 1000:.1f} KB a frame held"
        )
    total_s = sum(PEOPLE[split] * start_s + FILMED[split] * paces[split] for split in SUBJECTS)
    total_bytes = sum(HELD[split] * sizes[split] for split in SUBJECTS)
    print(
        f"BML-MoVi, {sum(HELD.values()):,} frames held of {sum(FILMED.values()):,}: "
        f"{total_bytes / 1e9:.1f} GB, {total_s / 3600 / 2:.1f} h on two cores"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--movements", type=int, default=20)
    return parser.parse_args()


def measured(split: str, activities: tuple[str, ...], seconds: float) -> Measured:
    """Prepare somebody's recordings, in one worker."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "movi"
        laboratory = MoviLaboratory(seconds)
        write_people(root, laboratory, {SUBJECTS[split]: Subject(activities, CAMERAS)})
        laboratory.close()
        began_s = spent_s()
        recordings = movi_recordings(root, None, None, Silent())
        done = prepare_recordings(
            recordings, Path(folder) / "data", RecordingsConfig(), PrepareOptions(workers=1)
        )
        took_s = spent_s() - began_s
    for line in done.left_out:
        print(line)
    filmed = laboratory.frames * len(activities) * len(CAMERAS)
    return Measured(filmed, done.frames, done.bytes, took_s)


def spent_s() -> float:
    """What this process and those that it ended have spent."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


if __name__ == "__main__":
    main()
