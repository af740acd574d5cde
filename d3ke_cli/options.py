"""The options of several commands, and those of d3ke predict, which has many."""

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

WRITTEN = {".mot", ".trc", ".osim", ".npz", ".c3d", ".csv"}
FILE_LIKE = re.compile(r"\.[A-Za-z][A-Za-z0-9]{1,4}")  # .mp4, .json; not the .01 of subject.01


class Device(StrEnum):
    """Where a network runs."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"


class Precision(StrEnum):
    """The numbers that a backbone computes with."""

    AUTO = "auto"
    BF16 = "bf16"
    FP32 = "fp32"


def checked_output(output: Path) -> Path:
    """The output, unless it looks like a file of a kind that is not written."""
    suffix = output.suffix
    if FILE_LIKE.fullmatch(suffix) and suffix.lower() not in WRITTEN and not output.is_dir():
        raise typer.BadParameter(
            f"{output}: results are not named after a {suffix}. Name a .mot, or a folder."
        )
    return output


MotOutput = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="OUT",
        callback=checked_output,
        help="A .mot, beside which the other files are put; or a folder; or - to write one "
        "clip's .mot to stdout.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Show results as JSON on stdout, one object a line.")
]
OnDevice = Annotated[
    Device, typer.Option("--device", help="Where to compute; auto takes a GPU where there is one.")
]
WithPrecision = Annotated[
    Precision,
    typer.Option(
        "--precision",
        help="Numbers of a backbone that sees pictures; auto takes bf16 where it is native.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--rate", metavar="HZ", help="Rate of the files written, in Hz. [default: the clip's]"
    ),
]
Filter = Annotated[
    float,
    typer.Option(
        "--filter",
        metavar="HZ",
        help="Cut-off of the low-pass filter (Butterworth, 4th order, no lag), in Hz; 0 is off.",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="NAME|PATH",
        help="Weights: shipped ones, a run's, or a fusion's .json.",
    ),
]
Height = Annotated[
    float | None,
    typer.Option(
        "--height",
        metavar="METRES",
        help="The person's standing height, in metres: it sets the scale. [default: predicted]",
    ),
]
FieldOfView = Annotated[
    float | None,
    typer.Option(
        "--fov",
        metavar="DEGREES",
        help="Field of view along the picture's longer side, in degrees. [default: from the "
        "clip's metadata, else a phone's]",
    ),
]
Calibration = Annotated[
    Path | None,
    typer.Option(
        "--calibration", metavar="FILE", help="The camera's calibration: JSON, TOML, YAML or XML."
    ),
]
Pitch = Annotated[
    float | None,
    typer.Option(
        "--pitch",
        metavar="DEGREES",
        help="How far the camera looks down, in degrees. [default: 0, level]",
    ),
]
Person = Annotated[
    str,
    typer.Option(
        "--person",
        metavar="RULE|BOX",
        help="Whom to follow: largest, centre, moving, or a box X,Y,WIDTH,HEIGHT in pixels.",
    ),
]
Landmarks = Annotated[
    Path | None,
    typer.Option(
        "--landmarks",
        metavar="TFLITE",
        help="Another BlazePose landmark network, lite or heavy. [default: full]",
    ),
]
Overlay = Annotated[
    bool, typer.Option("--overlay", help="Write the video with the skeleton drawn on it, too.")
]
Resume = Annotated[bool, typer.Option("--resume", help="Leave out what is done already.")]
Report = Annotated[
    bool,
    typer.Option(
        "--report", help="Write a page (.html) with video, skeleton and curves beside it, too."
    ),
]
PredictWorkers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=1,
        help="Processes that predict clips side by side, a core each. [default: clips one by one]",
    ),
]
Ray = Annotated[
    str | None,
    typer.Option(
        "--ray",
        metavar="ADDRESS",
        help="Do the work on a Ray cluster, whose machines share the folders named: auto, "
        "HOST:PORT or ray://HOST:PORT; or local, a Ray of this machine.",
    ),
]
ShardOf = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Do the I-th of N parts of the clips, from 1: for N machines that get the same "
        "clips. [default: all]",
    ),
]
Refine = Annotated[
    bool,
    typer.Option(
        "--refine/--no-refine",
        help="Fit the whole clip to the picture, the floor and gravity; finds the camera's tilt.",
    ),
]
Neutral = Annotated[
    str | None,
    typer.Option(
        "--neutral",
        metavar="CLIP|SECONDS",
        help="Where the person stands still and straight: another clip, or seconds of this one, "
        "A-B or T. What hips, knees and ankles seem bent by then is taken off.",
    ),
]
PAGES = {".html", ".htm"}


def checked_page(output: Path | None) -> Path | None:
    """The output, unless it is no name of a page."""
    if output is not None and output.suffix.lower() not in PAGES:
        raise typer.BadParameter(f"{output}: a page is one file. Name a .html.")
    return output
