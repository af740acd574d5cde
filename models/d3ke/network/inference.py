"""A landmark network over a whole clip: windows that overlap, seen also in a mirror, averaged."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.network.d3ke import D3KE, Answer
from d3ke.network.device import one_thread
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LANDMARKS, LandmarkWindow
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack

Array = NDArray[np.float64]

BATCH = 32  # windows at a time
LEAST_SHARE = 1e-3  # of a window without the person, so that every frame has an answer
MAX_GAP_S = 0.35  # landmarks are interpolated over gaps up to this long


class Regression(NamedTuple):
    """What the network says of a track, at the track's times.

    q: (T, K) rad, the root's six are 0; root: (T, 3, 3) pelvis in the camera,
    x_cam = root x_pelvis; scales: (N, 3); observed: (K,) whether a coordinate was predicted
    rather than taken from a prior; q_std: (T, K) rad, NaN where not predicted, such that q +- 1.645
    of it covers 90 %, or None where the network does not say.
    """

    q: Array
    root: Array
    scales: Array
    observed: NDArray[np.bool_]
    q_std: Array | None = None


class _Mean(NamedTuple):
    """Of windows: q (G, K), root (G, 3, 3), scales (N, 3), log_sigma (G, K) or None."""

    q: Array
    root: Array
    scales: Array
    log_sigma: Array | None


def regress(
    model: LandmarkD3KE,
    track: PersonTrack,
    camera: Camera,
    down: Array | None = None,
    device: torch.device | str = "cpu",
) -> Regression:
    """Coordinates, pelvis orientation and body scales of the person of a track.

    down: (3,) gravity's direction in the camera; by default the camera is level.
    """
    model = model.to(device)
    grid, landmarks, valid = on_grid(track, camera, model.config.rate_hz)
    gravity = torch.tensor([0.0, 1.0, 0.0] if down is None else down, dtype=torch.float32)
    with one_thread():
        mean = _windows_mean(model, landmarks.to(device), valid.to(device), gravity)
    sigma = mean.log_sigma
    return Regression(
        q=values_at(track.time, grid, clamped(model, mean.q)),
        root=rotations_at(track.time, grid, mean.root),
        scales=mean.scales.astype(np.float64),
        observed=observed(model),
        q_std=None if sigma is None else model.q_std(values_at(track.time, grid, sigma)),
    )


def on_grid(track: PersonTrack, camera: Camera, rate_hz: float) -> tuple[Array, Tensor, Tensor]:
    """Landmarks over the focal length on a uniform grid: times (G,), (G, 33, 6), valid (G,)."""
    seen = track.seen
    grid = np.arange(track.time[0], track.time[-1] + 0.5 / rate_hz, 1 / rate_hz)
    pixels = track.landmarks[seen][..., :2].astype(np.float64)
    points = camera.undistort(pixels) @ np.diag(1 / np.diag(camera.K)[:2])
    points = points - camera.K[:2, 2] / np.diag(camera.K)[:2]
    known = np.concatenate([points, track.landmarks[seen][..., 3:]], axis=2)
    time = track.time[seen]
    landmarks = np.empty((len(grid), LANDMARKS, 6), dtype=np.float32)
    for row in range(LANDMARKS):
        for column in range(6):
            landmarks[:, row, column] = np.interp(grid, time, known[:, row, column])
    after = np.clip(np.searchsorted(time, grid), 1, len(time) - 1)
    near = np.minimum(np.abs(grid - time[after - 1]), np.abs(time[after] - grid))
    valid = near <= MAX_GAP_S / 2
    return grid, torch.from_numpy(landmarks), torch.from_numpy(valid)


def _windows_mean(model: LandmarkD3KE, landmarks: Tensor, valid: Tensor, down: Tensor) -> _Mean:
    """Weighted mean over windows.

    A window counts most in its middle, and as much as it has seen of the person: what a network
    says of empty frames must not dilute what it says of seen ones.
    """
    frames, length = len(landmarks), min(model.config.window, len(landmarks))
    ramp = torch.arange(length) + 0.5
    middle = torch.minimum(ramp, length - ramp)
    names = len(model.osim.coordinate_names)
    q, root = torch.zeros(frames, names), torch.zeros(frames, 3, 3)
    sigma, tells = torch.zeros(frames, names), False
    total, scales, shares = torch.zeros(frames), torch.zeros(len(model.osim.bodies), 3), 0.0
    for starts, answer in answers_of_windows(model, landmarks, valid, down, length):
        tells = answer.log_sigma is not None
        for place, start in enumerate(starts):
            part = slice(start, start + length)
            share = max(float(valid[part].float().mean()), LEAST_SHARE)
            weight = share * middle
            q[part] += weight[:, None] * answer.q[place]
            root[part] += weight[:, None, None] * answer.root[place]
            total[part] += weight
            if answer.log_sigma is not None:
                sigma[part] += weight[:, None] * answer.log_sigma[place]
            scales += share * answer.scales[place]
            shares += share
    root = roma.special_procrustes(root)
    return _Mean(
        q=(q / total[:, None]).numpy(),
        root=root.numpy(),
        scales=(scales / shares).numpy(),
        log_sigma=(sigma / total[:, None]).numpy().astype(np.float64) if tells else None,
    )


def answers_of_windows(
    model: LandmarkD3KE, landmarks: Tensor, valid: Tensor, down: Tensor, length: int
) -> Iterator[tuple[list[int], Answer]]:
    """Batches of windows' first frames and answers, on the CPU."""
    last = len(landmarks) - length
    starts = sorted({*range(0, last, model.config.stride), last})
    model.eval()
    with torch.inference_mode():
        for first in range(0, len(starts), BATCH):
            chosen = starts[first : first + BATCH]
            rows = torch.stack([landmarks[s : s + length] for s in chosen])
            masks = torch.stack([valid[s : s + length] for s in chosen])
            window = LandmarkWindow(rows, down.to(rows).expand(len(chosen), 3), masks)
            answer = model.both_ways(window)
            on_cpu = {
                name: part.cpu() for name, part in answer._asdict().items() if part is not None
            }
            yield chosen, Answer(**on_cpu)


def clamped(model: D3KE, q: Array) -> Array:
    """Coordinates inside the ranges that the model file clamps them to."""
    for index, coordinate in enumerate(model.osim.coordinates):
        if coordinate.clamped:
            q[:, index] = q[:, index].clip(*coordinate.range)
    return q


def observed(model: D3KE) -> NDArray[np.bool_]:
    """Which coordinates are predicted rather than taken from a prior, (K,)."""
    predicted = np.zeros(len(model.osim.coordinate_names), dtype=np.bool_)
    predicted[model.predicted.cpu().numpy()] = True
    return predicted


def values_at(time: Array, grid: Array, values: Array) -> Array:
    """Values (G, ...) of the grid at other times, linearly."""
    columns = [np.interp(time, grid, column) for column in values.reshape(len(grid), -1).T]
    return np.stack(columns, axis=1).reshape(len(time), *values.shape[1:])


def rotations_at(time: Array, grid: Array, rotations: Array) -> Array:
    """Rotations (G, 3, 3) of the grid at other times: linear, then the nearest rotation."""
    mixed = torch.from_numpy(values_at(time, grid, rotations.astype(np.float64)))
    nearest: Array = roma.special_procrustes(mixed).numpy()
    return nearest
