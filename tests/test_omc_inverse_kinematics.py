"""Inverse kinematics against made-up truth, a Jacobian, and OpenSim's own tool."""

from collections.abc import Mapping
from dataclasses import replace
from xml.etree import ElementTree

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.omc.branches import Branches
from d3ke.omc.inverse_kinematics import inverse_kinematics
from d3ke.omc.marker_fit import MarkerFit, Targets
from d3ke.omc.marker_track import MarkerTrack
from d3ke.omc.opensim_ik import opensim_inverse_kinematics
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_oracle import opensim
from tests.small_models import LINE, POINTS, custom_joint, joint, two_bodies

Array = NDArray[np.float64]

OSIM = default_model()
NAMES, MARKERS = OSIM.coordinate_names, OSIM.marker_names
SKELETON = SkeletalModel(OSIM, torch.float64)
EVERY = dict.fromkeys(MARKERS, 1.0)
RATE_HZ = 100.0
EXACT = 1e-6  # rad or m: how well markers without errors give coordinates back
HAND = ("RHM2", "RFIN", "RHM5")

SPLINE = f'<SimmSpline name="function">{POINTS}</SimmSpline>'
COUPLER = (
    '<CoordinateCouplerConstraint name="coupler"><coupled_coordinates_function>'
    f"<SimmSpline>{POINTS}</SimmSpline></coupled_coordinates_function>"
    "<independent_coordinate_names>base_angle</independent_coordinate_names>"
    "<dependent_coordinate_name>q1</dependent_coordinate_name></CoordinateCouplerConstraint>"
)
MARKER = """<Marker name="{body}{number}"><socket_parent_frame>/bodyset/{body}</socket_parent_frame>
<location>{place}</location></Marker>"""
PLACES = ("0.2 0 0", "0 0.3 0.1", "0.1 -0.1 0.2")


def moved(seconds: float = 0.5) -> tuple[Array, Array]:
    """A motion of all coordinates at once, in the middle halves of their ranges."""
    time = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    low, high = np.array([c.range for c in OSIM.coordinates]).T
    low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    waves = np.sin(3.0 * time[:, None] + np.arange(len(NAMES)))
    return time, (low + high) / 2 + (high - low) / 4 * waves


def recorded(osim: OsimModel, time: Array, q: Array) -> MarkerData:
    """What cameras without any error would record."""
    places = SkeletalModel(osim, torch.float64)(torch.from_numpy(q)).markers
    return MarkerData(time, places.numpy(), osim.marker_names)


def without(markers: MarkerData, names: tuple[str, ...], frames: slice) -> MarkerData:
    """The recording with a gap."""
    xyz = markers.xyz.copy()
    for name in names:
        xyz[frames, markers.names.index(name)] = np.nan
    return replace(markers, xyz=xyz)


def small(moving: str, constraints: str = "", **changes: str) -> OsimModel:
    """Two bodies with three markers each. changes: of a coordinate's element, by its name."""
    markers = "".join(
        MARKER.format(body=body, number=number, place=place)
        for body in ("base", "tip")
        for number, place in enumerate(PLACES)
    )
    text = two_bodies(
        moving, constraints, f'<MarkerSet name="m"><objects>{markers}</objects></MarkerSet>'
    )
    for name, inside in changes.items():
        text = text.replace(f'<Coordinate name="{name}">', f'<Coordinate name="{name}">{inside}')
    return OsimModel.from_xml(text)


def small_motion(osim: OsimModel) -> tuple[Array, Array]:
    time = np.arange(20) / RATE_HZ
    return time, 0.8 * np.sin(6.0 * time[:, None] + np.arange(len(osim.coordinates)))


COUPLED = small(custom_joint({"rotation1": ("q0", LINE), "translation1": ("q1", SPLINE)}), COUPLER)


def test_exact_markers_give_exact_coordinates() -> None:
    time, q = moved()
    found = inverse_kinematics(OSIM, recorded(OSIM, time, q), EVERY)
    assert found.converged.all()
    np.testing.assert_allclose(found.motion.q, q, atol=EXACT)
    assert found.errors.max() < EXACT
    assert found.motion.rotational == tuple(c.rotational for c in OSIM.coordinates)


