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

# Undersides of heels and toes, m, in the frames of calcn and toes of an unscaled right foot:
# malleoli lie 70 mm above the sole (ANSUR II). Landmarks of feet lie higher, inside the shoes.
SOLE_PLACES = {"heel": (-0.002, -0.03, 0.019), "foot": (0.043, -0.03, 0.008)}


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


def sole_places(
    body_names: Sequence[str], names: Sequence[str]
) -> tuple[list[int], NDArray[np.float64]]:
    """Bodies and places of undersides of feet, by their landmarks' names (heel_r, foot_l, ...).

    Returns the positions of the bodies in `body_names`, and (P, 3) m at scale 1.
    Raises D3keError as LandmarkPlaces.body_index does.
    """
    places = landmark_places()
    bodies = places.body_index(body_names)
    mirrors = np.array([(1, 1, 1) if name.endswith("_r") else (1, 1, -1) for name in names])
    under = np.array([SOLE_PLACES[name[:-2]] for name in names]) * mirrors
    return [bodies[places.names.index(name)] for name in names], under
