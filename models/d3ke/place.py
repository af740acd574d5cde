"""From the camera's frame to OpenSim's ground: translation, metric scale, gravity, floor, heading.

- Ground: right-handed, Y against gravity, X the pelvis' heading over the first half second, origin
  on the floor under the pelvis at the first frame.
- Gravity comes from the camera: level unless a pitch is given, and never rolled.
- The camera stands still.
"""

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.balance import Tilt, tilt_by_balance
from d3ke.errors import D3keError
from d3ke.floor import Floor, find_floor, image_speed, standing
from d3ke.network.inference import Regression
from d3ke.pelvis_path import Slips, reprojected_translation, smoothed_path
from d3ke.posing import in_parts
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import landmark_places, sole_places
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]

HEADING_S = 0.5  # X is the median heading of the pelvis over this time
SIDES = ("l", "r")
# The landmarks that say where the body is. Face and fingers crowd on bodies whose joints (neck,
# wrist) a landmark network cannot see, so they would only pull.
TRUNK_AND_LIMBS = tuple(
    f"{name}_{side}"
    for name in ("ear", "shoulder", "elbow", "wrist", "hip", "knee", "ankle", "heel", "foot")
    for side in SIDES
)
FEET = tuple(f"{name}_{side}" for name in ("heel", "foot") for side in SIDES)


class Placement(NamedTuple):
    """A motion in ground.

    q: (T, K) rad or m, the root's six set. root: (T, 4, 4) pelvis in ground. scales: (N, 3), made
    metric. ground_from_camera: (4, 4). height_m: standing height of the scaled body. floor: what
    the floor was taken from. tilt: the camera's, by balance; None if nobody stands. stands: (T, P)
    which of FEET stand.
    """

    q: Array
    root: Array
    scales: Array
    ground_from_camera: Array
    height_m: float
    floor: Floor
    tilt: Tilt | None
    stands: NDArray[np.bool_]


class Points(NamedTuple):
    """landmarks: (T, 33, 3). soles: (T, 4, 3). mass_center: (T, 3). Metres."""

    landmarks: Array
    soles: Array
    mass_center: Array


def place(
    regression: Regression,
    track: PersonTrack,
    camera: Camera,
    skeleton: SkeletalModel,
    height_m: float | None = None,
    pitch_deg: float = 0.0,
) -> Placement:
    """Put a regressed motion into ground.

    height_m: the person's standing height, which sets the scale. pitch_deg: how far the camera
    looks down. Frames where the person is not seen are bridged.
    Raises D3keError where too little of the person is seen to tell where it is.
    """
    scales = np.asarray(regression.scales, float)
    standing_m = standing_height(skeleton, scales)
    if height_m is not None:
        scales, standing_m = scales * (height_m / standing_m), height_m
    points = _points(regression, skeleton, scales)
    rays = camera_rays(camera, track.landmarks[..., :2].astype(float))
    measured = _measured_path(points.landmarks, rays, track)
    up = up_in_camera(pitch_deg)
    stands = _standing(track.time, measured, rays)
    still = stands.astype(np.float64)
    path = smoothed_path(track.time, measured, Slips(points.soles, still[1:] * still[:-1]))
    floor = find_floor(stands, (points.soles + path[:, None]) @ up)
    root = np.tile(np.eye(4), (len(path), 1, 1))
    root[:, :3, :3], root[:, :3, 3] = regression.root, path
    ground = ground_from_camera(track.time[track.seen], root[track.seen], up, floor.height_m)
    q = np.array(regression.q, float)
    q[:, :6] = root_coordinates(skeleton, ground @ root, track)
    tilt = tilt_by_balance(track.time, points.mass_center, points.soles, stands, up, standing_m)
    return Placement(q, ground @ root, scales, ground, standing_m, floor, tilt, stands)


def up_in_camera(pitch_deg: float) -> Array:
    """The direction against gravity in the camera's frame (x right, y down, z forward)."""
    pitch = math.radians(pitch_deg)
    return np.array([0.0, -math.cos(pitch), -math.sin(pitch)])


def camera_rays(camera: Camera, pixels: Array) -> Array:
    """x/z and y/z of what is seen at `pixels` (..., 2)."""
    straight = camera.undistort(pixels)
    homogeneous = np.concatenate([straight, np.ones_like(straight[..., :1])], axis=-1)
    rays: Array = (homogeneous @ np.linalg.inv(camera.K).T)[..., :2]
    return rays


