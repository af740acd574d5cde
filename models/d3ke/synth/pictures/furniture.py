"""Furniture as meshes: chair, stairs, treadmill, box, beam."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.stage import Furniture

Floats = NDArray[np.float32]

SLAB_M, LEG_M, BACK_M = 0.04, 0.035, 0.45  # of a chair: seat, legs, backrest above the seat
RAIL_M, CONSOLE_M, HANDLE_M = 0.05, 1.15, 0.9  # of a treadmill; heights are above its belt
SHELF_M, BOARDS = 1.1, 5
METAL, DARK, PLAIN = 0.35, 0.12, 1.0  # shades: parts of one thing differ in brightness
CORNERS = np.array(
    [[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)], np.float32
)
# Corners of each side, counter-clockwise from outside, and the axes of its texture.
SIDES = (
    ((0, 1, 3, 2), (2, 1)), ((4, 6, 7, 5), (2, 1)),
    ((0, 4, 5, 1), (0, 2)), ((2, 3, 7, 6), (0, 2)),
    ((0, 2, 6, 4), (0, 1)), ((1, 5, 7, 3), (0, 1)),
)  # fmt: skip


class Solid(NamedTuple):
    """A still surface in ground. positions, normals: (V, 3); uv: (V, 2) m; shades: (V,).

    triangles: (F, 3), counter-clockwise from outside.
    """

    positions: Floats
    normals: Floats
    uv: Floats
    shades: Floats
    triangles: NDArray[np.int32]


def furniture_mesh(furniture: Furniture) -> Solid:
    """The mesh of a thing where it stands."""
    solid = join(SHAPES[furniture.kind](furniture))
    c, s = np.cos(furniture.heading), np.sin(furniture.heading)
    turn = np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]], np.float32)
    positions = solid.positions @ turn.T + np.asarray(furniture.place, np.float32)
    return solid._replace(positions=positions, normals=solid.normals @ turn.T)


def join(solids: list[Solid]) -> Solid:
    """Several surfaces as one."""
    starts = np.cumsum([0, *(len(solid.positions) for solid in solids[:-1])])
    triangles = [solid.triangles + start for solid, start in zip(solids, starts, strict=True)]
    return Solid(
        np.concatenate([solid.positions for solid in solids]),
        np.concatenate([solid.normals for solid in solids]),
        np.concatenate([solid.uv for solid in solids]),
        np.concatenate([solid.shades for solid in solids]),
        np.concatenate(triangles).astype(np.int32),
    )


def cuboid(
    middle: tuple[float, float, float], size: tuple[float, float, float], shade: float = PLAIN
) -> Solid:
    """A block of a size along x, y, z, m."""
    corners = CORNERS * np.asarray(size, np.float32) + np.asarray(middle, np.float32)
    picked = np.concatenate([corners[list(side)] for side, _ in SIDES])
    normals = np.concatenate(
        [np.tile(np.mean(CORNERS[list(side)], axis=0) * 2, (4, 1)) for side, _ in SIDES]
    )
    uv = np.concatenate([corners[list(side)][:, list(axes)] for side, axes in SIDES])
    quads = np.arange(24).reshape(6, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    return Solid(picked, normals, uv, np.full(24, shade, np.float32), triangles)


def _chair(furniture: Furniture) -> list[Solid]:
    length, height, width = furniture.size
    seat = cuboid((0, height - SLAB_M / 2, 0), (length, SLAB_M, width))
    x, z = (length - LEG_M) / 2, (width - LEG_M) / 2
    legs = [
        cuboid((along, (height - SLAB_M) / 2, side), (LEG_M, height - SLAB_M, LEG_M), METAL)
        for along in (-x, x)
        for side in (-z, z)
    ]
    posts = [
        cuboid((-x, height + BACK_M / 2, side), (LEG_M, BACK_M, LEG_M), METAL) for side in (-z, z)
    ]
    back = cuboid((-x, height + BACK_M * 0.7, 0), (LEG_M * 0.7, BACK_M * 0.6, width - LEG_M))
    return [seat, back, *legs, *posts]


def _stairs(furniture: Furniture) -> list[Solid]:
    length, height, width = furniture.size
    run, rise = length / furniture.steps, height / furniture.steps
    return [
        cuboid(
            (-length / 2 + run * (step + 0.5), rise * (step + 1) / 2, 0),
            (run, rise * (step + 1), width),
        )
        for step in range(furniture.steps)
    ]


def _treadmill(furniture: Furniture) -> list[Solid]:
    length, height, width = furniture.size
    deck = max(height, 0.02)
    z = (width - RAIL_M) / 2
    front = length / 2
    belt = cuboid((0, deck / 2, 0), (length, deck, width - 4 * RAIL_M), DARK)
    edges = [
        cuboid((0, (deck + 0.02) / 2, side), (length, deck + 0.02, 2 * RAIL_M))
        for side in (-z + RAIL_M / 2, z - RAIL_M / 2)
    ]
    hood = cuboid((front + 0.1, (deck + 0.1) / 2, 0), (0.3, deck + 0.1, width))
    posts = [
        cuboid((front, deck + CONSOLE_M / 2, side), (RAIL_M, CONSOLE_M, RAIL_M), METAL)
        for side in (-z, z)
    ]
    handles = [
        cuboid((front - 0.3, deck + HANDLE_M, side), (0.6, RAIL_M * 0.7, RAIL_M * 0.7), METAL)
        for side in (-z, z)
    ]
    console = cuboid((front, deck + CONSOLE_M, 0), (0.06, 0.28, width * 0.75), DARK)
    return [belt, *edges, hood, *posts, *handles, console]


def _block(furniture: Furniture) -> list[Solid]:
    """A box; a tall one is a shelf that is open in front."""
    length, height, width = furniture.size
    if furniture.kind == "box" and height > SHELF_M:
        inner, rise = width - 2 * SLAB_M, (height - SLAB_M) / BOARDS
        boards = [
            cuboid((SLAB_M / 2, rise * index + SLAB_M / 2, 0), (length - SLAB_M, SLAB_M, inner))
            for index in range(BOARDS + 1)
        ]
        z, back = (width - SLAB_M) / 2, (SLAB_M - length) / 2
        sides = [cuboid((0, height / 2, side), (length, height, SLAB_M)) for side in (-z, z)]
        return [*boards, *sides, cuboid((back, height / 2, 0), (SLAB_M, height, inner), METAL)]
    return [cuboid((0, height / 2, 0), (length, height, width))]


SHAPES: dict[str, Callable[[Furniture], list[Solid]]] = {
    "chair": _chair,
    "stairs": _stairs,
    "treadmill": _treadmill,
    "box": _block,
    "beam": _block,
}
