"""Sessions like a lab's, and beside them the truth: synthetic_sessions.py OUT --people 6.

OUT/sessions/p000 and so on are for d3ke prepare omc; OUT/truth has their exact motions.
"""

import argparse
from pathlib import Path

from d3ke.motion.opensim_files import read_motion
from d3ke.synth.laboratory import LabConfig
from d3ke.synth_sessions import write_sessions

words = argparse.ArgumentParser(description=__doc__)
words.add_argument("output", type=Path, metavar="OUT", help="A new folder.")
words.add_argument("--people", type=int, default=6, help="Number of sessions.")
words.add_argument("--seed", type=int, default=0, help="Another seed, other people.")
words.add_argument("--seconds", type=float, default=4.0, help="Length of a trial.")
words.add_argument("--side", type=int, default=640, help="Longer side of the videos, px.")
words.add_argument("--cameras", type=int, default=1, help="Cameras that film.")
asked = words.parse_args()

config = LabConfig(
    seed=asked.seed,
    seconds=asked.seconds,
    size=(asked.side, round(asked.side * 3 / 8) * 2),
    cameras=asked.cameras,
)
for folder in write_sessions(asked.output, range(asked.people), config):
    motion = read_motion(asked.output / "truth" / folder.name / "squat.mot")
    deepest = motion.to_frame()["knee_angle_r"].max()
    print(f"{folder}: squats to {deepest:.0f} deg of knee flexion")
