"""BlazePose: crops and coordinates that come back to where they were."""

import math
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.vision.blazepose import (
    DETECTOR_FILE,
    HEATMAP_CONFIDENCE,
    LANDMARK_FILE,
    LandmarkNetwork,
    PoseDetector,
    Roi,
    anchors,
    crop,
    refine,
    roi_from_points,
    sigmoid,
)

Floats = NDArray[np.float32]


def dot(x: float, y: float, size: tuple[int, int], sigma: float) -> NDArray[np.uint8]:
    """A picture with one soft bright dot."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    value = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * sigma**2))
    return np.repeat(np.rint(value).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize(
    "roi",
    [
        Roi(300.0, 200.0, 256.0, 0.0),
        Roi(310.3, 190.8, 200.0, 0.7),
        Roi(280.0, 220.0, 700.0, -2.5),  # shrunk by two before it is turned
        Roi(290.5, 215.5, 1100.0, 3.1),  # by four, and larger than the picture
        Roi(530.0, 350.0, 400.0, 1.2),  # over the corner
    ],
)
def test_a_crop_shows_a_point_where_its_matrix_says(roi: Roi) -> None:
    x, y = roi.x + 0.13 * roi.size * 0.3, roi.y - 0.2 * roi.size * 0.3
    picture, to_image = crop(dot(x, y, (600, 400), 6.0), roi, 256)
    rows, columns = np.mgrid[:256, :256]
    weight = picture[..., 0]
    centroid = [(weight * columns).sum() / weight.sum(), (weight * rows).sum() / weight.sum()]
    found = to_image[:, :2] @ centroid + to_image[:, 2]
    # A twentieth of a pixel of the crop: values are rounded to whole grey levels.
    assert math.dist(found, (x, y)) < 0.05 * max(1.0, roi.size / 256)


def test_a_region_stands_upright_on_the_body() -> None:
    upright = roi_from_points(np.array([100, 200], "f4"), np.array([100, 100], "f4"))
    assert upright == pytest.approx((100, 200, 250, 0))
    lying = roi_from_points(np.array([100, 200], "f4"), np.array([200, 200], "f4"))
    assert lying.rotation == pytest.approx(math.pi / 2)  # the head is to the right: clockwise


def test_there_are_2254_anchors_in_rows() -> None:
    centres = anchors()
    assert centres.shape == (2254, 2)
    np.testing.assert_allclose(centres[0], [4 / 224, 4 / 224])
    np.testing.assert_allclose(centres[2], [12 / 224, 4 / 224])  # two in each cell
    np.testing.assert_allclose(centres[2 * 28 * 28], [8 / 224, 8 / 224])
    np.testing.assert_allclose(centres[-1], [208 / 224, 208 / 224])


def refine_naively(points: Floats, heatmap: Floats) -> Floats:
    """Cell by cell, as the graph of MediaPipe describes it."""
    refined = points.copy()
    for index, (x, y) in enumerate(points):
        column, row = math.floor(x), math.floor(y)
        if not (0 <= column < 64 and 0 <= row < 64):
            continue
        total, mean, peak = 0.0, np.zeros(2), 0.0
        for r in range(max(0, row - 3), min(64, row + 4)):
            for c in range(max(0, column - 3), min(64, column + 4)):
                weight = 1 / (1 + math.exp(-heatmap[r, c, index]))
                total += weight
                mean += weight * np.array([c, r])
                peak = max(peak, weight)
        if peak >= HEATMAP_CONFIDENCE:
            refined[index] = mean / total
    return refined


def test_refinement_is_the_plain_weighted_mean() -> None:
    generator = np.random.default_rng(0)
    points = generator.uniform(-4, 68, (39, 2)).astype(np.float32)
    heatmap = generator.normal(-4, 2, (64, 64, 39)).astype(np.float32)
    expected = refine_naively(points, heatmap)
    found = refine(points, heatmap)
    np.testing.assert_allclose(found, expected, atol=1e-4)  # cells, float32
    assert 0 < (found != points).any(axis=1).sum() < 39  # some are unsure, some outside


def test_sigmoid_bears_any_logit() -> None:
    found = sigmoid(np.array([-1e4, 0, 2, 1e4], np.float32))
    np.testing.assert_allclose(found, [0, 0.5, 1 / (1 + math.exp(-2)), 1], atol=1e-6)


@pytest.mark.parametrize("content", [b"", b"junk" * 1000])
def test_what_is_no_network_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(D3keError, match=r"model\.tflite: not a \.tflite network"):
        LandmarkNetwork(path)


def test_a_cut_off_network_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.tflite"
    path.write_bytes(LANDMARK_FILE.read_bytes()[:1_000_000])
    with pytest.raises(D3keError, match=r"model\.tflite: not a \.tflite network"):
        LandmarkNetwork(path)


def test_another_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="another network"):
        LandmarkNetwork(DETECTOR_FILE)
    with pytest.raises(D3keError, match="no such file"):
        LandmarkNetwork(tmp_path / "none.tflite")


def test_networks_open_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    PoseDetector()
    assert capfd.readouterr() == ("", "")
