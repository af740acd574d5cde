"""Solving a person's takes: a laboratory's own set-up, its own model, and OpenSim's own tool."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.omc.person import Person, Take
from d3ke.omc.scale_setup import ScaleSetup, read_scale_setup
from d3ke.omc.solving import D3KE, OPENSIM, SolvedTake, Solver
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.omc_scenes import doing

Array = NDArray[np.float64]

OSIM = default_model()
THIGHS = ("femur_r", "femur_l")
LONG, SAID = 1.1, 1.2  # how much longer the person's thighs are, and what a set-up says of them
HERS: Array = np.array([[LONG if body in THIGHS else 1.0] * 3 for body in OSIM.body_names])
TIME = np.arange(12) / 30
MANUAL = """<OpenSimDocument Version="40000"><ScaleTool name="p"><ModelScaler>
<scaling_order>manualScale</scaling_order><ScaleSet><objects>{}</objects></ScaleSet>
</ModelScaler></ScaleTool></OpenSimDocument>"""
SCALE = "<Scale><scales>{0} {0} {0}</scales><segment>{1}</segment><apply>true</apply></Scale>"


def recorded(q: Array, time: Array = TIME) -> MarkerData:
    """The markers of somebody with long thighs."""
    scales = torch.from_numpy(HERS)
    places = SkeletalModel(OSIM, torch.float64)(torch.from_numpy(q), scales).markers.numpy()
    return MarkerData(time, places, OSIM.marker_names)


def renamed(markers: MarkerData) -> MarkerData:
    """The same by names that say nothing."""
    return replace(markers, names=tuple(f"p{number:03d}" for number in range(len(markers.names))))


TRUE = doing(1)(TIME)
STATIC = recorded(np.zeros((12, len(OSIM.coordinates))))
MOVING = recorded(TRUE)


@pytest.fixture
def setup(tmp_path: Path) -> ScaleSetup:
    """A set-up that says thighs of another length than markers do."""
    path = tmp_path / "setup_scale.xml"
    path.write_text(MANUAL.format("".join(SCALE.format(SAID, body) for body in THIGHS)))
    return read_scale_setup(path)


def solved(solver: Solver, markers: MarkerData = MOVING) -> SolvedTake:
    return solver.solve(Take("walk", "walk", markers, None, ()))


def factor(found: SolvedTake, body: str) -> Array:
    scales: Array = found.scales[OSIM.body_names.index(body)]
    return scales


def test_a_laboratory_s_own_set_up_is_all_that_scales(setup: ScaleSetup) -> None:
    solver = Solver(Person("ann", static=STATIC, recordings=(MOVING,), scale_setup=setup), OSIM)
    found = solved(solver)
    for body in OSIM.body_names:
        np.testing.assert_allclose(factor(found, body), SAID if body in THIGHS else 1.0)
    assert solver.size_told.startswith("Scaled by the laboratory's own set-up")
    assert solver.remarks == ()


def test_a_set_up_scales_the_laboratory_s_own_model_where_there_is_one(setup: ScaleSetup) -> None:
    own = OsimModel.from_xml(OSIM.xml + "<!-- the laboratory's -->\n")
    person = Person("ann", model=own, static=STATIC, recordings=(MOVING,), scale_setup=setup)
    found = solved(Solver(person, OSIM))
    assert found.way.startswith("inverse kinematics of its .osim; ")
    assert factor(found, "femur_r")[1] == pytest.approx(SAID, abs=0.01)  # along the bone


def test_a_set_up_that_has_nothing_to_scale_is_told(setup: ScaleSetup) -> None:
    own = OsimModel.from_xml(OSIM.xml + "<!-- hers -->\n").scaled(HERS, None)
    person = Person("ann", model=own, is_scaled=True, scale_setup=setup, recordings=(MOVING,))
    assert Solver(person, OSIM).remarks == (
        "the set-up of scaling was not used: the size is known without.",
    )


def test_opensim_s_tool_says_the_same_by_its_own_way(setup: ScaleSetup) -> None:
    person = Person("ann", static=STATIC, recordings=(MOVING,), scale_setup=setup)
    ours, theirs = (solved(Solver(person, OSIM, which)) for which in (D3KE, OPENSIM))
    told = ours.q_mask.all(axis=0)
    assert told.sum() > 20
    assert not np.array_equal(ours.q, theirs.q)
    off = np.degrees(np.abs(ours.q - theirs.q)[:, told])
    assert np.median(off) < 0.1  # deg: the tool stops early, at its 1e-5
    assert theirs.errors_m.shape == ours.errors_m.shape


def test_a_mapping_may_speak_of_the_laboratory_s_own_model(tmp_path: Path) -> None:
    """Its markers have names of its own, and the recorded ones others still."""
    prefixed = OSIM.xml
    for name in OSIM.marker_names:
        prefixed = prefixed.replace(f'<Marker name="{name}">', f'<Marker name="own_{name}x">')
    own = OsimModel.from_xml(prefixed).scaled(HERS, None)
    assert set(own.marker_names).isdisjoint(OSIM.marker_names)
    strange = renamed(MOVING)
    pairs = zip(strange.names, own.marker_names, strict=True)
    mapping = tmp_path / "markers.toml"
    mapping.write_text("[names]\n" + "".join(f'{one} = "{other}"\n' for one, other in pairs))
    person = Person("ann", model=own, is_scaled=True, recordings=(strange,), mapping=mapping)
    found = solved(Solver(person, OSIM), strange)
    assert found.way.startswith("inverse kinematics of its .osim; ")
    assert factor(found, "femur_r")[1] == pytest.approx(LONG, abs=0.01)
    knee = OSIM.coordinate_names.index("knee_angle_r")
    np.testing.assert_allclose(found.q[:, knee], TRUE[:, knee], atol=np.radians(0.5))
