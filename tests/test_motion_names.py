"""Names and signs between families of models, judged by where OpenSim puts the limbs."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.motion.motion import Motion
from d3ke.motion.names import (
    common,
    family_of,
    family_of_model,
    is_rotational,
    to_family,
    to_names,
)
from d3ke.motion.opensim_files import read_motion
from d3ke.skeleton.osim import OsimModel
from tests.opensim_oracle import opensim

Array = NDArray[np.float64]

MODELS = {
    "pose2sim/Model_Pose2Sim_simple.osim": "pose2sim",
    "pose2sim/Model_Pose2Sim_muscles_flex.osim": "pose2sim_muscles",
    "opencap-core/LaiUhlrich2022.osim": "rajagopal",
    "nimblephysics/Rajagopal2015.osim": "rajagopal",
    "nimblephysics/LaiArnoldModified2017_poly_withArms_weldHand_generic.osim": "rajagopal",
    "nimblephysics/Hamner_subject04_generic.osim": "gait2392",
    "nimblephysics/gait2392_simbody.osim": "gait2392",
    "opensim-core/gait2354_simbody.osim": "gait2392",
}
# Limbs as lines between the origins of two bodies, or as an axis of one.
LIMBS = {
    "thigh": ("femur_{}", "tibia_{}"),
    "shank": ("tibia_{}", "talus_{}"),
    "foot": ("calcn_{}", "toes_{}"),
    "upper arm": ("humerus_{}", "ulna_{}"),
    "forearm": ("radius_{}", "hand_{}"),
}
WHOLE_BODIES = ("torso", "toes_r", "toes_l")
# The axes of knee, ankle and toes differ a little between the models, which adds up towards the
# toes; a wrong sign is off by 30 degrees or more.
WITHIN_DEG = 9.0
TOES_WITHIN_DEG = 11.0


def posture(**angles: float) -> Motion:
    names = tuple(angles)
    q = np.deg2rad([list(angles.values())])
    return Motion(np.zeros(1), q, names, (True,) * len(names))


def asymmetric_posture() -> Motion:
    """A standing person doing something else with every joint."""
    return posture(
        pelvis_tilt=15, pelvis_list=-10, pelvis_rotation=40,
        hip_flexion_r=60, hip_adduction_r=-15, hip_rotation_r=20, knee_angle_r=70,
        ankle_angle_r=20, mtp_angle_r=-25,
        hip_flexion_l=-15, hip_adduction_l=8, hip_rotation_l=-25, knee_angle_l=35,
        ankle_angle_l=-25, mtp_angle_l=20,
        lumbar_extension=-20, lumbar_bending=0, lumbar_rotation=0,
        arm_flex_r=50, arm_add_r=-40, arm_rot_r=30, elbow_flex_r=80, pro_sup_r=30,
        arm_flex_l=-30, arm_add_l=-20, arm_rot_l=-35, elbow_flex_l=40, pro_sup_l=60,
    )  # fmt: skip


def limbs(path: Path, motion: Motion) -> dict[str, Array]:
    """Directions of limbs, and orientations, in ground, by OpenSim."""
    osim = opensim()
    model = osim.Model(str(path))
    state = model.initSystem()
    coordinates = model.getCoordinateSet()
    for name, value in zip(motion.names, motion.q[0], strict=True):
        if not np.isnan(value) and coordinates.getIndex(name) >= 0:
            coordinates.get(name).setLocked(state, False)
            coordinates.get(name).setClamped(state, False)
            coordinates.get(name).setValue(state, float(value), False)
    model.assemble(state)
    model.realizePosition(state)
    bodies = {body.getName(): body.getTransformInGround(state) for body in model.getBodySet()}
    places = {name: np.array([t.p()[i] for i in range(3)]) for name, t in bodies.items()}
    found = {}
    for limb, ends in LIMBS.items():
        for side in "rl":
            start, end = (name.format(side) for name in ends)
            if start in places and end in places:
                line = places[end] - places[start]
                found[f"{limb} {side}"] = (line / np.linalg.norm(line))[:, None]
    for name in WHOLE_BODIES:
        turn = bodies[name].R()
        found[name] = np.array([[turn.get(i, j) for j in range(3)] for i in range(3)])
    return found


def between_deg(one: Array, other: Array) -> float:
    """Largest angle between the columns of two matrices."""
    return float(np.rad2deg(np.arccos(np.clip((one * other).sum(axis=0), -1, 1))).max())


@pytest.mark.parametrize("file", MODELS)
def test_a_converted_posture_looks_the_same(data_dir: Path, file: str) -> None:
    path = data_dir / "osim" / file
    posed = asymmetric_posture()
    reference = data_dir / "osim" / "pose2sim" / "Model_Pose2Sim_simple.osim"
    names = OsimModel.from_file(reference).coordinate_names
    expected = limbs(reference, to_names(posed, names))
    model = OsimModel.from_file(path)
    found = limbs(path, to_family(posed, model))
    locked = {c.name for c in model.coordinates if c.locked}  # Rajagopal's toes
    for limb in found.keys() & expected.keys():
        if "mtp_angle_r" not in locked or not limb.startswith("toes"):
            limit = TOES_WITHIN_DEG if limb.startswith("toes") else WITHIN_DEG
            assert between_deg(found[limb], expected[limb]) < limit, limb


@pytest.mark.parametrize("file", MODELS)
def test_a_model_knows_its_family(data_dir: Path, file: str) -> None:
    model = OsimModel.from_file(data_dir / "osim" / file)
    assert family_of_model(model).name == MODELS[file]


@pytest.mark.parametrize("file", MODELS)
def test_there_and_back_changes_nothing(data_dir: Path, file: str) -> None:
    posed = asymmetric_posture()
    model = OsimModel.from_file(data_dir / "osim" / file)
    back = common(to_family(posed, model), family_of_model(model))
    for name in set(back.names) & set(posed.names):
        assert back.column(name)[0] == pytest.approx(posed.column(name)[0], abs=1e-12), name


def test_negative_knees_are_told_by_their_bend() -> None:
    walking = posture(knee_angle_r=-60, knee_angle_l=-5, lumbar_extension=3)
    assert family_of(walking.names, walking).name == "gait2392"
    assert np.rad2deg(common(walking).column("knee_angle_r")[0]) == pytest.approx(60)
    standing = posture(knee_angle_r=-4, knee_angle_l=2, lumbar_extension=3)
    assert common(standing).column("knee_angle_r")[0] == standing.column("knee_angle_r")[0]


def test_six_lumbar_joints_add_up_to_the_trunk(data_dir: Path) -> None:
    truth = read_motion(data_dir / "clips" / "pose2sim_balancing" / "truth.mot")
    shared = common(truth)
    assert "L5_S1_Flex_Ext" not in shared.names
    # The model's own coupler makes this coordinate the sum of the lumbar rotations.
    total = truth.column("Abs_r1")
    np.testing.assert_allclose(shared.column("lumbar_rotation"), total, atol=1e-4)


def test_what_a_motion_lacks_is_the_models_default_or_a_gap() -> None:
    osim = OsimModel.from_file(Path(__file__).parents[1] / "models/d3ke/assets/fullbody.osim")
    bent = posture(knee_angle_r=30, not_a_coordinate=1)
    full = to_family(bent, osim)
    defaults = {c.name: c.default for c in osim.coordinates}
    assert full.names == osim.coordinate_names
    assert np.rad2deg(full.column("knee_angle_r")[0]) == pytest.approx(30)
    assert full.column("pelvis_ty")[0] == defaults["pelvis_ty"]
    assert np.isnan(to_names(bent, osim.coordinate_names).column("pelvis_ty")[0])


def test_spellings_are_one_coordinate() -> None:
    bent = posture(elbow_flexion_r=80)
    assert np.rad2deg(to_names(bent, ["elbow_flex_r"]).q[0, 0]) == pytest.approx(80)
    assert np.rad2deg(common(bent).column("elbow_flex_r")[0]) == pytest.approx(80)


@pytest.mark.parametrize("file", [*MODELS, "nimblephysics/ScapulothoracicJoint_Shoulder.osim"])
def test_opensim_agrees_which_names_are_rotations(data_dir: Path, file: str) -> None:
    model = opensim().Model(str(data_dir / "osim" / file))
    model.initSystem()
    for coordinate in model.getCoordinateSet():
        turns = coordinate.getMotionType() == 1
        assert is_rotational(coordinate.getName()) == turns, coordinate.getName()
