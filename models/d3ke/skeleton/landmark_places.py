"""Where the 33 BlazePose landmarks lie on the bodies of the default skeleton."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError

ASSETS = Path(__file__).parents[1] / "assets"
NOISE_FILE = "landmark_noise.json"


@dataclass(frozen=True)
class LandmarkPlaces:
    """A point of a body for each landmark, and how far it strays.

    offsets_m: (33, 3) in the frame of the body, unscaled model. clip_sd_m: (33, 3) standard
    deviation of the offset between clips. jitter_of_box, slow_error_of_box: (33,) image error as
    a part of the person's box, fast and slow.
    Source: fitted on rendered people with exact labels (shared data pack, landmark_noise, CC0-1.0).
    """

    names: tuple[str, ...]
    body_names: tuple[str, ...]
    offsets_m: NDArray[np.float64]
    clip_sd_m: NDArray[np.float64]
    jitter_of_box: NDArray[np.float64]
    slow_error_of_box: NDArray[np.float64]

    def body_index(self, body_names: Sequence[str]) -> list[int]:
        """The position of each landmark's body in `body_names`.

        Raises D3keError for a model that lacks one of the bodies.
        """
        position = {name: index for index, name in enumerate(body_names)}
        missing = sorted(set(self.body_names) - set(position))
        if missing:
            raise D3keError(
                f"the model has no body named {', '.join(missing)}, where landmarks are placed. "
                "Use a model with the bodies of the default skeleton."
            )
        return [position[name] for name in self.body_names]


@cache
def landmark_places(folder: Path = ASSETS) -> LandmarkPlaces:
    """The places that ship with the package, or those of another folder."""
    rows = json.loads((folder / NOISE_FILE).read_text(encoding="utf-8"))["landmarks"]
    return LandmarkPlaces(
        names=tuple(row["name"] for row in rows),
        body_names=tuple(row["body"] for row in rows),
        offsets_m=np.array([row["offset_m"] for row in rows]),
        clip_sd_m=np.array([row["clip_sd_m"] for row in rows]),
        jitter_of_box=np.array([row["jitter_of_box"] for row in rows]),
        slow_error_of_box=np.array([row["slow_error_of_box"] for row in rows]),
    )
