"""A surface that hangs on the body: topology made once, positions and normals for each person."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from scipy.spatial import cKDTree

from d3ke.synth.bodies.body import INFLUENCES, ParametricBody
from d3ke.synth.stage import Floats, Material, Mesh, Part, Triangles

Ids = NDArray[np.int32]
SHOE_NEAR, SHOE_NEAR_M = 6, 0.005  # vertices of skin, and how near counts as at the skin, m
SKIRT_NEAR, SKIRT_NEAR_M, SKIRT_ROUNDS = 12, 0.02, 6  # vertices of skin, how near, smoothing
BODY_VERTICES = 13380  # the first so many of the base mesh are skin
OUTER_GROUPS = (
    "body", "helper-tights", "helper-skirt", "helper-hair", "helper-l-eye", "helper-r-eye",
)  # fmt: skip


class Skin(NamedTuple):
    """One person's base mesh at rest: positions and normals, (V, 3) each."""

    positions: Floats
    normals: Floats


@dataclass(frozen=True, eq=False)
class Binding:
    """Where W points sit on the base mesh.

    anchors: (W, 3) its vertices, mixed by shares (W, 3); offsets: (W, 3), m on the body that they
    were made for, scaled by the distances of rulers (3, 2), vertices, over ruler_m (3,) axis by
    axis; lifts: (W,), m along the normal.
    """

    anchors: Ids
    shares: Floats
    lifts: Floats | None = None
    offsets: Floats | None = None
    rulers: Ids | None = None
    ruler_m: Floats | None = None

    def mix(self, values: Floats) -> Floats:
        """Values of the base mesh's vertices, (V, ...), at the points, (W, ...)."""
        shares = self.shares.reshape(self.shares.shape + (1,) * (values.ndim - 1))
        mixed = values[self.anchors[:, 0]] * shares[:, 0]
        mixed += values[self.anchors[:, 1]] * shares[:, 1]
        mixed += values[self.anchors[:, 2]] * shares[:, 2]
        return mixed

    def place(self, skin: Skin, looseness: float = 1.0) -> Floats:
        """The points on a person, (W, 3). looseness multiplies their lifts."""
        points = self.mix(skin.positions)
        if self.lifts is not None:
            points += self.mix(skin.normals) * (self.lifts * looseness)[:, None]
        if self.offsets is not None and self.rulers is not None:
            ends = skin.positions[self.rulers]  # (3, 2, 3)
            axes = np.arange(3)
            lengths = np.abs(ends[axes, 0, axes] - ends[axes, 1, axes])
            points += self.offsets * (lengths / self.ruler_m)
        return points


@dataclass(frozen=True, eq=False)
class Surface:
    """A mesh and how it is placed on a person.

    corners: (F, 3) triangles between the binding's points; points: (V,) the point of each vertex
    of the mesh (which is split along its texture's seams); covers: (base V,), how far below it the
    base mesh's vertices are hidden, m: inside its border positive, outside negative.
    drape: (W, W), what cloth does to its points once they are placed; shaping: what else does.
    """

    mesh: Mesh
    binding: Binding
    corners: Triangles
    points: Ids
    covers: Floats
    drape: csr_matrix | None = None
    shaping: Callable[[Floats], Floats] | None = None
    _sums: csr_matrix = field(init=False, repr=False)

    def __post_init__(self) -> None:
        sums = corner_sums(self.corners, len(self.binding.anchors))
        object.__setattr__(self, "_sums", sums)

    def placed(self, skin: Skin, looseness: float = 1.0) -> Floats:
        """Its points on a person, (W, 3)."""
        points = self.binding.place(skin, looseness)
        if self.drape is not None:
            points = self.drape @ points
        if self.shaping is not None:
            points = self.shaping(points)
        return points

    def worn(
        self,
        skin: Skin,
        material: Material,
        looseness: float = 1.0,
        shown: Triangles | None = None,
    ) -> Part:
        """The surface on a person. shown: its triangles where not all are."""
        points = self.placed(skin, looseness)
        normals = unit(self._sums @ face_normals(points, self.corners))
        return Part(self.mesh, points[self.points], normals[self.points], material, shown)

    def beneath(self, covers: Floats, margin_m: float) -> NDArray[np.bool_]:
        """Which triangles lie below something that covers the base mesh, (F,)."""
        deep = self.binding.mix(covers) > margin_m
        return np.asarray(deep[self.corners].all(axis=1))


def corner_sums(corners: Triangles, count: int) -> csr_matrix:
    """The matrix (count, F) that adds up what the triangles about each point have."""
    rows = corners.ravel()
    columns = np.repeat(np.arange(len(corners)), 3)
    return csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, len(corners)))


