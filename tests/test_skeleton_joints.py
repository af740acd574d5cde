"""Joints and functions on small models, one by one, against OpenSim and against scipy."""

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.interpolate import CubicSpline

from d3ke.skeleton.functions import natural_cubic_spline
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_skeleton import load, scale
from tests.small_models import LINE, POINTS, custom_joint, joint, two_bodies
from tests.test_skeleton_opensim import assert_equal_to_opensim

pytest.importorskip("opensim", reason="OpenSim is the oracle here")

JOINTS = {
    "WeldJoint": 0, "PinJoint": 1, "SliderJoint": 1, "UniversalJoint": 2, "BallJoint": 3,
    "GimbalJoint": 3, "EllipsoidJoint": 3, "PlanarJoint": 3, "FreeJoint": 6,
}  # fmt: skip
FUNCTIONS = {
    "Constant": "<value>0.3</value>",
    "LinearFunction": "<coefficients>-1.5 0.2</coefficients>",
    "PolynomialFunction": "<coefficients>0.1 -0.2 0.3 0.05</coefficients>",
    "SimmSpline": POINTS,
    "PiecewiseLinearFunction": POINTS,
}
SCALES = np.array([[0.8, 1.3, 1.1], [1.2, 0.9, 0.7]])


def check(path: Path, text: str) -> OsimModel:
    """Frames are OpenSim's, unscaled and scaled."""
    path.write_text(text, encoding="utf-8")
    osim = OsimModel.from_file(path)
    assert_equal_to_opensim(path, osim, SCALES, scaled=False)
    assert_equal_to_opensim(path, osim, SCALES)
    return osim


@pytest.mark.parametrize("kind", JOINTS)
def test_each_joint_moves_as_in_opensim(tmp_path: Path, kind: str) -> None:
    radii = "<radii_x_y_z>0.1 0.2 0.3</radii_x_y_z>" if kind == "EllipsoidJoint" else ""
    check(tmp_path / "small.osim", two_bodies(joint(kind, JOINTS[kind], radii)))


@pytest.mark.parametrize("kind", FUNCTIONS)
@pytest.mark.parametrize("multiplied", [False, True])
def test_each_function_turns_and_slides_as_in_opensim(
    tmp_path: Path, kind: str, multiplied: bool
) -> None:
    function = f'<{kind} name="function">{FUNCTIONS[kind]}</{kind}>'
    if multiplied:
        function = (
            f'<MultiplierFunction name="function"><function>{function}</function>'
            "<scale>1.7</scale></MultiplierFunction>"
        )
    named = "" if kind == "Constant" else "q1"
    axes = {
        "rotation1": ("q0", LINE),
        "rotation2": (named, function),
        "translation1": ("q1", LINE),
        "translation2": (named, function),
        "translation3": (named, function),
    }
    check(tmp_path / "small.osim", two_bodies(custom_joint(axes)))


def test_a_line_may_follow_several_coordinates(tmp_path: Path) -> None:
    line = '<LinearFunction name="function"><coefficients>0.5 -0.3 0.1</coefficients>'
    axes = {"rotation1": ("q0", LINE), "rotation3": ("q0 q1", f"{line}</LinearFunction>")}
    check(tmp_path / "small.osim", two_bodies(custom_joint(axes)))


def test_a_sliding_coordinate_follows_its_coupler_in_the_size_of_its_body(tmp_path: Path) -> None:
    coupler = (
        '<CoordinateCouplerConstraint name="coupler"><coupled_coordinates_function>'
        f"<SimmSpline>{POINTS}</SimmSpline></coupled_coordinates_function>"
        "<independent_coordinate_names>base_angle</independent_coordinate_names>"
        "<dependent_coordinate_name>q0</dependent_coordinate_name>"
        "<scale_factor>0.5</scale_factor></CoordinateCouplerConstraint>"
    )
    path = tmp_path / "small.osim"
    path.write_text(two_bodies(joint("SliderJoint", 1), coupler), encoding="utf-8")
    osim = OsimModel.from_file(path)
    assert_equal_to_opensim(path, osim, SCALES, scaled=False)
    even = np.array([[1.3, 1.3, 1.3], [0.8, 0.9, 1.1]])  # OpenSim refuses uneven scales here
    assert_equal_to_opensim(path, osim, even)


def test_unit_scales_change_nothing_on_oblique_axes() -> None:
    spline = f'<SimmSpline name="function">{POINTS}</SimmSpline>'
    text = two_bodies(custom_joint({"rotation1": ("q0", LINE), "translation1": ("q1", spline)}))
    text = text.replace("<axis>-1 0 0</axis>", "<axis>-1 0.5 0</axis>")
    skeleton = SkeletalModel(OsimModel.from_xml(text), torch.float64)
    q = torch.tensor([0.3, 0.4, 0.5], dtype=torch.float64)
    ones = torch.ones(2, 3, dtype=torch.float64)
    torch.testing.assert_close(skeleton.bodies(q, ones), skeleton.bodies(q))


def test_a_natural_spline_is_scipys_and_straight_beyond_its_ends() -> None:
    x, y = np.array([-1.5, -0.4, 0.3, 1.0, 1.7]), np.array([0.1, 0.3, -0.2, 0.25, 0.1])
    ours, reference = natural_cubic_spline(x, y), CubicSpline(x, y, bc_type="natural")
    for at in np.linspace(-1.5, 1.7, 23):
        assert ours.value([at]) == pytest.approx(float(reference(at)), abs=1e-12)
    after = float(reference(1.7)) + 0.8 * float(reference(1.7, 1))
    assert ours.value([2.5]) == pytest.approx(after, abs=1e-12)


def test_opensim_scales_a_slide_by_the_scale_along_its_axis(tmp_path: Path) -> None:
    # The rule that `slide_growth` states, seen in OpenSim itself.
    spline = f'<SimmSpline name="function">{POINTS}</SimmSpline>'
    text = two_bodies(custom_joint({"rotation1": ("q0", LINE), "translation1": ("q1", spline)}))
    path, printed = tmp_path / "small.osim", tmp_path / "printed.osim"
    path.write_text(text.replace("<axis>-1 0 0</axis>", "<axis>0 0.6 -0.8</axis>"))
    model = load(path)
    scale(model, ["base", "tip"], np.array([[2.0, 3.0, 4.0], [1.0, 1.0, 1.0]]))
    model.printToXML(str(printed))
    assert "<scale>5</scale>" in printed.read_text()  # 0.6 * 3 + 0.8 * 4
