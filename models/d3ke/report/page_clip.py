"""PageClip: what the page shows of one clip, of a prediction or of a motion on its model."""

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke import __version__
from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.names import family_of_model, to_family, to_names
from d3ke.network.uncertainty import NORMAL_90
from d3ke.phases import Stance, stances
from d3ke.posing import Posed, coordinates_of, posed
from d3ke.prediction import Prediction
from d3ke.report.overlay import LEFT, RIGHT, Colour, bones_of
from d3ke.report.page_doubts import doubts_of
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]

SIDE_VIEW_DEG = 90.0  # where nobody filmed, the person is seen from the right


class Line(NamedTuple):
    """A bone between two points of Stick. side: r, l or m. name: the joint or marker it ends at."""

    start: int
    end: int
    side: str
    name: str


class Stick(NamedTuple):
    """The skeleton as it is drawn: points (T, P, 3) m in ground, and the lines between them."""

    points: Array
    lines: tuple[Line, ...]


class Reference(NamedTuple):
    """A motion drawn beside the curves. motion: at the clip's times; told: in words, how near."""

    motion: Motion
    told: str


@dataclass(frozen=True)
class PageClip:
    """One clip on the page.

    motion: the curves. spread: (T, K) half the width of the band that holds 90 %, rad or m, NaN or
    None where nobody knows. observed: (K,) False where a coordinate was not measured. stances:
    feet on the floor. facts, assumed, versions: words by topic. quality: as meta of a prediction
    has it. files: what else was written, by format: names, not paths. seen_from_deg: where the
    camera stands, from X of ground towards Z. video: an .mp4, or None with `no_video` the reason.
    """

    name: str
    motion: Motion
    stick: Stick
    spread: Array | None
    observed: tuple[bool, ...]
    stances: tuple[Stance, ...]
    facts: dict[str, str]
    warnings: tuple[str, ...]
    quality: tuple[dict[str, Any], ...]
    assumed: dict[str, str]
    versions: dict[str, str]
    files: dict[str, str]
    seen_from_deg: float
    video: bytes | None = None
    no_video: str = ""
    reference: Reference | None = None


def clip_of_prediction(prediction: Prediction, files: dict[str, str]) -> PageClip:
    """What the page shows of a prediction, as yet without its video. files: names by format."""
    meta, osim = prediction.meta, prediction.model()
    eye, start = prediction.ground_from_camera[:3, 3], _middle(prediction.joints[:, 0])
    return PageClip(
        name=str(meta.get("clip", files.get("npz", "a clip"))),
        motion=prediction.motion(),
        stick=stick_of(Posed(prediction.markers, prediction.joints), osim),
        spread=None if prediction.q_std is None else NORMAL_90 * prediction.q_std,
        observed=tuple(map(bool, prediction.observed)),
        stances=stances(prediction.time, prediction.markers, osim),
        facts=_facts(prediction),
        warnings=(*map(str, meta.get("warnings", ())), *doubts_of(prediction)),
        quality=tuple(meta.get("quality", ())),
        assumed={str(k): str(v) for k, v in meta.get("assumed", {}).items()},
        versions={
            "d3ke": str(meta.get("d3ke", "unknown")),
            "weights": str(meta.get("weights", "unknown"))[:12],
            "skeleton": str(meta.get("skeleton", "unknown"))[:12],
        },
        files=files,
        seen_from_deg=math.degrees(math.atan2(eye[2] - start[2], eye[0] - start[0])),
    )


def clip_of_motion(name: str, motion: Motion, osim: OsimModel, files: dict[str, str]) -> PageClip:
    """What the page shows of a motion on a model, under the model's names. files: see PageClip.

    Raises D3keError where the motion has none of the model's coordinates.
    """
    shown = to_names(motion, osim.coordinate_names, family_of_model(osim))
    had = [n for n, column in zip(shown.names, shown.q.T, strict=True) if np.isfinite(column).any()]
    if not had:
        raise D3keError(
            f"{name}: has no coordinate of {osim.name} ({', '.join(osim.coordinate_names[:3])}, "
            "...). Pass the model that it was made with."
        )
    pose = posed(SkeletalModel(osim), coordinates_of(to_family(motion, osim), osim))
    return PageClip(
        name=name,
        motion=shown.select(had),
        stick=stick_of(pose, osim),
        spread=None,
        observed=(True,) * len(had),
        stances=stances(motion.time, pose.markers, osim),
        facts=_length(motion.time) | {"Model": osim.name},
        warnings=(),
        quality=(),
        assumed={},
        versions={"d3ke": __version__, "skeleton": osim.sha256[:12]},
        files=files,
        seen_from_deg=SIDE_VIEW_DEG,
    )


def stick_of(pose: Posed, osim: OsimModel) -> Stick:
    """The lines that show a skeleton, and the points that they need alone."""
    bones = bones_of(osim)
    everything = np.concatenate([pose.joints, pose.markers], axis=1).astype(np.float64)
    places = list(dict.fromkeys(place for bone in bones for place in (bone.start, bone.end)))
    points = np.stack([everything[:, list(place)].mean(axis=1) for place in places], axis=1)
    names = [joint.name for joint in osim.joints] + [marker.name for marker in osim.markers]
    return Stick(
        points,
        tuple(
            Line(
                places.index(bone.start),
                places.index(bone.end),
                _side(bone.colour),
                names[bone.end[0]],
            )
            for bone in bones
        ),
    )


def _side(colour: Colour) -> str:
    return {RIGHT: "r", LEFT: "l"}.get(colour, "m")


def _facts(prediction: Prediction) -> dict[str, str]:
    """What was filmed, in words by topic."""
    width, height = prediction.image_size
    facts = _length(prediction.time)
    if "height_m" in prediction.meta:
        facts["Standing height"] = f"{prediction.meta['height_m']:.2f} m"
    facts["Picture"] = f"{width} x {height} px"
    facts["Camera"] = str(prediction.meta.get("camera", "unknown"))
    return facts


def _length(time: Array) -> dict[str, str]:
    return {"Length": f"{np.ptp(time):.2f} s, {len(time)} frames"}


def _middle(points: NDArray[np.float32]) -> Array:
    middle: Array = np.nanmean(points, axis=0).astype(np.float64)
    return middle
