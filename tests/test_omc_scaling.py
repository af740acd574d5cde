"""Scaling against OpenSim's own ScaleTool, and against people whose factors are known."""

import shutil
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers
from d3ke.omc.scale_factors import Array, body_factors
from d3ke.omc.scale_setup import Held, read_scale_setup
from d3ke.omc.scaling import scale_model
from d3ke.omc.segments import factors_against_anthropometry, implausible
from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.default_scaling import default_scale_setup
from tests.opensim_oracle import opensim

OSIM = default_model()
SETUP = default_scale_setup()
MASS_KG = 72.6  # of OpenSim's example subject01
# Standing as people stand: arms a little off, knees not quite straight, and turned to the camera.
STANDING_DEG: dict[str, float] = {
    "arm_add_r": -20, "arm_add_l": -20, "arm_flex_r": 5, "elbow_flex_r": 20, "elbow_flex_l": 15,
    "knee_angle_r": 6, "knee_angle_l": 4, "hip_flexion_r": 5, "ankle_angle_r": 3,
    "lumbar_extension": -5, "pro_sup_r": 70, "pelvis_rotation": 160,
}  # fmt: skip
T_POSE_DEG: dict[str, float] = {"arm_add_r": -85, "arm_add_l": -85}


def person(seed: int = 0) -> Array:
    """Factors of a person, equal on both sides, one for each segment: (N, 3)."""
    rng = np.random.default_rng(seed)
    drawn: dict[str, float] = {}
    parts = {"sacrum": "pelvis", "talus": "foot", "calcn": "foot", "toes": "foot", "radius": "ulna"}
    names = [body.removesuffix("_r").removesuffix("_l") for body in OSIM.body_names]
    for name in names:
        drawn.setdefault(parts.get(name, name), rng.uniform(0.85, 1.15))
    return np.array([[drawn[parts.get(name, name)]] * 3 for name in names])


def recorded(
    scales: Array, degrees: dict[str, float], osim: OsimModel = OSIM, frames: int = 3
) -> MarkerData:
    """Exact markers of a person who stands still."""
    q = np.array([coordinate.default for coordinate in osim.coordinates])
    for name, value in degrees.items():
        q[osim.coordinate_names.index(name)] = np.radians(value)
    pose = SkeletalModel(osim, torch.float64)(torch.from_numpy(q), torch.from_numpy(scales))
    xyz = np.repeat(pose.markers.numpy()[None], frames, axis=0)
    return MarkerData(np.arange(frames) / 100, xyz, osim.marker_names)


def places(osim: OsimModel) -> dict[str, Array]:
    return {marker.name: np.array(marker.location) for marker in osim.markers}


def scaled_by_tool(folder: Path, target: Path) -> Path:
    """What OpenSim's ScaleTool makes of its example, in a folder of its own."""
    names = {
        "setup_scale.xml": "setup.xml",
        "model_generic.osim": "gait2354_simbody.osim",
        "markerset.xml": "gait2354_Scale_MarkerSet.xml",
        "static.trc": "subject01_static.trc",
    }
    for name, known in names.items():
        shutil.copy(folder / name, target / known)
    assert opensim().ScaleTool(str(target / "setup.xml")).run()
    return target / "subject01_simbody.osim"


def generic(folder: Path, target: Path) -> OsimModel:
    """OpenSim's example model with its markers."""
    osim = opensim()
    model = osim.Model(str(folder / "model_generic.osim"))
    model.initSystem()
    model.updateMarkerSet(osim.MarkerSet(str(folder / "markerset.xml")))
    model.printToXML(str(target / "with_markers.osim"))
    return OsimModel.from_file(target / "with_markers.osim")


