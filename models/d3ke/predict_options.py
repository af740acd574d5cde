"""What may be said of a prediction: whose weights, what lens, how tall, which files."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from d3ke.errors import OptionError
from d3ke.export import FILTER_HZ, Sampling
from d3ke.files import content_hash
from d3ke.network.checkpoint import DEFAULT
from d3ke.neutral import Span, checked_span
from d3ke.vision.rules import Rule

Precision = Literal["auto", "bf16", "fp32"]

HEIGHTS_M = (0.4, 2.6)  # of people who stand: a small toddler, and the tallest ever measured
MOST_PITCH_DEG = 80.0  # beyond, nobody's feet are seen and heading has no meaning


@dataclass(frozen=True)
class PredictOptions:
    """How to predict.

    weights: a name, a file or a run's folder. height_m: standing height, which sets the scale.
    fov_deg: the camera's field of view over the longer side. calibration: a file with the
    camera's figures. pitch_deg: how far the camera looks down. person: whom to follow.
    landmark_model: another BlazePose network. filter_hz: low-pass of .mot and .trc, 0 = off.
    rate_hz: theirs, by default the clip's. device: auto, cpu or cuda. precision: of a backbone:
    bf16, fp32, or auto: bf16 where the device computes in it. overlay: write the video with the
    skeleton, too. report: write a page of all of it, too. resume: leave alone what is done already.
    refine: fit the whole clip to the picture, the floor and gravity. neutral: a clip in which the
    person stands still, or from when to when they do so in this one, s: joints that seem bent then
    are straight.
    Raises OptionError for what no camera or person could be.
    """

    weights: str = DEFAULT
    height_m: float | None = None
    fov_deg: float | None = None
    calibration: Path | None = None
    pitch_deg: float | None = None
    person: Rule = "largest"
    landmark_model: Path | None = None
    filter_hz: float = FILTER_HZ
    rate_hz: float | None = None
    device: str = "auto"
    precision: Precision = "auto"
    overlay: bool = False
    report: bool = False
    resume: bool = False
    refine: bool = True
    neutral: Path | Span | None = None

    def __post_init__(self) -> None:
        if self.height_m is not None and not HEIGHTS_M[0] <= self.height_m <= HEIGHTS_M[1]:
            raise OptionError(_unlikely_height(self.height_m))
        if self.pitch_deg is not None and not abs(self.pitch_deg) <= MOST_PITCH_DEG:
            raise OptionError(
                f"a pitch of {self.pitch_deg:g} deg: give one from -{MOST_PITCH_DEG:g} (the camera "
                f"looks up) to {MOST_PITCH_DEG:g} (it looks down)."
            )
        Sampling(self.rate_hz, self.filter_hz)
        if isinstance(self.neutral, tuple):
            checked_span(self.neutral)

    def told(self) -> dict[str, Any]:
        """As the result tells it: files by what they hold, not by where they are."""
        told = {
            name: value for name, value in asdict(self).items() if name not in {"resume", "weights"}
        }
        for name in ("calibration", "landmark_model", "neutral"):
            told[name] = content_hash(told[name]) if isinstance(told[name], Path) else told[name]
        return told


def _unlikely_height(height_m: float) -> str:
    guess = next((h for h in (height_m / 100, height_m * 0.3048) if 1.0 <= h <= 2.3), None)
    meant = f" Did you mean {guess:.2f}?" if guess else ""
    low, high = HEIGHTS_M
    return f"a height of {height_m:g}: it is given in metres, from {low} to {high}.{meant}"
