"""Recorded names and a model's: the built-in sets, and mappings of a laboratory."""

from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.omc.added_markers import read_marker_places, with_markers
from d3ke.omc.marker_check import exchanged_pairs
from d3ke.omc.marker_names import OWN, match
from d3ke.omc.marker_sets import built_in_sets, paired
from d3ke.recordings import load_markers
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import Marker, OsimModel
from tests.opensim_oracle import opensim

OSIM = default_model()
PLACES = {marker.name: marker for marker in OSIM.markers}
SETS = {one.name: one for one in built_in_sets()}
TRUNK = "LFHD RFHD LBHD RBHD C7 T10 CLAV STRN RBAK LASI RASI LPSI RPSI"
LIMBS = "SHO UPA ELB FRM WRA WRB FIN THI KNE TIB ANK HEE TOE"
PLUG_IN_GAIT = [*TRUNK.split(), *(side + name for side in "LR" for name in LIMBS.split())]
MAPPING = """
loose = ["plate ?"]
left_out = ["?TOE"]
[names]
"Hip front ?" = "?ASI"
seventh = "C7"
[added."plate ?"]
body = "femur_?"
location = [0.1, -0.2, 0.05]
[weights]
"?ASI" = 3
[[measurement]]
name = "thigh ?"
pairs = [["?ASI", "?KNE"]]
bodies = ["femur_?", "patella_?"]
axes = "Y"
"""


def nobody(message: str) -> None:
    """Where warnings of readers go."""


def markers_of(path: Path) -> MarkerData:
    return load_markers(path, nobody)


def written(folder: Path, text: str) -> Path:
    path = folder / "mapping.toml"
    path.write_text(text)
    return path


# the sets themselves


@pytest.mark.parametrize("name", SETS)
def test_a_set_speaks_of_markers_that_there_are(name: str) -> None:
    one = SETS[name]
    known = {*PLACES, *one.added}
    assert set(one.names.values()) <= known
    assert one.loose <= known
    assert set(one.weights) <= known
    everywhere = known.union(*(other.added for other in SETS.values()))
    ends = {end for m in one.measurements for pair in (*m.pairs, *m.spare) for end in pair}
    assert ends <= everywhere  # those of other sets' markers measure nothing here
    assert not set(PLACES) & set(one.added)


@pytest.mark.parametrize("name", SETS)
def test_added_markers_of_both_sides_are_mirrored(name: str) -> None:
    added = SETS[name].added
    sided = [one for one in added if one[0] == "R" and f"L{one[1:]}" in added]
    assert len(sided) >= 10
    for right in sided:
        left = added[f"L{right[1:]}"]
        assert left.body == added[right].body.replace("_r", "_l")
        x, y, z = added[right].location
        assert left.location == (x, y, -z)


def near(known: dict[str, Marker], set_name: str, mm: float) -> int:
    """How many markers of a model lie where the set says, in its bodies; all must."""
    one, count = SETS[set_name], 0
    for name, landmark in one.markers_of(list(known)).items():
        ours = PLACES.get(landmark) or one.added[landmark]
        if known[name].body != ours.body:
            continue  # a neighbour in some models: hip joint centres on the pelvis
        off = np.subtract(ours.location, known[name].location)
        assert np.linalg.norm(off) * 1000 < mm, (name, landmark, off)
        count += 1
    return count


def test_rajagopals_markers_lie_where_the_model_of_that_name_has_them(data_dir: Path) -> None:
    # Its bodies are those of the default skeleton but for lengths of a few per cent.
    model = OsimModel.from_file(data_dir / "osim" / "nimblephysics" / "Rajagopal2015.osim")
    known = {marker.name: marker for marker in model.markers}
    clusters = {one for one in known if one[1:] in {"UA2", "UA3", "TB1", "FAsuperior"}}
    for one in clusters:
        del known[one]
    assert near(known, "Rajagopal", mm=45) >= 50


def test_opencaps_markers_lie_where_opencap_has_them(data_dir: Path) -> None:
    path = data_dir / "osim" / "opencap-core" / "LaiUhlrich2022_markers_augmenter.xml"
    assert near({one.name: one for one in read_marker_places(path)}, "OpenCap", mm=45) >= 38


