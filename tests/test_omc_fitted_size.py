"""A person's size from all that they did, and hinges that do not bend backwards."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.omc.fitted_size import fit_size
from d3ke.omc.inverse_kinematics import inverse_kinematics
from d3ke.omc.joint_limits import MARGIN, in_usual_angles, with_limits
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.scenes import squat

Array = NDArray[np.float64]

OSIM = default_model()
NAMES = OSIM.coordinate_names
WEIGHTS = dict.fromkeys(OSIM.marker_names, 1.0)
TURNING = [place for place, one in enumerate(OSIM.coordinates) if one.rotational]


def markers_of(osim: OsimModel, q: Array) -> MarkerData:
    places = SkeletalModel(osim, torch.float64)(torch.from_numpy(q)).markers.numpy()
    return MarkerData(np.arange(len(q)) / 30, places, osim.marker_names)


def swings(seconds: float = 2.0) -> Array:
    """Squats with everything else swinging a little, so that every joint's centre is told."""
    time, q = squat(seconds)
    for place in TURNING[3:]:
        q[:, place] += 0.25 * np.sin(2 * np.pi * time * 0.8 + place)
    for side in "rl":
        q[:, NAMES.index(f"elbow_flex_{side}")] += 0.6
    return q


@pytest.fixture(scope="module")
def shape() -> Array:
    """A person whose pelvis is low and wide, and whose feet are flat: no one factor a body."""
    scales = np.full((len(OSIM.bodies), 3), 1.03)
    scales[OSIM.body_names.index("pelvis")] = 1.12, 0.9, 1.15
    for side in "rl":
        scales[OSIM.body_names.index(f"calcn_{side}")] = 1.0, 0.9, 0.95
    return scales


def test_a_shape_that_no_two_markers_measure_is_told_by_motion(shape: Array) -> None:
    person = OSIM.scaled(shape)
    recording = markers_of(person, swings())
    start = np.full_like(shape, 1.05)
    before = inverse_kinematics(OSIM.scaled(start), recording, WEIGHTS).motion.q - swings()
    found = fit_size(OSIM, start, [recording], WEIGHTS)
    own = OSIM.scaled(found.scales).marked(found.places)
    after = inverse_kinematics(own, recording, WEIGHTS).motion.q - swings()
    tilt = NAMES.index("pelvis_tilt")
    assert np.degrees(np.abs(before[:, tilt])).mean() > 2
    assert np.degrees(np.abs(after[:, tilt])).mean() < 0.3
    assert np.median(np.degrees(np.abs(after[:, TURNING])).mean(axis=0)) < 0.5
    pelvis = OSIM.body_names.index("pelvis")
    np.testing.assert_allclose(found.scales[pelvis], shape[pelvis], atol=0.04)


def test_markers_beside_their_places_are_found_there(shape: Array) -> None:
    off = np.zeros((len(OSIM.markers), 3))
    off[OSIM.marker_names.index("RKNE")] = 0.0, 0.03, 0.0
    person = OSIM.scaled(shape)
    worn = person.marked(np.array([m.location for m in person.markers]) + off)
    found = fit_size(OSIM, shape, [markers_of(worn, swings())], WEIGHTS, frozenset({"RKNE"}))
    place = found.places[OSIM.marker_names.index("RKNE")]
    own = np.array(worn.markers[OSIM.marker_names.index("RKNE")].location)
    assert np.linalg.norm(place - own) < 0.006  # the rest is shared with the thigh's length


def test_hinges_are_held_near_their_ranges_and_balls_are_not() -> None:
    limited = {one.name: one for one in with_limits(OSIM).coordinates}
    elbow = next(one for one in OSIM.coordinates if one.name == "elbow_flex_r")
    assert limited["elbow_flex_r"].clamped
    np.testing.assert_allclose(
        limited["elbow_flex_r"].range, [elbow.range[0] - MARGIN, elbow.range[1] + MARGIN]
    )
    for name in ("arm_flex_r", "hip_flexion_l", "pelvis_tilt", "pelvis_tx"):
        assert not limited[name].clamped


def test_an_arm_whose_hand_is_at_the_head_bends_its_elbow_forwards() -> None:
    q = np.zeros((20, len(NAMES)))
    arm = {"arm_flex_r": 60.0, "arm_rot_r": 55.0, "elbow_flex_r": 140.0, "pro_sup_r": 100.0}
    for name, degrees in arm.items():
        q[:, NAMES.index(name)] = np.radians(degrees)
    limited = with_limits(OSIM)
    found = inverse_kinematics(limited, markers_of(OSIM, q), WEIGHTS).motion.q
    np.testing.assert_allclose(found[:, TURNING], q[:, TURNING], atol=1e-4)


def test_an_arm_is_told_by_the_angles_within_its_ranges() -> None:
    q = np.zeros((20, len(NAMES)))
    arm = [NAMES.index(f"arm_{way}_l") for way in ("flex", "add", "rot")]
    q[:, arm] = np.radians([100.0, -20.0, 30.0])
    other = q.copy()
    other[:, arm] = np.radians([100.0 + 180.0, 180.0 + 20.0, 30.0 - 180.0])
    other[:, NAMES.index("elbow_flex_l")] += 2 * np.pi
    places = [markers_of(OSIM, one).xyz for one in (q, other)]
    np.testing.assert_allclose(places[0], places[1], atol=1e-9)
    turning = tuple(one.rotational for one in OSIM.coordinates)
    found = in_usual_angles(Motion(np.arange(20) / 30, other, NAMES, turning), OSIM)
    np.testing.assert_allclose(found.q, q, atol=1e-9)
