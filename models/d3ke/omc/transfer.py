"""Transfer: a motion of one model as a motion of another, of the same size.

Most models of a whole body name and turn their joints alike (d3ke.motion.names). What differs is
their size and, by a degree or a centimetre, where joints lie. So angles go over by name, sizes by
the lengths between joints, and the distance that stays between joint centres says how well.
"""

from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.names import common, family_of_model, to_family
from d3ke.posing import coordinates_of, in_parts
from d3ke.skeleton import document
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

LEAST_SHARED = 8  # joints: legs and trunk
SHORT_M = 0.03  # a body's extent along an axis, below which it does not tell a scale
SAME_M = 0.002  # between joint centres: one model, of two sizes


class Transferred(NamedTuple):
    """A motion in another model's coordinates.

    q: (T, K) rad or m; known: (K,) which of them the motion had; scales: (N, 3); bodies: the J'
    that both models have, each carried by a joint; errors: (T, J') m between the joints' centres.
    """

    q: Array
    known: Flags
    scales: Array
    bodies: tuple[str, ...]
    errors: Array


def transferred(motion: Motion, source: OsimModel, target: OsimModel) -> Transferred:
    """A motion of `source`, which has the person's size, in the coordinates of `target`.

    Raises D3keError: too few bodies of the same names, or a root joint without three slides.
    """
    shared = shared_bodies(source, target)
    if len(shared) < LEAST_SHARED:
        raise D3keError(
            f"{source.name}: only {len(shared)} of its bodies are called as those of "
            f"{target.name}. Pass the recording's own .osim as --model."
        )
    named = common(motion, family_of_model(source))
    q = coordinates_of(to_family(named, target), target)
    known = np.array([name in named.names for name in target.coordinate_names])
    scales = factors(source, target)
    starts = tuple(_first_of(source, target, body) for body in shared)
    theirs = joint_centres(source, coordinates_of(motion, source))[:, _rows(source, starts)]
    ours = joint_centres(target, q, scales)[:, _rows(target, shared)]
    shift = np.nanmean(theirs - ours, axis=1)
    q = _moved(target, q, scales, shift)
    errors = np.linalg.norm(theirs - ours - shift[:, None], axis=-1)
    return Transferred(q, known, scales, shared, errors)


def shared_bodies(source: OsimModel, target: OsimModel) -> tuple[str, ...]:
    """Bodies of both models, which a joint of their own carries in both."""
    carried = {joint.child.body for joint in source.joints}
    return tuple(name for name in target.body_names if name in carried)


def _rows(osim: OsimModel, bodies: tuple[str, ...]) -> list[int]:
    """Places of the joints that carry these bodies."""
    carried = [joint.child.body for joint in osim.joints]
    return [carried.index(body) for body in bodies]


def _moved(osim: OsimModel, q: Array, scales: Array, shift: Array) -> Array:
    """The motion with its root body moved by (T, 3) m in ground."""
    skeleton = SkeletalModel(osim, torch.float64)
    row = osim.body_names.index(osim.joints[0].child.body)
    size = torch.from_numpy(scales)
    with torch.inference_mode():
        root = skeleton.bodies(torch.from_numpy(q), size)[:, row].clone()
        root[:, :3, 3] += torch.from_numpy(shift)
        coordinates = skeleton.root_coordinates(root, size[row])
    moved = q.copy()
    moved[:, : coordinates.shape[-1]] = coordinates.numpy()
    turns = [c.rotational for c in osim.joints[0].coordinates]
    # angles of the root stay on the turn that the motion had them on
    whole = np.round((moved[:, : len(turns)] - q[:, : len(turns)]) / (2 * np.pi))
    moved[:, : len(turns)] -= np.where(turns, whole * 2 * np.pi, 0)
    return moved


def factors(source: OsimModel, target: OsimModel) -> Array:
    """Scales of the bodies of `target`, (N, 3), at which it has the size of `source`.

    From the pictures of bones, which scaling a model stretches with it, where that makes joints
    meet: then both are one model. Else from the lengths between joints in the zero posture.
    """
    by_meshes = _by_meshes(source, target)
    if by_meshes is not None and _mismatch(source, target, by_meshes) < SAME_M:
        return by_meshes
    return _by_lengths(source, target)


