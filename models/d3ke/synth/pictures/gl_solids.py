"""Floor, walls and furniture on the graphics card."""

import moderngl
import numpy as np

from d3ke.synth.pictures.furniture import Solid
from d3ke.synth.pictures.gl_frame import FLOOR_HALF_M
from d3ke.synth.stage import Floats, Surroundings

WALL_TEXTURE_M = 6.0  # what a wall's texture covers along it; its height is the wall's


def floor_solid(surroundings: Surroundings) -> Solid:
    """The floor: of the room, or as far as one sees."""
    if surroundings.walls is None:
        x, _, z = surroundings.room_middle
        half_x = half_z = FLOOR_HALF_M
    else:
        x, _, z = surroundings.room_middle
        half_x, half_z = surroundings.room[0] / 2, surroundings.room[2] / 2
    corners = np.array(
        [
            [x - half_x, 0, z - half_z],
            [x - half_x, 0, z + half_z],
            [x + half_x, 0, z + half_z],
            [x + half_x, 0, z - half_z],
        ],
        np.float32,
    )
    return _quad(corners, corners[:, [0, 2]])


def wall_solids(surroundings: Surroundings) -> list[Solid]:
    """The four walls of a room, seen from inside."""
    length, height, width = surroundings.room
    x, _, z = surroundings.room_middle
    around = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (length / 2, width / 2) + (x, z)
    solids, start = [], 0.0
    for index in range(4):
        a, b = around[index], around[(index + 1) % 4]
        end = start + float(np.linalg.norm(b - a)) / WALL_TEXTURE_M
        corners = np.array(
            [[a[0], 0, a[1]], [b[0], 0, b[1]], [b[0], height, b[1]], [a[0], height, a[1]]],
            np.float32,
        )
        uv = np.array([[start, 1], [end, 1], [end, 0], [start, 0]], np.float32)
        solids.append(_quad(corners, uv))
        start = end
    return solids


def ceiling_solid(surroundings: Surroundings) -> Solid:
    """The ceiling of a room."""
    floor = floor_solid(surroundings)
    positions = floor.positions + np.array([0, surroundings.room[1], 0], np.float32)
    return floor._replace(
        positions=positions, normals=-floor.normals, triangles=floor.triangles[:, ::-1].copy()
    )


def _quad(corners: Floats, uv: Floats) -> Solid:
    normal = np.cross(corners[1] - corners[0], corners[2] - corners[0])
    normal = normal / np.linalg.norm(normal)
    triangles = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
    return Solid(corners, np.tile(normal, (4, 1)), uv, np.ones(4, np.float32), triangles)


class SolidBuffers:
    """A still surface's buffers and vertex arrays in one context."""

    def __init__(
        self,
        context: moderngl.Context,
        program: moderngl.Program,
        shadow: moderngl.Program,
        solid: Solid,
    ) -> None:
        rows = np.concatenate(
            [solid.positions, solid.normals, solid.uv, solid.shades[:, None]], axis=1
        ).astype(np.float32)
        vertices, triangles = (
            context.buffer(rows.tobytes()),
            context.buffer(solid.triangles.tobytes()),
        )
        self.drawn = context.vertex_array(
            program,
            [(vertices, "3f 3f 2f 1f", "in_position", "in_normal", "in_uv", "in_shade")],
            index_buffer=triangles,
            skip_errors=True,  # some programs have no use for the shades
        )
        self.cast = context.vertex_array(
            shadow, [(vertices, "3f 24x", "in_position")], index_buffer=triangles
        )
        self._held: list[moderngl.Buffer | moderngl.VertexArray] = [
            self.drawn,
            self.cast,
            vertices,
            triangles,
        ]

    def release(self) -> None:
        """Free the buffers."""
        for held in self._held:
            held.release()
