"""What grey pictures of one person tell of how they were filmed: blur, and a camera that moves."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.vision.blazepose import LANDMARK_SIZE

Grey = NDArray[np.uint8]  # (H, W)
Box = NDArray[np.floating]  # x, y, width, height, px

BLUR_KERNEL = 9  # px, Crete's
LEAST_SIDE_PX = 2 * BLUR_KERNEL  # of a patch whose blur can be told
SMALL_SIDE_PX = 320  # of the pictures in which the background is followed
AROUND = 0.15  # of the person's box, which is left out on each side too: hands, shadows
MOST_CORNERS = 60
LEAST_CORNERS = 8
BACK_PX = 0.5  # a corner followed there and back must end this near its start


def blur(grey: Grey, box: Box) -> float:
    """How blurred a person is as the landmark network sees them, 0 (sharp) to 1; NaN if too small.

    Source: Crete et al. 2007, The blur effect: a picture that is blurred changes little when it
    is blurred again. Here at the network's size at most, for finer detail is not looked at.
    """
    patch = _patch(grey, box)
    scale = min(1.0, LANDMARK_SIZE / max(float(box[2]), float(box[3]), 1.0))
    if round(scale * min(patch.shape)) < LEAST_SIDE_PX:  # little of the person is in the picture
        return float("nan")
    patch = _shrunk(patch, scale)
    return max(_blur_along(patch.astype(np.float32), axis) for axis in (0, 1))


def _shrunk(grey: Grey, scale: float) -> Grey:
    """A picture made smaller; what would grow stays as it is."""
    if scale >= 1:
        return grey
    smaller = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, np.uint8)


def _patch(grey: Grey, box: Box) -> NDArray[np.uint8]:
    """The part of a picture in a box."""
    x, y, width, height = (float(one) for one in box)
    rows = slice(max(0, round(y)), max(0, round(y + height)))
    return grey[rows, max(0, round(x)) : max(0, round(x + width))]


def _blur_along(patch: NDArray[np.float32], axis: int) -> float:
    """The part of the steps between neighbours that stays when the patch is blurred again."""
    kernel = (1, BLUR_KERNEL) if axis == 0 else (BLUR_KERNEL, 1)  # OpenCV: width, height
    steps = np.abs(np.diff(patch, axis=axis))
    left = np.abs(np.diff(cv2.blur(patch, kernel), axis=axis))
    total, lost = float(np.sum(steps)), float(np.sum(np.maximum(0, steps - left)))
    return 1 - lost / total if total else 1.0


def camera_shift(pictures: Sequence[Grey], boxes: Sequence[Box]) -> float:
    """How far the background moves over pictures in their order, px; NaN if it cannot be told.

    boxes: of the person in each, who is left out.
    """
    if not pictures:
        return float("nan")
    scale: float = min(1.0, SMALL_SIDE_PX / max(pictures[0].shape))
    small = [_shrunk(one, scale) for one in pictures]
    steps = [
        _step(first, second, [scale * np.asarray(box) for box in both])
        for (first, second), both in zip(pairwise(small), pairwise(boxes), strict=True)
    ]
    known = np.array([step for step in steps if step is not None]).reshape(-1, 2)
    if not len(known):
        return float("nan")
    path = np.concatenate([np.zeros((1, 2)), np.cumsum(known, axis=0)])
    moved: float = float(np.linalg.norm(np.ptp(path, axis=0)))
    return moved / scale


def _step(first: Grey, second: Grey, boxes: Sequence[Box]) -> NDArray[np.float64] | None:
    """How far the background moves from one picture to the next, (2,) px; None if it is plain."""
    mask = np.full(first.shape, 255, np.uint8)
    for x, y, width, height in boxes:
        more = AROUND * max(width, height)
        rows = slice(max(0, int(y - more)), max(0, int(y + height + more)))
        mask[rows, max(0, int(x - more)) : max(0, int(x + width + more))] = 0
    corners = cv2.goodFeaturesToTrack(first, MOST_CORNERS, 0.02, 6, mask=mask)
    if corners is None or len(corners) < LEAST_CORNERS:
        return None
    there, found, _ = cv2.calcOpticalFlowPyrLK(first, second, corners, None)  # type: ignore[call-overload]
    back, found_back, _ = cv2.calcOpticalFlowPyrLK(second, first, there, None)  # type: ignore[call-overload]
    kept = (found & found_back).ravel() > 0
    kept &= np.linalg.norm(back - corners, axis=2).ravel() < BACK_PX
    if kept.sum() < LEAST_CORNERS:
        return None
    step: NDArray[np.float64] = np.median((there - corners)[kept, 0], axis=0).astype(np.float64)
    return step