def test_what_a_coupler_binds_follows() -> None:
    time, q = small_motion(COUPLED)
    whole = SkeletalModel(COUPLED, torch.float64)
    (coupler,) = COUPLED.couplers
    q[:, 2] = [coupler.function.value([angle]) for angle in q[:, 0]]
    found = inverse_kinematics(
        COUPLED, recorded(COUPLED, time, q), dict.fromkeys(COUPLED.marker_names, 1.0)
    )
    assert whole.osim.coordinate_names[2] == coupler.dependent
    np.testing.assert_allclose(found.motion.q, q, atol=EXACT)


ELLIPSOID = "<radii_x_y_z>0.3 0.2 0.1</radii_x_y_z>"


@pytest.mark.parametrize(
    "osim",
    [
        OSIM,
        COUPLED,
        small(joint("EllipsoidJoint", 3, ELLIPSOID)),
        small(joint("FreeJoint", 6)),
        small(custom_joint({"rotation2": ("q0", LINE), "rotation3": ("q1", SPLINE)})),
        small(custom_joint({"rotation1": ("q0", LINE), "translation2": ("q0 q1", "")})),
    ],
    ids=["default", "coupled", "ellipsoid", "free", "two turns", "a slide"],
)
def test_the_way_down_is_that_of_a_jacobian(osim: OsimModel) -> None:
    torch.manual_seed(0)
    pulls = {osim.coordinate_names[0]: 0.3}
    fit = MarkerFit(osim, osim.marker_names, pulls)
    values = 0.4 * torch.randn(3, len(fit.free), dtype=torch.float64)
    weights = torch.rand(len(osim.markers), 3, dtype=torch.float64)
    places = torch.randn(len(osim.markers), 3, 3, dtype=torch.float64)
    found = fit(values, Targets(places, weights))

    def markers(at: torch.Tensor) -> torch.Tensor:
        q = fit.default.index_copy(0, fit.free, at)
        return torch.as_tensor(fit.skeleton(q).markers)

    for pose in range(3):
        slopes = torch.func.jacfwd(markers)(values[pose])  # (M, 3, F)
        apart = places[..., pose] - markers(values[pose])
        descent = torch.einsum("mif,m,mi->f", slopes, weights[:, pose], apart)
        curvature = torch.einsum("mif,m,mig->fg", slopes, weights[:, pose], slopes)
        off = fit.default[0] - values[pose, 0]
        descent[0] += 0.3 * off
        curvature[0, 0] += 0.3
        cost = (weights[:, pose] * (apart**2).sum(1)).sum() + 0.3 * off**2
        torch.testing.assert_close(found.cost[pose], cost)
        torch.testing.assert_close(found.descent[pose], descent)
        torch.testing.assert_close(found.curvature[pose], curvature)


def uneven(names: tuple[str, ...]) -> dict[str, float]:
    return {name: 1.0 + place % 4 for place, name in enumerate(names)}


def assert_the_tool_agrees(
    osim: OsimModel,
    markers: MarkerData,
    coordinate_weights: Mapping[str, float],
    atol: float,
) -> None:
    opensim()
    weights = uneven(osim.marker_names)
    ours = inverse_kinematics(osim, markers, weights, coordinate_weights)
    theirs = opensim_inverse_kinematics(osim, markers, weights, coordinate_weights, 1e-9)
    np.testing.assert_allclose(ours.motion.q, theirs.motion.q, atol=atol)
    np.testing.assert_allclose(ours.errors, theirs.errors, atol=atol)
    assert np.nanmax(ours.errors) > 0.005  # noise: what is minimised matters


def noisy(markers: MarkerData) -> MarkerData:
    rng = np.random.default_rng(0)
    return replace(markers, xyz=markers.xyz + rng.normal(0, 0.01, markers.xyz.shape))


def test_opensims_tool_finds_the_same() -> None:
    time, q = moved(0.04)
    markers = without(noisy(recorded(OSIM, time, q)), ("C7", "RKNE"), slice(1, 3))
    pulls = {"hip_rotation_r": 0.01, "knee_angle_l": 0.002}
    assert_the_tool_agrees(OSIM, markers, pulls, atol=2e-4)  # rad, or m: its own convergence


def test_opensims_tool_finds_the_same_with_a_coupler_and_a_bound() -> None:
    moving = custom_joint({"rotation1": ("q0", LINE), "translation1": ("q1", LINE)})
    osim = small(moving, COUPLER, q0="<clamped>true</clamped>")
    osim = OsimModel.from_xml(osim.xml.replace("<range>-2 2</range>", "<range>-2 0.5</range>"))
    time, q = small_motion(osim)
    q[:, 1] = 0.7
    assert_the_tool_agrees(osim, noisy(recorded(osim, time, q)), {}, atol=2e-4)


