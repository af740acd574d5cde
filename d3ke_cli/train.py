"""d3ke train: synthetic people become weights."""

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from d3ke_cli.console import ExitStatus, RichProgress, for_each, show_json, show_result
from d3ke_cli.options import Device, Json, OnDevice


class Backbone(StrEnum):
    """What turns a frame into features."""

    LANDMARKS = "landmarks"


class Precision(StrEnum):
    """The numbers that a network is trained with."""

    BF16 = "bf16"
    FP32 = "fp32"


Data = Annotated[
    Path,
    typer.Argument(metavar="DATA", help="The folder that holds `motions` and `anthropometry`."),
]
Run = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The run's folder.")]
Seed = Annotated[
    int, typer.Option("--synthetic", metavar="SEED", help="Seed of the synthetic people.")
]
Records = Annotated[
    Path | None,
    typer.Option(
        "--records",
        metavar="DIR",
        help="What BlazePose said of rendered clips, to be mixed in: a folder that "
        "d3ke prepare landmarks made. [default: none]",
    ),
]
RecordShare = Annotated[
    float | None,
    typer.Option(
        "--record-share",
        min=0,
        max=1,
        help="Part of the windows that come from records. [default: 0.5]",
    ),
]
Frames = Annotated[Backbone, typer.Option("--backbone", help="What turns a frame into features.")]
Steps = Annotated[
    int | None, typer.Option("--steps", min=1, help="Updates. [default: as the shipped weights]")
]
Batch = Annotated[
    int | None,
    typer.Option("--batch", min=1, help="Windows an update. [default: as the shipped weights]"),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate", min=0, help="The highest one. [default: as the shipped weights]"
    ),
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="WEIGHTS", help="Weights to start from. [default: none]"),
]
GoOn = Annotated[bool, typer.Option("--resume", help="Go on where the run in the folder stopped.")]
Numbers = Annotated[Precision, typer.Option("--precision", help="The numbers to train with.")]


def train(
    data: Data,
    output: Run,
    synthetic: Seed,
    records: Records = None,
    record_share: RecordShare = None,
    backbone: Frames = Backbone.LANDMARKS,
    steps: Steps = None,
    batch: Batch = None,
    learning_rate: LearningRate = None,
    init: Init = None,
    resume: GoOn = False,
    device: OnDevice = Device.AUTO,
    precision: Numbers = Precision.BF16,
    as_json: Json = False,
) -> ExitStatus:
    """Train a network on synthetic people.

    The run's folder holds its weights, its log and the state to resume from.
    """
    if record_share is not None and records is None:
        raise typer.BadParameter("--record-share needs --records: a folder of landmark records.")
    from d3ke.network.device import choose_device
    from d3ke.skeleton import default_model
    from d3ke.train import TrainConfig, train_landmarks

    config = TrainConfig(seed=synthetic, precision=precision, device=choose_device(device))
    wishes: dict[str, Any] = {
        "steps": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "record_share": record_share,
    }
    wished = {name: wish for name, wish in wishes.items() if wish is not None}
    config = replace(config, **wished)
    progress = RichProgress()

    def work(run: Path) -> None:
        best = train_landmarks(
            run,
            data,
            default_model(),
            config,
            records=records,
            resume=resume,
            init=init,
            progress=progress,
        )
        if as_json:
            show_json({"output": best, "steps": config.steps})
        else:
            show_result(str(best))

    return for_each([output], work, as_json)
