"""SMPL+H: a body of a given shape in given poses.

Source: Loper et al. 2015 (SMPL), equations 1 to 10; Romero et al. 2017 (SMPL+H).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.movi.amass import JOINTS, read_arrays

Array = NDArray[np.float64]

VERTICES, BETAS = 6890, 16
SHAPES = {
    "v_template": (VERTICES, 3),
    "shapedirs": (VERTICES, 3, BETAS),
    "posedirs": (VERTICES, 3, 9 * (JOINTS - 1)),
    "J_regressor": (JOINTS, VERTICES),
    "weights": (VERTICES, JOINTS),
}
FIELDS = (*SHAPES, "kintree_table")


@dataclass(frozen=True, eq=False)
class BodyModel:
    """V vertices on J joints.

    template: (V, 3) m; shapes: (V, 3, S), by which betas change it; bends: (V, 3, 9 (J - 1)), by
    which poses change it; regressor: (J, V) joints from vertices; weights: (V, J) of skinning;
    parents: (J,), each before its child, -1 for the root.
    """

    template: Array
    shapes: Array
    bends: Array
    regressor: Array
    weights: Array
    parents: tuple[int, ...]


class Posed(NamedTuple):
    """Places in the world of `trans`, m: vertices (T, N, 3), joints (T, J, 3)."""

    vertices: Array
    joints: Array


def load_smplh(folder: Path | str, sex: str) -> BodyModel:
    """The model of a sex, male, female or neutral, from a folder as it is distributed.

    Raises D3keError: no SEX/model.npz in it, broken, or not the extended SMPL+H.
    """
    return read_smplh(find_smplh(Path(folder), sex))


def find_smplh(folder: Path, sex: str) -> Path:
    """The file of the model of a sex. Raises D3keError where there is none."""
    found = sorted(path for path in folder.rglob("model.npz") if path.parent.name.lower() == sex)
    if not found:
        raise D3keError(
            f"{folder}: no {sex}/model.npz. Get the extended SMPL+H model that AMASS names."
        )
    return found[0]


def read_smplh(path: Path) -> BodyModel:
    """The body model in an .npz.

    Raises D3keError: no such file, broken, or not the extended SMPL+H.
    """
    arrays = read_arrays(path, FIELDS)
    values = {name: np.asarray(arrays[name], np.float64) for name in FIELDS[:-1]}
    tree = np.atleast_2d(arrays["kintree_table"])[0].astype(np.int64)
    wrong = [name for name, shape in SHAPES.items() if values[name].shape != shape]
    if wrong or len(tree) != JOINTS or (tree[1:] >= np.arange(1, JOINTS)).any():
        raise D3keError(
            f"{path}: not SMPL+H with {BETAS} shapes: {wrong[0] if wrong else FIELDS[-1]} differs. "
            f"Get the extended SMPL+H model that AMASS names."
        )
    return BodyModel(
        template=values["v_template"],
        shapes=values["shapedirs"],
        bends=values["posedirs"],
        regressor=values["J_regressor"],
        weights=values["weights"],
        parents=(-1, *tree[1:].tolist()),
    )


def posed(
    model: BodyModel, poses: Array, betas: Array, trans: Array, vertices: tuple[int, ...]
) -> Posed:
    """Places of the joints and of N chosen vertices in T poses.

    poses: (T, J, 3) rotation vectors, rad; betas: (S,); trans: (T, 3) m.
    """
    chosen = list(vertices)
    shaped = model.template + model.shapes @ betas  # (V, 3)
    rest = model.regressor @ shaped  # (J, 3)
    turns = _rotations(poses)
    bend = (turns[:, 1:] - np.eye(3)).reshape(len(poses), -1)  # (T, 9 (J - 1))
    bent = shaped[chosen] + np.einsum("nip,tp->tni", model.bends[chosen], bend)  # (T, N, 3)
    world, joints = _along_the_tree(turns, rest, model.parents)
    shift = joints - np.einsum("tjab,jb->tja", world, rest)
    weights = model.weights[chosen]
    blended = np.einsum("nj,tjab->tnab", weights, world)  # (T, N, 3, 3)
    skinned = np.einsum("tnab,tnb->tna", blended, bent) + np.einsum("nj,tja->tna", weights, shift)
    return Posed(skinned + trans[:, None], joints + trans[:, None])


def _rotations(rotvecs: Array) -> Array:
    from scipy.spatial.transform import Rotation

    matrices: Array = Rotation.from_rotvec(rotvecs.reshape(-1, 3)).as_matrix()
    return matrices.reshape(*rotvecs.shape[:-1], 3, 3)


def _along_the_tree(turns: Array, rest: Array, parents: tuple[int, ...]) -> tuple[Array, Array]:
    """Each joint's orientation (T, J, 3, 3) and place (T, J, 3), root first."""
    world, places = turns.copy(), np.repeat(rest[None], len(turns), axis=0)
    for joint, parent in enumerate(parents[1:], start=1):
        world[:, joint] = world[:, parent] @ turns[:, joint]
        arm = rest[joint] - rest[parent]
        places[:, joint] = places[:, parent] + world[:, parent] @ arm
    return world, places
