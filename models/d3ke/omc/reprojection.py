"""Reprojection: clocks, camera and places of landmarks that bring points onto what was seen."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from d3ke.omc.moving_points import MovingPoints, Now, Seen
from d3ke.vision.camera import Camera

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

# BlazePose's errors as fitted on rendered people (assets/landmark_noise.json): about 1 % of the
# person's height, which last for 8.5 frames at 30 Hz, and constant ones of 1 to 3 cm a clip.
ERROR = 0.012
MEMORY_S = 0.28
PLACE_SD_M = 0.02
OUTLIER = 2.5  # errors, from where on they count less and less
FOCAL_SD = 0.2  # of its logarithm: phones' 45 to 80 deg over the longer side
TOLD_FOCAL_SD = 0.06  # where metadata tell it: stabilised video shows 5 to 10 % less than the lens
K1_SD = 0.03
DRIFT_SD = 5e-4  # clocks drift by 1e-4 at most, but rates are rounded: 29.97 to 30 is 1e-3
CLOCK_SD_S = 0.1  # of a shift that the search gave: it tries one every 33 ms
LEAST_DEPTH_M = 0.1
STEP_M = 1e-4  # of the central differences through the lens
TOLERANCE = 1e-5  # of the cost: a hundredth of what one sighting says


@dataclass(frozen=True)
class Free:
    """What a fit may change. lens: focal length and k1; places: of landmarks on their bodies."""

    clock: bool = False
    drift: bool = False
    lens: bool = False
    view: bool = False
    places: bool = False


@dataclass(frozen=True, eq=False)
class Alignment:
    """Clocks, omc = (1 + drift) video + offset_s, camera, and shifts (P, 3) of places, m."""

    offset_s: float
    drift: float
    camera: Camera
    shifts: Array

    @staticmethod
    def still(points: int) -> "Alignment":
        """Clocks that agree, a camera to be replaced, and places as they usually are."""
        return Alignment(0.0, 0.0, Camera.phone_default((1280, 720)), np.zeros((points, 3)))

    def omc_time(self, video_time: Array) -> Array:
        """Times of the laboratory at times of the video, s."""
        return (1 + self.drift) * video_time + self.offset_s


class Fitted(NamedTuple):
    """cost: of the robust fit; sightings: independent ones that it is made of, about.

    sd: standard deviations by the name of what was free, the greatest of several.
    """

    alignment: Alignment
    cost: float
    sightings: float
    sd: dict[str, float]

    @property
    def badness(self) -> float:
        """Cost of one independent sighting."""
        return self.cost / max(self.sightings, 1e-9)


def fitted(
    seen: Seen, moved: MovingPoints, start: Alignment, free: Free, height_m: float
) -> Fitted:
    """The alignment of least robust reprojection error, from one nearby.

    height_m: of the person, of which errors are a part.
    """
    problem = _Problem(seen, moved, start, free, height_m)
    done = least_squares(
        problem.residuals,
        np.zeros(problem.count),
        jac=problem.slopes,
        loss=problem.loss,
        x_scale="jac",
        ftol=TOLERANCE,
        max_nfev=60,
    )
    variance = np.diag(np.linalg.pinv(done.jac.T @ done.jac))
    sd = {name: float(np.sqrt(variance[at].max())) for name, at in problem.names.items()}
    sightings = float(problem.known.sum() / problem.memory)
    return Fitted(problem.alignment(done.x), float(done.cost), sightings, sd)


def shared_frames(seen: Seen, moved: MovingPoints, alignment: Alignment) -> NDArray[np.intp]:
    """The video's frames in which a point is seen that the laboratory knows."""
    return np.flatnonzero(known_points(seen, moved, alignment).any(axis=1))


def known_points(seen: Seen, moved: MovingPoints, alignment: Alignment) -> Flags:
    """Which points (V, P) are seen while the laboratory knows them."""
    time = alignment.omc_time(seen.time)
    finite: Flags = np.isfinite(moved.at(time).places.sum(axis=2))
    known: Flags = finite & (seen.weights > 0) & moved.covers(time)[:, None]
    return known


def errors_px(seen: Seen, moved: MovingPoints, alignment: Alignment) -> Array:
    """Distances (V, P) between what was seen and where it should be, px; NaN where not seen."""
    time = alignment.omc_time(seen.time)
    now = moved.at(time)
    pixels = alignment.camera.project(_shifted(now, alignment.shifts))
    error = np.linalg.norm(pixels - seen.pixels, axis=2)
    return np.where(known_points(seen, moved, alignment), error, np.nan)


