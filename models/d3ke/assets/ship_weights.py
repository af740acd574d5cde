"""Put a run's best weights into the package, as 16-bit floats, with their story.

    python models/d3ke/assets/ship_weights.py RUN [NAME] [--figures FILE]

--figures: a JSON file of what was measured with them, which becomes part of the story.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from d3ke.network.checkpoint import DEFAULT, WEIGHTS, load_weights, read_story, save_weights
from d3ke.network.config import D3KEConfig
from d3ke.skeleton import default_model

KEPT_BY_SAVING = ("schema_version", "config")


def main() -> None:
    """Write NAME.safetensors and NAME.json under assets/weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("name", nargs="?", default=DEFAULT)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    model = load_weights(arguments.run, default_model())
    model.config = replace(model.config, stride=D3KEConfig("").stride)
    story = read_story(arguments.run / "best.safetensors")
    story = {key: value for key, value in story.items() if key not in KEPT_BY_SAVING}
    if arguments.figures:
        story["figures"] = json.loads(arguments.figures.read_text(encoding="utf-8"))
    WEIGHTS.mkdir(exist_ok=True)
    save_weights(WEIGHTS / f"{arguments.name}.safetensors", model, story, half=True)


if __name__ == "__main__":
    main()
