"""Refine: a whole clip's motion, fitted to the picture, the floor and gravity at once.

- The network's answer is where the fit starts and what it stays near. Knees it knows better than
  the landmarks do, which lie on kneecaps and calves: they hardly move.
- Gravity and the floor are found with the motion: the camera need not be level.
- Each landmark has a place on the body that is the clip's own: only motion tells of motion.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.balance import LEAST_S, Tilt
from d3ke.fitting.body_points import BodyPoints
from d3ke.fitting.clip_fit import Beliefs, Clip, ClipFit
from d3ke.fitting.terms import Seen
from d3ke.fitting.upright import Stance, on_feet, sway
from d3ke.floor import find_floor
from d3ke.place import (
    FEET,
    TRUNK_AND_LIMBS,
    Placement,
    camera_rays,
    ground_from_camera,
    root_coordinates,
)
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places, sole_places
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]

# How far coordinates may be from what the network says, deg and m: about its errors on the
# development clips, but for knees, ankles and the spine, of which landmarks say less than the
# network has learned. tests.benchmarks.refinement shows what is lost where these are as free.
ROOT_SD = (6.0, 4.0, 6.0), (0.15, 0.15, 0.15)
PRIOR_SD_DEG = {
    "hip_flexion": 8.0,
    "hip_adduction": 4.0,
    "hip_rotation": 6.0,
    "knee_angle": 2.0,
    "ankle_angle": 4.0,
    "lumbar_extension": 1.0,
    "lumbar_bending": 1.0,
    "lumbar_rotation": 1.0,
    "arm_flex": 9.0,
    "arm_add": 9.0,
    "arm_rot": 12.0,
    "elbow_flex": 10.0,
}
STRAYING = 2.0  # times the spread of landmarks' places: real shoes and clothes vary more
LEAST_STRAYING_M = 0.004
SOLES_SD_M = 0.03  # of feet's pitch: 8 deg between heel and toes
TILT_SD_DEG = 15.0  # of cameras that nobody has levelled
KNOWN_TILT_SD_DEG = 1.0  # of one whose pitch is given, or where nobody stands to tell


class Fitted(NamedTuple):
    """A motion in the old ground. q: (T, K). soles: (T, P, 3) m. up: (3,) against gravity."""

    q: Array
    soles: Array
    up: Array


def refined(
    placement: Placement,
    observed: NDArray[np.bool_],
    track: PersonTrack,
    camera: Camera,
    skeleton: SkeletalModel,
    tilt_known: bool = False,
) -> Placement:
    """A placed motion, refined, in a ground whose Y is against gravity as it was found.

    observed: (K,) coordinates that the network predicts; others stay. tilt_known: the camera's
    pitch was given. Its tilt becomes what was found; None where nobody stands to tell. A clip of
    one frame is left as it is.
    """
    if len(track.time) < 2:
        return placement
    scaled = skeleton.osim.scaled(placement.scales)
    free = _free(scaled, observed)
    fit = _fit(scaled, free, placement)
    start = fit.points(placement.q)
    stance = Stance(
        start.part(fit.bodies).mean(fit.masses[None]).places[:, 0],
        start.part(fit.bodies).places[:, skeleton.root_joint.body],
        start.part(fit.soles).places,
    )
    carries = on_feet(stance, placement.stands)
    sway_m = sway(track.time, stance, carries, placement.height_m)
    balanced_s = np.isfinite(sway_m).sum() * float(np.median(np.diff(track.time)))
    free_tilt = balanced_s >= LEAST_S and not tilt_known
    tilt_sd = math.radians(TILT_SD_DEG if free_tilt else KNOWN_TILT_SD_DEG)
    seen = _seen(placement, track, camera)
    clip = Clip(track.time, placement.q, seen, carries, sway_m, tilt_sd)
    q, shared = fit(clip)
    soles = fit.points(q).part(fit.soles).places
    found = _in_new_ground(placement, Fitted(q, soles, shared.up), track, skeleton)
    if tilt_known:
        return found
    tilt = Tilt(*_tilt_deg(found.ground_from_camera[1, :3]), off_deg=0.0) if free_tilt else None
    return found._replace(tilt=tilt)


def gravity_found(placement: Placement) -> str:
    """Where gravity was found by the fit, as people say it."""
    pitch, roll = _tilt_deg(placement.ground_from_camera[1, :3])
    return (
        f"the camera looks {'up' if pitch < 0 else 'down'} by {abs(pitch):.0f} deg and is turned "
        f"{'left' if roll < 0 else 'right'} by {abs(roll):.0f} deg, by balance and the feet"
    )


def _tilt_deg(up: Array) -> tuple[float, float]:
    """How far a camera looks down, and is turned clockwise, by `up` in its frame."""
    pitch, roll = (math.degrees(math.atan2(-part, -up[1])) for part in (up[2], up[0]))
    return pitch, roll


def _free(osim: OsimModel, observed: NDArray[np.bool_]) -> dict[str, float]:
    """The coordinates that are fitted, and how far each may go, rad or m."""
    names = osim.coordinate_names
    root = [*np.radians(ROOT_SD[0]), *ROOT_SD[1]]
    free = dict(zip(names[:6], map(float, root), strict=True))
    for name, seen in zip(names[6:], observed[6:], strict=True):
        degrees = PRIOR_SD_DEG.get(name.removesuffix("_r").removesuffix("_l"))
        if seen and degrees is not None:
            free[name] = math.radians(degrees)
    return free


def _fit(scaled: OsimModel, free: dict[str, float], placement: Placement) -> ClipFit:
    """The fit for one person. scaled: their model."""
    scales = placement.scales
    places, names = landmark_places(), scaled.body_names
    used = _used()
    bodies = np.array(places.body_index(names))[used]
    under, soles = sole_places(names, FEET)
    centers = np.array([body.mass_center for body in scaled.bodies])
    locations = [places.offsets_m[used] * scales[bodies], soles * scales[under], centers]
    index = [*bodies.tolist(), *under, *range(len(names))]
    beliefs = Beliefs(
        coordinates=np.array(list(free.values())),
        ranges=_ranges(scaled, list(free), placement.q),
        landmarks=STRAYING * np.maximum(places.clip_sd_m[used], LEAST_STRAYING_M),
        soles_m=SOLES_SD_M,
    )
    masses = np.array([body.mass_kg for body in scaled.bodies])
    points = BodyPoints(scaled, list(free), index, np.vstack(locations))
    return ClipFit(points, beliefs, len(FEET), masses)


def _ranges(osim: OsimModel, free: list[str], q: Array) -> Array:
    """What the fit may not go beyond, (F, 2): ranges of joints, or farther as the network says."""
    places = [osim.coordinate_names.index(name) for name in free]
    low, high = np.array([osim.coordinates[place].range for place in places]).T
    low, high = (
        np.minimum(low, q[:, places].min(axis=0)),
        np.maximum(high, q[:, places].max(axis=0)),
    )
    low[:6], high[:6] = -math.inf, math.inf
    return np.stack([low, high], axis=1)


def _used() -> NDArray[np.intp]:
    """Which of the landmarks are fitted."""
    return np.flatnonzero(np.isin(landmark_places().names, TRUNK_AND_LIMBS))


def _seen(placement: Placement, track: PersonTrack, camera: Camera) -> Seen:
    landmarks = track.landmarks[:, _used()].astype(float)
    rays = camera_rays(camera, landmarks[..., :2])
    known = np.isfinite(rays).all(axis=-1) & track.seen[:, None]
    weights = np.where(known, np.nan_to_num(landmarks[..., 3]), 0.0)
    rotation = placement.ground_from_camera[:3, :3].T
    shift = -rotation @ placement.ground_from_camera[:3, 3]
    return Seen(rotation, shift, np.nan_to_num(rays), weights)


def _in_new_ground(
    placement: Placement, fitted: Fitted, track: PersonTrack, skeleton: SkeletalModel
) -> Placement:
    """The fitted motion in the ground that was found with it."""
    with torch.no_grad():
        bodies = skeleton.bodies(torch.as_tensor(fitted.q, dtype=torch.float32))
    old = placement.ground_from_camera
    root = np.linalg.inv(old) @ bodies[:, skeleton.root_joint.body].numpy()
    upwards = fitted.up / np.linalg.norm(fitted.up)
    up = old[:3, :3].T @ upwards
    floor = find_floor(placement.stands, (fitted.soles - old[:3, 3]) @ upwards)
    ground = ground_from_camera(track.time[track.seen], root[track.seen], up, floor.height_m)
    q = fitted.q.copy()
    q[:, :6] = root_coordinates(skeleton, ground @ root, track)
    return placement._replace(q=q, root=ground @ root, ground_from_camera=ground, floor=floor)
