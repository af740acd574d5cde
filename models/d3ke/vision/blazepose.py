"""BlazePose: the person detector and the landmark network, from pixels to pixels and metres."""

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_bytes

Image = NDArray[np.uint8]  # (H, W, 3) RGB
Floats = NDArray[np.float32]

ASSETS = Path(__file__).parents[1] / "assets" / "blazepose"
DETECTOR_FILE = ASSETS / "pose_detection.tflite"
LANDMARK_FILE = ASSETS / "pose_landmark_full.tflite"

# Sizes and thresholds below are those of MediaPipe 0.10 (modules/pose_detection and
# modules/pose_landmark, Apache-2.0), whose networks these are.
DETECTOR_SIZE = 224  # px
DETECTOR_STRIDES = (8, 16, 32, 32, 32)  # px, two square anchors in each cell of each layer
DETECTOR_THRESHOLD = 0.5  # score of a detection
NMS_OVERLAP = 0.3  # intersection over union of two boxes of one person
LANDMARK_SIZE = 256  # px
LANDMARK_COUNT = 33
PRESENCE_THRESHOLD = 0.5  # of the landmark network's "a person is here"
ROI_MARGIN = 1.25  # side of the region over the circle around the person
HEATMAP_SIZE = 64  # cells over the crop
HEATMAP_KERNEL = 7  # cells around the regressed landmark that refine it
HEATMAP_CONFIDENCE = 0.5  # least peak that refines a landmark


class Roi(NamedTuple):
    """A square region around a person, turned so that the body is upright in it.

    x, y: centre, px (a pixel's centre has whole numbers); size: side, px;
    rotation: rad, from the image's up to the body's up, clockwise positive.
    """

    x: float
    y: float
    size: float
    rotation: float


class Detection(NamedTuple):
    """A person as the detector sees them: the region of the whole body and a score 0..1."""

    roi: Roi
    score: float


class Landmarks(NamedTuple):
    """What the landmark network says about one region.

    values: (33, 7) image x, y, z px, visibility 0..1, world x, y, z m (hip-centred, camera axes);
    presence: 0..1; following: the region to look at in the next frame.
    """

    values: Floats
    presence: float
    following: Roi


def sigmoid(logits: Floats) -> Floats:
    """From logits to 0..1, without overflow."""
    squashed: Floats = (0.5 + 0.5 * np.tanh(0.5 * logits)).astype(np.float32)
    return squashed


def roi_from_points(centre: Floats, top: Floats) -> Roi:
    """The region from the mid-hip and the point that encodes size and rotation, both (2,) px."""
    dx, dy = float(top[0] - centre[0]), float(top[1] - centre[1])
    radius = math.hypot(dx, dy)
    return Roi(float(centre[0]), float(centre[1]), 2 * ROI_MARGIN * radius, math.atan2(dx, -dy))


def crop(image: Image, roi: Roi, size: int) -> tuple[Floats, NDArray[np.float64]]:
    """The region as (size, size, 3) float32 0..255, and the (2, 3) matrix crop px -> image px.

    Large regions are shrunk by a whole factor first: bilinear sampling alone would alias.
    """
    scale = roi.size / size
    cos, sin = math.cos(roi.rotation) * scale, math.sin(roi.rotation) * scale
    half = (size - 1) / 2
    linear = np.array([[cos, -sin], [sin, cos]])
    offset = np.array([roi.x, roi.y]) - linear @ np.array([half, half])
    crop_to_image = np.column_stack([linear, offset])
    patch, origin, factor = _patch(image, roi, max(1, int(scale)))
    # A pixel of the shrunk patch is the mean of factor x factor pixels around its centre.
    shift = offset - origin - (factor - 1) / 2
    crop_to_patch = np.column_stack([linear, shift]) / factor
    warped = cv2.warpAffine(
        patch,
        crop_to_patch,
        (size, size),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_CONSTANT,
    )
    return warped.astype(np.float32), crop_to_image


def _to_image(points: Floats, crop_to_image: NDArray[np.float64]) -> Floats:
    """Points (P, 2) of a crop, whose corner is (0, 0), in image px, where it is (-0.5, -0.5)."""
    pixels = (points - 0.5) @ crop_to_image[:, :2].T + crop_to_image[:, 2]
    return pixels.astype(np.float32)


