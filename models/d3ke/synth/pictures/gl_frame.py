"""What changes from frame to frame on the graphics card, as bytes of the blocks of the shaders."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.pictures.shaders import MOST_BONES, SPHERES
from d3ke.synth.stage import Floats, Surroundings, View

Array = NDArray[np.float64]

NEAR_M, FAR_M = 0.06, 250.0
SHADOW_DEPTH_M = 12.0  # how far from the middle things still cast shadows
FLOOR_HALF_M = 120.0
HAZE_M = (6.0, 22.0)  # from here to there the open air's floor becomes the backdrop's


class Backdrop(NamedTuple):
    """How a photograph lies behind everything: heading, width and height, rad; 0 wide: none."""

    heading: float
    width: float
    height: float


class Light(NamedTuple):
    """Light of a stage. ambient: (3, 4, 4); softness: of shadows, texels."""

    ambient: Floats
    softness: float


class FloorMap(NamedTuple):
    """Where the map of the floor's light lies: corner x, z and side, m."""

    x: float
    z: float
    side: float


def clip_matrix(view: View) -> Array:
    """From ground to OpenGL's clip space (4, 4), with the picture's first row at the bottom."""
    width, height = view.size
    K = view.camera_matrix
    inside = np.zeros((4, 4))
    inside[0, :3] = K[0] * 2 / width
    inside[1, :3] = K[1] * 2 / height
    inside[0, 2] += 1 / width - 1  # a pixel's centre has whole numbers
    inside[1, 2] += 1 / height - 1
    inside[2, 2:] = (
        (FAR_M + NEAR_M) / (FAR_M - NEAR_M),
        -2 * FAR_M * NEAR_M / (FAR_M - NEAR_M),
    )
    inside[3, 2] = 1
    outside = np.eye(4)
    outside[:3, :3], outside[:3, 3] = view.R, view.t
    matrix: Array = inside @ outside
    return matrix


def pixel_rays(view: View) -> Array:
    """Directions in ground (3, 3) of (x, y, 1), x and y from -1 to 1 over the picture."""
    width, height = view.size
    to_pixels = np.array(
        [[width / 2, 0, (width - 1) / 2], [0, height / 2, (height - 1) / 2], [0, 0, 1]]
    )
    rays: Array = view.R.T @ np.linalg.inv(view.camera_matrix) @ to_pixels
    return rays


def shadow_matrix(middle: Floats, radius_m: float, sun: tuple[float, float, float]) -> Array:
    """From ground to the clip space (4, 4) of a parallel light over a ball."""
    towards = np.asarray(sun, np.float64)
    side = np.cross((0.0, 0.0, 1.0) if abs(towards[1]) > 0.9 else (0.0, 1.0, 0.0), towards)
    side /= np.linalg.norm(side)
    axes = np.stack(
        [side / radius_m, np.cross(towards, side) / radius_m, -towards / SHADOW_DEPTH_M]
    )
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = axes, -axes @ middle
    return matrix


def frame_block(
    view: View,
    surroundings: Surroundings,
    light: Light,
    backdrop: Backdrop,
    shadow: Array,
    floor: FloorMap,
) -> bytes:
    """The block Frame of the shaders."""
    block = np.zeros((32, 4), np.float32)
    block[0:4] = clip_matrix(view).T
    block[4:8] = shadow.T
    block[8:20] = light.ambient.reshape(12, 4)  # symmetric: rows are columns
    block[20, :3], block[20, 3] = -view.R.T @ view.t, surroundings.exposure
    block[21, :3], block[21, 3] = surroundings.sun, light.softness
    block[22, :3] = surroundings.sun_colour
    block[23, :3] = floor.x, floor.z, 1 / floor.side
    block[24:27, :3] = pixel_rays(view)
    length, height, width = surroundings.room
    block[27, :3] = surroundings.room_middle
    block[27, 1] += height / 2
    block[28, :3] = length / 2, height / 2, width / 2
    block[29] = *backdrop, float(backdrop.width > 0)
    block[30, :2] = HAZE_M
    return block.tobytes()


def bone_block(bones: Floats) -> bytes:
    """The block Bones of bones (R, 3, 4)."""
    block = np.zeros((MOST_BONES, 12), np.float32)
    block[: len(bones)] = bones.reshape(len(bones), 12)
    return block.tobytes()


def ball_block(figures: list[Floats], things: Floats) -> bytes:
    """The block Balls: of each figure (S, 4), an equal number, and of things (S, 4)."""
    block = np.zeros((SPHERES, 4), np.float32)
    room = SPHERES - min(len(things), SPHERES // 3)
    each = room // len(figures)
    rows = np.concatenate([*(balls[:each] for balls in figures), things])[:SPHERES]
    block[: len(rows)] = rows
    return block.tobytes()
