"""Resection: the camera that films a moving body, from points of the body and their pixels."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.omc.moving_points import Moments, MovingPoints, Seen
from d3ke.omc.reprojection import (
    Alignment,
    Fitted,
    Free,
    errors_px,
    fitted,
    height_px,
)
from d3ke.vision.camera import Camera

Array = NDArray[np.float64]

FOVS_DEG = (35.0, 50.0, 65.0, 85.0)  # over the longer side, from which the search starts
START_POINTS = 600  # from so many pixels the search takes its start
TRIED = 2  # of the starts
QUICK_FRAMES = 250  # for these
HEIGHT_M = 1.7  # of a person of whom nothing is known; errors are parts of it
GOOD, ACCEPTED = 0.02, 0.04  # of the body's height: median reprojection error
INLIER = 0.04  # of the body's height
# Errors of a view don't average out over time: on rendered sessions (tests/benchmarks/
# synchronisation.py) cameras were off by two to four times what the fit alone would say.
NOT_AVERAGED = 3.0
UNSURE_FOCAL, UNSURE_DEG, LOST_DEG = 0.05, 1.5, 6.0
LEAST_SIGHTINGS = 40  # pixels


class Resection(NamedTuple):
    """A camera and how well it fits.

    reprojection_px: median distance; reprojection: the same as a part of the body's height in the
    picture; focal_sd: standard deviation of the focal length, as a part; turn_deg, place_m: of how
    the camera is turned and where it stands; inliers: part of the pixels nearer than 4 % of the
    height; shifts: (P, 3) m of the landmarks on their bodies; warnings: what to know.
    """

    camera: Camera
    reprojection_px: float
    reprojection: float
    focal_sd: float
    turn_deg: float
    place_m: float
    inliers: float
    shifts: Array
    warnings: tuple[str, ...]


def resect(
    points: Array,
    pixels: Array,
    weights: Array,
    size: tuple[int, int],
    *,
    rate_hz: float,
    turns: Array | None = None,
    lens: Camera | None = None,
    height_m: float = HEIGHT_M,
    focal_px: float | None = None,
    what: str = "the video",
) -> Resection:
    """The camera that saw points (F, P, 3) m of a body at pixels (F, P, 2).

    weights: (F, P), 0 where nothing was seen; size: width, height, px; rate_hz: of the frames,
    whose errors are alike while they are near in time; turns: (F, P, 3, 3) of the points' bodies,
    for the places of landmarks; lens: a camera whose K and distortion are known; focal_px: about,
    as metadata tell it; what: for messages.
    Raises D3keError where too little is seen. How well it fits is for `accepted` to judge.
    """
    known = (weights > 0) & np.isfinite(points).all(axis=2)
    check_enough(int(known.sum()), what)
    moments = np.arange(len(points), dtype=float)
    seen = Seen(moments, pixels, np.where(known, weights, 0), rate_hz, focal_px)
    motion = Moments(points, turns)
    best = best_view(seen, motion, Alignment.still(points.shape[1]), size, lens, height_m)
    free = Free(view=True, lens=lens is None, places=turns is not None)
    done = fitted(seen, motion, best.alignment, free, height_m)
    return resection_of([(seen, motion, done.alignment)], done, height_m)


def check_enough(sightings: int, what: str) -> None:
    """Raises D3keError where there is too little to find a camera from."""
    if sightings < LEAST_SIGHTINGS:
        raise D3keError(
            f"{what}: {sightings} landmarks are seen while the laboratory knows where they are; "
            f"a camera takes {LEAST_SIGHTINGS}. Is the person in the picture, and the sync right?"
        )


def best_view(
    seen: Seen,
    motion: MovingPoints,
    clock: Alignment,
    size: tuple[int, int],
    lens: Camera | None,
    height_m: float,
    clock_free: bool = False,
) -> Fitted:
    """The camera that fits best from nothing, at given clocks or at some nearby."""
    time = clock.omc_time(seen.time)
    places = motion.at(time).places
    known = (seen.weights > 0) & motion.covers(time)[:, None] & np.isfinite(places).all(axis=2)
    check_enough(int(known.sum()), "the video")
    begun = starts(places[known], seen.pixels[known], size, lens)
    free = Free(clock=clock_free, view=True, lens=lens is None)
    few = seen.thinned(QUICK_FRAMES)
    tried = [
        fitted(few, motion, replace(clock, camera=camera), free, height_m)
        for camera in begun[:TRIED]
    ]
    return min(tried, key=lambda one: one.badness)


def starts(
    points: Array, pixels: Array, size: tuple[int, int], lens: Camera | None
) -> list[Camera]:
    """Cameras to begin with, best first. points: (D, 3) m, pixels: (D, 2)."""
    import cv2

    chosen = np.linspace(0, len(points) - 1, min(len(points), START_POINTS)).round().astype(int)
    found: list[tuple[float, Camera]] = []
    lenses = (
        [lens] if lens else [Camera.from_fov(size, fov, "found from motion") for fov in FOVS_DEG]
    )
    for one in lenses:
        straight = one.undistort(pixels[chosen])
        good, rotvec, t = cv2.solvePnP(
            points[chosen], straight, one.K, None, flags=cv2.SOLVEPNP_SQPNP
        )
        if good:
            R = np.asarray(cv2.Rodrigues(rotvec)[0], np.float64)
            camera = replace(one, R=R, t=np.asarray(t, np.float64).ravel())
            error = np.linalg.norm(camera.project(points) - pixels, axis=1)
            found.append((float(np.median(np.nan_to_num(error, nan=np.inf))), camera))
    return [camera for _, camera in sorted(found, key=lambda pair: pair[0])]


def resection_of(
    parts: Sequence[tuple[Seen, MovingPoints, Alignment]], done: Fitted, height_m: float
) -> Resection:
    """How well a camera fits what was seen, trial by trial."""
    camera, sd = done.alignment.camera, done.sd
    errors, shares = [], []
    for seen, motion, alignment in parts:
        error = errors_px(seen, motion, alignment)
        known = np.isfinite(error)
        points = motion.at(alignment.omc_time(seen.time)).places[known]
        errors.append(error[known])
        shares.append(error[known] / height_px(camera, points, height_m))
    share = np.concatenate(shares)
    return Resection(
        camera=camera,
        reprojection_px=float(np.median(np.concatenate(errors))),
        reprojection=float(np.median(share)),
        focal_sd=NOT_AVERAGED * sd.get("focal", 0.0),
        turn_deg=NOT_AVERAGED * float(np.degrees(sd["turn"])),
        place_m=NOT_AVERAGED * sd["shift"],
        inliers=float((share < INLIER).mean()),
        shifts=done.alignment.shifts,
        warnings=(),
    )


def accepted(found: Resection, accept_above: float, what: str) -> Resection:
    """A resection with its warnings. Raises D3keError where it is of no use."""
    camera, error = found.camera, found.reprojection
    if camera.R[1, 1] > 0:
        raise D3keError(
            f"{what}: the camera that fits best hangs upside down. Turn the video upright, and "
            f"check which person is followed."
        )
    if error > accept_above:
        raise D3keError(
            f"{what}: no camera fits: landmarks lie {error:.1%} of the body's height off, more "
            f"than {accept_above:.0%}. Check the person, the sync and that the camera stands still."
        )
    cure = "Calibrate the camera, or add a trial in which the person walks about"
    if found.turn_deg > LOST_DEG:
        raise D3keError(
            f"{what}: how the camera is turned is known to {found.turn_deg:.0f} deg only: the "
            f"person stays in one place. {cure}."
        )
    warnings = []
    if error > GOOD:
        warnings.append(f"{what}: landmarks lie {error:.1%} of the body's height off the camera's")
    if found.turn_deg > UNSURE_DEG:
        warnings.append(
            f"{what}: how the camera is turned is known to {found.turn_deg:.1f} deg only. {cure}"
        )
    if found.focal_sd > UNSURE_FOCAL:
        warnings.append(f"{what}: the focal length is known to {found.focal_sd:.0%} only. {cure}")
    return found._replace(warnings=tuple(warnings))
