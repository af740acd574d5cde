"""Bodies of AMASS: SMPL+H, and the virtual markers on it."""

import math
import tomllib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.movi.amass import read_amass
from d3ke.movi.cameras import GROUND_FROM_AMASS
from d3ke.movi.layout import find_movi
from d3ke.movi.sessions import sessions_of
from d3ke.movi.smplh import BodyModel, load_smplh, posed
from d3ke.movi.virtual_markers import BODY_JOINTS, NAMES, VERTICES, static_markers, virtual_markers
from d3ke.omc.marker_names import match
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from tests.movi_stand_in import write_amass, write_movi, write_smplh

Array = NDArray[np.float64]
ASSETS = Path(__file__).parents[1] / "models" / "d3ke" / "assets" / "movi"
CHOSEN = tuple(VERTICES.values())


@pytest.fixture(scope="module")
def bodies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smplh")
    for sex in ("female", "male"):
        write_smplh(folder, sex, CHOSEN)
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_movi(tmp_path_factory.mktemp("data") / "movi", subjects=(2,), amass=True)


@pytest.fixture(scope="module")
def female(bodies: Path) -> BodyModel:
    return load_smplh(bodies, "female")


def rotation(rotvec: Array) -> Array:
    """The turn about a vector by its length: Rodrigues' formula, axis and angle."""
    angle = math.sqrt(sum(float(part) ** 2 for part in rotvec))
    x, y, z = rotvec / angle if angle else (1.0, 0.0, 0.0)
    c, s = math.cos(angle), math.sin(angle)
    return np.array(
        [
            [c + x * x * (1 - c), x * y * (1 - c) - z * s, x * z * (1 - c) + y * s],
            [y * x * (1 - c) + z * s, c + y * y * (1 - c), y * z * (1 - c) - x * s],
            [z * x * (1 - c) - y * s, z * y * (1 - c) + x * s, c + z * z * (1 - c)],
        ]
    )


def by_hand(model: BodyModel, pose: Array, betas: Array, trans: Array) -> tuple[Array, Array]:
    """One pose, a vertex and a joint after the other, with 4 x 4 matrices and their inverses."""
    count = len(model.parents)
    shaped = model.template.copy()
    for number, beta in enumerate(betas):
        shaped += beta * model.shapes[:, :, number]
    rest = np.array(
        [sum(w * v for w, v in zip(row, shaped, strict=True)) for row in model.regressor]
    )
    bent, column = shaped.copy(), 0
    for joint in range(1, count):
        for value in (rotation(pose[joint]) - np.eye(3)).flatten():
            bent += value * model.bends[:, :, column]
            column += 1
    worlds: list[Array] = []
    unposed: list[Array] = []
    for joint, parent in enumerate(model.parents):
        local, home = np.eye(4), np.eye(4)
        local[:3, :3] = rotation(pose[joint])
        local[:3, 3] = rest[joint] - (rest[parent] if parent >= 0 else 0)
        home[:3, 3] = rest[joint]
        worlds.append(worlds[parent] @ local if parent >= 0 else local)
        unposed.append(home)
    placed = np.zeros_like(bent)
    for vertex, place in enumerate(bent):
        for joint in range(count):
            moved = worlds[joint] @ np.linalg.inv(unposed[joint]) @ [*place, 1]
            placed[vertex] += model.weights[vertex, joint] * moved[:3]
    return placed + trans, np.array([world[:3, 3] for world in worlds]) + trans


def part(model: BodyModel, vertices: tuple[int, ...]) -> BodyModel:
    chosen = list(vertices)
    return BodyModel(
        template=model.template[chosen],
        shapes=model.shapes[chosen],
        bends=model.bends[chosen],
        regressor=model.regressor[:, chosen],
        weights=model.weights[chosen],
        parents=model.parents,
    )


def tiny() -> BodyModel:
    rng = np.random.default_rng(11)
    return BodyModel(
        template=rng.normal(0, 1, (9, 3)),
        shapes=rng.normal(0, 0.1, (9, 3, 16)),
        bends=rng.normal(0, 0.1, (9, 3, 27)),
        regressor=rng.dirichlet(np.ones(9), 4),
        weights=rng.dirichlet(np.ones(4), 9),
        parents=(-1, 0, 1, 0),
    )


def test_a_posed_body_is_what_a_loop_by_hand_makes() -> None:
    model, rng = tiny(), np.random.default_rng(12)
    poses, betas, trans = (rng.normal(0, 1, shape) for shape in ((5, 4, 3), 16, (5, 3)))
    poses[1] = 0
    chosen = (8, 0, 3)
    found = posed(model, poses, betas, trans, chosen)
    for moment in range(5):
        vertices, joints = by_hand(model, poses[moment], betas, trans[moment])
        np.testing.assert_allclose(found.vertices[moment], vertices[list(chosen)], atol=1e-12)
        np.testing.assert_allclose(found.joints[moment], joints, atol=1e-12)


def test_a_turn_of_the_root_turns_the_whole_body_about_it(female: BodyModel) -> None:
    poses, still = np.zeros((2, 52, 3)), np.zeros((2, 3))
    poses[1, 0] = 0.4, -1.1, 0.7
    found = posed(female, poses, np.zeros(16), still, CHOSEN)
    hub = found.joints[0, 0]
    turned = (found.vertices[0] - hub) @ rotation(poses[1, 0]).T + hub
    np.testing.assert_allclose(found.vertices[1], turned, atol=1e-12)


