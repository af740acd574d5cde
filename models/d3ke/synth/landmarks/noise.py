"""Landmark noise: the statistics of BlazePose's errors, from which a stream of them is drawn."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.files import replacing
from d3ke.network.landmarks import LANDMARKS, aim
from d3ke.network.mirror import LANDMARK_SWAP
from d3ke.skeleton.landmark_places import ASSETS, NOISE_FILE, LandmarkPlaces, landmark_places
from d3ke.vision.world_landmarks import REGRESSION_FILE, WorldRegression, world_regression

Array = NDArray[np.float64]

VIEWS = 8  # sectors of the azimuth; the first is centred on people who face the camera
# What is taken for its twin on the other side, all at once.
SWAPPED: Mapping[str, tuple[int, ...]] = {
    "arms": tuple(range(13, 23)),
    "legs": tuple(range(25, 33)),
}


@dataclass(frozen=True, eq=False)
class Visibility:
    """BlazePose's own visibility in logits, each (33,).

    seen, hidden: of a landmark that is in sight, and one behind the body; clip_sd, frame_sd: how
    it strays between clips and between frames.
    """

    seen: Array
    hidden: Array
    clip_sd: Array
    frame_sd: Array


@dataclass(frozen=True, eq=False)
class Swap:
    """Left taken for right. share: (VIEWS,) of the frames; frames: how long it lasts on average."""

    share: Array
    frames: float


@dataclass(frozen=True, eq=False)
class LandmarkNoise:
    """All that is known of BlazePose's errors.

    places: where landmarks lie, how far that strays between clips, image jitter and slow error;
    world: how metric landmarks shrink and err; spread: log sd of how noisy a clip is; turn_deg,
    world_scale_sd: rigid error of a clip's metric landmarks, x y z and log; flat_feet: feet in
    the picture are seen up to this part flatter than they are; hidden_gain: what being hidden
    adds to the image error, in times; slow_frames, world_slow_frames: memory of the slow errors;
    view_bias: (VIEWS, 33, 2) mean image error as a part of the box.
    """

    places: LandmarkPlaces
    world: WorldRegression
    spread: float
    turn_deg: tuple[float, float, float]
    world_scale_sd: float
    flat_feet: float
    hidden_gain: float
    slow_frames: float
    world_slow_frames: float
    view_bias: Array
    visibility: Visibility
    swaps: Mapping[str, Swap]


CLIP = (
    "spread",
    "turn_deg",
    "world_scale_sd",
    "flat_feet",
    "hidden_gain",
    "slow_frames",
    "world_slow_frames",
)


@cache
def landmark_noise(folder: Path = ASSETS) -> LandmarkNoise:
    """The fit that ships with the package, or that of another folder."""
    content = json.loads((folder / NOISE_FILE).read_text(encoding="utf-8"))
    rows = content["landmarks"]
    seen, hidden, clip_sd, frame_sd = (
        np.array([row["visibility"][name] for row in rows])
        for name in ("seen_logit", "hidden_logit", "clip_sd", "frame_sd")
    )
    clip = {name: content["clip"][name] for name in CLIP}
    clip["turn_deg"] = tuple(clip["turn_deg"])
    bias = np.array([row["view_bias_of_box"] for row in rows]).transpose(1, 0, 2)
    swaps = {
        name: Swap(np.array(row["share"]), row["frames"]) for name, row in content["swaps"].items()
    }
    return LandmarkNoise(
        places=landmark_places(folder),
        world=world_regression(folder),
        view_bias=bias,
        visibility=Visibility(seen, hidden, clip_sd, frame_sd),
        swaps=swaps,
        **clip,
    )


def save_noise(noise: LandmarkNoise, folder: Path, source: Mapping[str, object]) -> None:
    """Write the two files that `landmark_noise` reads. source: what the noise was fitted on."""
    before = json.loads((ASSETS / NOISE_FILE).read_text(encoding="utf-8"))
    content = {
        "source": dict(source),
        "clip": {name: _rounded(getattr(noise, name)) for name in CLIP},
        "swaps": {
            name: {"share": _rounded(swap.share), "frames": _rounded(swap.frames)}
            for name, swap in noise.swaps.items()
        },
        "landmarks": [_row(noise, index) for index in range(LANDMARKS)],
        "bones": before["bones"],
    }
    text = json.dumps(content, indent=None).replace('{"name"', '\n{"name"')
    with replacing(folder / NOISE_FILE) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")
    world = noise.world
    with replacing(folder / REGRESSION_FILE) as temporary:
        np.savez_compressed(
            temporary,
            bones_from_landmarks=world.bones_from_landmarks.numpy(),
            regression_parent=world.parent.numpy(),
            coefficients=world.coefficients.numpy(),
            clip_cholesky=world.clip_noise.numpy(),
            frame_cholesky=world.frame_noise.numpy(),
        )


def _row(noise: LandmarkNoise, index: int) -> dict[str, object]:
    places, visibility = noise.places, noise.visibility
    return {
        "name": places.names[index],
        "body": places.body_names[index],
        "offset_m": _rounded(places.offsets_m[index]),
        "clip_sd_m": _rounded(places.clip_sd_m[index]),
        "jitter_of_box": _rounded(places.jitter_of_box[index], 5),
        "slow_error_of_box": _rounded(places.slow_error_of_box[index], 5),
        "view_bias_of_box": _rounded(noise.view_bias[:, index], 5),
        "visibility": {
            "seen_logit": _rounded(visibility.seen[index]),
            "hidden_logit": _rounded(visibility.hidden[index]),
            "clip_sd": _rounded(visibility.clip_sd[index]),
            "frame_sd": _rounded(visibility.frame_sd[index]),
        },
    }


def _rounded(values: object, digits: int = 4) -> object:
    rounded: object = np.round(np.asarray(values, dtype=np.float64), digits).tolist()
    return rounded


def ray_frame(points: Tensor, pelvis: Tensor) -> tuple[Tensor, Tensor]:
    """Points about the mid-hip and the pelvis as a camera aimed at the mid-hip would see them.

    points: (..., 33, 3) in the camera, m; pelvis: (..., 3, 3). Returns the same shapes.
    """
    centre = points[..., 23:25, :].mean(dim=-2, keepdim=True)
    turn = aim(centre[..., 0, :2] / centre[..., 0, 2:])  # (..., 3, 3)
    return (points - centre) @ turn.transpose(-1, -2), turn @ pelvis


def azimuth(pelvis: Tensor) -> Tensor:
    """Where a pelvis (..., 3, 3) in the ray frame faces, rad.

    0: the camera, +-pi: away from it, pi/2: the right of the picture.
    """
    return torch.atan2(pelvis[..., 0, 0], -pelvis[..., 2, 0])


def by_view(table: Tensor, angle: Tensor) -> Tensor:
    """Rows of a table (VIEWS, ...) at azimuths (...), linear between the middles of the sectors."""
    place = torch.remainder(angle * VIEWS / (2 * np.pi), VIEWS)
    low = place.floor()
    part = (place - low).reshape(*place.shape, *[1] * (table.dim() - 1))
    first = low.long() % VIEWS
    mixed: Tensor = table[first] * (1 - part) + table[(first + 1) % VIEWS] * part
    return mixed


def twins(group: tuple[int, ...]) -> list[int]:
    """All 33 landmarks in order, those of a group exchanged with their twins."""
    return [LANDMARK_SWAP[i] if i in group else i for i in range(LANDMARKS)]
