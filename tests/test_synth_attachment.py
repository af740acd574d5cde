"""The attachment: the mesh follows the skeleton, and OpenSim finds the skeleton again."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.interpolate import PchipInterpolator
from torch import Tensor

from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_motion, write_markers
from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.bodies.adults import Adult, Adults
from d3ke.synth.bodies.attachment import Attachment, sole_points, swing_twist
from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.bodies.bony_landmarks import skin_markers
from d3ke.synth.bodies.stretch import dense_weights
from tests.opensim_oracle import opensim

OSIM = default_model()
NAMES = OSIM.coordinate_names
SKELETON = SkeletalModel(OSIM)
ATTACHMENT = Attachment(OSIM)
RATE_HZ = 30.0

# How people move, deg: what random smooth motion stays between.
USUAL_DEG = {
    "pelvis_tilt": (-30, 20), "pelvis_list": (-15, 15), "pelvis_rotation": (-60, 60),
    "hip_flexion": (-15, 90), "hip_adduction": (-25, 15), "hip_rotation": (-20, 20),
    "knee": (0, 110), "ankle": (-30, 20), "subtalar": (-10, 10), "mtp": (-10, 25),
    "lumbar_extension": (-40, 10), "lumbar_bending": (-20, 20), "lumbar_rotation": (-30, 30),
    "neck": (-30, 30), "arm_flex": (-30, 130), "arm_add": (-75, 15), "arm_rot": (-50, 50),
    "elbow": (0, 130), "pro_sup": (10, 150), "wrist_flex": (-30, 30), "wrist_dev": (-20, 20),
}  # fmt: skip


@cache
def person(identity: int) -> Adult:
    return source().adult(identity)


@cache
def source() -> Adults:
    return Adults(OSIM, seed=0)


def pose(**degrees: float) -> Tensor:
    """Coordinates (K,); a name without its side means both."""
    q = torch.tensor([c.default for c in OSIM.coordinates])
    for name, value in degrees.items():
        for index, coordinate in enumerate(NAMES):
            if coordinate in {name, f"{name}_r", f"{name}_l"}:
                q[index] = np.deg2rad(value)
    return q


def random_motion(seed: int, frames: int) -> Tensor:
    """Smooth, (T, K), one turn of mind every eighth of it."""
    rng = np.random.default_rng(seed)
    q = torch.zeros(frames, len(NAMES))
    for index, name in enumerate(NAMES):
        for start, (low, high) in USUAL_DEG.items():
            if name.startswith(start):
                curve = PchipInterpolator(np.linspace(0, 1, 9), rng.uniform(low, high, 9))
                q[:, index] = torch.from_numpy(np.deg2rad(curve(np.linspace(0, 1, frames))))
    return q


def bones_in(adult: Adult, q: Tensor, curl: float = 0.3) -> Tensor:
    bodies = SKELETON.bodies(q, adult.scales)
    return ATTACHMENT.bones(adult, bodies, torch.full((len(q), 2), curl))


def skinned(adult: Adult, bones: Tensor, vertices: list[int]) -> Tensor:
    """(T, P, 3)."""
    mixed = torch.einsum("vr,trij->tvij", dense_weights()[vertices], bones)
    points = torch.from_numpy(adult.vertices[vertices]).unsqueeze(-1)
    return (mixed[..., :3] @ points).squeeze(-1) + mixed[..., 3]


def skin_errors_mm(adult: Adult, q: Tensor) -> Tensor:
    """Skin over markers against points that went with the markers' bodies rigidly, (T, M)."""
    on = [marker for marker in OSIM.markers if marker.name in skin_markers()]
    vertices = [skin_markers()[marker.name] for marker in on]
    index = torch.tensor([OSIM.body_names.index(marker.body) for marker in on])
    bodies = SKELETON.bodies(q, adult.scales)
    rest = torch.from_numpy(adult.vertices[vertices])
    local = sole_points(adult, OSIM, rest.numpy(), [marker.body for marker in on])
    rigid = SKELETON.stations(bodies, index, local)
    errors = skinned(adult, bones_in(adult, q), vertices) - rigid
    return errors.square().sum(dim=-1).sqrt() * 1000


def rms(errors: Tensor) -> float:
    return float(errors.square().mean().sqrt())


def test_at_rest_the_mesh_is_at_rest() -> None:
    adult = person(0)
    bones = ATTACHMENT.bones(adult, adult.rest_bodies[None], torch.zeros(1, 2))
    still = torch.eye(4)[:3].expand_as(bones)
    torch.testing.assert_close(bones, still, atol=1e-5, rtol=0)  # 0.01 mm: float32


