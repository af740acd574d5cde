"""Reading, refusing, scaling and writing .osim files."""

import re
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.opensim_skeleton import load, scale
from tests.small_models import custom_joint, document, joint, two_bodies
from tests.test_skeleton_opensim import READ

PIN = two_bodies(joint("PinJoint", 1))
BOMB = (
    '<?xml version="1.0"?><!DOCTYPE b [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{"&a;" * 10 if i == 0 else f"&a{i - 1};" * 10}">' for i in range(9))
    + "]><OpenSimDocument Version='40000'><Model name='&a8;'/></OpenSimDocument>"
)
UNREADABLE = {
    "broken": (PIN[:900], "broken XML"),
    "empty": ("  \n", "the file is empty"),
    "bomb": (BOMB, "document type"),
    "external entity": (PIN.replace("<Open", '<!DOCTYPE x SYSTEM "/etc/hosts"><Open'), "document"),
    "deep": ("<a>" * 10_000 + "</a>" * 10_000, "200 elements deep"),
    "other XML": ("<html><body/></html>", "not an OpenSim document"),
    "no model": ('<OpenSimDocument Version="40000"><Storage/></OpenSimDocument>', "no <Model>"),
    "no version": (PIN.replace(' Version="40000"', ""), "not an OpenSim document"),
    "joint": (PIN.replace("PinJoint", "BushingJoint"), "joint carrying: a BushingJoint is not"),
    "coordinates": (two_bodies(joint("PinJoint", 2)), "2 coordinates instead of 1"),
    "function": (
        two_bodies(custom_joint({"rotation1": ("q0", '<SineFunction name="function"/>')})),
        "joint moving: a function of type SineFunction",
    ),
    "slopes": (
        two_bodies(custom_joint({"rotation1": ("q0 q1", '<LinearFunction name="function"/>')})),
        "1 slopes for 2 coordinates",
    ),
    "spline": (
        two_bodies(
            custom_joint(
                {"rotation1": ("q0", '<SimmSpline name="function"><x>1 2</x><y>3</y></SimmSpline>')}
            )
        ),
        "2 x and 1 y values",
    ),
    "axis": (
        two_bodies(custom_joint({})).replace("<axis>0 2 0</axis>", "<axis>0 0 0</axis>"),
        "rotation3 has no axis",
    ),
    "transform": (
        two_bodies(custom_joint({})).replace('name="translation2"', 'name="slide"'),
        "no translation2",
    ),
    "word": (PIN.replace("<range>-2 2", "<range>low high", 1), "<range> holds 'low high'"),
    "nan": (PIN.replace("<mass>2", "<mass>nan", 1), "base: <mass> holds 'nan'"),
    "count": (PIN.replace("<range>-2 2", "<range>-2", 1), "<range> holds 1 numbers. Give 2"),
    "frame": (PIN.replace("<socket_parent>../near", "<socket_parent>../gone"), "no frame ../gone"),
    "circle": (PIN.replace("<socket_parent>../near", "<socket_parent>../far"), "placed in itself"),
    "twice": (PIN.replace('name="q0"', 'name="base_angle"'), "coordinate name base_angle is there"),
    "unnamed": (PIN.replace('<Body name="tip"', "<Body"), "a Body has no name"),
    "unknown coordinate": (
        two_bodies(
            custom_joint(
                {
                    "rotation1": (
                        "q7",
                        '<SimmSpline name="function"><x>0 1</x><y>0 1</y></SimmSpline>',
                    )
                }
            )
        ),
        "no coordinate q7",
    ),
    "two joints": (
        two_bodies(
            joint("PinJoint", 1)
            + joint("PinJoint", 1).replace("moving", "more").replace("q0", "q1")
        ),
        "both carry body tip: closed loops",
    ),
    "no joint": (two_bodies(""), "body tip hangs on no joint"),
    "loop": (
        PIN.replace("/ground</socket_parent", "/bodyset/tip</socket_parent"),
        "hangs on itself",
    ),
    "weld": (
        two_bodies(joint("PinJoint", 1), '<WeldConstraint name="w"/>'),
        "w is a WeldConstraint",
    ),
    "coupler": (
        two_bodies(joint("PinJoint", 1), '<CoordinateCouplerConstraint name="c"/>'),
        "coupler c needs one function",
    ),
    "coupler of itself": (
        two_bodies(
            joint("PinJoint", 1),
            '<CoordinateCouplerConstraint name="c"><coupled_coordinates_function><LinearFunction/>'
            "</coupled_coordinates_function><independent_coordinate_names>q0"
            "</independent_coordinate_names><dependent_coordinate_name>q0"
            "</dependent_coordinate_name></CoordinateCouplerConstraint>",
        ),
        "depend on each other",
    ),
    "marker": (
        two_bodies(
            joint("PinJoint", 1),
            rest='<MarkerSet name="markerset"><objects><Marker name="m"><socket_parent_frame>'
            "/jointset/moving/near</socket_parent_frame></Marker></objects></MarkerSet>",
        ),
        "marker m is fixed to a frame in a body",
    ),
    "nothing": (document("", ""), "no bodies"),
}


