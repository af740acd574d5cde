"""How BlazePose's metric landmarks shrink, turn and err: a regression of its bones."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import roma
import torch
from numpy.typing import NDArray

from d3ke.synth.landmarks.evidence import LandmarkEvidence
from d3ke.synth.landmarks.places_fit import NORMAL_MAD
from d3ke.vision.world_landmarks import WorldRegression

Array = NDArray[np.float64]
Floats = NDArray[np.float32]  # what there is much of

RIDGE = 1e-3  # of the mean square of a feature
ROUNDS = 4  # of reweighting
HUBER_SD = 2.0  # errors beyond count less
CUT_SD = 3.5  # errors beyond are cut before variances are taken
LEAST_FRAMES = 24  # of a clip, for its own mean


class WorldFit(NamedTuple):
    """regression; turn_deg (x y z) and scale_sd: a clip's rigid error; memory: frames."""

    regression: WorldRegression
    turn_deg: tuple[float, float, float]
    scale_sd: float
    memory: float


class _Bones(NamedTuple):
    """Of one clip: true (T, 35, 3), seen (T, 35, 3), features (T, 35, 16), doubt (T, 35, 1)."""

    seen: Floats
    features: Floats
    doubt: Floats


def fit_world(
    clips: Sequence[LandmarkEvidence],
    strayed: Sequence[LandmarkEvidence],
    start: WorldRegression,
    spread: float,
    memory: float = 12.0,
) -> WorldFit:
    """A regression in the form of `start`, whose bones and parents are kept.

    strayed: the clips with landmarks that lie elsewhere, as they do in each clip: what comes of
    that is no error of the regression. spread: log sd of how noisy a clip is, which the noise is
    fitted without.
    """
    bones, moved = (
        [found for clip in part if len((found := _bones(clip, start)).seen) >= LEAST_FRAMES]
        for part in (clips, strayed)
    )
    coefficients = _regress(bones, start)
    expected, elsewhere = (
        [_expected(clip, coefficients) for clip in part] for part in (bones, moved)
    )
    length = start.length_m.double().numpy()[:, None]
    rest = _compared(expected, [clip.seen.astype(np.float64) for clip in bones], length)
    between, within = _covariances(rest.errors, bones, memory)
    between = between - _covariance(_compared(expected, elsewhere, length).means)
    clip_noise, frame_noise = _cholesky(between), _cholesky(within)
    # Noise and strayed places alone turn and stretch the bones of a clip, too.
    noise = np.random.default_rng(0).normal(size=(len(bones), 35, 3))
    noise = length * np.einsum("bij,cbj->cbi", clip_noise, noise)
    drawn = _compared(expected, [e + n for e, n in zip(elsewhere, noise, strict=True)], length)
    excess = np.sqrt(np.maximum(rest.rigid_sd**2 - drawn.rigid_sd**2, 0))
    quiet = math.exp(-(spread**2))  # log-normal factors with median 1 have a greater mean
    regression = replace(
        start,
        coefficients=torch.tensor(coefficients, dtype=torch.float32),
        clip_noise=torch.tensor(clip_noise * quiet, dtype=torch.float32),
        frame_noise=torch.tensor(frame_noise * quiet, dtype=torch.float32),
    )
    x, y, z, scale = (float(value) for value in excess)
    return WorldFit(regression, (x, y, z), scale, _memory(rest.errors, bones))


def _expected(clip: _Bones, coefficients: Array) -> Array:
    """What the regression says of a clip, (T, 35, 3)."""
    return np.asarray(np.einsum("tbf,bfd->tbd", clip.features, coefficients))


class _Compared(NamedTuple):
    """errors: (T, 35, 3) of each clip, per length; turns (C, 3) deg and log scales (C,)."""

    errors: list[Array]
    turns: Array
    scales: Array

    @property
    def means(self) -> Array:
        """Of each clip, (C, 35, 3)."""
        return np.stack([np.median(error, axis=0) for error in self.errors])

    @property
    def rigid_sd(self) -> Array:
        """Of turns about x, y, z, deg, and of log scales, (4,)."""
        rigid = np.column_stack([self.turns, self.scales - np.median(self.scales)])
        sd: Array = NORMAL_MAD * np.median(np.abs(rigid), axis=0)
        return sd


def _compared(expected: Sequence[Array], seen: Sequence[Array], length: Array) -> _Compared:
    """What is left of clips' bones (T, 35, 3) beside one rotation and scale for each clip."""
    errors, turns, scales = [], [], []
    for one, other in zip(expected, seen, strict=True):
        turn, scale = _rigid(one / length, other / length)
        errors.append((other @ turn / scale - one) / length)  # rows times R are R^T x
        turns.append(roma.rotmat_to_rotvec(torch.from_numpy(turn)).rad2deg().numpy())
        scales.append(math.log(scale))
    return _Compared(errors, np.stack(turns), np.array(scales))