def _patch(image: Image, roi: Roi, factor: int) -> tuple[Image, NDArray[np.float64], int]:
    """The part of the image around a region, shrunk by a whole factor; its origin; the factor."""
    reach = 0.5 * roi.size * (abs(math.cos(roi.rotation)) + abs(math.sin(roi.rotation))) + 2
    height, width = image.shape[:2]
    left = int(np.clip(math.floor(roi.x - reach), 0, width - 1))
    top = int(np.clip(math.floor(roi.y - reach), 0, height - 1))
    right = int(np.clip(math.ceil(roi.x + reach), left + 1, width))
    bottom = int(np.clip(math.ceil(roi.y + reach), top + 1, height))
    if factor == 1 or min(right - left, bottom - top) < factor:
        return image[top:bottom, left:right], np.array([left, top], float), 1
    right -= (right - left) % factor
    bottom -= (bottom - top) % factor
    size = ((right - left) // factor, (bottom - top) // factor)
    patch = cv2.resize(image[top:bottom, left:right], size, interpolation=cv2.INTER_AREA)
    return patch.astype(np.uint8, copy=False), np.array([left, top], float), factor


@contextmanager
def _stderr_closed() -> Iterator[None]:
    """Keeps TFLite from greeting on stderr, for which it has no switch: stderr is for people."""
    try:
        kept = os.dup(2)
    except OSError:  # there is no stderr
        yield
        return
    try:
        with Path(os.devnull).open("wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


class Network:
    """One .tflite network on the CPU."""

    def __init__(self, path: Path, shapes: tuple[tuple[int, ...], ...], threads: int) -> None:
        """Open `path`, whose input and outputs must have these shapes, in this order."""
        wanted = "Name pose_landmark_lite, _full or _heavy.tflite of BlazePose."
        # Imported here: whoever only reads tracks doesn't need it, and it has not every platform.
        from ai_edge_litert.interpreter import Interpreter

        content = read_bytes(path)
        try:
            with _stderr_closed():
                self._interpreter = Interpreter(model_content=content, num_threads=threads)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise D3keError(f"{path}: not a .tflite network. {wanted}") from error
        tensors = [
            *self._interpreter.get_input_details(),
            *self._interpreter.get_output_details(),
        ]
        found = tuple(tuple(int(n) for n in tensor["shape"]) for tensor in tensors)
        if found != shapes:
            raise D3keError(f"{path}: another network than the one needed here. {wanted}")
        self._indices = [int(tensor["index"]) for tensor in tensors]

    def run(self, picture: Floats) -> None:
        """Take one picture (size, size, 3) through the network."""
        self._interpreter.set_tensor(self._indices[0], picture[None])
        self._interpreter.invoke()

    def output(self, number: int) -> Floats:
        """A copy of one of the outputs for that picture, without the batch's dimension."""
        values: Floats = self._interpreter.get_tensor(self._indices[1 + number])[0]
        return values


def anchors() -> Floats:
    """Centres of the detector's anchors, (2254, 2) as parts of its input."""
    layers: dict[int, int] = {}
    for stride in DETECTOR_STRIDES:
        layers[stride] = layers.get(stride, 0) + 2
    centres = []
    for stride, count in layers.items():
        cells = (np.arange(DETECTOR_SIZE // stride) + 0.5) * stride / DETECTOR_SIZE
        grid = np.stack(np.meshgrid(cells, cells), axis=-1).reshape(-1, 2)  # row by row
        centres.append(np.repeat(grid, count, axis=0))
    return np.concatenate(centres).astype(np.float32)


class PoseDetector:
    """Finds people in a picture."""

    def __init__(self, path: Path = DETECTOR_FILE, threads: int = 2) -> None:
        """Open the detector's .tflite file."""
        self._network = Network(path, ((1, 224, 224, 3), (1, 2254, 12), (1, 2254, 1)), threads)
        self._anchors = anchors()

    def __call__(self, image: Image, region: Roi | None = None) -> list[Detection]:
        """Everyone in the image or in an upright region of it, the surest first."""
        height, width = image.shape[:2]
        if region is None:
            region = Roi((width - 1) / 2, (height - 1) / 2, max(width, height), 0.0)
        picture, to_image = crop(image, region, DETECTOR_SIZE)
        self._network.run(picture / np.float32(127.5) - np.float32(1))
        raw_boxes, scores = self._network.output(0), sigmoid(self._network.output(1)[:, 0])
        likely = scores > DETECTOR_THRESHOLD
        # Box centre, box size, mid-hip, full body, mid-shoulder, upper body.
        points = (raw_boxes[likely] / np.float32(DETECTOR_SIZE)).reshape(-1, 6, 2)
        points[:, [0, 2, 3]] += self._anchors[likely][:, None]
        detections = []
        for merged, score in _merge(points, scores[likely]):
            pixels = _to_image(merged[2:4] * DETECTOR_SIZE, to_image)
            detections.append(Detection(roi_from_points(pixels[0], pixels[1]), score))
        return detections


def _merge(points: Floats, scores: Floats) -> list[tuple[Floats, float]]:
    """One weighted mean for each group of overlapping detections (weighted suppression)."""
    left_top = points[:, 0] - points[:, 1] / 2
    right_bottom = points[:, 0] + points[:, 1] / 2
    area = np.prod(points[:, 1], axis=1)
    remaining = np.argsort(-scores, kind="stable")
    merged = []
    while len(remaining):
        best = remaining[0]
        shared = np.minimum(right_bottom[remaining], right_bottom[best])
        shared = np.clip(shared - np.maximum(left_top[remaining], left_top[best]), 0, None)
        common = np.prod(shared, axis=1)
        overlap = common / np.maximum(area[remaining] + area[best] - common, 1e-9)
        same = overlap > NMS_OVERLAP
        same[0] = True
        group = remaining[same]
        weights = scores[group] / scores[group].sum()
        merged.append((np.tensordot(weights, points[group], axes=1), float(scores[best])))
        remaining = remaining[~same]
    return merged


@dataclass(frozen=True)
class _Grid:
    """Offsets of the heat-map cells around a landmark."""

    rows: NDArray[np.int64]
    columns: NDArray[np.int64]


def _kernel() -> _Grid:
    reach = HEATMAP_KERNEL // 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1].reshape(2, -1)
    return _Grid(rows, columns)


_KERNEL = _kernel()


def refine(points: Floats, heatmap: Floats) -> Floats:
    """Landmarks (L, 2) moved to the weighted mean of their heat map (64, 64, L); unit: cells."""
    cell = np.floor(points).astype(np.int64)  # x, y
    inside = ((cell >= 0) & (cell < HEATMAP_SIZE)).all(axis=1)
    rows = cell[:, 1:] + _KERNEL.rows  # (L, 49)
    columns = cell[:, :1] + _KERNEL.columns
    valid = (rows >= 0) & (rows < HEATMAP_SIZE) & (columns >= 0) & (columns < HEATMAP_SIZE)
    logits = heatmap[
        np.clip(rows, 0, HEATMAP_SIZE - 1),
        np.clip(columns, 0, HEATMAP_SIZE - 1),
        np.arange(len(points))[:, None],
    ]
    weight = np.where(valid, sigmoid(logits), 0)
    sure = inside & (weight.max(axis=1) >= HEATMAP_CONFIDENCE)
    total = np.maximum(weight.sum(axis=1), 1e-9)
    mean = np.stack([(weight * columns).sum(axis=1), (weight * rows).sum(axis=1)], axis=1)
    return np.where(sure[:, None], mean / total[:, None], points).astype(np.float32)


class LandmarkNetwork:
    """Finds the 33 landmarks of the person in a region."""

    def __init__(self, path: Path = LANDMARK_FILE, threads: int = 2) -> None:
        """Open pose_landmark_lite, _full or _heavy.tflite."""
        shapes = ((1, 256, 256, 3), (1, 195), (1, 1), (1, 256, 256, 1), (1, 64, 64, 39), (1, 117))
        self._network = Network(path, shapes, threads)

    def __call__(self, image: Image, roi: Roi) -> Landmarks:
        """The landmarks of the person in the region `roi` of the image."""
        picture, to_image = crop(image, roi, LANDMARK_SIZE)
        self._network.run(picture / np.float32(255))
        # x, y, z in px of the crop; logits of visibility and presence
        raw = self._network.output(0).reshape(39, 5)
        heatmap, world = self._network.output(3), self._network.output(4).reshape(39, 3)
        cells = LANDMARK_SIZE / HEATMAP_SIZE
        points = refine(raw[:, :2] / cells, heatmap) * cells
        pixels = _to_image(points, to_image)
        values = np.empty((LANDMARK_COUNT, 7), np.float32)
        values[:, :2] = pixels[:LANDMARK_COUNT]
        values[:, 2] = raw[:LANDMARK_COUNT, 2] * roi.size / LANDMARK_SIZE
        values[:, 3] = sigmoid(raw[:LANDMARK_COUNT, 3])
        cos, sin = math.cos(roi.rotation), math.sin(roi.rotation)
        turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]], np.float32)
        values[:, 4:] = world[:LANDMARK_COUNT] @ turn.T
        following = roi_from_points(pixels[33], pixels[34])
        return Landmarks(values, float(self._network.output(1)[0]), following)
