"""D3KE's own skeleton: its counts and orders, OpenSim's frames, the published layer's formula."""

import json
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.network.config import D3KEConfig, bounds_of
from d3ke.network.losses import range_weights
from d3ke.network.scale_groups import ScaleMap, read_scale_groups
from d3ke.network.transition import BoundedCoordinates, Transition
from d3ke.skeleton.kinematics import SkeletalModel
from tests.d3ke_skeleton import (
    BODIES,
    JOINTS,
    LOCKED,
    MARKER_WEIGHTS,
    MARKERS,
    PREDICTED,
    SCALES,
    XYZ,
    Row,
    d3ke_skeleton,
    is_coupled,
    table,
    three,
)
from tests.opensim_skeleton import (
    body_frames,
    couple,
    frame_errors,
    load,
    random_coordinates,
    scale,
)

Array = NDArray[np.float64]
WITHIN_MM = 1e-6  # measured: 4e-12, float64
WITHIN_RAD = 1e-9  # measured: 2e-15
POSES = 4


def test_counts_are_the_published_ones() -> None:
    osim = d3ke_skeleton()
    kinds = Counter(joint.kind for joint in osim.joints)
    assert kinds == {"CustomJoint": 42, "WeldJoint": 16}
    assert (len(osim.bodies), len(osim.coordinates), len(osim.markers)) == (58, 95, 65)
    assert (len(BODIES), len(JOINTS), len(PREDICTED)) == (48, 50, 69)
    assert len(osim.couplers) == 14  # seven a shoulder


def test_orders_are_the_network_s() -> None:
    osim = d3ke_skeleton()
    assert osim.body_names[:48] == BODIES
    assert osim.marker_names == MARKERS
    assert tuple(n for n in osim.coordinate_names if n in PREDICTED) == PREDICTED
    leaves = ("radiocarpal", "radiocarpal_l")
    assert tuple(n for n in osim.joint_names if n in JOINTS and n not in leaves) == JOINTS[:48]
    assert JOINTS[48:] == leaves


def test_a_predicted_coordinate_follows_no_other() -> None:
    osim = d3ke_skeleton()
    assert not {coupler.dependent for coupler in osim.couplers} & set(PREDICTED)
    assert tuple(c.name for c in osim.coordinates if c.locked) == LOCKED


def test_every_predicted_body_axis_has_one_of_the_51_scales() -> None:
    groups = read_scale_groups(SCALES)
    assert len(groups) == 51
    counted = Counter(axis for group in groups for axis in group.axes)
    assert counted == Counter(f"{body}.{axis}" for body in BODIES for axis in XYZ)


def test_every_scale_reaches_the_skeleton_s_own_size() -> None:
    scales = ScaleMap(read_scale_groups(SCALES), BODIES)
    low, high = scales.scales(torch.tensor([[-1.0], [1.0]]).expand(2, 51))
    assert (low <= 1).all()
    assert (high >= 1).all()
    assert (high / low - 1).min() < 1e-5  # the skull's width is constant
    assert (high / low).max() < 2.5  # the scapulae's depth, 2.2


def test_templates_are_the_published_ones_but_the_tibiae_s() -> None:
    template = ScaleMap(read_scale_groups(SCALES), BODIES).template.numpy()
    published = np.array(
        [[float(word) for word in three(row, "template").split()] for row in table("bodies")]
    )
    shanks = [BODIES.index("tibia_r"), BODIES.index("tibia_l")]
    of_mesh = published / template
    np.testing.assert_allclose(np.delete(of_mesh, shanks, axis=0), 1, rtol=1e-6)
    # A factor of the mesh, the same on both sides to the four places published.
    np.testing.assert_allclose(of_mesh[shanks], [[0.978, 1.369, 0.941]] * 2, atol=5e-4)


def test_marker_weights_are_a_tenth_of_inverse_kinematics_ones() -> None:
    weights = json.loads(MARKER_WEIGHTS.read_text(encoding="utf-8"))
    assert tuple(weights) == MARKERS
    assert Counter(weights.values()) == {2.0: 30, 0.1: 19, 1.0: 14, 0.0: 2}
    assert [name for name in MARKERS if weights[name] == 0] == ["LSHOULDER", "RSHOULDER"]


