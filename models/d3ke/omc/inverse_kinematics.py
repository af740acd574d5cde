"""Inverse kinematics: the motion of a model that follows recorded markers best."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from d3ke.motion.markers import MarkerData
from d3ke.omc.marker_fit import MarkerFit, Targets
from d3ke.omc.marker_track import MarkerTrack
from d3ke.omc.solved import NO_WEIGHTS, Solved, asked, solved
from d3ke.omc.trust import NOISE_M, UNCERTAIN_DEG, UNCERTAIN_M
from d3ke.posing import in_parts
from d3ke.skeleton.osim import OsimModel

LEAST_MARKERS = 3  # of a frame: fewer tell no place and direction
UNTOLD = 1e-9  # m2: the curvature given to what no marker tells


def inverse_kinematics(
    osim: OsimModel,
    markers: MarkerData,
    weights: Mapping[str, float],
    coordinate_weights: Mapping[str, float] = NO_WEIGHTS,
) -> Solved:
    """Coordinates whose model markers are nearest to the recorded ones, frame by frame.

    weights: of markers, by the model's names; others are not followed, but have errors.
    coordinate_weights: of squared distances from the default (m2 / rad2, or 1), which are added
    to the markers' weighted mean squared distance as OpenSim's tool adds them. Locked coordinates
    stay at their defaults, clamped ones in their ranges; dependent ones follow their couplers.
    Raises D3keError: see `asked`.
    """
    question = asked(osim, markers, weights, coordinate_weights)
    followed = question.recorded.select(question.weights)
    fit = MarkerFit(osim, followed.names, coordinate_weights)
    with torch.inference_mode():
        targets = _targets(followed, list(question.weights.values()))
        least = LEAST_MARKERS if fit.skeleton.root_joint.is_free else 1
        present = (targets.weights > 0).sum(0)
        frames = torch.nonzero(present >= least)[:, 0]
        track = MarkerTrack(fit, targets, followed.time)
        if len(frames):
            track.solve(frames)
        lost = _lost(fit, targets, track.values, frames)
        every = fit
        if question.recorded.names != followed.names:
            every = MarkerFit(osim, question.recorded.names, {})
        q = fit.q(track.values).masked_fill(lost, torch.nan)
        parts = [every.markers(track.values[part]) for part in in_parts(len(lost))]
        places = torch.cat(parts, dim=2).permute(2, 0, 1)
        places = places.masked_fill(lost.all(1)[:, None, None], torch.nan)
    return solved(osim, question.recorded, q.numpy(), places.numpy(), track.converged.numpy())


def _targets(followed: MarkerData, weights: list[float]) -> Targets:
    places = torch.from_numpy(followed.xyz).permute(1, 2, 0)  # (M, 3, T)
    present = torch.isfinite(places).all(1)
    shares = present * torch.tensor(weights, dtype=torch.float64)[:, None]
    shares = shares / shares.sum(0).clamp(min=1e-300)  # 0 where no marker is there
    return Targets(torch.nan_to_num(places).contiguous(), shares)


def _lost(fit: MarkerFit, targets: Targets, values: Tensor, frames: Tensor) -> Tensor:
    """Which coordinates (T, K) the markers of a frame don't tell, but all of them would.

    All of a frame that was not solved, or whose markers don't tell one of the root's coordinates.
    """
    osim, count = fit.skeleton.osim, len(values)
    lost = torch.ones(count, len(osim.coordinates), dtype=torch.bool)
    lost[frames] = False
    gaps = frames[(targets.weights[:, frames] == 0).any(0)]
    for part in in_parts(len(gaps)):
        some = gaps[part]
        there = (targets.weights[:, some] > 0).to(values.dtype)
        told = _told(fit, Targets(targets.places[..., some], there), values[some])
        whole = Targets(targets.places[..., some], torch.ones_like(there))
        lost[some[:, None], fit.free] = _told(fit, whole, values[some]) & ~told
    for coupler in reversed(fit.couplers):  # from the free ones on
        names = osim.coordinate_names
        lost[:, names.index(coupler.dependent)] = lost[:, names.index(coupler.independent)]
    root = fit.skeleton.root_joint.joint.name
    of_root = [place for place, one in enumerate(osim.coordinates) if one.joint == root]
    return lost | lost[:, of_root].any(1, keepdim=True)


def _told(fit: MarkerFit, targets: Targets, values: Tensor) -> Tensor:
    """Which free coordinates markers of 5 mm noise tell to 10 deg or 10 cm, (P, F)."""
    curvature = fit(values, targets).curvature
    curvature.diagonal(dim1=1, dim2=2).add_(UNTOLD)
    spread = NOISE_M * torch.linalg.inv(curvature).diagonal(dim1=1, dim2=2).sqrt()
    coordinates = fit.skeleton.osim.coordinates
    turns = torch.tensor([coordinates[place].rotational for place in fit.free.tolist()])
    told: Tensor = spread <= torch.where(turns, np.radians(UNCERTAIN_DEG), UNCERTAIN_M)
    return told