def test_everything_goes_with_the_pelvis() -> None:
    adult = person(1)
    q = random_motion(0, 20)
    moved = q.clone()
    moved[:, [NAMES.index(f"pelvis_t{axis}") for axis in "xyz"]] += torch.tensor([0.3, 1.0, -2.0])
    shift = bones_in(adult, moved) - bones_in(adult, q)
    torch.testing.assert_close(
        shift[..., 3], torch.tensor([0.3, 1.0, -2.0]).expand_as(shift[..., 3]), atol=1e-5, rtol=0
    )
    assert shift[..., :3].abs().max() < 1e-5


def test_knees_bend_back_arms_rise_forward_and_feet_are_below() -> None:
    adult, names = person(2), parametric_body().bone_names

    def heads(**degrees: float) -> dict[str, Tensor]:
        bones = bones_in(adult, pose(**degrees)[None])[0]
        places = (bones[..., :3] @ torch.from_numpy(adult.heads).unsqueeze(-1)).squeeze(-1)
        return dict(zip(names, places + bones[..., 3], strict=True))

    stands, bent, raised = heads(), heads(knee_angle=90), heads(arm_flex=90)
    assert stands["foot.R"][1] < stands["lowerleg01.R"][1] < stands["head"][1]
    assert bent["foot.L"][0] < stands["foot.L"][0] - 0.3
    assert raised["wrist.R"][0] > stands["wrist.R"][0] + 0.4
    assert raised["wrist.L"][1] > stands["wrist.L"][1] + 0.3


@pytest.mark.parametrize("identity", [0, 3, 6])
def test_skin_stays_within_8_mm_of_rigid_markers_in_random_motion(identity: int) -> None:
    q = torch.cat([random_motion(seed, 60) for seed in range(3)])
    assert rms(skin_errors_mm(person(identity), q)) < 8


def test_skin_stays_within_8_mm_of_rigid_markers_in_running(data_dir: Path) -> None:
    motion = read_motion(data_dir / "motions" / "nb_hamner_run300.mot")
    in_order = [motion.names.index(named(name)) for name in NAMES]
    q = torch.tensor(motion.q[::4, in_order], dtype=torch.float32)
    errors = torch.stack([skin_errors_mm(person(identity), q) for identity in range(6)])
    assert rms(errors) < 8
    assert errors.median() < 2


def named(coordinate: str) -> str:
    """The name in files of Pose2Sim's model."""
    lumbar = {
        "lumbar_extension": "L5_S1_Flex_Ext",
        "lumbar_bending": "L5_S1_Lat_Bending",
        "lumbar_rotation": "L5_S1_axial_rotation",
    }
    return lumbar.get(coordinate, coordinate)


@pytest.mark.parametrize("coordinate", ["arm_flex_r", "arm_add_l", "lumbar_rotation", "pro_sup_r"])
def test_bones_follow_a_coordinate_without_jumps(coordinate: str) -> None:
    adult = person(3)
    low, high = OSIM.coordinates[NAMES.index(coordinate)].range
    steps = np.arange(np.rad2deg(low) + 20, np.rad2deg(high) - 20)
    q = torch.stack([pose(**{coordinate: float(angle)}) for angle in steps])
    sheet = [int(v) for v in np.unique(parametric_body().faces["body"])[::40]]
    way = skinned(adult, bones_in(adult, q), sheet).diff(dim=0).norm(dim=-1)
    assert way.max() < 0.03  # m for a degree; an arm is 0.8 m long, so 0.014 without twist


def test_swing_and_twist_make_the_turn() -> None:
    turns = torch.linalg.qr(torch.randn(50, 3, 3, generator=torch.Generator().manual_seed(0)))[0]
    turns = turns * torch.linalg.det(turns)[:, None, None]
    axis, up = torch.nn.functional.normalize(torch.tensor([[0.1, -0.7, 0.7], [0, 1.0, 0]]), dim=1)
    swing, twist = swing_twist(turns, axis, up, np.pi / 2)
    again = torch.linalg.matrix_exp(cross(swing)) @ torch.linalg.matrix_exp(
        cross(twist[:, None] * axis)
    )
    torch.testing.assert_close(again, turns, atol=1e-4, rtol=0)
    assert (swing @ axis).abs().max() < 1e-5


def cross(vectors: Tensor) -> Tensor:
    """(T, 3) -> the matrices (T, 3, 3) of their cross products."""
    x, y, z = vectors.unbind(1)
    zero = torch.zeros_like(x)
    return torch.stack([zero, -z, y, z, zero, -x, -y, x, zero], dim=1).reshape(-1, 3, 3)


