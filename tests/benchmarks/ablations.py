"""What each difference between our recipe and the published one gains, on a small network.

python -m tests.benchmarks.ablations DATA --backbone-weights FILE [--out FOLDER] [--csv FILE]
    [--backbone mobilenet_v2] [--size 64] [--steps 160] [--seeds 0 1] [--only NAME ...]
Each row is our recipe with one thing as published, trained anew on the same frames in the same
order; errors on the whole valid split of DATA, deg and mm. Runs that are there go on.
"""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pandas as pd

from d3ke.dataset.augmentation import Augmentation
from d3ke.evaluate_data import DataOptions, evaluate_data
from d3ke.train import train_frames
from d3ke.training.config import PAPER, FrameConfig, with_recipe
from d3ke.training.images import Start
from d3ke.training.run import STATE
from d3ke.training.schedule import PUBLISHED_FRAME

Change = Callable[[FrameConfig], FrameConfig]


FIGURES = ("joints", "markers", "pelvis", "lower_limb", "trunk", "arms", "all")


def _loss(**changes: object) -> Change:
    return lambda config: replace(config, loss=replace(config.loss, **changes))  # type: ignore[arg-type]


VARIANTS: Mapping[str, Change] = {
    "d3ke+": lambda config: config,
    "errors not on the circle": _loss(circle=False),
    "no term for orientation": _loss(root=0.0),
    "no average of weights": lambda config: replace(config, ema=0.0),
    "published schedule": lambda config: replace(config, schedule=PUBLISHED_FRAME),
    "no mirrored pictures": lambda config: replace(config, augmentation=Augmentation()),
    "gradients not clipped": lambda config: replace(config, clip_norm=0.0),
    "paper": lambda config: replace(with_recipe(config, PAPER), precision=config.precision),
}


def main() -> None:
    words = arguments()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = words.out or Path(temporary)
        for seed in words.seeds:
            for name in words.only or VARIANTS:
                run = folder / f"{name.replace(' ', '_')}-{seed}"
                config = FrameConfig(
                    seed=seed, steps=words.steps, warmup=words.steps // 10, save_every=words.steps
                )
                start = Start(words.backbone, words.size, backbone_weights=words.backbone_weights)
                begun = (run / "frame" / STATE).exists()
                train_frames(run, [words.data], start, VARIANTS[name](config), resume=begun)
                row = {"recipe": name, "seed": seed, **errors_of(words.data, run)}
                print(row, flush=True)
                rows.append(row)
    table = pd.DataFrame(rows)
    print(table.groupby("recipe", sort=False).mean().drop(columns="seed").round(2).to_string())
    if words.csv:
        table.round(3).to_csv(words.csv, index=False)


def errors_of(data: Path, run: Path) -> dict[str, float]:
    """Errors of the last weights of a run."""
    weights = str(run / "frame" / "last.safetensors")
    found = evaluate_data(data, [weights], DataOptions(split="valid", stage="frame"))
    table = found.to_frame()
    values = table[found.scores[0].label]
    return {name: float(values[name]) for name in FIGURES}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="mobilenet_v2")
    parser.add_argument("--backbone-weights", type=Path)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--steps", type=int, default=160)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--only", nargs="+", choices=VARIANTS)
    parser.add_argument("--out", type=Path, help="Where runs are kept.")
    parser.add_argument("--csv", type=Path)
    return parser.parse_args()


if __name__ == "__main__":
    main()