@pytest.mark.parametrize(("text", "reason"), UNREADABLE.values(), ids=UNREADABLE.keys())
def test_a_bad_file_is_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "bad.osim"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(D3keError) as caught:
        OsimModel.from_file(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert reason in message
    assert "\n" not in message


def test_an_old_format_asks_for_opensim_where_it_is_missing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "opensim", None)
    with pytest.raises(D3keError, match="older than OpenSim 4, which only OpenSim can upgrade"):
        OsimModel.from_file(data_dir / "osim" / "nimblephysics" / "gait2392_simbody.osim")


def test_a_constraint_that_is_switched_off_does_not_count() -> None:
    off = '<WeldConstraint name="w"><isEnforced>false</isEnforced></WeldConstraint>'
    assert OsimModel.from_xml(two_bodies(joint("PinJoint", 1), off)).couplers == ()


def test_a_written_model_is_read_again_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "model.osim"
    default_model().write(path)
    assert OsimModel.from_file(path).xml == default_model().xml
    assert OsimModel.from_file(path).sha256 == default_model().sha256


def test_a_model_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="missing does not exist"):
        default_model().write(tmp_path / "missing" / "model.osim")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", READ)
def test_a_scaled_model_is_what_opensim_would_scale(
    data_dir: Path, tmp_path: Path, name: str
) -> None:
    pytest.importorskip("opensim", reason="OpenSim is the oracle here")
    source = data_dir / "osim" / f"{name}.osim"
    osim = OsimModel.from_file(source)
    scales = np.random.default_rng(1).uniform(0.7, 1.4, (len(osim.bodies), 3))
    scales[0] = 1.2  # one body scaled evenly: OpenSim has another rule of inertia for it
    mass_kg = 81.0 if any(body.mass_kg for body in osim.bodies) else None
    path = tmp_path / "scaled.osim"
    scaled = osim.scaled(scales, mass_kg)
    scaled.write(path)
    ours, theirs = load(path), load(source)
    scale(theirs, osim.body_names, scales, -1.0 if mass_kg is None else mass_kg)
    assert_same_bodies(ours, theirs)
    assert_same_motion(osim, scales, scaled)


def assert_same_bodies(ours: object, theirs: object) -> None:
    """Mass, mass centre, inertia and markers are equal to ten digits."""
    for found, expected in zip(ours.getBodySet(), theirs.getBodySet(), strict=True):  # type: ignore[attr-defined]
        for value in ("getMass", "getMassCenter", "getInertia"):
            first, second = (_numbers(getattr(body, value)()) for body in (found, expected))
            assert first == pytest.approx(second, rel=1e-10, abs=1e-12), (found.getName(), value)
    markers = zip(ours.getMarkerSet(), theirs.getMarkerSet(), strict=True)  # type: ignore[attr-defined]
    for found, expected in markers:
        first, second = (_numbers(marker.get_location()) for marker in (found, expected))
        assert first == pytest.approx(second, abs=1e-12)