def test_a_clamped_coordinate_stays_in_its_range_and_others_do_not() -> None:
    moving = joint("PinJoint", 1)
    weights = dict.fromkeys(COUPLED.marker_names, 1.0)
    for words, expected in (("", 2.5), ("<clamped>true</clamped>", 2.0)):
        osim = small(moving, q0=words)
        q = np.array([[0.1, 2.5]])
        found = inverse_kinematics(osim, recorded(osim, np.zeros(1), q), weights)
        assert found.motion.q[0, 1] == pytest.approx(expected, abs=EXACT)
        assert found.converged.all()


def test_a_locked_coordinate_stays_at_its_default() -> None:
    osim = small(joint("PinJoint", 1), q0="<locked>true</locked><default_value>0.3</default_value>")
    weights = dict.fromkeys(osim.marker_names, 1.0)
    found = inverse_kinematics(osim, recorded(osim, np.zeros(1), np.array([[0.1, 1.0]])), weights)
    assert found.motion.q[0, 1] == 0.3


def test_a_coordinate_is_unknown_where_its_markers_are_missing() -> None:
    time, q = moved()
    gap = slice(20, 26)
    markers = without(recorded(OSIM, time, q), HAND, gap)
    found = inverse_kinematics(OSIM, markers, EVERY)
    unknown = np.isnan(found.motion.q)
    lost = {NAMES[place] for place in np.flatnonzero(unknown[gap].all(axis=0))}
    assert lost == {"wrist_flex_r", "wrist_dev_r"}
    assert unknown.sum() == 2 * 6
    np.testing.assert_allclose(found.motion.q[~unknown], q[~unknown], atol=EXACT)
    at = [MARKERS.index(name) for name in HAND]
    assert np.isnan(found.errors[gap, at]).all()
    assert np.isfinite(found.markers.xyz).all()


def test_a_frame_of_too_few_markers_is_unknown() -> None:
    time, q = moved()
    markers = without(recorded(OSIM, time, q), MARKERS[2:], slice(7, 8))
    markers = without(markers, MARKERS, slice(30, 32))
    found = inverse_kinematics(OSIM, markers, EVERY)
    lost = np.zeros(len(time), bool)
    lost[[7, 30, 31]] = True
    assert (np.isnan(found.motion.q).all(axis=1) == lost).all()
    assert (np.isnan(found.errors).all(axis=1) == lost).all()
    assert (found.converged == ~lost).all()
    np.testing.assert_allclose(found.motion.q[~lost], q[~lost], atol=EXACT)


def test_a_recording_of_nothing_is_unknown() -> None:
    markers = MarkerData(np.arange(3.0), np.full((3, 2, 3), np.nan), MARKERS[:2])
    found = inverse_kinematics(OSIM, markers, EVERY)
    assert np.isnan(found.motion.q).all()
    assert not found.converged.any()


def test_a_person_may_turn_over_and_round() -> None:
    time, q = moved(1.0)
    for name in ("pelvis_tilt", "pelvis_list", "pelvis_rotation"):
        q[:, NAMES.index(name)] *= 0.2
    q[:, NAMES.index("pelvis_rotation")] += np.linspace(0, 4 * np.pi, len(time))
    q[:, NAMES.index("pelvis_list")] += np.linspace(0, np.pi, len(time))
    found = inverse_kinematics(OSIM, recorded(OSIM, time, q), EVERY)
    assert np.nanmax(found.errors) < EXACT
    np.testing.assert_allclose(found.motion.q, q, atol=1e-5)  # beside a pole angles are less sure


def test_markers_without_a_weight_are_judged_but_not_followed() -> None:
    time, q = moved(0.05)
    markers = recorded(OSIM, time, q)
    markers.xyz[:, MARKERS.index("C7")] += 0.1
    found = inverse_kinematics(OSIM, markers, EVERY | {"C7": 0.0})
    np.testing.assert_allclose(found.motion.q, q, atol=EXACT)
    expected = pytest.approx(0.1 * 3**0.5, abs=EXACT)
    assert found.errors[0, MARKERS.index("C7")] == expected