def _bones(clip: LandmarkEvidence, regression: WorldRegression) -> _Bones:
    usable = clip.usable.all(axis=1)
    centred, pelvis = (torch.from_numpy(part[usable]) for part in (clip.centred, clip.pelvis))
    true = regression.bones_from_landmarks @ centred
    seen = regression.bones_from_landmarks @ torch.from_numpy(clip.world[usable])
    hidden = torch.from_numpy(clip.hidden[usable]).unsqueeze(2)
    doubt = 1 + (regression.bones_from_landmarks.abs() @ hidden).clamp(max=1)
    features = regression.features(true, pelvis)
    return _Bones(seen.numpy(), features.numpy(), doubt.numpy())


def _regress(bones: Sequence[_Bones], start: WorldRegression) -> Array:
    """Coefficients (35, 16, 3): ridge regression, hidden and outlying bones counting less."""
    features = np.concatenate([clip.features for clip in bones])
    seen = np.concatenate([clip.seen for clip in bones])
    certain = np.concatenate([clip.doubt[..., 0] for clip in bones]) ** -2.0
    coefficients = np.zeros((*features.shape[1:], 3))
    for bone in range(features.shape[1]):
        X = features[:, bone].astype(np.float64)
        y, weight = seen[:, bone].astype(np.float64), certain[:, bone]
        ridge = RIDGE * np.diag((X**2).mean(axis=0)) * len(X)
        robust = np.ones(len(X))
        for _ in range(ROUNDS):
            w = (weight * robust)[:, None]
            coefficients[bone] = np.linalg.solve(X.T @ (w * X) + ridge, X.T @ (w * y))
            off = np.linalg.norm(y - X @ coefficients[bone], axis=1)
            robust = np.minimum(1, HUBER_SD * NORMAL_MAD * np.median(off) / np.maximum(off, 1e-9))
    return coefficients


def _rigid(expected: Array, seen: Array) -> tuple[Array, float]:
    """Rotation (3, 3) and scale that bring a clip's expected bones nearest to those seen."""
    covariance = np.einsum("tbi,tbj->ij", seen, expected)
    turn: Array = roma.special_procrustes(torch.from_numpy(covariance)).numpy()
    turned = expected @ turn.T
    return turn, float((turned * seen).sum() / (turned**2).sum())


def _covariances(
    errors: Sequence[Array], bones: Sequence[_Bones], memory: float
) -> tuple[Array, Array]:
    """Of the errors' clip means, and of what is left of them in a frame. Each (35, 3, 3)."""
    means = np.stack([np.median(error, axis=0) for error in errors])  # (C, 35, 3)
    rest = [
        (error - mean) / clip.doubt for error, mean, clip in zip(errors, means, bones, strict=True)
    ]
    share = float(np.mean([_mean_share(len(error), memory) for error in errors]))
    within = _covariance(np.concatenate(rest)) / (1 - share)
    between = _covariance(means) - share * within
    return between, within


def _mean_share(frames: int, memory: float) -> float:
    """Variance of the mean of slow noise over that of the noise."""
    part = memory / frames
    return 2 * part * (1 - part * (1 - math.exp(-1 / part)))


def _covariance(values: Array) -> Array:
    """Covariances of values (n, 35, 3), with outliers cut to the border: (35, 3, 3)."""
    middle = np.median(values, axis=0)
    border = CUT_SD * NORMAL_MAD * np.median(np.abs(values - middle), axis=0)
    cut = np.clip(values - middle, -border, border)
    covariance: Array = np.einsum("nbi,nbj->bij", cut, cut) / len(cut)
    return covariance


def _cholesky(covariance: Array) -> Array:
    """Factors of covariances (35, 3, 3) made positive."""
    values, vectors = np.linalg.eigh(covariance)
    positive = np.einsum("bij,bj,bkj->bik", vectors, np.maximum(values, 1e-6), vectors)
    factors: Array = np.linalg.cholesky(positive)
    return factors


def _memory(errors: Sequence[Array], bones: Sequence[_Bones], lag: int = 6) -> float:
    """Frames in which the slow error forgets itself, from its variogram at two lags."""
    changes = [
        np.concatenate([((e[k:] - e[:-k]) / b.doubt[k:]).ravel() for e, b in
                        zip(errors, bones, strict=True)])
        for k in (lag, 2 * lag)
    ]  # fmt: skip
    once, twice = ((NORMAL_MAD * np.median(np.abs(change))) ** 2 for change in changes)
    keep = twice / once - 1  # (1 - r^2) / (1 - r) = 1 + r, r = exp(-lag / memory)
    return float(np.clip(-lag / np.log(np.clip(keep, 0.05, 0.95)), 2, 60))
