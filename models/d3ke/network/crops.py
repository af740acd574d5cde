"""Crops: what a network for pictures sees of a person, as the data sets for its training have it.

- a virtual camera where the real one is, turned to the middle of the person's box, without roll of
  its own and without distortion; what the real camera did not film is black
- training's boxes are about the skin, BlazePose's landmarks lie inside it
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.network.landmarks import aim
from d3ke.vision.camera import Camera
from d3ke.vision.container import Image
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]

EARS, SHOULDERS = (7, 8), (11, 12)  # BlazePose's landmarks
# The skin's box from landmarks, measured on 769 frames of 40 synthetic clips: the crown is this
# part of the way from the shoulders to the ears above these, and skin reaches beyond by this part
# of the longer side. So boxes are as long as the skin's (sd 3 %), their middles 2 % of it off.
CROWN, SKIN = 0.5, 0.013
STEADY_FRAMES = 5  # over which a box is the median
EDGE_POINTS = 9  # of each side of a crop: lenses bend them
ROOM_PX = 2  # about the part of a picture that is resampled


class Crops(NamedTuple):
    """Virtual cameras of T frames.

    focal_px: (T,); turns: (T, 3, 3), x_crop = turn x_cam; size: of the square pictures, px.
    """

    focal_px: Array
    turns: Array
    size: int

    def camera_matrix(self, frame: int) -> Array:
        """Of one of them, (3, 3)."""
        return Camera.from_focal((self.size, self.size), float(self.focal_px[frame]), "").K


def person_boxes(track: PersonTrack) -> Array:
    """The person's box x, y, width, height px, (T, 4), steadied; NaN where not seen.

    It is cut at the picture's edges.
    """
    points = track.landmarks[..., :2].astype(np.float64)
    ears, shoulders = points[:, EARS].mean(axis=1), points[:, SHOULDERS].mean(axis=1)
    points = np.append(points, (ears + CROWN * (ears - shoulders))[:, None], axis=1)
    edges = _steadied(edges_about(points, track.size, SKIN))
    edges[~track.seen] = np.nan
    return boxes_within(edges)


def edges_about(points: Array, size: tuple[int, int], room: float) -> Array:
    """The lowest and highest x, y of points (T, P, 2) px and room about them, (T, 4).

    size: of the picture, which they do not leave; room: a part of the longer side. NaN where a
    point is.
    """
    low, high = points.min(axis=1), points.max(axis=1)
    beyond = room * (high - low).max(axis=1, keepdims=True)
    last = np.array(size) - 1
    low = np.clip(low - beyond, 0, last - 1)
    return np.concatenate([low, np.clip(high + beyond, low + 1, last)], axis=1)


def boxes_within(edges: Array) -> Array:
    """Edges (T, 4), lowest then highest x, y, as boxes x, y, width, height, px."""
    return np.concatenate([edges[:, :2], edges[:, 2:] - edges[:, :2]], axis=1)


def _steadied(edges: Array) -> Array:
    """The median over neighbours (T, 4); those that are NaN do not count."""
    half = STEADY_FRAMES // 2
    padded = np.pad(edges, ((half, half), (0, 0)), constant_values=np.nan)
    around = np.lib.stride_tricks.sliding_window_view(padded, STEADY_FRAMES, axis=0)
    alone = np.isnan(around).all(axis=-1, keepdims=True)
    steady: Array = np.nanmedian(np.where(alone, 0.0, around), axis=-1)
    return steady


def crops_of(camera: Camera, boxes: Array, size: int, margin: float = 1.0) -> Crops:
    """The cameras that show boxes (T, 4) x, y, width, height px as squares of `size` px.

    They show `margin` times a box's longer side.
    """
    x, y, width, height = np.asarray(boxes, np.float64).T
    across, down = x + width / 2, y + height / 2
    pixels = [(across, down), (x, down), (x + width, down), (across, y), (across, y + height)]
    straight = camera.undistort(np.stack([np.stack(pixel, axis=-1) for pixel in pixels], axis=1))
    homogeneous = np.append(straight, np.ones((*straight.shape[:2], 1)), axis=2)
    rays = homogeneous @ np.linalg.inv(camera.K).T  # (T, 5, 3)
    turns: Array = aim(torch.from_numpy(rays[:, 0, :2])).numpy()
    seen = rays @ turns.transpose(0, 2, 1)
    seen = seen[..., :2] / seen[..., 2:]
    sides = np.linalg.norm(seen[:, [2, 4]] - seen[:, [1, 3]], axis=2)
    return Crops(size / (margin * sides.max(axis=1)), turns, size)


def cut_out(image: Image, camera: Camera, crops: Crops, frame: int) -> Image:
    """A picture (H, W, 3) as the crop of a frame shows it, (S, S, 3).

    Where it gets smaller it is averaged over areas first, so that nothing aliases.
    """
    K, turn, size = crops.camera_matrix(frame), crops.turns[frame], crops.size
    part = _part(camera, K, turn, size)
    image = image[part]
    shown = camera.K.copy()
    shown[:2, 2] -= part[1].start, part[0].start
    shrink = K[0, 0] / camera.K[0, 0]
    if shrink < 1:
        side = (math.ceil(image.shape[1] * shrink), math.ceil(image.shape[0] * shrink))
        scale = np.array([side[0] / image.shape[1], side[1] / image.shape[0]])
        image = np.asarray(cv2.resize(image, side, interpolation=cv2.INTER_AREA), np.uint8)
        shown[:2] *= scale[:, None]
        shown[:2, 2] += 0.5 * (scale - 1)  # a pixel's centre has whole numbers
    columns, rows = cv2.initUndistortRectifyMap(
        shown, camera.distortion, turn, K, (size, size), cv2.CV_32FC1
    )
    return np.asarray(cv2.remap(image, columns, rows, cv2.INTER_LINEAR), np.uint8)


def _part(camera: Camera, K: Array, turn: Array, size: int) -> tuple[slice, slice]:
    """Rows and columns of the picture that a crop shows."""
    along = np.linspace(0, size - 1, EDGE_POINTS)
    grid = np.stack([*np.meshgrid(along, along), np.ones((EDGE_POINTS, EDGE_POINTS))], axis=-1)
    rays = grid.reshape(-1, 3) @ np.linalg.inv(K).T @ turn
    pixels = Camera(camera.K, camera.size, "", camera.distortion).project(rays)
    last = np.array(camera.size)
    low = np.clip(np.nan_to_num(np.nanmin(pixels, axis=0)).astype(int) - ROOM_PX, 0, last - 1)
    high = np.clip(np.ceil(np.nanmax(pixels, axis=0)).astype(int) + 1 + ROOM_PX, low + 1, last)
    return slice(low[1], high[1]), slice(low[0], high[0])