def face_normals(points: Floats, corners: Triangles) -> Floats:
    """Normals of triangles, (F, 3), as long as twice their areas."""
    first = points[corners[:, 0]]
    a, b = points[corners[:, 1]] - first, points[corners[:, 2]] - first
    normals = np.empty_like(a)
    normals[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    normals[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    normals[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return normals


def unit(vectors: Floats) -> Floats:
    """Vectors of length 1, (..., 3); a null vector stays null."""
    lengths = np.sqrt(np.einsum("...i,...i->...", vectors, vectors))[..., None]
    return np.asarray(vectors / np.maximum(lengths, 1e-12), np.float32)


class BaseMesh:
    """The base mesh's own normals, and its skin weights at any point of it."""

    def __init__(self, body: ParametricBody) -> None:
        self.body = body
        self.count = len(body.template)
        self._corners = np.concatenate([body.faces[group] for group in OUTER_GROUPS])
        self._sums = corner_sums(self._corners, self.count)
        self._weights = dense_weights(body)
        _let_skirt_follow_legs(self._weights, body)

    def skin(self, vertices: Floats) -> Skin:
        """A person's vertices, (V, 3), with their normals."""
        vertices = np.ascontiguousarray(vertices, np.float32)
        return Skin(vertices, unit(self._sums @ face_normals(vertices, self._corners)))

    def influences(self, binding: Binding) -> tuple[NDArray[np.uint8], Floats]:
        """The strongest bones of a binding's points and their weights, (W, INFLUENCES) each."""
        return _strongest(np.maximum(binding.mix(self._weights), 0))

    def influences_near(self, points: Floats) -> tuple[NDArray[np.uint8], Floats]:
        """Bones and weights, (W, INFLUENCES) each, of the skin nearest to points on the template.

        For shoes: a stiff sole is bound to far corners of the foot, which tell nothing of its bend.
        """
        skin = self.body.template.numpy()[:BODY_VERTICES]
        distance, near = cKDTree(skin).query(points, k=SHOE_NEAR)
        share = 1 / (distance + SHOE_NEAR_M)
        share = (share / share.sum(axis=1, keepdims=True)).astype(np.float32)
        return _strongest(np.einsum("wk,wkr->wr", share, self._weights[near]))

    def share(self, *names: str) -> Floats:
        """How much each vertex hangs on the bones whose names begin so, (V,), 0..1."""
        chosen = [bone.startswith(names) for bone in self.body.bone_names]
        return np.asarray(self._weights[:, chosen].sum(axis=1))

    def surface(
        self,
        name: str,
        binding: Binding,
        corners: Triangles,
        corner_uv: Floats,
        covers: Floats,
        drape: csr_matrix | None = None,
        by_nearness: bool = False,
    ) -> Surface:
        """A surface from triangles between points and the texture coordinates (F, 3, 2) there.

        by_nearness: it moves with the nearest skin, not with what it is bound to.
        """
        points, uv, triangles = split_seams(corners, corner_uv)
        if by_nearness:
            placed = binding.place(self.skin(self.body.template.numpy()))
            bones, weights = self.influences_near(placed)
        else:
            bones, weights = self.influences(binding)
        mesh = Mesh(name, uv, bones[points], weights[points], triangles)
        return Surface(mesh, binding, corners, points, covers, drape)


def split_seams(corners: Triangles, corner_uv: Floats) -> tuple[Ids, Floats, Triangles]:
    """One vertex for each point and texture coordinate: points (V,), uv (V, 2), triangles."""
    grid = np.round(corner_uv.reshape(-1, 2) * 8192).astype(np.int64)
    keys = np.stack([corners.ravel(), grid[:, 0], grid[:, 1]], axis=1)
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    uv = corner_uv.reshape(-1, 2)[first].astype(np.float32)
    triangles = inverse.reshape(-1, 3).astype(np.int32)
    return corners.ravel()[first].astype(np.int32), uv, triangles


def dense_weights(body: ParametricBody) -> Floats:
    """Skin weights of every vertex on every bone, (V, R)."""
    dense = np.zeros((len(body.template), len(body.bone_names)), np.float32)
    rows = np.arange(len(dense))[:, None]
    np.add.at(dense, (rows, body.bones), body.weights)
    return dense


def _strongest(weights: Floats) -> tuple[NDArray[np.uint8], Floats]:
    """The INFLUENCES strongest of bones (W, R), and their weights, which sum to 1 again."""
    bones = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(weights, bones, axis=1)
    return bones.astype(np.uint8), (kept / kept.sum(axis=1, keepdims=True)).astype(np.float32)


def _let_skirt_follow_legs(weights: Floats, body: ParametricBody) -> None:
    """Hang the helper skirt, in place, on what moves the nearest skin: a thigh pushes it along."""
    faces = body.faces["helper-skirt"]
    skirt = np.unique(faces)
    skin = np.unique(body.faces["body"])
    legs = [
        bone.startswith(("upperleg", "lowerleg", "pelvis", "root", "spine0"))
        for bone in body.bone_names
    ]
    skin = skin[weights[skin][:, legs].sum(axis=1) > 0.99]
    place = body.template.numpy()
    distance, near = cKDTree(place[skin]).query(place[skirt], k=SKIRT_NEAR)
    share = 1 / (distance + SKIRT_NEAR_M)
    share /= share.sum(axis=1, keepdims=True)
    followed = np.einsum("sk,skr->sr", share, weights[skin[near]])
    local = np.searchsorted(skirt, faces)
    edges = np.concatenate([local[:, [0, 1]], local[:, [1, 2]], local[:, [2, 0]]])
    edges = np.unique(np.concatenate([edges, edges[:, ::-1]]), axis=0)
    degree = np.bincount(edges[:, 0])
    mean = csr_matrix((1 / degree[edges[:, 0]], tuple(edges.T)))
    for _ in range(SKIRT_ROUNDS):
        followed = 0.5 * followed + 0.5 * (mean @ followed)
    weights[skirt] = followed


def itself(ids: Ids, lifts: Floats | None = None) -> Binding:
    """A binding to vertices of the base mesh, (W,), as they are."""
    anchors = np.repeat(ids[:, None], 3, axis=1).astype(np.int32)
    shares = np.zeros((len(ids), 3), np.float32)
    shares[:, 0] = 1
    return Binding(anchors, shares, lifts)
