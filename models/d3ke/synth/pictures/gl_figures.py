"""A dressed figure on the graphics card: skinned once a frame, drawn as often as needed."""

from dataclasses import dataclass
from typing import NamedTuple

import moderngl
import numpy as np
from numpy.typing import NDArray

from d3ke.synth.pictures.gl_programs import Programs
from d3ke.synth.pictures.shaders import MOST_BONES, SPHERES
from d3ke.synth.stage import Figure, Floats, Material, Triangles

COARSE_M = 0.03  # cells whose vertices become one where only the shadow counts
NEAR_SOLES_M = 0.3  # how much sooner a low part of the body darkens the floor than a high one


class DrawnPart(NamedTuple):
    """A run of the figure's index buffer and what it looks like."""

    first: int
    indices: int
    material: Material


class Balls(NamedTuple):
    """Spheres that stand for the body. bones: (S,); middles: (S, 3) at rest, m; radii: (S,) m."""

    bones: NDArray[np.intp]
    middles: Floats
    radii: Floats

    def at(self, bones: Floats) -> Floats:
        """Middles and radii (S, 4) where the bones are (R, 3, 4)."""
        chosen = bones[self.bones]
        places = np.einsum("sij,sj->si", chosen[:, :, :3], self.middles) + chosen[:, :, 3]
        return np.concatenate([places, self.radii[:, None]], axis=1)


@dataclass(frozen=True, eq=False)
class Geometry:
    """All parts of a figure as one surface. vertices: (V, 6) positions and normals at rest."""

    vertices: Floats
    uv: Floats
    bones: NDArray[np.uint8]
    weights: Floats
    triangles: Triangles
    coarse: Triangles
    parts: tuple[DrawnPart, ...]
    balls: Balls


def geometry(figure: Figure) -> Geometry:
    """One surface from a figure's parts, without the vertices that nothing shows."""
    rows, triangles, drawn, start, first = [], [], [], 0, 0
    for part in figure.parts:
        shown = part.mesh.triangles if part.triangles is None else part.triangles
        used = np.zeros(len(part.positions), bool)
        used[shown] = True
        renamed = np.cumsum(used, dtype=np.int32) - 1 + start
        mesh = part.mesh
        rows.append(
            [a[used] for a in (part.positions, part.normals, mesh.uv, mesh.bones, mesh.weights)]
        )
        triangles.append(renamed[shown])
        drawn.append(DrawnPart(first, 3 * len(shown), part.material))
        start, first = start + int(used.sum()), first + 3 * len(shown)
    positions, normals, uv, bones, weights = (
        np.concatenate(column) for column in zip(*rows, strict=True)
    )
    all_triangles = np.concatenate(triangles).astype(np.int32)
    return Geometry(
        vertices=np.concatenate([positions, normals], axis=1).astype(np.float32),
        uv=uv.astype(np.float32),
        bones=bones,
        weights=weights.astype(np.float32),
        triangles=all_triangles,
        coarse=coarse_triangles(positions, all_triangles, COARSE_M),
        parts=tuple(drawn),
        balls=_balls(positions, all_triangles, bones[:, 0]),
    )


def coarse_triangles(positions: Floats, triangles: Triangles, cell_m: float) -> Triangles:
    """Fewer triangles (F', 3) over some of the same vertices: one vertex for each cell."""
    cells = np.floor((positions - positions.min(axis=0)) / cell_m).astype(np.int64)
    keys = (cells[:, 0] << 40) | (cells[:, 1] << 20) | cells[:, 2]
    _, chosen, group = np.unique(keys, return_index=True, return_inverse=True)
    merged = chosen[group][triangles]
    a, b, c = merged.T
    whole = (a != b) & (b != c) & (c != a)
    return np.asarray(merged[whole], np.int32) if whole.any() else triangles


def _balls(positions: Floats, triangles: Triangles, strongest: NDArray[np.uint8]) -> Balls:
    """A sphere for each bone that carries much surface, first those near the soles."""
    corners = positions[triangles]
    areas = np.linalg.norm(
        np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1
    )
    weight = np.bincount(triangles.ravel(), np.repeat(areas / 6, 3), len(positions))
    total = np.bincount(strongest, weight, MOST_BONES)
    filled = np.maximum(total, 1e-12)
    sums = [np.bincount(strongest, weight * positions[:, axis], MOST_BONES) for axis in range(3)]
    middles = np.stack(sums, axis=1) / filled[:, None]
    gaps = ((positions - middles[strongest]) ** 2).sum(axis=1)
    radii = np.sqrt(np.bincount(strongest, weight * gaps, MOST_BONES) / filled)
    height = middles[:, 1] - positions[:, 1].min()
    order = np.argsort(-total / (height + NEAR_SOLES_M), kind="stable")[:SPHERES]
    order = order[total[order] > 0]
    return Balls(order, middles[order].astype(np.float32), radii[order].astype(np.float32))


class FigureBuffers:
    """A figure's buffers and vertex arrays in one context."""

    def __init__(self, context: moderngl.Context, programs: Programs, shape: Geometry) -> None:
        self.shape = shape
        rest, uv = context.buffer(shape.vertices.tobytes()), context.buffer(shape.uv.tobytes())
        bones, weights = (
            context.buffer(shape.bones.tobytes()),
            context.buffer(shape.weights.tobytes()),
        )
        self.skinned = context.buffer(reserve=len(shape.vertices) * 36)
        fine, coarse = (
            context.buffer(shape.triangles.tobytes()),
            context.buffer(shape.coarse.tobytes()),
        )
        self.skin = context.vertex_array(
            programs.skin,
            [
                (rest, "3f 3f", "in_position", "in_normal"),
                (bones, "4u1 4u1", "in_bones_a", "in_bones_b"),
                (weights, "4f 4f", "in_weights_a", "in_weights_b"),
            ],
        )
        self.drawn = context.vertex_array(
            programs.figure,
            [
                (self.skinned, "3f 3f 3f", "in_position", "in_normal", "in_sky"),
                (uv, "2f", "in_uv"),
            ],
            index_buffer=fine,
        )
        self.cast = context.vertex_array(
            programs.shadow, [(self.skinned, "3f 24x", "in_position")], index_buffer=coarse
        )
        self._held: list[moderngl.Buffer | moderngl.VertexArray] = [
            self.skin,
            self.drawn,
            self.cast,
            rest,
            uv,
            bones,
            weights,
            self.skinned,
        ]
        self._held += [fine, coarse]

    def pose(self) -> None:
        """Skin the vertices with the bones that are bound."""
        self.skin.transform(self.skinned, moderngl.POINTS, len(self.shape.vertices))

    def release(self) -> None:
        """Free the buffers."""
        for held in self._held:
            held.release()