def test_a_posture_far_from_default_is_reached_through_its_neighbours(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(1)
    low, high = np.clip(np.array([c.range for c in OSIM.coordinates]).T, -2.2, 2.2)
    time = np.arange(12) / RATE_HZ
    path = np.linspace(0, 1, len(time))[:, None] * rng.uniform(low, high)
    markers = recorded(OSIM, time, path)

    def worst() -> float:
        return float(inverse_kinematics(OSIM, markers, EVERY).errors.max())

    monkeypatch.setattr(MarkerTrack, "_bent", lambda self, start: iter(()))
    assert worst() < EXACT
    monkeypatch.setattr("d3ke.omc.marker_track.MENDINGS", 0)
    assert worst() > 0.01  # each frame by itself ends in another minimum


def test_a_pelvis_whose_slides_have_factors_is_found_where_it_is() -> None:
    root = ElementTree.fromstring(OSIM.xml)
    joint_element = root.find(".//CustomJoint[@name='ground_pelvis']")
    assert joint_element is not None
    for axis in joint_element.iter("TransformAxis"):
        plain = axis.find("LinearFunction")
        if axis.get("name", "").startswith("translation") and plain is not None:
            axis.remove(plain)
            factor = ElementTree.SubElement(axis, "MultiplierFunction", name="function")
            ElementTree.SubElement(factor, "function").append(plain)
            ElementTree.SubElement(factor, "scale").text = "1"
    osim = OsimModel.from_xml(ElementTree.tostring(root, encoding="unicode"))
    assert osim.joints[0].translations[0].growth is not None
    _, q = moved(0.1)
    skeleton = SkeletalModel(osim, torch.float64)
    pelvis = skeleton.bodies(torch.from_numpy(q))[:, 0]
    np.testing.assert_allclose(skeleton.root_coordinates(pelvis), q[:, :6], atol=1e-12)


def test_branches_move_nothing_and_take_jumps_out() -> None:
    _, q = moved(1.0)
    free = np.tile([-np.inf, np.inf], (len(NAMES), 1))
    names = list(NAMES)
    mixed = q.copy()
    a, b, c = (names.index(name) for name in ("hip_flexion_r", "hip_adduction_r", "hip_rotation_r"))
    mixed[40:, a] += np.pi
    mixed[40:, b] = np.pi - mixed[40:, b]
    mixed[40:, c] -= np.pi
    mixed[60:, 0] += 2 * np.pi
    there = SKELETON.bodies(torch.from_numpy(q))
    torch.testing.assert_close(SKELETON.bodies(torch.from_numpy(mixed)), there)
    found = Branches(OSIM, names, free).followed(mixed, np.zeros(len(names)))
    np.testing.assert_allclose(found, q, atol=1e-12)
    kept = Branches(OSIM, names, free, ["pelvis_tilt", names[b]]).followed(
        mixed, np.zeros(len(q.T))
    )
    assert (kept[:, [0, b]] == mixed[:, [0, b]]).all()


@pytest.mark.parametrize(
    ("weights", "pulls", "said"),
    [
        ({"NOSUCH": 1.0}, {}, "no marker NOSUCH"),
        ({"C7": -1.0}, {}, "marker C7 has -1"),
        ({"C7": float("nan")}, {}, "marker C7 has nan"),
        (EVERY, {"knee": 1.0}, "no coordinate knee"),
        ({"C7": 0.0}, {}, "no marker with a weight"),
        ({}, {}, "no marker with a weight"),
    ],
)
def test_weights_that_make_no_sense_are_refused(
    weights: dict[str, float], pulls: dict[str, float], said: str
) -> None:
    time, q = moved(0.02)
    with pytest.raises(D3keError, match=said):
        inverse_kinematics(OSIM, recorded(OSIM, time, q), weights, pulls)


def test_opensims_tool_skips_frames_without_markers() -> None:
    opensim()
    time, q = small_motion(COUPLED)
    (coupler,) = COUPLED.couplers
    q[:, 2] = [coupler.function.value([angle]) for angle in q[:, 0]]
    markers = without(recorded(COUPLED, time, q), COUPLED.marker_names, slice(3, 5))
    weights = dict.fromkeys(COUPLED.marker_names, 1.0)
    found = opensim_inverse_kinematics(COUPLED, markers, weights)
    lost = np.isnan(found.motion.q).all(axis=1)
    assert np.flatnonzero(lost).tolist() == [3, 4]
    assert (found.converged == ~lost).all()
    np.testing.assert_allclose(found.motion.q[~lost], q[~lost], atol=0.02)
