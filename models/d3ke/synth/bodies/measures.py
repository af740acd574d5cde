"""Body measures with tape and callipers, on a mesh at rest: what ANSUR II measured on people."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.synth.bodies.body import ParametricBody, parametric_body
from d3ke.synth.bodies.bony_landmarks import tape_ends

LENGTHS = (
    "stature", "thigh", "shank", "foot", "trunk", "shoulders", "hips", "upper_arm", "forearm",
    "hand", "head",
)  # fmt: skip
GIRTHS = (
    "thigh_girth", "calf_girth", "hip_girth", "waist_girth", "chest_girth", "upper_arm_girth",
    "neck_girth",
)  # fmt: skip
MEASURES = (*LENGTHS, *GIRTHS)
DIRECTIONS = 48  # in which a tape's loop is spanned; the sum is 0.1 % off on a circle


class Slice(NamedTuple):
    """Where a tape goes: across a line between two bone heads, or level at a part of the stature.

    bones: the line (none: level); at: part of the line or the stature; skin: what hangs on bones
    whose names begin so.
    """

    bones: tuple[str, str] | None
    at: float
    skin: tuple[str, ...]


TRUNK = ("spine", "pelvis", "root", "breast", "clavicle", "shoulder")
# The heights are ANSUR II's: omphalion, chest, buttock; the thigh's is just under its furrow.
SLICES: Mapping[str, Slice] = {
    "thigh_girth": Slice(("upperleg01.R", "lowerleg01.R"), 0.27, ("upperleg", "pelvis")),
    "calf_girth": Slice(("lowerleg01.R", "foot.R"), 0.28, ("lowerleg",)),
    "hip_girth": Slice(None, 0.508, (*TRUNK, "upperleg")),
    "waist_girth": Slice(None, 0.602, TRUNK),
    "chest_girth": Slice(None, 0.727, TRUNK),
    "upper_arm_girth": Slice(("upperarm01.R", "lowerarm01.R"), 0.55, ("upperarm",)),
    "neck_girth": Slice(("neck01", "head"), 0.25, ("neck", "head", "spine01")),
}


@dataclass(frozen=True, eq=False)
class Loop:
    """A tape around the skin: points on edges of the mesh, and the directions that span it.

    low, high: (L,) into the tape's vertices; part: (L, 1) of the way; span: (DIRECTIONS, 3).
    """

    low: Tensor
    high: Tensor
    part: Tensor
    span: Tensor

    def length(self, points: Tensor) -> Tensor:
        """The girth, m, of what the loop holds (its convex hull, by Cauchy's formula).

        points: (..., P, 3). Returns (...).
        """
        low, high = points[..., self.low, :], points[..., self.high, :]
        reach = (low + self.part * (high - low)) @ self.span.T  # (..., L, DIRECTIONS)
        return 2 * torch.pi * reach.amax(dim=-2).mean(dim=-1)


@dataclass(frozen=True, eq=False)
class Tape:
    """All measures of MEASURES. vertices: (P,) of the body that they are taken from."""

    vertices: Tensor
    ends: Mapping[str, int]
    heads: Mapping[str, int]
    loops: Mapping[str, Loop]

    def measure(self, points: Tensor, heads: Tensor) -> Tensor:
        """The measures, m. points: (..., P, 3), heads: (..., R, 3). Returns (..., M)."""
        at = {name: points[..., index, :] for name, index in self.ends.items()}
        at |= {name: heads[..., index, :] for name, index in self.heads.items()}
        lengths = _lengths(at)
        girths = {name: loop.length(points) for name, loop in self.loops.items()}
        return torch.stack([(lengths | girths)[name] for name in MEASURES], dim=-1)


def _lengths(at: dict[str, Tensor]) -> dict[str, Tensor]:
    """The lengths; that of the stature goes along the legs, which rest apart and a little bent."""
    leg = _apart(at, "upperleg01.R", "lowerleg01.R") + _apart(at, "lowerleg01.R", "foot.R")
    trunk = at["top"][..., 1] - at["upperleg01.R"][..., 1]
    hand = _apart(at, "stylion", "finger3-1.R", "finger3-2.R", "finger3-3.R", "fingertip")
    return {
        "stature": trunk + leg + at["foot.R"][..., 1] - at["sole"][..., 1],
        "thigh": _apart(at, "trochanter", "epicondyle"),
        "shank": _apart(at, "epicondyle", "malleolus"),
        "foot": _apart(at, "heel", "toe"),
        "trunk": at["acromion"][..., 1] - at["trochanter"][..., 1],
        "shoulders": 2 * at["acromion"][..., 2],
        "hips": 2 * at["hip"][..., 2],
        "upper_arm": _apart(at, "acromion", "radiale"),
        "forearm": _apart(at, "radiale", "stylion"),
        "hand": hand,
        "head": _apart(at, "glabella", "occiput"),
    }


def _apart(at: dict[str, Tensor], *names: str) -> Tensor:
    """The length of a broken line through named points."""
    parts = [(at[b] - at[a]).norm(dim=-1) for a, b in pairwise(names)]
    return torch.stack(parts).sum(dim=0)


@cache
def tape() -> Tape:
    """The tape for the body that ships with the package."""
    body = parametric_body()
    edges = {name: _cut(body, where) for name, where in SLICES.items()}
    ends = tape_ends()
    used = sorted({*ends.values(), *(int(v) for cut in edges.values() for v in cut.pairs.flat)})
    place = {vertex: index for index, vertex in enumerate(used)}
    bones = body.bone_names
    heads = [name for where in SLICES.values() for name in where.bones or ()]
    heads += [f"finger3-{number}.R" for number in (1, 2, 3)]
    return Tape(
        vertices=torch.tensor(used),
        ends={name: place[vertex] for name, vertex in ends.items()},
        heads={name: bones.index(name) for name in heads},
        loops={name: _loop(cut, place) for name, cut in edges.items()},
    )


class Cut(NamedTuple):
    """Edges that a plane cuts. pairs: (L, 2); part: (L,) of the way; normal: (3,)."""

    pairs: NDArray[np.int32]
    part: NDArray[np.float32]
    normal: NDArray[np.float32]


def _cut(body: ParametricBody, where: Slice) -> Cut:
    """The edges of the average adult's skin that a tape crosses."""
    rest = body.rest(body.coefficients({"age": torch.tensor([0.72])}))
    vertices, heads = rest.vertices[0].numpy(), rest.heads[0].numpy()
    skin = body.faces["body"]
    if where.bones is None:
        top, sole = vertices[tape_ends()["top"]], vertices[tape_ends()["sole"]]
        origin, normal = sole + where.at * (top - sole), np.array([0, 1, 0], np.float32)
    else:
        start, end = (heads[body.bone_names.index(name)] for name in where.bones)
        origin, normal = start + where.at * (end - start), end - start
    names = np.array(body.bone_names)[body.bones[:, 0]]
    hangs = np.array([str(name).startswith(where.skin) for name in names])
    if where.bones is not None:
        hangs &= np.array([not str(name).endswith(".L") for name in names])
    edges = np.unique(np.sort(np.concatenate([skin[:, [0, 1]], skin[:, [1, 2]]]), axis=1), axis=0)
    edges = edges[hangs[edges].all(axis=1)]
    height = (vertices - origin) @ normal
    edges = edges[height[edges[:, 0]] * height[edges[:, 1]] < 0]
    low, high = height[edges[:, 0]], height[edges[:, 1]]
    return Cut(edges, low / (low - high), normal / np.linalg.norm(normal))


def _loop(cut: Cut, place: dict[int, int]) -> Loop:
    across = np.linalg.svd(cut.normal[None])[2][1:]  # (2, 3): the plane's axes
    angle = 2 * np.pi * np.arange(DIRECTIONS) / DIRECTIONS
    span = np.stack([np.cos(angle), np.sin(angle)], axis=1) @ across
    low, high = ([place[int(vertex)] for vertex in side] for side in cut.pairs.T)
    return Loop(
        low=torch.tensor(low),
        high=torch.tensor(high),
        part=torch.from_numpy(cut.part).unsqueeze(1),
        span=torch.tensor(span, dtype=torch.float32),
    )