def test_key_points_lie_where_pose2sim_has_them(data_dir: Path) -> None:
    path = data_dir / "osim" / "pose2sim" / "Markers_Halpe26.xml"
    known = {one.name: one for one in read_marker_places(path) if one.name != "REar"}
    assert near(known, "Pose2Sim key points", mm=1) == 22


def test_helen_hayes_markers_lie_where_the_gait_model_has_them(data_dir: Path) -> None:
    # Feet and trunk of gait2354 are other bodies; pelvis, thigh and shank are alike.
    path = data_dir / "omc" / "gait2354_scale" / "markerset.xml"
    alike = ("pelvis", "femur", "tibia")
    known = {one.name: one for one in read_marker_places(path) if one.body.startswith(alike)}
    assert near(known, "Helen Hayes", mm=60) >= 20


# recordings


@pytest.mark.parametrize(
    ("recording", "source", "unknown"),
    [
        ("omc/cmu_02_05/c3d.c3d", "CMU", 0),
        ("omc/tennis_serve/c3d.c3d", "Plug-in Gait", 0),
        ("omc/camargo_levelground/markers.trc", "Helen Hayes", 0),
        ("omc/gait2354_ik/markers.trc", "Helen Hayes", 0),
        ("omc/gait2354_scale/static.trc", "Helen Hayes", 0),
        ("omc/gait2392_walk_free/markers.trc", "Helen Hayes", 0),
        ("omc/hamner_run200/markers.trc", "Rajagopal", 0),
        ("omc/arnold_synthetic01/markers.trc", "Rajagopal", 0),
        ("omc/opensim_walking_c3d/c3d.c3d", "Rajagopal", 0),
        ("omc/kirsten_dls01/markers.trc", "Stanford", 0),
        ("omc/walk_3d_moco/markers.trc", "Stanford", 0),
        ("omc/laiarnold5_dropjump/markers.trc", "Stanford", 2),  # hip centres by regression
        ("omc/sprinter_run350/static.trc", "Melbourne", 7),  # two patellae, five not of the body
        ("clips/cmbbe_squats/truth.trc", "OpenCap", 20),  # the key points that these are made of
        ("clips/pose2sim_balancing/truth.trc", "Pose2Sim key points", 0),
    ],
)
def test_a_recording_finds_its_set(
    data_dir: Path, recording: str, source: str, unknown: int
) -> None:
    markers = markers_of(data_dir / recording)
    found = match(OSIM, markers.names)
    assert found.source == source
    assert len(found.unknown) == unknown
    assert set(found.names.values()) <= set(found.osim.marker_names)
    assert len(set(found.names.values())) == len(markers.names) - unknown
    assert exchanged_pairs(found.renamed(markers)) == []


@pytest.mark.parametrize(
    "folder", ["camargo_levelground", "hamner_run200", "kirsten_dls01", "walk_3d_moco"]
)
def test_a_model_that_has_the_names_needs_no_mapping(data_dir: Path, folder: str) -> None:
    osim = OsimModel.from_file(data_dir / "omc" / folder / "model_scaled.osim")
    names = markers_of(data_dir / "omc" / folder / "markers.trc").names
    found = match(osim, names)
    assert found.source == OWN
    assert found.names == {name: name for name in names}
    assert found.osim is osim


def test_other_names_find_a_model_of_a_known_set(data_dir: Path) -> None:
    osim = OsimModel.from_file(data_dir / "clips" / "cmbbe_squats" / "model.osim")
    found = match(osim, PLUG_IN_GAIT)
    assert found.source == "Plug-in Gait"
    assert found.names["LASI"] == "L.ASIS_study"
    assert found.names["RWRB"] == "r_mwrist_study"
    assert len(found.names) == 21  # what Plug-in Gait and OpenCap have in common
    thigh = next(one for one in found.measurements if one.name == "thigh R")
    assert thigh.pairs == (("r.ASIS_study", "r_knee_study"),)


@pytest.mark.parametrize("form", ["Subject 1:{}", "{} ", "{}."])
def test_prefixes_and_spelling_are_forgiven(form: str) -> None:
    names = [form.format(name.lower()) for name in PLUG_IN_GAIT]
    found = match(OSIM, names)
    assert list(found.names.values()) == PLUG_IN_GAIT
    assert found.unknown == ()


