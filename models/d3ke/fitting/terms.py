"""What a fit of a clip is held to: the picture, the floor, balance and the ranges of joints."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.fitting.body_points import Places
from d3ke.fitting.chain import Rows

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# BlazePose's slow errors are 1 % of the person's height and last a second: frames do not tell
# them apart, so each frame alone is believed this little.
IMAGE_SD_M = 0.07
FAR = 2.0  # standard deviations: landmarks this far off count half (Cauchy)
NEAR_DEPTH_M = 0.2  # nobody is filmed from nearer
STANDING_SD_M = 0.03  # of a sole that stands from the floor: knees and ankles lift it
STANDING_FAR = 3.0  # standard deviations, as above
REACH_M = 0.12  # what stands farther from the floor stands on something else
BELOW_SD_M = 0.014  # of a sole under the floor: none goes there
RANGE_SD = np.radians(2.0)  # beyond a joint's range
SLIP_M2_S = 0.0025  # variance of a standing foot's slip for each second: 5 cm in a second


class Shared(NamedTuple):
    """What is the same in all frames.

    tilt: (2,) how far up leans to ground's X and Z, as slopes. floor_m: its height. landmarks:
    (L, 3) m by which landmarks lie elsewhere on their bodies than people's do on average. soles:
    (P,) m by which soles seem too high.
    """

    tilt: Array
    floor_m: float
    landmarks: Array
    soles: Array

    @property
    def up(self) -> Array:
        """The direction against gravity, 1 long along ground's Y."""
        return np.array([self.tilt[0], 1.0, self.tilt[1]])

    def flat(self) -> Array:
        """As one vector, (S,)."""
        return np.concatenate([self.tilt, [self.floor_m], self.landmarks.ravel(), self.soles])

    def moved(self, step: Array) -> "Shared":
        """After a step (S,)."""
        values = self.flat() + step
        ends = 3, 3 + self.landmarks.size
        landmarks = values[ends[0] : ends[1]].reshape(-1, 3)
        return Shared(values[:2], float(values[2]), landmarks, values[ends[1] :])


class Seen(NamedTuple):
    """What a camera that stands still sees of T frames.

    rotation: (3, 3), shift: (3,) from ground to the camera. rays: (T, L, 2) x/z and y/z of
    landmarks. weights: (T, L), 0 where unseen.
    """

    rotation: Array
    shift: Array
    rays: Array
    weights: Array

    def part(self, frames: slice) -> "Seen":
        """Some of the frames."""
        return self._replace(rays=self.rays[frames], weights=self.weights[frames])


def image_rows(landmarks: Places, seen: Seen, shared: Shared) -> Rows:
    """Landmarks off the rays on which they are seen, across the view.

    That what they stray by turns with the body is left to the next round: 2 cm of a limb's 40.
    """
    turns = seen.rotation @ landmarks.turns
    strayed = np.einsum("tpij,pj->tpi", landmarks.turns, shared.landmarks)
    placed = (landmarks.places + strayed) @ seen.rotation.T + seen.shift
    depth = np.maximum(placed[..., 2], NEAR_DEPTH_M)
    rays = placed[..., :2] / depth[..., None]
    usual = np.median(depth, axis=1)[:, None]
    off = (rays - seen.rays) * usual[..., None]
    gain = usual / depth
    slopes = landmarks.slopes @ seen.rotation.T
    across = (slopes[..., :2] - rays[:, :, None] * slopes[..., 2:]) * gain[..., None, None]
    straying = (turns[:, :, :2] - rays[..., None] * turns[:, :, 2:]) * gain[..., None, None]
    count, points = off.shape[:2]
    by_shared = np.zeros((count, points, 2, 3 + 3 * points + len(shared.soles)))
    for point in range(points):
        first = 3 + 3 * point
        by_shared[:, point, :, first : first + 3] = straying[:, point]
    weights = seen.weights / (IMAGE_SD_M**2 * (1 + _squares(off) / (FAR * IMAGE_SD_M) ** 2))
    return Rows(
        off.reshape(count, -1),
        across.transpose(0, 1, 3, 2).reshape(count, 2 * points, -1),
        by_shared.reshape(count, 2 * points, -1),
        np.repeat(weights, 2, axis=1),
    )


def floor_rows(soles: Places, stands: Flags, shared: Shared) -> Rows:
    """Soles that stand and are not on the floor, and others that are below it."""
    count, points = stands.shape
    off = soles.places @ shared.up - shared.floor_m - shared.soles
    by_shared = np.zeros((count, points, len(shared.flat())))
    by_shared[..., 0], by_shared[..., 1] = soles.places[..., 0], soles.places[..., 2]
    by_shared[..., 2] = -1.0
    by_shared[..., -points:] = -np.eye(points)
    robust = 1 + (off / (STANDING_FAR * STANDING_SD_M)) ** 2
    standing = (stands & (np.abs(off) < REACH_M)) / (STANDING_SD_M**2 * robust)
    weights = standing + (~stands & (off < 0)) / BELOW_SD_M**2
    return Rows(off, soles.slopes @ shared.up, by_shared, weights)


def balance_rows(
    center: Places, soles: Places, stands: Flags, sway_m: Array, shared: Shared
) -> Rows:
    """The centre of mass off the middle of the standing soles, across gravity.

    center: of mass, one point. sway_m: (T,) how far off it may be.
    """
    middle = soles.mean(stands.astype(float))
    apart = center.places[:, 0] - middle.places[:, 0]
    slopes = center.slopes[:, 0] - middle.slopes[:, 0]  # (T, F, 3)
    off = apart[:, ::2] - shared.tilt * apart[:, 1:2]
    across = slopes[..., ::2] - shared.tilt * slopes[..., 1:2]
    by_shared = np.zeros((len(apart), 2, len(shared.flat())))
    by_shared[:, 0, 0] = by_shared[:, 1, 1] = -apart[:, 1]
    weights = np.repeat(1 / sway_m[:, None] ** 2, 2, axis=1)
    return Rows(off, across.transpose(0, 2, 1), by_shared, weights)


def range_rows(q: Array, ranges: Array, shared: int) -> Rows:
    """Coordinates beyond their ranges. q: (T, F); ranges: (F, 2), infinite where there is none."""
    off = q - q.clip(*ranges.T)
    slopes = np.broadcast_to(np.eye(q.shape[1]), (*q.shape, q.shape[1]))
    return Rows(off, slopes, np.zeros((*q.shape, shared)), (off != 0) / RANGE_SD**2)


def slip_weights(time: Array, stands: Flags) -> Array:
    """How still soles are from one frame to the next, (T - 1, 3 P), as one over the variance."""
    still = stands[1:] & stands[:-1]
    return np.repeat(still / (SLIP_M2_S * np.diff(time))[:, None], 3, axis=1)


def _squares(vectors: Array) -> Array:
    squares: Array = (vectors**2).sum(axis=-1)
    return squares