def height_px(camera: Camera, points: Array, height_m: float) -> float:
    """How tall a person of this height is in the picture, at the points' (..., 3) usual depth."""
    depth = np.nanmedian((points @ camera.R.T + camera.t)[..., 2])
    return float(camera.K[1, 1] * height_m / max(depth, LEAST_DEPTH_M))


def _shifted(now: Now, shifts: Array) -> Array:
    if now.turns is None:
        return now.places
    places: Array = now.places + np.einsum("fpij,pj->fpi", now.turns, shifts)
    return places


class _Problem:
    """Residuals, in standard deviations of independent errors, and their slopes."""

    def __init__(
        self, seen: Seen, moved: MovingPoints, start: Alignment, free: Free, height_m: float
    ) -> None:
        self.moved, self.start = moved, start
        self.seen, self.known = _shared(seen, moved, start)
        now = moved.at(start.omc_time(self.seen.time))
        self.middle_s = float(self.seen.time.mean())
        pixel_sd = ERROR * height_px(start.camera, now.places, height_m)
        # so many frames in a row tell as much as one
        self.memory = max(1.0, 2 * MEMORY_S * self.seen.rate_hz)
        weights = np.where(self.known, np.sqrt(self.seen.weights / self.memory) / pixel_sd, 0)
        self.weights = np.repeat(weights[..., None], 2, axis=2)  # (F, P, 2)
        self.outlier2 = OUTLIER**2 / self.memory
        usual = seen.focal_px or Camera.phone_default(start.camera.size).K[0, 0]
        self.focal_start = float(np.log(start.camera.K[0, 0] / usual))
        self.focal_sd = FOCAL_SD if seen.focal_px is None else TOLD_FOCAL_SD
        blocks = {
            "offset": (free.clock, 1), "drift": (free.drift, 1), "focal": (free.lens, 1),
            "k1": (free.lens, 1), "turn": (free.view, 3), "shift": (free.view, 3),
            "places": (free.places, start.shifts.size),
        }  # fmt: skip
        self.names: dict[str, slice] = {}
        self.count = 0
        for name, (is_free, size) in blocks.items():
            if is_free:
                self.names[name] = slice(self.count, self.count + size)
                self.count += size

    def alignment(self, x: Array) -> Alignment:
        """What the unknowns stand for: changes of the start, the clocks' about the middle."""
        start, camera = self.start, self.start.camera
        drift = self._of(x, "drift", 1)[0]
        offset_s = start.offset_s + self._of(x, "offset", 1)[0] - drift * self.middle_s
        K, distortion = camera.K.copy(), camera.distortion.copy()
        K[:2, :2] *= np.exp(self._of(x, "focal", 1)[0])
        distortion[0] += self._of(x, "k1", 1)[0]
        turn = Rotation.from_rotvec(self._of(x, "turn", 3)).as_matrix()
        moved = replace(
            camera,
            K=K,
            distortion=distortion,
            R=turn @ camera.R,
            t=turn @ camera.t + self._of(x, "shift", 3),
        )
        shifts = start.shifts + self._of(x, "places", start.shifts.size).reshape(-1, 3)
        return Alignment(float(offset_s), float(start.drift + drift), moved, shifts)

    def residuals(self, x: Array) -> Array:
        """Weighted errors of pixels, then how far from the usual the unknowns are."""
        _, seen, alignment = self._seen(x)
        error = (_pixels(alignment.camera, seen) - self.seen.pixels) * self.weights
        error[~self.known] = 0
        return np.concatenate([error.ravel(), self._unusual(x)])

    def slopes(self, x: Array) -> Array:
        """Derivatives of the residuals, (D, X)."""
        now, seen, alignment = self._seen(x)
        camera = alignment.camera
        lens = _lens_slopes(camera, seen) * self.weights[..., None]  # (F, P, 2, 3)
        lens[~self.known] = 0
        ground = lens @ camera.R
        found = np.zeros((*seen.shape[:2], 2, self.count))
        along = np.einsum("fpij,fpj->fpi", ground, now.velocities)
        late = (self.seen.time - self.middle_s)[:, None, None]
        ray = seen[..., :2] / np.maximum(seen[..., 2:], LEAST_DEPTH_M)
        centred = (_pixels(camera, seen) - camera.K[:2, 2]) * self.weights
        bent = ray * (ray**2).sum(axis=2, keepdims=True) * np.diag(camera.K)[:2] * self.weights
        columns = {"offset": along, "drift": along * late, "focal": centred, "k1": bent}
        for name, values in columns.items():
            if name in self.names:
                found[..., self.names[name].start] = values
        if "turn" in self.names:
            turned = seen - self._of(x, "shift", 3)
            found[..., self.names["turn"]] = np.cross(turned[:, :, None], lens)
            found[..., self.names["shift"]] = lens
        if "places" in self.names and now.turns is not None:
            first = self.names["places"].start
            own = ground @ now.turns
            for point in range(own.shape[1]):
                at = first + 3 * point
                found[:, point, :, at : at + 3] = own[:, point]
        found[~self.known] = 0
        return np.concatenate([found.reshape(-1, self.count), self._unusual_slopes()])

    def loss(self, z: Array) -> Array:
        """Cauchy's loss of pixels; squares of what is unusual. Returns values and slopes (3, D)."""
        rho = np.stack([z, np.ones_like(z), np.zeros_like(z)])
        pixels = slice(0, self.weights.size)
        part = z[pixels] / self.outlier2
        rho[0, pixels] = self.outlier2 * np.log1p(part)
        rho[1, pixels] = 1 / (1 + part)
        rho[2, pixels] = -1 / self.outlier2 / (1 + part) ** 2
        return rho

    def _seen(self, x: Array) -> tuple[Now, Array, Alignment]:
        """Points now, in the camera (F, P, 3), and the alignment."""
        alignment = self.alignment(x)
        now = self.moved.at(alignment.omc_time(self.seen.time))
        camera = alignment.camera
        seen = np.nan_to_num(_shifted(now, alignment.shifts)) @ camera.R.T + camera.t
        return now, seen, alignment

    def _unusual(self, x: Array) -> Array:
        start, places = self.start, self.start.shifts.size
        terms = {
            "offset": self._of(x, "offset", 1) / CLOCK_SD_S,
            "drift": (start.drift + self._of(x, "drift", 1)) / DRIFT_SD,
            "focal": (self.focal_start + self._of(x, "focal", 1)) / self.focal_sd,
            "k1": (start.camera.distortion[:1] + self._of(x, "k1", 1)) / K1_SD,
            "places": (start.shifts.ravel() + self._of(x, "places", places)) / PLACE_SD_M,
        }
        return np.concatenate([np.zeros(0), *(v for n, v in terms.items() if n in self.names)])

    def _unusual_slopes(self) -> Array:
        sds = {"offset": CLOCK_SD_S, "drift": DRIFT_SD, "focal": self.focal_sd, "k1": K1_SD}
        sds["places"] = PLACE_SD_M
        rows = []
        for name, sd in sds.items():
            if name in self.names:
                at = self.names[name]
                row = np.zeros((at.stop - at.start, self.count))
                row[:, at] = np.eye(at.stop - at.start) / sd
                rows.append(row)
        return np.concatenate([np.zeros((0, self.count)), *rows])

    def _of(self, x: Array, name: str, size: int) -> Array:
        return x[self.names[name]] if name in self.names else np.zeros(size)


def _shared(seen: Seen, moved: MovingPoints, start: Alignment) -> tuple[Seen, Flags]:
    """The frames of which both know something, thinned, and of which points, (F, P)."""
    part = seen.part(shared_frames(seen, moved, start)).thinned()
    return part, known_points(part, moved, start)


def _pixels(camera: Camera, seen: Array) -> Array:
    """Pixels (..., 2) of points in the camera (..., 3), however near."""
    safe = seen.copy()
    safe[..., 2] = np.maximum(safe[..., 2], LEAST_DEPTH_M)
    return replace(camera, R=np.eye(3), t=np.zeros(3)).project(safe)


def _lens_slopes(camera: Camera, seen: Array) -> Array:
    """Derivatives (..., 2, 3) of pixels by points in the camera (..., 3), px/m."""
    columns = [
        (_pixels(camera, seen + step) - _pixels(camera, seen - step)) / (2 * STEP_M)
        for step in STEP_M * np.eye(3)
    ]
    return np.stack(columns, axis=-1)