def test_a_set_up_of_scale_tool_gives_what_scale_tool_gives(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "omc" / "gait2354_scale"
    setup = read_scale_setup(folder / "setup_scale.xml")
    static = read_markers(folder / "static.trc")
    found = scale_model(generic(folder, tmp_path), static, setup, MASS_KG)
    # Whatever of the expected model is a length of a body, tells its factor.
    for expected in (folder / "model_scaled.osim", scaled_by_tool(folder, tmp_path)):
        other = OsimModel.from_file(expected)
        assert found.osim.body_names == other.body_names
        for ours, theirs in zip(found.osim.bodies, other.bodies, strict=True):
            assert ours.mass_kg == pytest.approx(theirs.mass_kg, abs=1e-6)
            assert ours.mass_center == pytest.approx(theirs.mass_center, rel=1e-4, abs=1e-9)
            assert ours.inertia == pytest.approx(theirs.inertia, rel=1e-4, abs=1e-9)
        for ours_j, theirs_j in zip(found.osim.joints, other.joints, strict=True):
            # printed with six digits by OpenSim
            np.testing.assert_allclose(ours_j.parent.reach, theirs_j.parent.reach, atol=2e-6)
        apart = [np.linalg.norm(p - places(other)[name]) for name, p in places(found.osim).items()]
        assert max(apart) < 2e-4  # m: where ScaleTool's coarser solver stops
    assert sum(body.mass_kg for body in found.osim.bodies) == pytest.approx(MASS_KG)


def test_measured_factors_are_those_of_model_scaler(data_dir: Path, tmp_path: Path) -> None:
    folder = data_dir / "omc" / "gait2354_scale"
    setup = replace(read_scale_setup(folder / "setup_scale.xml"), manual={})
    osim = opensim()
    model_file = generic(folder, tmp_path)
    model = osim.Model(str(tmp_path / "with_markers.osim"))
    state = model.initSystem()
    scaled_by_tool(folder, tmp_path)
    tool = osim.ScaleTool(str(tmp_path / "setup.xml"))  # which owns its scaler
    scaler = tool.getModelScaler()
    markers = osim.MarkerData(str(tmp_path / "subject01_static.trc"))
    markers.convertToUnits(osim.Units("m"))
    static = read_markers(folder / "static.trc")
    found = body_factors(model_file, static, replace(setup, time_s=(-np.inf, np.inf))).scales
    # asked directly, OpenSim averages over the whole trial
    measurements = scaler.getMeasurementSet()
    for place, one in enumerate(setup.measurements):
        factor = scaler.computeMeasurementScaleFactor(
            state, model, markers, measurements.get(place)
        )
        bodies = [body for body, _ in one.bodies if body in model_file.body_names]
        for body in bodies:
            assert found[model_file.body_names.index(body)] == pytest.approx([factor] * 3, abs=2e-4)


@pytest.mark.parametrize("degrees", [{}, STANDING_DEG, T_POSE_DEG], ids=["default", "stands", "T"])
def test_exact_markers_give_the_factors_back(degrees: dict[str, float]) -> None:
    opensim()
    truth = person()
    found = scale_model(OSIM, recorded(truth, degrees), SETUP, MASS_KG)
    np.testing.assert_allclose(found.scales, truth, atol=1e-5)  # what three postures leave
    assert np.nanmax(found.marker_errors) < 1e-5  # m: 10 um of a solver's 1e-8
    assert found.remarks == ()


def test_a_person_may_look_where_the_model_cannot_turn() -> None:
    opensim()
    document = ElementTree.fromstring(OSIM.xml)
    for tag, text in (("range", "-0.6 0.6"), ("clamped", "true")):
        (coordinate,) = document.iterfind(".//Coordinate[@name='pelvis_rotation']")
        (element,) = coordinate.iterfind(tag)
        element.text = text
    stiff = OsimModel.from_xml(ElementTree.tostring(document, encoding="unicode"))
    setup = replace(SETUP, postures=0)
    for yaw in (-120, 160):
        markers = recorded(person(), STANDING_DEG | {"pelvis_rotation": yaw})
        loose = scale_model(OSIM, markers, setup).marker_errors
        found = scale_model(stiff, markers, setup)
        assert found.marker_errors == pytest.approx(loose, abs=1e-6)
        assert found.osim.coordinates[2].clamped  # as it was
        bounded = scale_model(stiff, markers, replace(setup, clamped=True)).marker_errors
        assert bounded == pytest.approx(loose, abs=5e-3)  # m: how far OpenSim's solver stops


def test_markers_are_moved_to_where_the_person_wears_them() -> None:
    opensim()
    truth, rng = person(1), np.random.default_rng(1)
    worn = replace(OSIM, markers=tuple(
        replace(marker, location=tuple(np.array(marker.location) + rng.normal(0, 0.004, 3)))
        for marker in OSIM.markers
    ))  # fmt: skip
    found = scale_model(OSIM, recorded(truth, {}, worn), SETUP, MASS_KG)
    by_name = dict(zip(OSIM.body_names, truth, strict=True))
    misses, slips = [], []
    for marker, (name, place) in zip(worn.markers, places(found.osim).items(), strict=True):
        assert marker.name == name
        misses.append(np.linalg.norm(place - marker.location * by_name[marker.body]))
        generic = np.array(OSIM.markers[len(misses) - 1].location) * by_name[marker.body]
        slips.append(np.linalg.norm(generic - marker.location * by_name[marker.body]))
    # 4 mm of placement in each direction; a pose of some 90 markers averages most of it out
    assert np.median(misses) < 0.5 * np.median(slips)
    assert np.median(found.marker_errors) == pytest.approx(np.median(slips), abs=0.002)


def test_scaled_bodies_are_opensims_own() -> None:
    truth = person(2)
    found = scale_model(OSIM, recorded(truth, {}), SETUP, still=False)
    own = OSIM.scaled(found.scales)
    np.testing.assert_allclose(
        [body.mass_kg for body in found.osim.bodies], [body.mass_kg for body in own.bodies]
    )
    for name, place in places(own).items():
        assert places(found.osim)[name] == pytest.approx(place, abs=1e-9)


def test_the_mass_is_spread_as_in_the_unscaled_model() -> None:
    opensim()
    found = scale_model(OSIM, recorded(person(3), {}), SETUP, 50.0)
    ours = np.array([body.mass_kg for body in found.osim.bodies])
    before = np.array([body.mass_kg for body in OSIM.bodies])
    np.testing.assert_allclose(ours, before * 50.0 / before.sum(), rtol=1e-9)


def test_sides_are_averaged_unless_told() -> None:
    truth = np.ones((len(OSIM.bodies), 3))
    right, left = OSIM.body_names.index("tibia_r"), OSIM.body_names.index("tibia_l")
    truth[right], truth[left] = 1.04, 1.00
    markers = recorded(truth, {})
    both = body_factors(OSIM, markers, SETUP).scales
    each = body_factors(OSIM, markers, replace(SETUP, symmetric=False)).scales
    assert both[[right, left], 1] == pytest.approx([1.02, 1.02], abs=1e-3)
    assert each[[right, left], 1] == pytest.approx([1.04, 1.00], abs=1e-4)


def test_a_moving_trial_gives_medians_and_leaves_the_markers() -> None:
    opensim()
    truth = person(4)
    still = recorded(truth, {}, frames=9)
    xyz = still.xyz.copy()
    xyz[4, OSIM.marker_names.index("RKNE")] += 0.3  # one wild frame
    setup = replace(SETUP, postures=0)
    found = scale_model(OSIM, replace(still, xyz=xyz), setup, MASS_KG, still=False)
    np.testing.assert_allclose(found.scales, truth, atol=1e-5)
    assert np.isnan(found.marker_errors).all()
    assert "no static trial" in found.remarks[-1]


def test_a_moving_person_is_measured_in_the_postures_taken() -> None:
    opensim()
    truth, rng, time = person(4), np.random.default_rng(3), np.arange(60) / 30
    q = np.tile([coordinate.default for coordinate in OSIM.coordinates], (len(time), 1))
    for column, coordinate in enumerate(OSIM.coordinates):
        swing = np.radians(rng.uniform(5, 30)) * np.sin(6 * time + rng.uniform(0, 6))
        q[:, column] += swing if coordinate.rotational else 0.3 * time
    skeleton = SkeletalModel(OSIM, torch.float64)
    xyz = skeleton(torch.from_numpy(q), torch.from_numpy(truth)).markers.numpy()
    xyz[rng.random(xyz.shape[:2]) < 0.02] = np.nan
    markers = MarkerData(time, xyz, OSIM.marker_names)
    # how far medians over postures are off, and what two postures leave of it
    for postures, error in ((0, 2e-2), (2, 1e-4)):
        setup = replace(SETUP, postures=postures)
        found = scale_model(OSIM, markers, setup, MASS_KG, still=False)
        np.testing.assert_allclose(found.scales, truth, atol=error)
    assert found.remarks[-1].startswith("no static trial: distances are medians")


def test_what_no_marker_measures_is_scaled_by_the_height_and_said() -> None:
    truth = person(5)
    names = [name for name in OSIM.marker_names if name[1:] not in {"FIN", "HM2", "HM5"}]
    markers = recorded(truth, {}).select(names)
    found = body_factors(OSIM, markers, SETUP, height_m=1.859)
    hand = OSIM.body_names.index("hand_l")
    assert found.scales[hand] == pytest.approx([1.1] * 3)  # 1.859 / 1.69
    assert found.remarks == (
        "hand R and hand L: not measured by markers, scaled by the height, 1.100",
    )
    alone = body_factors(OSIM, markers, SETUP)
    assert "as the others on average" in alone.remarks[0]


def test_one_side_with_markers_is_enough() -> None:
    truth = person(6)
    names = [name for name in OSIM.marker_names if name not in {"LWRA", "LWRB"}]
    found = body_factors(OSIM, recorded(truth, {}).select(names), SETUP)
    np.testing.assert_allclose(found.scales, truth, atol=1e-5)
    assert found.remarks == ()


def test_swapped_markers_are_told() -> None:
    markers = recorded(np.ones((len(OSIM.bodies), 3)), {})
    swapped = {"RKNE": "RANK", "RANK": "RKNE"}
    names = tuple(swapped.get(name, name) for name in markers.names)
    remarks = body_factors(OSIM, replace(markers, names=names), SETUP).remarks
    assert any("thigh" in text and "swapped or misplaced" in text for text in remarks)


def test_unfit_input_is_refused_in_one_line() -> None:
    markers = recorded(np.ones((len(OSIM.bodies), 3)), {})
    stranger = replace(markers, names=tuple(f"m{i}" for i in range(len(markers.names))))
    with pytest.raises(D3keError, match=r"no pair of the measurements' markers"):
        scale_model(OSIM, stranger, SETUP)
    with pytest.raises(D3keError, match="5 of the model's markers"):
        scale_model(OSIM, markers.select(["RASI", "LASI", "RPSI", "LPSI", "C7"]), SETUP, 70.0, 1.7)
    with pytest.raises(D3keError, match="no frame between 5 and inf s"):
        scale_model(OSIM, markers, replace(SETUP, time_s=(5.0, np.inf)))
    with pytest.raises(D3keError, match="a mass of -1"):
        scale_model(OSIM, markers, SETUP, -1.0)


def test_without_opensim_one_line_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "opensim", None)
    with pytest.raises(D3keError, match=r"Install opensim"):
        scale_model(OSIM, recorded(person(), {}), SETUP)