def test_the_same_spelling_comes_before_a_forgiven_one() -> None:
    assert paired(["r_knee", "RKnee"], ["RKnee", "LKnee"]) == {"RKnee": "RKnee"}
    assert paired(["RKnee", "r_knee"], ["RKNEE"]) == {"RKnee": "RKNEE"}


def test_renamed_markers_are_the_recorded_ones() -> None:
    names = ("A:rknee", "A:c7", "A:extra", *(f"A:{name}" for name in PLUG_IN_GAIT[4:20]))
    xyz = np.random.default_rng(0).normal(size=(3, len(names), 3))
    recorded = MarkerData(np.arange(3.0), xyz, names)
    found = match(OSIM, names)
    renamed = found.renamed(recorded)
    assert found.unknown == ("A:rknee", "A:extra", "A:C7")  # C7 has been named already
    assert renamed.names == ("C7", *PLUG_IN_GAIT[5:20])
    np.testing.assert_array_equal(renamed.xyz, xyz[:, [1, *range(4, 19)]])


def test_soft_markers_weigh_little_and_are_loose() -> None:
    found = match(OSIM, PLUG_IN_GAIT)
    assert {name[1:] for name in found.loose} == {"UPA", "FRM", "THI", "TIB", "BAK"}
    assert found.weights["RTHI"] == 0.2
    assert found.weights["RASI"] == 1.0
    assert set(found.weights) == set(PLUG_IN_GAIT)


def test_measurements_are_of_recorded_markers_and_of_the_models_bodies() -> None:
    found = match(OSIM, PLUG_IN_GAIT)
    measured = {body for one in found.measurements for body, _ in one.bodies}
    assert {"pelvis", "torso", "head", "femur_l", "tibia_r", "toes_l", "hand_r"} <= measured
    assert measured <= set(OSIM.body_names)
    ends = {end for one in found.measurements for pair in one.pairs for end in pair}
    assert ends <= set(PLUG_IN_GAIT)


def test_the_legs_of_cgm_2_are_of_plug_in_gait() -> None:
    names = "ASI PSI THI THAP THAD KNE KNM TIB TIAP ANK MED HEE FMH VMH"
    found = match(OSIM, [f"{side}{name}" for side in "LR" for name in names.split()])
    assert (found.source, found.unknown) == ("Plug-in Gait", ())
    assert found.names["LMED"] == "LANM"


def test_what_a_c3d_has_beside_markers_does_not_count() -> None:
    others = ["*12", "U103", "LHipAngles", "RKneeMoment", "LGroundReactionForce", "RAnklePower"]
    found = match(OSIM, [*PLUG_IN_GAIT, *others])
    assert found.source == "Plug-in Gait"
    assert found.unknown == ()


# names that do not match


def test_names_by_chance_are_no_match() -> None:
    strangers = [f"P{number}" for number in range(40)]
    with pytest.raises(D3keError) as raised:
        match(OSIM, ["RELB", "LELB", "C7", "RTOE", "LTOE", "RASI", "RKNEEE", *strangers])
    message = str(raised.value)
    assert "\n" not in message
    assert "only 6 of 47 recorded markers are on the model" in message
    assert '[names] "RKNEEE" = "RKNE"' in message


@pytest.mark.parametrize("names", [[], ["RASI", "LASI", "C7"]])
def test_too_few_markers_are_told(names: list[str]) -> None:
    with pytest.raises(D3keError, match=f"only {len(names)} markers were recorded, at least 6"):
        match(OSIM, names)


def test_a_model_without_markers_is_told_how_to_get_some(data_dir: Path) -> None:
    folder = data_dir / "omc" / "gait2354_scale"
    osim = OsimModel.from_file(folder / "model_generic.osim")
    names = markers_of(folder / "static.trc").names
    with pytest.raises(D3keError, match="the model has no markers"):
        match(osim, names)
    found = match(osim, names, folder / "markerset.xml")
    assert len(found.names) == 39
    assert len(found.osim.markers) == 39


