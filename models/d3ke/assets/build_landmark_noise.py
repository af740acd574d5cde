"""Fit BlazePose's errors on landmark records and put them into the package.

    python models/d3ke/assets/build_landmark_noise.py RECORDS [OUTPUT]

Writes landmark_noise.json and landmark_world_regression.npz, from the clips that are not held out:
those judge the weights that are trained on these errors. The fit begins with those that are
there, which tell the body of each landmark and the bones.
"""

import argparse
import json
from pathlib import Path

from d3ke.skeleton import default_model
from d3ke.skeleton.landmark_places import ASSETS
from d3ke.synth.landmarks.errors import ENOUGH_CLIPS, fit_noise
from d3ke.synth.landmarks.noise import landmark_noise, save_noise
from d3ke.synth.landmarks.records import INDEX, read_records


def main() -> None:
    """Write the two files."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("records", type=Path)
    parser.add_argument("output", type=Path, nargs="?", default=ASSETS)
    arguments = parser.parse_args()
    records = read_records(arguments.records, "train", most=ENOUGH_CLIPS)
    noise, clips = fit_noise(records, default_model(), landmark_noise())
    source = {
        "what": "BlazePose full on rendered people (d3ke.synth), d3ke prepare landmarks",
        "clips": len(clips) // 2,
        "frames": sum(len(clip.azimuth) for clip in clips[::2]),
        "config": json.loads((arguments.records / INDEX).read_text(encoding="utf-8"))["config"],
    }
    save_noise(noise, arguments.output, source)


if __name__ == "__main__":
    main()