def test_nothing_is_left_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opensim()
    (tmp_path / "here").mkdir()
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "temporary"))
    scale_model(OSIM, recorded(person(), {}), SETUP, MASS_KG)
    assert [path.name for path in sorted(tmp_path.rglob("*"))] == ["here", "temporary"]


def test_a_set_up_is_read_and_a_broken_one_refused(tmp_path: Path) -> None:
    text = """<OpenSimDocument Version="40000"><ScaleTool name="s"><ModelScaler>
    <scaling_order>measurements</scaling_order><time_range>-1 2.5</time_range>
    <MeasurementSet><objects><Measurement name="thigh"><MarkerPairSet><objects><MarkerPair>
    <markers>RGTR {second}</markers></MarkerPair></objects></MarkerPairSet><BodyScaleSet><objects>
    <BodyScale name="femur_r"><axes>X Y</axes></BodyScale></objects></BodyScaleSet></Measurement>
    </objects></MeasurementSet></ModelScaler><MarkerPlacer><IKTaskSet><objects>
    <IKMarkerTask name="RGTR"><weight>3</weight></IKMarkerTask>
    <IKMarkerTask name="RTHI"><apply>false</apply><weight>3</weight></IKMarkerTask>
    <IKCoordinateTask name="mtp_angle_r"><weight>7</weight></IKCoordinateTask>
    </objects></IKTaskSet></MarkerPlacer></ScaleTool></OpenSimDocument>"""
    file = tmp_path / "setup.xml"
    file.write_text(text.format(second="RKNE"))
    setup = read_scale_setup(file)
    assert setup.measurements == (("thigh", (("RGTR", "RKNE"),), (("femur_r", "XY"),), ()),)
    assert setup.weights == {"RGTR": 3.0}
    assert setup.rest_weight == 0  # ScaleTool's pose looks at its tasks alone
    assert setup.held == {"mtp_angle_r": Held(7.0)}
    assert setup.time_s == (-np.inf, 2.5)
    file.write_text(text.format(second=""))
    with pytest.raises(D3keError, match=r"setup.xml: thigh: <markers> holds 1 names"):
        read_scale_setup(file)
    file.write_text('<OpenSimDocument Version="40000"><Model/></OpenSimDocument>')
    with pytest.raises(D3keError, match=r"setup.xml: no measurements"):
        read_scale_setup(file)


