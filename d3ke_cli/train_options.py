"""The options of d3ke train."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Backbone(StrEnum):
    """What turns a frame into features."""

    RESNEXT50 = "resnext50"
    RESNEXT101 = "resnext101"
    RESNEXT101_64X4D = "resnext101_64x4d"
    RESNET50 = "resnet50"
    RESNET101 = "resnet101"
    MOBILENET_V2 = "mobilenet_v2"
    LANDMARKS = "landmarks"


class Temporal(StrEnum):
    """What mixes frames."""

    TRANSFORMER = "transformer"
    TCN = "tcn"
    LSTM = "lstm"
    NONE = "none"


class Stage(StrEnum):
    """What is trained."""

    FRAME = "frame"
    TEMPORAL = "temporal"
    BOTH = "both"


class Recipe(StrEnum):
    """Whose losses, schedules and augmentation."""

    PLUS = "d3ke+"
    PAPER = "paper"


class Only(StrEnum):
    """What learns of weights that are there already."""

    ALL = "all"
    HEAD = "head"
    TEMPORAL = "temporal"
    UNCERTAINTY = "uncertainty"


class Precision(StrEnum):
    """The numbers that a network is trained with."""

    BF16 = "bf16"
    FP32 = "fp32"


Data = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="DATA",
        help="Data sets that d3ke prepare made. For landmarks: the folder that holds `motions` "
        "and `anthropometry`.",
    ),
]
Run = Annotated[Path, typer.Option("--output", "-o", metavar="RUN", help="The run's folder.")]
Synthetic = Annotated[
    int | None,
    typer.Option(
        "--synthetic",
        metavar="SEED",
        min=0,
        help="Learn from synthetic people made on the fly from this seed; DATA then validates, "
        "and gives the clips of the temporal stage.",
    ),
]
Frames = Annotated[Backbone, typer.Option("--backbone", help="What turns a frame into features.")]
Mixer = Annotated[
    Temporal, typer.Option("--temporal", help="What mixes the frames of a window, after them.")
]
Stages = Annotated[
    Stage | None,
    typer.Option("--stage", help="What is trained. [default: both, where DATA has clips for it]"),
]
ByRecipe = Annotated[
    Recipe,
    typer.Option("--recipe", help="Losses, schedules and augmentation: ours, or as published."),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        "--epochs", min=0, metavar="N", help="Instead of --steps: how often DATA is gone through."
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps", min=1, help="Updates of the frame stage. [default: 10000; landmarks: 7500]"
    ),
]
TemporalSteps = Annotated[
    int | None,
    typer.Option("--temporal-steps", min=1, help="Updates of the temporal stage. [default: 5000]"),
]
Batch = Annotated[
    int | None,
    typer.Option(
        "--batch",
        min=1,
        help="Frames or windows an update, over all processes. [default: 64 frames, 128 windows; "
        "landmarks: 48]",
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Seed of weights and order.")]
Size = Annotated[int, typer.Option("--size", metavar="PIXELS", help="Side of a crop, in pixels.")]
Window = Annotated[
    int,
    typer.Option("--window", help="Frames of the temporal network's window: 9, 27, 81 or 243."),
]
Pretrained = Annotated[
    bool,
    typer.Option(
        "--pretrained", help="Begin with ImageNet weights, which torchvision downloads once."
    ),
]
BackboneWeights = Annotated[
    Path | None,
    typer.Option(
        "--backbone-weights",
        metavar="FILE",
        help="Begin with torchvision's ImageNet weights in a file, .pth or .safetensors. "
        "[default: from scratch]",
    ),
]
Init = Annotated[
    str | None,
    typer.Option("--init", metavar="WEIGHTS", help="A run to start from. [default: none]"),
]
OnlyPart = Annotated[
    Only,
    typer.Option(
        "--only",
        help="What learns, the rest stays as it is: for little data. Of landmarks: uncertainty, "
        "how far off answers are.",
    ),
]
Coordinates = Annotated[
    str | None,
    typer.Option(
        "--coordinates",
        metavar="NAMES",
        help="Coordinates to predict, with commas. [default: all free rotations that a camera "
        "shows]",
    ),
]
ScaleGroups = Annotated[
    Path | None,
    typer.Option(
        "--scale-groups",
        metavar="JSON",
        help="Which body scales are one. [default: each axis of a body, left and right alike]",
    ),
]
MarkerWeights = Annotated[
    Path | None,
    typer.Option(
        "--marker-weights",
        metavar="JSON",
        help="How much each marker counts in the loss, by name. [default: all alike]",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option("--learning-rate", min=0, help="The highest one. [default: as the recipe says]"),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(
        "--save-every",
        min=1,
        help="Updates between validations, each of which saves. [default: 500]",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers", min=0, help="Processes that prepare batches. [default: one a core less one]"
    ),
]
Records = Annotated[
    Path | None,
    typer.Option(
        "--records",
        metavar="DIR",
        help="For landmarks: what BlazePose said of rendered clips, to be mixed in, from "
        "d3ke prepare landmarks. [default: none]",
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
Resume = Annotated[
    bool, typer.Option("--resume", help="Go on where the run in the folder stopped.")
]
Numbers = Annotated[Precision, typer.Option("--precision", help="The numbers to train with.")]
Motions = Annotated[
    Path | None,
    typer.Option(
        "--motions",
        metavar="DIR",
        help="With --synthetic: recorded motions. [default: made up by rules]",
    ),
]
Wardrobe = Annotated[
    Path | None,
    typer.Option(
        "--wardrobe",
        metavar="DIR",
        help="With --synthetic: MakeHuman's clothes. [default: grown from the body]",
    ),
]
