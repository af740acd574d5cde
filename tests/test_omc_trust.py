"""What a recording's labels are trusted in."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.omc.trust import determined, trusted
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from tests.scenes import squat

OSIM = default_model()
NAMES, MARKERS = OSIM.coordinate_names, OSIM.marker_names
PELVIS = ("RASI", "LASI", "SACR")
LEG = ("RTHI", "RKNE", "RKNM", "RTIB", "RANK", "RANM", "RHEE", "RTOE", "RMT5")
EVERY = np.ones(len(NAMES), bool)


@pytest.fixture(scope="module")
def skeleton() -> SkeletalModel:
    return SkeletalModel(OSIM, torch.float64)


def told(skeleton: SkeletalModel, *markers: str) -> set[str]:
    _, q = squat(2.0)
    found = determined(skeleton, q, np.ones((len(OSIM.bodies), 3)), markers)
    return {name for name, one in zip(NAMES, found, strict=True) if one}


def errors_of(**millimetres: list[float]) -> NDArray[np.float64]:
    return np.array(list(millimetres.values())).T / 1000


def test_markers_tell_the_joints_between_them_and_no_others(skeleton: SkeletalModel) -> None:
    found = told(skeleton, *PELVIS, *LEG)
    leg = {"hip_flexion_r", "hip_adduction_r", "hip_rotation_r", "knee_angle_r", "ankle_angle_r"}
    assert leg | {"pelvis_tilt", "pelvis_tx", "pelvis_rotation"} <= found
    assert not {"hip_flexion_l", "knee_angle_l", "lumbar_extension", "elbow_flex_r"} & found


def test_a_single_marker_does_not_tell_three_angles(skeleton: SkeletalModel) -> None:
    found = told(skeleton, *PELVIS, "RKNE")
    assert "hip_rotation_r" not in found
    assert "knee_angle_r" not in found


def test_two_markers_of_a_pelvis_do_not_tell_how_it_turns(skeleton: SkeletalModel) -> None:
    assert "pelvis_tilt" not in told(skeleton, "RASI", "LASI")


def test_a_place_is_told_to_ten_centimetres(
    skeleton: SkeletalModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "pelvis_tx" in told(skeleton, *PELVIS)
    monkeypatch.setattr("d3ke.omc.trust.NOISE_M", 0.3)  # its place is the mean of three markers
    assert "pelvis_tx" not in told(skeleton, *PELVIS)
    monkeypatch.setattr("d3ke.omc.trust.UNCERTAIN_M", 0.5)
    assert "pelvis_tx" in told(skeleton, *PELVIS)


def test_a_body_off_its_markers_takes_its_joint_with_it() -> None:
    errors = errors_of(RKNE=[5, 30, 5, np.nan], RTIB=[5, 30, 30, np.nan], RANK=[5, 30, 5, 5])
    bodies = {OSIM.markers[MARKERS.index(name)].body for name in ("RKNE", "RTIB", "RANK")}
    q_mask, _ = trusted(OSIM, ["RKNE", "RTIB", "RANK"], errors, EVERY)
    lost = [{n for n, one in zip(NAMES, row, strict=True) if not one} for row in q_mask]
    carriers = {joint.name for joint in OSIM.joints if joint.child.body in bodies}
    of_bodies = {one.name for one in OSIM.coordinates if one.joint in carriers}
    assert lost[0] == lost[3] == set()
    assert lost[1] == of_bodies
    assert "knee_angle_r" in lost[1]


def test_a_marker_far_off_is_not_trusted_and_one_not_measured_is_as_its_body() -> None:
    errors = errors_of(RANK=[5, 25, 25], RANM=[5, 5, 25])
    _, markers = trusted(OSIM, ["RANK", "RANM"], errors, EVERY)
    at = {name: MARKERS.index(name) for name in ("RANK", "RANM", "LANK")}
    body = OSIM.markers[at["RANK"]].body
    other = next(i for i, m in enumerate(OSIM.markers) if m.body == body and i not in at.values())
    assert markers[:, at["RANK"]].tolist() == [True, False, False]
    assert markers[:, at["RANM"]].tolist() == [True, True, False]
    assert markers[:, other].tolist() == [True, True, False]
    assert markers[:, at["LANK"]].all()


def test_what_markers_do_not_tell_is_never_trusted() -> None:
    some = EVERY.copy()
    some[NAMES.index("subtalar_angle_r")] = False
    q_mask, _ = trusted(OSIM, ["RASI"], np.full((4, 1), 0.001), some)
    assert (q_mask == some).all()
