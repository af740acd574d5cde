"""Put a run's best weights into the package, as 16-bit floats, with their story.

    python models/d3ke/assets/ship_weights.py RUN NAME [--bits 8] [--figures FILE]

--bits 8: a third of the size, for a backbone. --figures: a JSON file of what was measured with
them, which becomes part of the story.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from d3ke.network.checkpoint import WEIGHTS, load_weights, save_weights, story_of
from d3ke.network.config import LANDMARKS, D3KEConfig
from d3ke.skeleton import default_model

KEPT_BY_SAVING = ("schema_version", "config")


def main() -> None:
    """Write NAME.safetensors and NAME.json under assets/weights."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("run", type=Path)
    parser.add_argument("name")
    parser.add_argument("--bits", type=int, choices=(16, 8), default=16)
    parser.add_argument("--figures", type=Path)
    arguments = parser.parse_args()
    model = load_weights(arguments.run, default_model())
    if model.config.encoder == LANDMARKS:
        model.config = replace(model.config, stride=D3KEConfig("").stride)
    story = story_of(arguments.run)
    story = {key: value for key, value in story.items() if key not in KEPT_BY_SAVING}
    if arguments.figures:
        story["figures"] = json.loads(arguments.figures.read_text(encoding="utf-8"))
    WEIGHTS.mkdir(exist_ok=True)
    save_weights(WEIGHTS / f"{arguments.name}.safetensors", model, story, bits=arguments.bits)


if __name__ == "__main__":
    main()