def test_range_weights_run_from_1_of_toes_to_2_of_shoulders() -> None:
    bounds = torch.tensor(list(bounds_of(d3ke_skeleton(), PREDICTED).values()))
    half = (bounds[:, 1] - bounds[:, 0]) / 2
    assert half.max().item() == pytest.approx(4.712)
    assert half.min().item() == pytest.approx(0.131, abs=5e-4)
    weights = dict(zip(PREDICTED, range_weights(half).tolist(), strict=True))
    assert [name for name, weight in weights.items() if weight == pytest.approx(2)] == [
        "shoulder1_r2",
        "shoulder1_r2_l",
    ]
    assert [name for name, weight in weights.items() if weight == pytest.approx(1)] == [
        "mtp_angle_r",
        "mtp_angle_l",
    ]


def test_a_head_has_126_outputs() -> None:
    osim = d3ke_skeleton()
    groups = tuple(group.to_dict() for group in read_scale_groups(SCALES))
    config = D3KEConfig(osim.sha256, bounds=bounds_of(osim, PREDICTED), scale_groups=groups)
    transition = Transition(config, osim, BoundedCoordinates(config, osim))
    assert transition.outputs == 6 + 51 + 69 == 126
    answer = transition.of_rows(torch.randn(3, 126))
    names = [osim.coordinate_names[i] for i in transition.coordinates.predicted]
    assert tuple(names) == PREDICTED
    assert torch.equal(answer.scales[:, 48:], torch.ones(3, 10, 3))  # of no size of their own


@pytest.mark.parametrize("scaled", [False, True])
def test_frames_are_those_of_opensim(tmp_path: Path, scaled: bool) -> None:
    pytest.importorskip("opensim", reason="OpenSim is the oracle here")
    osim = d3ke_skeleton()
    osim.write(tmp_path / "d3ke.osim")
    model, rng = load(tmp_path / "d3ke.osim"), np.random.default_rng(1)
    scales = rng.uniform(0.7, 1.4, (58, 3)) if scaled else np.ones((58, 3))
    if scaled:
        scale(model, osim.body_names, scales)
    skeleton = SkeletalModel(osim, torch.float64)
    dependent = [osim.coordinate_names.index(coupler.dependent) for coupler in osim.couplers]
    for _ in range(POSES):
        q = couple(model, random_coordinates(osim, rng))
        expected = body_frames(model, q)
        q[dependent] = 7.7  # they follow, whatever they are given
        found = skeleton.bodies(torch.tensor(q), torch.tensor(scales)).numpy()
        error_mm, error_rad = frame_errors(found, expected)
        assert error_mm < WITHIN_MM
        assert error_rad < WITHIN_RAD


def test_frames_are_those_of_the_published_formula() -> None:
    osim, rng = d3ke_skeleton(), np.random.default_rng(3)
    skeleton = SkeletalModel(osim, torch.float64)
    scales = rng.uniform(0.7, 1.4, (58, 3))
    scales[48:] = 1  # as the published layer has bodies without a predicted scale
    for _ in range(POSES):
        q = random_coordinates(osim, rng)
        named = dict(zip(osim.coordinate_names, q.tolist(), strict=True))
        root = np.eye(4)
        root[:3, :3] = body_xyz(*rng.uniform(-3, 3, 3))
        walk = PublishedLayer(named, dict(zip(osim.body_names, scales, strict=True)), root)
        pose = skeleton(torch.tensor(q), torch.tensor(scales), torch.tensor(root))
        expected = np.array([walk.frame(body) for body in osim.body_names])
        error_mm, error_rad = frame_errors(pose.bodies.numpy(), expected)
        assert error_mm < WITHIN_MM
        assert error_rad < WITHIN_RAD
        centres = np.array([walk.centre(joint) for joint in osim.joint_names])
        np.testing.assert_allclose(pose.joints.numpy(), centres, atol=1e-9)
        markers = np.array([walk.marker(row) for row in table("markers")])
        np.testing.assert_allclose(pose.markers.numpy(), markers, atol=1e-9)


