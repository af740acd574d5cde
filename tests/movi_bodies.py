"""A made-up SMPL+H whose body is that of a synthetic person, and its movements as AMASS has them.

The real model's licence forbids it. Here each body of the skeleton is a joint, and each vertex that
stands for a marker is stuck to the body of that marker, some millimetres beside it.
"""

import tomllib
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from d3ke.movi.cameras import GROUND_FROM_AMASS, MOCAP_HZ
from d3ke.movi.recorded import ASSETS, VIRTUAL
from d3ke.movi.virtual_markers import GROUND_FROM_REST, VERTICES
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.laboratory import Session, Trial

Array = NDArray[np.float64]

OSIM = default_model()
SKELETON = SkeletalModel(OSIM, torch.float64)
NAMES: dict[str, str] = tomllib.loads((ASSETS / VIRTUAL).read_text())["names"]  # to the skeleton's
JOINTS, SHAPE = 52, 3  # SHAPE: the beta that makes a mean body this person's
BESIDE_M = 0.005  # of a marker: a vertex is no marker
HELPERS = range(6890 - JOINTS, 6890)  # vertices that lie where joints are
PARENTS = {joint.child.body: joint.parent.body for joint in OSIM.joints}


def write_body(folder: Path, sex: str, session: Session) -> Path:
    """The model of a sex, whose beta SHAPE turns a mean body into that of a session's person."""
    person = session.actor.adult.scales.double().numpy()
    mean, own = _rest(np.ones_like(person)), _rest(person)
    shapes = np.zeros((6890, 3, 16))
    shapes[..., SHAPE] = own - mean
    regressor, weights = np.zeros((JOINTS, 6890)), np.zeros((6890, JOINTS))
    regressor[range(JOINTS), HELPERS] = 1
    weights[:, 0] = 1
    for vertex, body in _vertices().items():
        weights[vertex] = np.eye(JOINTS)[body]
    (folder / sex).mkdir(parents=True)
    path = folder / sex / "model.npz"
    np.savez_compressed(
        path,
        v_template=mean,
        shapedirs=shapes,
        posedirs=np.zeros((6890, 3, 9 * (JOINTS - 1)), np.float32),
        weights=weights,
        J_regressor=regressor,
        kintree_table=np.array([_parents(), range(JOINTS)], np.int64) % 2**32,
    )
    return path


def write_movement(root: Path, subject: int, number: int, trial: Trial, session: Session) -> Path:
    """A trial as AMASS's Subject_N_F_k_poses.npz, for as long as it was filmed."""
    count = round(len(trial.videos[0].time) * MOCAP_HZ / 30)
    scales = session.actor.adult.scales.double()
    frames = _bodies(trial.acted.at(np.arange(count) / MOCAP_HZ).q, scales)
    rest = _bodies(np.zeros((1, len(OSIM.coordinates))), scales)[0]
    turns = frames[..., :3, :3] @ rest[:, :3, :3].transpose(0, 2, 1)  # in ground
    turns = GROUND_FROM_AMASS.T @ turns @ GROUND_FROM_REST
    poses = np.zeros((count, JOINTS, 3))
    for joint, parent in enumerate(_parents()[: len(OSIM.bodies)]):
        local = turns[:, joint]
        if parent >= 0:
            local = turns[:, parent].transpose(0, 2, 1) @ local
        poses[:, joint] = Rotation.from_matrix(local).as_rotvec()
    place = root / "AMASS" / "BMLmovi" / f"Subject_{subject}_F_MoSh"
    place.mkdir(parents=True, exist_ok=True)
    path = place / f"Subject_{subject}_F_{number}_poses.npz"
    np.savez(
        path,
        poses=poses.reshape(count, -1),
        betas=np.eye(16)[SHAPE],
        dmpls=np.zeros((count, 8)),
        trans=frames[:, 0, :3, 3] @ GROUND_FROM_AMASS - rest[0, :3, 3] @ GROUND_FROM_REST,
        gender=np.array("female" if session.actor.adult.woman else "male"),
        mocap_framerate=np.array(MOCAP_HZ),
    )
    return path


def _rest(scales: Array) -> Array:
    """Vertices (6890, 3) of a body at rest, m, y up and looking along z."""
    pose = SKELETON(torch.zeros(len(OSIM.coordinates), dtype=torch.float64), torch.tensor(scales))
    joints, markers = pose.bodies[:, :3, 3].numpy(), pose.markers.numpy()
    places = np.tile(joints[0], (6890, 1))
    places[HELPERS.start : HELPERS.start + len(joints)] = joints
    beside = np.random.default_rng(3).normal(0, BESIDE_M, (len(NAMES), 3))
    for (name, own), off in zip(NAMES.items(), beside, strict=True):
        places[VERTICES[name]] = markers[OSIM.marker_names.index(own)] + off
    rest: Array = places @ GROUND_FROM_REST
    return rest


def _vertices() -> dict[int, int]:
    """The body that each vertex is stuck to."""
    body_of = {marker.name: OSIM.body_names.index(marker.body) for marker in OSIM.markers}
    return {VERTICES[name]: body_of[own] for name, own in NAMES.items()}


def _parents() -> list[int]:
    """Of each joint; those that are no body of the skeleton hang on the first."""
    above = [PARENTS[body] for body in OSIM.body_names]
    known = [OSIM.body_names.index(body) if body in OSIM.body_names else -1 for body in above]
    return known + [0] * (JOINTS - len(known))


def _bodies(q: Array, scales: torch.Tensor) -> Array:
    frames: Array = SKELETON.bodies(torch.from_numpy(q), scales).numpy()
    return frames