def _by_meshes(source: OsimModel, target: OsimModel) -> Array | None:
    """Ratios of the scale factors of the same meshes; None where a body of joints lacks one."""
    ours, theirs = _meshes(target), _meshes(source)
    found = np.full((len(target.bodies), 3), np.nan)
    for place, body in enumerate(target.body_names):
        same = ours.get(body, {}).keys() & theirs.get(body, {}).keys()
        if same:
            name = min(same)
            found[place] = theirs[body][name] / ours[body][name]
    return _inherited(target, found) if np.isfinite(found).any() else None


def _meshes(osim: OsimModel) -> dict[str, dict[str, Array]]:
    """Scale factors of each body's meshes, by the names of their files."""

    def of(body: Element) -> dict[str, Array]:
        return {
            document.text_of(mesh, "mesh_file").rsplit("/", 1)[-1]: np.array(
                document.vector(mesh, "scale_factors", (1.0,) * 3)
            )
            for mesh in body.iter("Mesh")
        }

    model = document.parse(osim.xml).find("Model")
    assert model is not None
    return {document.name_of(body): of(body) for body in document.objects(model, "BodySet")}


def _by_lengths(source: OsimModel, target: OsimModel) -> Array:
    """Ratios of each body's extents along its axes, else of its length."""
    ours, theirs = (_at_zero(osim) for osim in (target, source))
    found = np.full((len(target.bodies), 3), np.nan)
    for row, body in enumerate(target.body_names):
        ends = [
            joint.child.body
            for joint in target.joints
            if joint.parent.body == body and joint.child.body in theirs
        ]
        if not ends or body not in theirs:
            continue
        before = np.array([ours[end] - ours[body] for end in ends])
        start = theirs[_first_of(source, target, body)]
        after = np.array([theirs[_first_of(source, target, end)] - start for end in ends])
        extents = np.linalg.norm(before, axis=0)
        ratios = (before * after).sum(axis=0) / np.maximum(extents, SHORT_M) ** 2
        whole = np.linalg.norm(after) / max(float(np.linalg.norm(before)), SHORT_M)
        found[row] = np.where((extents > SHORT_M) & (ratios > 0), ratios, whole)
    return _inherited(target, found)


def _first_of(source: OsimModel, target: OsimModel, body: str) -> str:
    """Where a body of the target begins in the source, in which it may be the last of a chain."""
    above = next(joint.parent.body for joint in target.joints if joint.child.body == body)
    joint_of = {joint.child.body: joint for joint in source.joints}
    at, first = body, body
    while at in joint_of and at != above:
        if joint_of[at].coordinates:  # what is welded on (the sacrum) is part of what is above
            first = at
        at = joint_of[at].parent.body
    return first if at == above else body


def _inherited(target: OsimModel, found: Array) -> Array:
    """Bodies without a scale of their own have the one of what carries them."""
    scales = found.copy()
    names = target.body_names
    parent_of = {joint.child.body: joint.parent.body for joint in target.joints}
    usual = np.nanmedian(found, axis=0)
    for row, body in enumerate(names):
        at = body
        while at in names and np.isnan(found[names.index(at)]).any():
            at = parent_of[at]
        scales[row] = found[names.index(at)] if at in names else usual
    return scales


def _mismatch(source: OsimModel, target: OsimModel, scales: Array) -> float:
    """The greatest distance between joint centres at zero, seen from the root body, m."""
    ours, theirs = _at_zero(target, scales), _at_zero(source)
    root = target.joints[0].child.body
    return max(
        float(np.linalg.norm((ours[body] - ours[root]) - (theirs[body] - theirs[root])))
        for body in shared_bodies(source, target)
    )


def _at_zero(osim: OsimModel, scales: Array | None = None) -> dict[str, Array]:
    """The joint centre of each body in the zero posture, (3,) m."""
    centres = joint_centres(osim, np.zeros((1, len(osim.coordinates))), scales)
    return {joint.child.body: centres[0, i] for i, joint in enumerate(osim.joints)}


def joint_centres(osim: OsimModel, q: Array, scales: Array | None = None) -> Array:
    """The centres of all joints, (T, J, 3) m."""
    skeleton = SkeletalModel(osim, torch.float64)
    size = None if scales is None else torch.from_numpy(scales)
    with torch.inference_mode():
        parts = [skeleton(torch.from_numpy(q[rows]), size).joints for rows in in_parts(len(q))]
    found: Array = torch.cat(parts).numpy()
    return found
