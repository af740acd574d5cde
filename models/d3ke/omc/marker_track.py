"""MarkerTrack: the free coordinates of a trial, solved frame by frame, many frames at once."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.motion import filters
from d3ke.omc.branches import Branches
from d3ke.omc.least_squares import Bounds, Minimum, minimised
from d3ke.omc.marker_fit import MarkerFit, Targets
from d3ke.omc.root_start import root_start
from d3ke.posing import in_parts

Array = NDArray[np.float64]

COARSE_S = 0.1  # at most between the frames that are solved first
LEAST_COARSE = 64  # frames to solve first: fewer take hardly less time
FINER = 4  # times as many frames are solved next
FAR, NEAR = 1e-2, 1e-6  # damping of the first step from another posture, and from a neighbour's
WORSE, WORSE_M2 = 1.3, 1e-6  # a cost over this times a neighbour's and more: another minimum?
JUMP = 0.5  # rad or m from a neighbour: likewise
BETTER, SAME = 0.999, 1.0001  # of a cost: another minimum's, and one not to be told apart
BALL = 3  # turns of a joint that is no hinge
MENDINGS = 40  # times that neighbours are asked


class MarkerTrack:
    """The frames of a trial, and what has been found of them.

    First some frames are solved, a tenth of a second apart, from the default posture where the
    root's markers are, and from bent ones; then those between, from the motion through their
    neighbours. A frame that came out worse than a neighbour, or far from it, is solved again from
    there.
    values: (T, F) rad or m. cost: (T,) m2, NaN where not solved. converged: (T,).
    """

    def __init__(self, fit: MarkerFit, targets: Targets, time: Array) -> None:
        coordinates = fit.skeleton.osim.coordinates
        free = [coordinates[place] for place in fit.free.tolist()]
        ranges = [c.range if c.clamped else (-np.inf, np.inf) for c in free]
        self.fit, self.targets, self.time = fit, targets, time
        self.bounds = Bounds(*torch.tensor(ranges, dtype=torch.float64).reshape(-1, 2).T)
        names = [coordinate.name for coordinate in free]
        pulled = [name for name, pull in zip(names, fit.pulls.tolist(), strict=False) if pull]
        limits = np.array(ranges).reshape(-1, 2)
        self.branches = Branches(fit.skeleton.osim, names, limits, pulled)
        self.values = fit.default[fit.free].repeat(len(time), 1)
        self.cost = self.values.new_full((len(time),), torch.nan)
        self.converged = torch.zeros(len(time), dtype=torch.bool)

    def solve(self, frames: Tensor) -> None:
        """Solve these frames, the numbers of which rise."""
        longest = min(COARSE_S * filters.rate_hz(self.time), len(frames) / LEAST_COARSE)
        stride = FINER ** int(np.log(max(longest, 1.0)) / np.log(FINER) + 1e-9)
        done = torch.cat([frames[:-1:stride], frames[-1:]])
        start = root_start(self.fit, self.targets.at(done))
        self._store(done, self._best(done, [start, *self._bent(start)]))
        self._follow(done)
        self._mend(done)
        self._follow(done)
        while stride > 1:
            stride //= FINER
            between = frames[:-1:stride]
            between = between[~torch.isin(between, done)]
            self._store(between, self._minimised(between, self._through(done, between), NEAR))
            done = torch.cat([done, between]).sort().values
        self._follow(frames)
        self._mend(frames)
        self._follow(frames)

    def _bent(self, start: Tensor) -> Iterator[Tensor]:
        """Other postures to begin at: hinges in the middle of their ranges, then all joints.

        From rest, an arm that is raised may be found turned about, with its elbow bent backwards.
        """
        osim = self.fit.skeleton.osim
        names = [osim.coordinate_names[place] for place in self.fit.free.tolist()]
        for hinges_only in (True, False):
            bent = start.clone()
            for joint in osim.joints[1:]:
                turning = [one for one in joint.coordinates if one.rotational]
                if hinges_only and len(turning) == BALL:
                    continue
                for one in turning:
                    if one.name in names:
                        bent[:, names.index(one.name)] = sum(one.range) / 2
            yield bent

    def _best(self, frames: Tensor, starts: Sequence[Tensor]) -> Minimum:
        """The least minimum of each frame, or the first of several. starts: (n, F) each."""
        together = self._minimised(frames.repeat(len(starts)), torch.cat(tuple(starts)), FAR)
        parts = (part.split(len(frames)) for part in together)
        several = [Minimum(*one) for one in zip(*parts, strict=True)]
        best = several[0]
        for found in several[1:]:
            better = found.cost < BETTER * best.cost
            best.values[better], best.cost[better], best.converged[better] = (
                part[better] for part in found
            )
        return best

    def _minimised(self, frames: Tensor, start: Tensor, damping: float) -> Minimum:
        parts = []
        for part in in_parts(len(frames)):
            targets = self.targets.at(frames[part])
            parts.append(minimised(self.fit, targets, start[part], self.bounds, damping))
        return Minimum(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _store(self, frames: Tensor, found: Minimum) -> None:
        self.values[frames], self.cost[frames], self.converged[frames] = found

    def _follow(self, frames: Tensor) -> None:
        """Choose among equal postures the angles near those before, the first near default."""
        default = self.fit.default[self.fit.free].numpy()
        values = self.branches.followed(self.values[frames].numpy(), default)
        self.values[frames] = torch.from_numpy(values)

    def _through(self, done: Tensor, frames: Tensor) -> Tensor:
        """Where the motion through solved frames passes at others, (n, F)."""
        known, wanted = self.time[done.numpy()], self.time[frames.numpy()]
        values = filters.resample(known, self.values[done].numpy(), wanted, max_gap_s=np.inf)
        return torch.from_numpy(values)

    def _mend(self, frames: Tensor) -> None:
        """Solve frames again from neighbours that are better or elsewhere, while that helps."""
        new = torch.ones(len(frames), dtype=torch.bool)
        for _ in range(MENDINGS):
            mended = torch.zeros_like(new)
            for beside in (-1, 1):
                place = torch.arange(len(frames))[max(-beside, 0) : len(frames) - max(beside, 0)]
                place = place[new[place] | new[place + beside]]
                place = place[self._doubted(frames[place], frames[place + beside])]
                if len(place):
                    again = self._again(frames[place], frames[place + beside], beside < 0)
                    mended[place] |= again
            new = mended
            if not new.any():
                return

    def _doubted(self, frames: Tensor, neighbours: Tensor) -> Tensor:
        """Which frames may be in another minimum than their neighbours."""
        apart = (self.values[frames] - self.values[neighbours]).abs().amax(1)
        return (self.cost[frames] > WORSE * self.cost[neighbours] + WORSE_M2) | (apart > JUMP)

    def _again(self, frames: Tensor, neighbours: Tensor, forwards: bool) -> Tensor:
        """Solve frames from where their neighbours are; whether that was better.

        forwards: of two answers that are equally good the one near an earlier neighbour is taken.
        """
        there, cost = self.values[neighbours], self.cost[frames]
        found = self._minimised(frames, there, FAR)
        better = found.cost < BETTER * cost
        if forwards:
            apart = (self.values[frames] - there).abs().amax(1)
            nearer = (found.values - there).abs().amax(1) < apart - JUMP / 2
            better |= nearer & (found.cost < SAME * cost + 1e-12)
        self._store(frames[better], Minimum(*(part[better] for part in found)))
        return better
