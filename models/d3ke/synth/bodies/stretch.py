"""Stretching a body at rest: segments made longer or wider, by its own skin weights."""

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from d3ke.synth.bodies.body import ParametricBody, RestBody, parametric_body


class Stretch(NamedTuple):
    """What one measure stretches. axes: x, y, z, or along and across the limb between two heads.

    bones: what their names begin with; share: of the stretch's logarithm.
    """

    bones: tuple[str, ...]
    axes: tuple[str, ...]
    share: float = 1.0


LIMBS: Mapping[str, tuple[str, str]] = {
    "upperleg": ("upperleg01", "lowerleg01"),
    "lowerleg": ("lowerleg01", "foot"),
    "upperarm": ("upperarm01", "lowerarm01"),
    "lowerarm": ("lowerarm01", "wrist"),
    "neck": ("neck01", "head"),
}
ALL = ("x", "y", "z")
PELVIS = ("root", "pelvis", "spine05")
STRETCHES: Mapping[str, tuple[Stretch, ...]] = {
    "stature": (Stretch(("",), ALL),),
    "thigh": (Stretch(("upperleg",), ("along",)),),
    "shank": (Stretch(("lowerleg",), ("along",)),),
    "foot": (Stretch(("foot", "toe"), ALL),),
    "trunk": (Stretch(("spine",), ("y",)),),
    "shoulders": (Stretch(("clavicle", "shoulder"), ("z",)), Stretch(("spine01",), ("z",), 0.5)),
    "hips": (Stretch(PELVIS, ("z",)),),
    "upper_arm": (Stretch(("upperarm",), ("along",)),),
    "forearm": (Stretch(("lowerarm",), ("along",)),),
    "hand": (Stretch(("wrist", "metacarpal", "finger"), ALL),),
    "head": (Stretch(("head", "eye"), ALL),),
    "thigh_girth": (Stretch(("upperleg",), ("across",)),),
    "calf_girth": (Stretch(("lowerleg",), ("across",)),),
    "hip_girth": (Stretch(PELVIS, ("x",)), Stretch(("spine04",), ("x", "z"), 0.3)),
    "waist_girth": (Stretch(("spine04", "spine03"), ("x", "z")),),
    "chest_girth": (Stretch(("spine02",), ("x", "z")), Stretch(("spine01",), ("x", "z"), 0.5)),
    "upper_arm_girth": (
        Stretch(("upperarm",), ("across",)),
        Stretch(("lowerarm",), ("across",), 0.7),
    ),
    "neck_girth": (Stretch(("neck",), ("across",)),),
}  # fmt: skip


def stretched(rest: RestBody, logs: Tensor, weights: Tensor) -> RestBody:
    """Bodies with their segments stretched; the root stays where it is.

    rest: vertices (..., V, 3), heads (..., R, 3). logs: (..., M) of the factors, in the order of
    STRETCHES. weights: (V, R) of the vertices.
    """
    heads = rest.heads
    linear = _linear_parts(heads, logs)  # (..., R, 3, 3)
    parents = torch.tensor([max(parent, 0) for parent in parametric_body().bone_parents])
    edges = heads - heads[..., parents, :]
    edges = (linear[..., parents, :, :] @ edges.unsqueeze(-1)).squeeze(-1)
    moved = heads[..., :1, :] + _ancestry() @ edges
    shifts = moved - (linear @ heads.unsqueeze(-1)).squeeze(-1)
    affine = torch.cat([linear, shifts.unsqueeze(-1)], dim=-1).flatten(-2)  # (..., R, 12)
    skinned = (weights @ affine).unflatten(-1, (3, 4))  # (..., V, 3, 4)
    points = (skinned[..., :3] * rest.vertices.unsqueeze(-2)).sum(-1) + skinned[..., 3]
    return RestBody(points, moved)


@cache
def dense_weights() -> Tensor:
    """The weights of all vertices on all bones, (V, R)."""
    body = parametric_body()
    weights = torch.zeros(len(body.bones), len(body.bone_names))
    return weights.scatter_add_(
        1, torch.from_numpy(body.bones).long(), torch.from_numpy(body.weights)
    )


def _linear_parts(heads: Tensor, logs: Tensor) -> Tensor:
    """What each bone does to vectors, (..., R, 3, 3)."""
    table = _stretch_table()
    axes = (logs @ table.axes).unflatten(-1, (len(table.limb), 3)).exp()  # (..., R, 3)
    limbs = (logs @ table.limbs).unflatten(-1, (len(table.limb), 2)).exp()
    along = heads[..., table.limb[:, 1], :] - heads[..., table.limb[:, 0], :]
    along = along / along.norm(dim=-1, keepdim=True).clamp(min=1e-6)
    onto = along.unsqueeze(-1) * along.unsqueeze(-2)
    length, width = limbs[..., :1, None], limbs[..., 1:, None]
    limb: Tensor = width * torch.eye(3) + (length - width) * onto
    return limb @ torch.diag_embed(axes)


class StretchTable(NamedTuple):
    """STRETCHES for each bone. axes: (M, 3 R); limbs: (M, 2 R); limb: (R, 2) heads of its ends."""

    axes: Tensor
    limbs: Tensor
    limb: Tensor


@cache
def _stretch_table() -> StretchTable:
    names = parametric_body().bone_names
    axes = torch.zeros(len(STRETCHES), len(names), 3)
    limbs = torch.zeros(len(STRETCHES), len(names), 2)
    for row, stretches in enumerate(STRETCHES.values()):
        for stretch in stretches:
            bones = [i for i, name in enumerate(names) if name.startswith(stretch.bones)]
            for axis in stretch.axes:
                if axis in ALL:
                    axes[row, bones, ALL.index(axis)] += stretch.share
                else:
                    limbs[row, bones, ("along", "across").index(axis)] += stretch.share
    ends = torch.tensor([_limb_of(name, names) for name in names])
    return StretchTable(axes.flatten(1), limbs.flatten(1), ends)


def _limb_of(bone: str, names: tuple[str, ...]) -> tuple[int, int]:
    """The heads that a limb goes between; any two for a bone that is none."""
    stem = bone.partition(".")[0].rstrip("0123456789")
    if stem not in LIMBS:
        return 0, 1
    side = bone[bone.index(".") :] if "." in bone else ""
    start, end = (names.index(f"{head}{side}") for head in LIMBS[stem])
    return start, end


@cache
def _ancestry() -> Tensor:
    """Which bones lead to which one, itself included but not the root, (R, R)."""
    body: ParametricBody = parametric_body()
    matrix = torch.zeros(len(body.bone_names), len(body.bone_names))
    for bone in range(len(body.bone_names)):
        step = bone
        while body.bone_parents[step] >= 0:
            matrix[bone, step] = 1.0
            step = body.bone_parents[step]
    return matrix