def test_a_fist_brings_all_fingertips_to_the_palm() -> None:
    adult = person(3)
    bone_of = parametric_body().bones[:, 0]
    for side in "RL":
        wrist = bone_index(f"wrist.{side}")
        for finger in range(1, 6):
            last = bone_index(f"finger{finger}-3.{side}")
            on = np.flatnonzero(bone_of == last)
            tip = [
                int(on[np.argmax(np.linalg.norm(adult.vertices[on] - adult.heads[wrist], axis=1))])
            ]
            reach = []
            for curl in (0.0, 0.3, 1.0):
                bones = bones_in(adult, pose()[None], curl)
                start = bones[0, wrist] @ torch.tensor([*adult.heads[wrist], 1.0])
                reach.append(float((skinned(adult, bones, tip)[0, 0] - start).norm()))
            assert reach[0] > reach[1] > reach[2], (side, finger)
            assert reach[2] < 0.75 * reach[0] or finger == 1


def test_hands_are_mirror_images() -> None:
    adult = person(4)
    bones = bones_in(adult, pose()[None], 0.7)
    tips = [bone_index(f"finger{finger}-3.{side}") for finger in range(1, 6) for side in "RL"]
    heads = torch.from_numpy(adult.heads[tips]).unsqueeze(-1)
    places = (bones[0, tips, :, :3] @ heads).squeeze(-1) + bones[0, tips, :, 3]
    mirrored = places[1::2] * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(places[::2], mirrored, atol=3e-3, rtol=0)  # 3 mm: uneven shapes


def bone_index(name: str) -> int:
    return parametric_body().bone_names.index(name)


def test_sole_points_come_back_through_the_rest_frames() -> None:
    adult = person(5)
    rest = adult.vertices[[6725, 4933]]
    bodies = ("calcn_r", "toes_r")
    local = sole_points(adult, OSIM, rest, bodies)
    index = torch.tensor([OSIM.body_names.index(body) for body in bodies])
    again = SKELETON.stations(adult.rest_bodies, index, local)
    torch.testing.assert_close(again, torch.from_numpy(rest), atol=1e-6, rtol=0)


@pytest.mark.slow
@pytest.mark.parametrize("identity", [2, 5])
def test_opensim_finds_the_coordinates_of_rigid_markers_again(
    identity: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opensim()
    monkeypatch.chdir(tmp_path)  # OpenSim's tools write where they stand
    adult, q = person(identity), random_motion(identity, 40)
    q[0] = torch.tensor([c.default for c in OSIM.coordinates])
    for frame in range(1, 8):  # from the pose that the tool starts in
        q[frame] = q[0] + (q[8] - q[0]) * frame / 8
    true = SKELETON(q, adult.scales).markers
    OSIM.scaled(adult.scales.double().numpy(), adult.mass_kg).write(tmp_path / "scaled.osim")
    found = inverse_kinematics(tmp_path, true.double().numpy())
    turning = np.array([c.rotational for c in OSIM.coordinates])
    error = np.abs(found - q.double().numpy()) * np.where(turning, np.rad2deg(1), 1000)
    assert error[:, turning].max() < 0.1  # deg
    assert error[:, ~turning].max() < 0.1  # mm
    again = SKELETON(torch.tensor(found, dtype=torch.float32), adult.scales).markers
    assert (again - true).norm(dim=-1).max() < 1e-4  # 0.1 mm


def inverse_kinematics(folder: Path, markers: NDArray[np.float64]) -> NDArray[np.float64]:
    """What OpenSim finds, (T, K) rad and m."""
    import opensim as osim

    time = np.arange(len(markers)) / RATE_HZ
    write_markers(folder / "markers.trc", MarkerData(time, markers, OSIM.marker_names))
    model = osim.Model(str(folder / "scaled.osim"))  # the tool does not keep it alive
    model.initSystem()
    tool = osim.InverseKinematicsTool()
    tool.setModel(model)
    tool.setMarkerDataFileName(str(folder / "markers.trc"))
    tool.setStartTime(float(time[0]))
    tool.setEndTime(float(time[-1]))
    tool.setOutputMotionFileName(str(folder / "found.mot"))
    tool.setResultsDir(str(folder))
    tool.set_report_errors(False)
    tool.set_accuracy(1e-9)  # the default, 1e-5, stops at 1.6 degrees
    assert tool.run()
    return np.asarray(read_motion(folder / "found.mot").select(NAMES).q)