def test_every_marker_of_the_default_set_up_is_the_skeletons() -> None:
    named = {name for one in SETUP.measurements for pair in one.pairs + one.spare for name in pair}
    assert named <= set(OSIM.marker_names)
    assert {body for one in SETUP.measurements for body, _ in one.bodies} == set(OSIM.body_names)


def test_an_average_adult_is_plausible_and_a_wrong_unit_is_not() -> None:
    ones = np.ones((len(OSIM.bodies), 3))
    average = factors_against_anthropometry(ones, OSIM, 1.69)
    assert [one.name for one in average] == [
        "thigh", "shank", "foot", "trunk", "upper arm", "forearm",
    ]  # fmt: skip
    assert max(abs(one.off_sd) for one in average) < 0.01
    assert implausible(average, 1.69) == ()
    large = ones.copy()
    large[OSIM.body_names.index("femur_r")] = large[OSIM.body_names.index("femur_l")] = 1.3
    (line,) = implausible(factors_against_anthropometry(large, OSIM, 1.69, "man"), 1.69)
    assert line.startswith("the thigh is 530 mm long")
    assert factors_against_anthropometry(ones, OSIM, 1.2) == ()  # a child: nobody was measured


def test_adults_segments_grow_with_their_height_as_winters() -> None:
    # Winter 2009, table 4.1: thigh 0.245 and shank 0.246 of the height, between joint centres.
    for sex in ("man", "woman", None):
        found = factors_against_anthropometry(np.ones((len(OSIM.bodies), 3)), OSIM, 1.75, sex)
        segments = {one.name: one.adults_m for one in found}
        assert segments["thigh"] + segments["shank"] == pytest.approx(0.491 * 1.75, rel=0.03)
