"""What is wrong with recorded markers is told before anything is solved with them."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.omc.marker_check import (
    exchanged_pairs,
    ground_turn,
    marker_findings,
    static_findings,
    turned,
)
from d3ke.omc.marker_names import match
from d3ke.recordings import load_markers
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from tests.scenes import squat

OSIM = default_model()
MARKERS = OSIM.marker_names
UNSCALED = torch.ones(len(OSIM.bodies), 3, dtype=torch.float64)


def standing(degrees: Mapping[str, float]) -> NDArray[np.float64]:
    """The markers of someone who stands with both arms at these angles, (M, 3) m."""
    q = np.array([one.default for one in OSIM.coordinates])
    for name, angle in degrees.items():
        for side in "rl":
            q[OSIM.coordinate_names.index(f"{name}_{side}")] = np.radians(angle)
    skeleton = SkeletalModel(OSIM, torch.float64)
    places: NDArray[np.float64] = skeleton(torch.from_numpy(q), UNSCALED).markers.numpy()
    return places


@pytest.fixture(scope="module")
def person() -> MarkerData:
    """The markers of someone who squats, on the default skeleton."""
    time, q = squat(2.0)
    skeleton = SkeletalModel(OSIM, torch.float64)
    points = skeleton(torch.from_numpy(q), UNSCALED)
    return MarkerData(time, points.markers.numpy(), OSIM.marker_names)


def told(markers: MarkerData) -> list[str]:
    return [finding.text for finding in marker_findings(markers) if finding.wrong]


def with_xyz(markers: MarkerData, xyz: NDArray[np.float64]) -> MarkerData:
    return MarkerData(markers.time, xyz, markers.names)


def test_good_markers_have_nothing_wrong(person: MarkerData) -> None:
    assert list(marker_findings(person)) == []
    still = person.xyz[:1] + np.random.default_rng(0).normal(0, 0.002, person.xyz.shape)
    assert list(static_findings(with_xyz(person, still))) == []


@pytest.mark.parametrize(("factor", "words"), [(1000, "mm labelled m"), (0.001, "labelled mm")])
def test_wrong_units_are_told(person: MarkerData, factor: float, words: str) -> None:
    assert words in told(with_xyz(person, person.xyz * factor))[0]


def test_a_mirrored_person_is_told(person: MarkerData) -> None:
    assert "left and right are exchanged" in told(with_xyz(person, person.xyz * [1, 1, -1]))[0]


def test_an_exchanged_pair_is_told(person: MarkerData) -> None:
    xyz, index = person.xyz.copy(), person.names.index
    xyz[:, [index("RKNE"), index("LKNE")]] = xyz[:, [index("LKNE"), index("RKNE")]]
    assert told(with_xyz(person, xyz)) == [
        "exchanged, left for right: RKNE and LKNE. Mend the names"
    ]


def test_arms_that_cross_are_not_exchanged(person: MarkerData) -> None:
    folded = {"arm_flex": 45, "arm_rot": 80, "elbow_flex": 90}
    crossed = standing(folded)
    across = crossed[MARKERS.index("RWRA"), 2] - crossed[MARKERS.index("LWRA"), 2]
    assert across < -0.15  # the right wrist is left of the left one
    assert exchanged_pairs(with_xyz(person, np.tile(crossed, (len(person.time), 1, 1)))) == []


def test_a_pair_that_changes_places_half_way_is_told(person: MarkerData) -> None:
    xyz, pair = person.xyz.copy(), [person.names.index("RANK"), person.names.index("LANK")]
    xyz[40:, pair] = xyz[40:, pair[::-1]]
    (found,) = marker_findings(with_xyz(person, xyz))
    assert found.text == f"RANK and LANK change places at {person.time[40]:.2f} s. Mend the names"


def test_gaps_are_told(person: MarkerData) -> None:
    xyz = person.xyz.copy()
    xyz[10:, 5:] = np.nan
    assert f"fewer than 6 of {len(person.names)} markers" in told(with_xyz(person, xyz))[0]
    xyz = person.xyz.copy()
    xyz[10:, person.names.index("RTHI")] = np.nan
    assert [tuple(one) for one in marker_findings(with_xyz(person, xyz))] == [
        ("mostly missing: RTHI", False)
    ]


def test_a_static_trial_that_moves_is_told(person: MarkerData) -> None:
    (found,) = static_findings(person)
    assert "the subject moves in the static trial" in found.text
    assert not found.wrong


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("sign", [1, -1])
def test_any_axis_may_point_up(person: MarkerData, axis: int, sign: int) -> None:
    turn = np.roll(np.eye(3), axis - 1, axis=1).T * sign  # a proper turn, or all axes the other way
    turn = turn if np.linalg.det(turn) > 0 else turn @ np.diag([-1.0, 1.0, 1.0])
    other = turned(person, turn)
    back = ground_turn([other])
    assert back is not None
    assert np.linalg.det(back) == pytest.approx(1.0)
    np.testing.assert_allclose(turned(other, back).xyz[..., 1], person.xyz[..., 1], atol=1e-12)


def test_z_is_up_in_recordings_that_say_so_and_in_those_that_do_not(data_dir: Path) -> None:
    for name in ("cmu_02_05", "tennis_serve", "opensim_walking_c3d"):
        markers = load_markers(data_dir / "omc" / name / "c3d.c3d", lambda _: None)
        renamed = match(OSIM, markers.names).renamed(markers)
        turn = ground_turn([renamed])
        assert turn is not None
        np.testing.assert_array_equal(turn, [[1, 0, 0], [0, 0, 1], [0, -1, 0]])


def test_where_up_is_not_told_nothing_is_turned(person: MarkerData) -> None:
    nameless = MarkerData(person.time, person.xyz[:, :4], tuple("abcd"))
    assert ground_turn([nameless]) is None
    lying = turned(person, np.array([[1, 0, 0], [0, 0.7071, -0.7071], [0, 0.7071, 0.7071]]))
    assert ground_turn([lying]) is None