def standing_height(skeleton: SkeletalModel, scales: Array) -> float:
    """From the soles to the highest marker (VTX) with every coordinate at zero, metres.

    scales: (N, 3).
    """
    index, places = sole_places(skeleton.osim.body_names, FEET)
    with torch.no_grad():
        size = torch.as_tensor(scales, dtype=torch.float32)
        pose = skeleton(torch.zeros(len(skeleton.osim.coordinates)), size)
        under = torch.tensor(places, dtype=torch.float32)
        soles = skeleton.stations(pose.bodies, torch.tensor(index), under, size)
    return float(pose.markers[:, 1].max() - soles[:, 1].min())


def ground_from_camera(time: Array, root: Array, up: Array, floor_m: float) -> Array:
    """The transform that makes the first heading X, `up` Y, and the floor y = 0.

    root: (T, 4, 4) pelvis in the camera. floor_m: height of the floor along up. Returns (4, 4).
    The heading is that of the pelvis' forward and right axes together, so that it is known for
    people who lie, too.
    """
    first = root[time <= time[0] + HEADING_S, :3, :3]
    forward = first[:, :, 0] + np.cross(up, first[:, :, 2])
    forward = np.median(forward - (forward @ up)[:, None] * up, axis=0)
    forward /= np.linalg.norm(forward)
    rotation = np.stack([forward, up, np.cross(forward, up)])  # rows: X, Y, Z in the camera
    transform = np.eye(4)
    transform[:3, :3] = rotation
    transform[:3, 3] = -rotation @ root[0, :3, 3]
    transform[1, 3] = -floor_m
    return transform


def root_coordinates(skeleton: SkeletalModel, root: Array, track: PersonTrack) -> Array:
    """The root joint's coordinates, (T, 6), its turns without jumps of a whole circle.

    Turns are counted where the person is seen: what the network dreams up between is no motion.
    """
    with torch.no_grad():
        coordinates = skeleton.root_coordinates(torch.as_tensor(root, dtype=torch.float32))
    q = coordinates.numpy().astype(np.float64)
    for turn in q[:, :3].T:
        followed = np.interp(track.time, track.time[track.seen], np.unwrap(turn[track.seen]))
        turn += 2 * np.pi * np.round((followed - turn) / (2 * np.pi))
    return q


def _points(regression: Regression, skeleton: SkeletalModel, scales: Array) -> Points:
    """The points that tell where the person is, relative to the pelvis, in the camera's axes."""
    places = landmark_places()
    bodies = skeleton.osim.bodies
    soles, under = sole_places(skeleton.osim.body_names, FEET)
    index = torch.tensor(
        [*places.body_index(skeleton.osim.body_names), *soles, *range(len(bodies))]
    )
    mass_centers = [body.mass_center for body in bodies]
    locations = np.vstack([places.offsets_m, under, mass_centers])
    size = torch.as_tensor(scales, dtype=torch.float32)
    parts = []
    for frames in in_parts(len(regression.q)):
        q = torch.as_tensor(regression.q[frames], dtype=torch.float32)
        root = torch.eye(4).repeat(len(q), 1, 1)
        root[:, :3, :3] = torch.as_tensor(regression.root[frames])
        with torch.no_grad():
            posed = skeleton.bodies(q, size, root)
            stations = torch.as_tensor(locations, dtype=torch.float32)
            parts.append(skeleton.stations(posed, index, stations, size).numpy())
    points = np.concatenate(parts).astype(np.float64)
    landmarks, ends, centers = np.split(points, np.cumsum([len(places.names), len(soles)]), axis=1)
    mass = np.array([body.mass_kg for body in bodies])
    return Points(landmarks, ends, np.average(centers, axis=1, weights=mass))


def _weights(track: PersonTrack) -> Array:
    """How much each landmark says about where the body is, (T, 33)."""
    places = landmark_places()
    spread = np.linalg.norm(places.clip_sd_m, axis=1)
    used = np.isin(places.names, TRUNK_AND_LIMBS)
    visibility = np.nan_to_num(track.landmarks[..., 3].astype(np.float64))
    weights: Array = visibility * used * (spread.mean() / spread) ** 2
    return weights


def _measured_path(landmarks: Array, rays: Array, track: PersonTrack) -> Array:
    """The translation that each frame tells by itself, (T, 3), NaN where it does not.

    Raises D3keError where no frame does.
    """
    weights = _weights(track)
    parts = [
        reprojected_translation(landmarks[part], rays[part], weights[part])
        for part in in_parts(len(rays))
    ]
    measured = np.concatenate(parts)
    if not np.isfinite(measured).any():
        raise D3keError(
            "too little of the person is in view to tell where it stands. Film the whole body."
        )
    return measured


def _standing(time: Array, measured: Array, rays: Array) -> NDArray[np.bool_]:
    """Which of the soles stand, (T, 4)."""
    feet = [landmark_places().names.index(name) for name in FEET]
    depth = smoothed_path(time, measured)[:, 2]
    return standing(time, image_speed(time, rays[:, feet], depth))