def test_a_straight_left_leg_is_where_the_hand_finds_it() -> None:
    osim = d3ke_skeleton()
    pose = SkeletalModel(osim, torch.float64)(torch.zeros(95, dtype=torch.float64))
    pelvis = np.array([0, -0.2351, 0])
    hip = pelvis + np.array([-0.08442, -0.08454, -0.09696])
    thigh = body_xyz(0.01745, 0.004869, -0.06999)
    knee = hip + thigh @ [-0.003532, -0.3743, -0.005514]
    shank = thigh @ body_xyz(-0.02463, -0.009006, 0.002635)
    ankle = knee + shank @ [0.003623, -0.4175, -0.002964]
    found = pose.joints[[osim.joint_names.index(name) for name in ("hip_l", "knee_l", "ankle_l")]]
    np.testing.assert_allclose(found.numpy(), [hip, knee, ankle], atol=1e-12)


@pytest.mark.parametrize(
    ("side", "sign"), [("r", 1.0), ("l", -1.0)], ids=["right as it is", "left the other way"]
)
def test_a_knee_turns_inwards_by_its_side_s_sign(side: str, sign: float) -> None:
    osim = d3ke_skeleton()
    skeleton, shank = SkeletalModel(osim, torch.float64), osim.body_names.index(f"tibia_{side}")
    for coordinate, turn in (
        ("y", body_xyz(0, 0.15 * sign, 0)),
        ("x", body_xyz(0.15 * sign, 0, 0)),
    ):
        q = torch.zeros(2, 95, dtype=torch.float64)
        q[1, osim.coordinate_names.index(f"knee_angle_{coordinate}_{side}")] = 0.15
        straight, turned = skeleton.bodies(q)[:, shank, :3, :3].numpy()
        np.testing.assert_allclose(straight.T @ turned, turn, atol=1e-12)


class PublishedLayer:
    """D3KE's skeletal layer by its formula, one body after the other: X = X_parent P Rot C^-1.

    root: the pelvis, (4, 4).
    """

    def __init__(self, q: dict[str, float], scales: dict[str, Array], root: Array) -> None:
        self.q, self.scales, self.root = q, scales, root
        self.joints = {row["child"]: row for row in table("joints")}
        self.frame = cache(self._frame)

    def _frame(self, body: str) -> Array:
        if body == "pelvis":
            return self.root
        joint = self.joints[body]
        turned = np.eye(4)
        for row in table("coordinates"):
            if row["joint"] == joint["joint"]:
                turned = turned @ self._motion(row)
        parent, child = self._offset(joint, "parent"), self._offset(joint, "child")
        return np.asarray(self.frame(joint["parent"]) @ parent @ turned @ np.linalg.inv(child))

    def centre(self, name: str) -> Array:
        """A joint's centre, m."""
        joint = next(row for row in self.joints.values() if row["joint"] == name)
        place = self._offset(joint, "child")[:, 3]
        return np.asarray(self.frame(joint["child"]) @ place)[:3]

    def marker(self, row: Row) -> Array:
        """A marker's place, m."""
        place = self.scales[row["body"]] * numbers(three(row, "made_up"))
        return np.asarray(self.frame(row["body"]) @ [*place, 1])[:3]

    def _offset(self, joint: Row, end: str) -> Array:
        frame = np.eye(4)
        frame[:3, :3] = body_xyz(*numbers(three(joint, f"{end}_angle")))
        frame[:3, 3] = self.scales[joint[end]] * numbers(three(joint, end))
        return frame

    def _motion(self, row: Row) -> Array:
        frame = np.eye(4)
        axis = numbers(three(row, "axis")) * float(row["sign"])
        frame[:3, :3] = about(axis, self._value(row))
        return frame

    def _value(self, row: Row) -> float:
        if not is_coupled(row):
            return self.q[row["coordinate"]]
        x0, x1, y0, y1 = (float(row[name]) for name in ("x0", "x1", "y0", "y1"))
        return (self.q[row["independent"]] - x0) * (y1 - y0) / (x1 - x0) + y0


def numbers(words: str) -> Array:
    """The numbers in a text."""
    return np.array([float(word) for word in words.split()])


def about(axis: Array, angle: float) -> Array:
    """A rotation about an axis of any length (Rodrigues), (3, 3)."""
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turn = np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
    return np.asarray(turn)


def body_xyz(a: float, b: float, c: float) -> Array:
    """Rx(a) Ry(b) Rz(c), (3, 3)."""
    x, y, z = np.eye(3)
    return about(x, a) @ about(y, b) @ about(z, c)