def test_a_mapping_says_which_is_which(tmp_path: Path) -> None:
    recorded = [
        "Hip front R",
        "hip_front_l",
        "seventh",
        "plate R",
        "plate L",
        "RKNE",
        "LKNE",
        "RTOE",
        "odd",
    ]
    found = match(OSIM, recorded, written(tmp_path, MAPPING))
    assert found.source == "mapping"
    assert found.names == {
        "Hip front R": "RASI",
        "hip_front_l": "LASI",
        "seventh": "C7",
        "plate R": "plate R",
        "plate L": "plate L",
        "RKNE": "RKNE",
        "LKNE": "LKNE",
    }
    assert found.unknown == ("RTOE", "odd")
    assert found.weights["LASI"] == 3.0
    assert found.weights["plate L"] == 0.2
    assert found.loose == {"plate R", "plate L"}
    added = {marker.name: marker for marker in found.osim.markers}
    assert added["plate L"] == Marker("plate L", "femur_l", (0.1, -0.2, -0.05))
    assert [(one.name, one.bodies) for one in found.measurements] == [
        ("thigh R", (("femur_r", "Y"),)),
        ("thigh L", (("femur_l", "Y"),)),
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[names]\na = "RASSI"', ("no marker RASSI", "Did you mean RASI?")),
        ("[names]\na = 3", ("a is 3", "in quotes")),
        ('[added.x]\nbody = "femurr"\nlocation = [0, 0, 0]', ("no body femurr", "mean femur_r?")),
        ('[added.x]\nbody = "pelvis"\nlocation = [0, 0]', ("x needs a body and a location",)),
        ("[weights]\nRASI = -1", ("RASI is -1", "0 or more")),
        ("[weights]\nRASSI = 1", ("weights", "no marker RASSI")),
        ('[[measurement]]\nname = "m"\npairs = [["RASI"]]\nbodies = ["pelvis"]', ("m: needs",)),
        ("loose = 3", ("loose is 3", "a list")),
        ("left_out = 'RTOE'", ("left_out is 'RTOE'", "a list")),
        ("nmaes = 3", ("nmaes", "Did you mean names?")),
        ("[names", ("not TOML",)),
    ],
)
def test_a_wrong_mapping_gets_one_line(tmp_path: Path, text: str, words: tuple[str, ...]) -> None:
    path = written(tmp_path, text)
    with pytest.raises(D3keError) as raised:
        match(OSIM, PLUG_IN_GAIT, path)
    message = str(raised.value)
    assert "\n" not in message
    assert str(path) in message
    assert all(word in message for word in words), message


def test_a_broken_marker_set_is_named(tmp_path: Path) -> None:
    path = tmp_path / "set.xml"
    for text, words in (("<a", "broken XML"), ("<OpenSimDocument/>", "no marker set")):
        path.write_text(text)
        with pytest.raises(D3keError, match=words) as raised:
            read_marker_places(path)
        assert str(raised.value).count(str(path)) == 1


def test_opensim_finds_added_markers_where_we_put_them(tmp_path: Path) -> None:
    module = opensim()
    found = match(OSIM, PLUG_IN_GAIT)
    found.osim.write(tmp_path / "m.osim")
    model = module.Model(str(tmp_path / "m.osim"))
    state = model.initSystem()
    place = model.getMarkerSet().get("RBAK").getLocationInGround(state)
    defaults = torch.tensor([one.default for one in OSIM.coordinates], dtype=torch.float64)
    skeleton = SkeletalModel(found.osim, torch.float64)
    points = skeleton(defaults, torch.ones(len(OSIM.bodies), 3).double()).markers
    ours = points[found.osim.marker_names.index("RBAK")].numpy()
    # 1 nm: the same arithmetic in another library
    np.testing.assert_allclose([place.get(i) for i in range(3)], ours, atol=1e-9)


def test_an_added_marker_takes_the_place_of_its_name() -> None:
    moved = with_markers(OSIM, [Marker("RASI", "femur_r", (0.0, 0.1, 0.2))])
    assert len(moved.markers) == len(OSIM.markers)
    assert {one.name: one for one in moved.markers}["RASI"].body == "femur_r"