def assert_same_motion(osim: OsimModel, scales: np.ndarray, scaled: OsimModel) -> None:
    """The scaled file moves as the file with scales does, which the tests hold to OpenSim."""
    q = torch.linspace(-1.0, 1.0, len(osim.coordinates), dtype=torch.float64)
    expected = SkeletalModel(osim, torch.float64)(q, torch.tensor(scales))
    for found, want in zip(SkeletalModel(scaled, torch.float64)(q), expected, strict=True):
        torch.testing.assert_close(found, want)


def _numbers(value: object) -> list[float]:
    if isinstance(value, float):
        return [value]
    if hasattr(value, "getMoments"):
        return _numbers(value.getMoments()) + _numbers(value.getProducts())  # type: ignore[attr-defined]
    return [value.get(i) for i in range(3)]  # type: ignore[attr-defined]


def test_without_a_mass_each_body_grows_with_its_volume() -> None:
    doubled = default_model().scaled(np.full((22, 3), 2.0))
    for body, grown in zip(default_model().bodies, doubled.bodies, strict=True):
        assert grown.mass_kg == pytest.approx(8 * body.mass_kg)
        assert grown.inertia == pytest.approx([32 * value for value in body.inertia])


def test_scaling_twice_is_scaling_by_the_product() -> None:
    osim = OsimModel.from_xml(
        two_bodies(
            custom_joint(
                {
                    "translation1": (
                        "q0",
                        '<SimmSpline name="function"><x>0 1</x><y>1 2</y></SimmSpline>',
                    )
                },
                1,
            ).replace(" q1", "")
        )
    )
    scales = np.array([[1.1, 1.2, 1.3], [0.8, 0.9, 1.0]])
    twice = osim.scaled(scales).scaled(scales)
    assert_same_motion(osim, scales**2, twice)


def test_what_muscle_paths_need_is_left_out_of_a_scaled_model(data_dir: Path) -> None:
    osim = OsimModel.from_file(data_dir / "osim" / "opencap-core" / "LaiUhlrich2022.osim")
    scaled = osim.scaled(np.ones((len(osim.bodies), 3)))
    for gone in ("Muscle name=", "<PathPoint ", "<WrapCylinder "):
        assert gone in osim.xml
        assert gone not in scaled.xml
    for kept in ("<CoordinateActuator", "<CoordinateLimitForce"):
        assert osim.xml.count(kept) == scaled.xml.count(kept)


def test_geometry_grows_with_its_body() -> None:
    factors = np.array([1.1, 1.2, 1.3])
    scaled = default_model().scaled(np.tile(factors, (22, 1)))
    for before, after in zip(_geometry(default_model()), _geometry(scaled), strict=True):
        assert after == pytest.approx(before * factors)


def _geometry(osim: OsimModel) -> list[np.ndarray]:
    found = re.findall(r"<scale_factors>(.*)</scale_factors>", osim.xml)
    assert len(found) == 79  # the meshes of the default skeleton
    return [np.array(words.split(), dtype=float) for words in found]


@pytest.mark.parametrize("wrong", [np.ones((21, 3)), np.zeros((22, 3)), np.full((22, 3), np.nan)])
def test_scales_that_are_no_sizes_are_refused(wrong: np.ndarray) -> None:
    with pytest.raises(D3keError, match="22 x 3 positive"):
        default_model().scaled(wrong)


@pytest.mark.parametrize("mass_kg", [0.0, -70.0, float("inf")])
def test_a_mass_that_is_none_is_refused(mass_kg: float) -> None:
    with pytest.raises(D3keError, match="Give a positive number"):
        default_model().scaled(np.ones((22, 3)), mass_kg)
