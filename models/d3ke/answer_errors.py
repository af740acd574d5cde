"""Errors of answers frame by frame, and the figures that are made of them.

- joint centres and markers: mean distance about the first joint, nothing aligned, mm; whatever
  lies beyond the picture counts, too
- body scales: the absolute error over bodies, of each axis in per cent of the .osim's own size, and
  summed over the three axes, as published; for each frame's scales, and for the mean scales of
  all of a person's frames
- coordinates: absolute error on the circle, deg, of those that are predicted and trusted
- pelvis: the angle between the two orientations in the camera, deg
Source: Bittner et al. 2023; the published angles are not taken on the circle.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import roma
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.agreement import GROUPS
from d3ke.network.losses import about_first, as_frame, on_circle
from d3ke.network.scale_groups import AXES
from d3ke.network.transition import FrameAnswer
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.split_answers import Truth

Array = NDArray[np.float64]

PER_CENT = 100.0
CHUNK = 1_024  # frames that are posed at a time


class Figure(NamedTuple):
    """One figure. path: where it is in JSON; name: in tables; kind: of what; unit: of it."""

    path: tuple[str, ...]
    name: str
    kind: str
    unit: str


class Figures:
    """All figures, and how each is made of the columns of a table of errors.

    The columns: joints, markers, pelvis; three axes of body scales, three of a person's; then the
    coordinates. A group's error is the mean over its coordinates of each one's mean over frames.
    """

    def __init__(self, coordinates: Sequence[str]) -> None:
        self.coordinates = tuple(coordinates)
        self.known: list[Figure] = []
        self._shares: list[Array] = []
        self._add(("joints_mm",), "joints", "place", "mm", {0: 1.0})
        self._add(("markers_mm",), "markers", "place", "mm", {1: 1.0})
        self._add(("root_deg",), "pelvis", "angle", "deg", {2: 1.0})
        for first, key, name in ((3, "body", "body"), (6, "body_of_person", "body, person's")):
            axes = range(first, first + 3)
            self._add((key, "sum"), name, "scale", "sum", dict.fromkeys(axes, 1 / PER_CENT))
            for column, axis in zip(axes, AXES, strict=True):
                self._add((key, f"{axis}_percent"), f"{name} {axis}", "scale", "%", {column: 1.0})
        for name, members in (*GROUPS.items(), ("all", self.coordinates)):
            columns = [9 + i for i, known in enumerate(self.coordinates) if known in members]
            path = ("mae_deg", "all") if name == "all" else ("mae_deg", "groups", name)
            share = 1 / len(columns) if columns else np.nan
            self._add(path, name, "group", "deg", dict.fromkeys(columns or [0], share))
        for column, name in enumerate(self.coordinates, start=9):
            self._add(("mae_deg", "coordinates", name), name, "coordinate", "deg", {column: 1.0})

    def of(self, columns: Array) -> Array:
        """The figures (..., G) of columns' means (..., 9 + K')."""
        return np.stack([self._one(columns, share) for share in self._shares], axis=-1)

    @staticmethod
    def _one(columns: Array, share: Array) -> Array:
        used = share != 0
        return np.asarray(columns[..., used] @ share[used])

    def _add(
        self, path: tuple[str, ...], name: str, kind: str, unit: str, shares: Mapping[int, float]
    ) -> None:
        row = np.zeros(9 + len(self.coordinates))
        row[list(shares)] = list(shares.values())
        self.known.append(Figure(path, name, kind, unit))
        self._shares.append(row)


def errors_of(
    skeleton: SkeletalModel,
    answer: FrameAnswer,
    truth: Truth,
    coordinates: Sequence[str],
    people: NDArray[np.int64],
) -> Array:
    """The table of errors (F, 9 + K') that Figures describes, NaN where the truth is not known.

    answer: (F, ...), or (1, ...) for all frames. people: (F,) whose frame each one is.
    """
    count = len(truth.q)
    answer = FrameAnswer(*(part.expand(count, *part.shape[1:]) for part in answer))
    chosen = [skeleton.osim.coordinate_names.index(name) for name in coordinates]
    angle = on_circle(answer.q - truth.q)[:, chosen].abs().rad2deg()
    of_person = _means(answer.scales, torch.from_numpy(people))
    columns = [
        _distances(skeleton, answer, truth),
        roma.rotmat_geodesic_distance(answer.root, truth.root).rad2deg()[:, None],
        PER_CENT * (answer.scales - truth.scales).abs().mean(dim=1),
        PER_CENT * (of_person - truth.scales).abs().mean(dim=1),
        angle.where(truth.q_mask[:, chosen], torch.nan),
    ]
    return torch.cat(columns, dim=1).double().numpy()


def nested(figures: Sequence[Figure], values: Sequence[Any]) -> dict[str, Any]:
    """Values as JSON has them, each at its figure's path."""
    tree: dict[str, Any] = {}
    for figure, value in zip(figures, values, strict=True):
        branch = tree
        for key in figure.path[:-1]:
            branch = branch.setdefault(key, {})
        branch[figure.path[-1]] = value
    return tree


def _distances(skeleton: SkeletalModel, answer: FrameAnswer, truth: Truth) -> Tensor:
    """Mean distances of joint centres and of markers, (F, 2), mm."""
    parts = []
    for frames in torch.arange(len(truth.q)).split(CHUNK):
        with torch.inference_mode():
            pose = skeleton(answer.q[frames], answer.scales[frames], as_frame(answer.root[frames]))
        found = about_first(pose.joints, pose.markers)
        true = about_first(truth.joints[frames], truth.markers[frames])
        known = truth.markers_mask[frames]
        markers = (found.markers - true.markers).norm(dim=2).where(known, torch.nan)
        joints = (found.joints - true.joints).norm(dim=2)
        # the first joint counts with its 0, as in the published mean over all joints
        parts.append(torch.stack([joints.mean(dim=1), markers.nanmean(dim=1)], dim=1))
    return 1e3 * torch.cat(parts)


def _means(scales: Tensor, people: Tensor) -> Tensor:
    """Each person's mean scales, (F, N, 3) again."""
    total = torch.zeros(int(people.max()) + 1, *scales.shape[1:], dtype=torch.float64)
    total.index_add_(0, people, scales.double())
    return (total / people.bincount()[:, None, None])[people].float()