def test_virtual_markers_are_vertices_and_joints_in_ground(root: Path, female: BodyModel) -> None:
    motion = read_amass(next(root.rglob("Subject_2_F_2_poses.npz")))
    markers = virtual_markers(female, motion, start_s=2.0)
    assert markers.names[:22] == BODY_JOINTS
    assert (markers.time[0], len(markers.time)) == (2.0, 80)
    few = part(female, CHOSEN)  # the others are nothing
    vertices, joints = by_hand(few, motion.poses[5], motion.betas, motion.trans[5])
    heel = vertices[list(VERTICES).index("LHEE")] @ GROUND_FROM_AMASS.T
    np.testing.assert_allclose(markers.select(["LHEE"]).xyz[5, 0], heel, atol=1e-9)
    wrist = joints[21] @ GROUND_FROM_AMASS.T
    np.testing.assert_allclose(markers.select(["RWRIST"]).xyz[5, 0], wrist, atol=1e-9)


def test_a_body_at_rest_stands_upright_and_looks_along_x(female: BodyModel) -> None:
    static = static_markers(female, np.zeros(16))
    assert len(static.time) == 60
    assert (static.xyz == static.xyz[0]).all()
    # at rest y of the template is up, z where the body looks, x its left side
    x, y, z = female.template[VERTICES["CLAV"]]
    np.testing.assert_allclose(static.select(["CLAV"]).xyz[0, 0], [z, y, -x], atol=1e-12)


def test_names_of_virtual_markers_are_all_different() -> None:
    assert len(NAMES) == len(set(NAMES)) == 22 + 66
    assert len(set(VERTICES.values())) == 66


@pytest.mark.parametrize("name", ["worn.toml", "smplh.toml"])
def test_a_mapping_names_markers_of_our_skeleton_once_each(name: str) -> None:
    pairs = tomllib.loads((ASSETS / name).read_text())["names"]
    assert len(set(pairs.values())) == len(pairs) > 30
    assert set(pairs.values()) <= set(default_model().marker_names)
    if name == "smplh.toml":
        assert set(pairs) <= set(NAMES)
    sides = {"L": "R", "R": "L"}
    for recorded, model in pairs.items():
        if recorded[0] in sides and not recorded.startswith("Track"):
            mirrored = sides[recorded[0]] + recorded[1:]
            assert pairs[mirrored] == sides[model[0]] + model[1:]


def test_virtual_markers_are_those_of_our_skeleton_that_the_mapping_names() -> None:
    """None by its name alone: RTOE of the bodies is another place than ours."""
    path = ASSETS / "smplh.toml"
    found = match(default_model(), NAMES, path).names
    assert found == tomllib.loads(path.read_text())["names"]
    assert "RTOE" in {*NAMES} & {*default_model().marker_names}


def test_sessions_have_virtual_markers_where_the_body_model_is_given(
    root: Path, bodies: Path
) -> None:
    progress = Silent()
    sessions = list(sessions_of(find_movi(root), bodies, progress))
    assert progress.warnings == []
    assert [session.trial for session in sessions] == ["02_kicking", "03_jumping_jacks_star"]
    for session in sessions:
        assert session.markers.names == NAMES
        assert session.markers.time[0] == pytest.approx(session.films[0].first / 30)
        assert session.static is not None
        assert session.static.names == NAMES


def test_a_movement_that_amass_lacks_or_that_is_another_is_told(
    tmp_path: Path, bodies: Path
) -> None:
    root = write_movi(tmp_path / "movi", subjects=(2,), amass=True)
    (folder,) = root.rglob("Subject_2_F_MoSh")
    (folder / "Subject_2_F_2_poses.npz").unlink()
    short = dict(np.load(folder / "Subject_2_F_3_poses.npz"))
    np.savez(
        folder / "Subject_2_F_3_poses.npz",
        **(short | {name: short[name][:20] for name in ("poses", "trans")}),
    )
    progress = Silent()
    assert list(sessions_of(find_movi(root), bodies, progress)) == []
    assert len(progress.warnings) == 2
    assert "movement 2 kicking: AMASS has no Subject_2_F_2" in progress.warnings[0]
    assert "lasts 0.2 s, the movement 0.8 s" in progress.warnings[1]


def test_a_folder_without_body_models_is_refused_at_once(root: Path, tmp_path: Path) -> None:
    progress = Silent()
    with pytest.raises(D3keError, match=r"no female/model\.npz"):
        list(sessions_of(find_movi(root), tmp_path, progress))
    assert progress.warnings == []


def test_without_amass_the_body_model_is_refused(tmp_path: Path, bodies: Path) -> None:
    root = write_movi(tmp_path / "movi", subjects=(2,))
    with pytest.raises(D3keError, match="AMASS"):
        list(sessions_of(find_movi(root), bodies))


def test_a_body_model_that_is_missing_small_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"no male/model\.npz"):
        load_smplh(tmp_path, "male")
    path = write_smplh(tmp_path, "male", CHOSEN, betas=10)
    with pytest.raises(D3keError, match="with 16 shapes: shapedirs differs"):
        load_smplh(tmp_path, "male")
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(D3keError, match="broken"):
        load_smplh(tmp_path, "male")
    np.savez(path, v_template=np.zeros((9, 3)))
    with pytest.raises(D3keError, match="has no shapedirs"):
        load_smplh(tmp_path, "male")


def test_a_file_that_is_not_of_amass_is_told(tmp_path: Path) -> None:
    path = tmp_path / "Subject_2_F_1_poses.npz"
    with pytest.raises(D3keError, match="no such file"):
        read_amass(path)
    write_amass(tmp_path, 2)
    whole = dict(np.load(next(tmp_path.rglob(path.name))))
    np.savez(path, **(whole | {"poses": whole["poses"][:, :72]}))
    with pytest.raises(D3keError, match=r"not a movement of SMPL\+H"):
        read_amass(path)
    np.savez(path, **(whole | {"gender": np.array(b"male")}))
    assert read_amass(path).sex == "male"
