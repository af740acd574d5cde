"""Motion blur: a frame as the mean of moments while the shutter was open."""

import math

import numpy as np

from d3ke.synth.stage import View

BLUR_PIXELS, LEAST_MOMENTS, MOST_MOMENTS = 2.5, 3, 6  # moments are at most this far apart
# Where the moments' pixels lie within a pixel, so that their mean has smooth edges.
PIXEL_PLACES = ((-0.17, -0.39), (0.39, 0.11), (-0.33, 0.22), (0.22, -0.17), (0.0, 0.39), (0.06, 0))


def moments(view: View) -> list[View]:
    """The views that a frame is the mean of; one where nothing blurs."""
    pixels = _moved_pixels(view)
    if pixels < 0.5:
        return [view]
    count = int(np.clip(math.ceil(pixels / BLUR_PIXELS), LEAST_MOMENTS, MOST_MOMENTS))
    return [_moment(view, (index + 0.5) / count, PIXEL_PLACES[index]) for index in range(count)]


def _moved_pixels(view: View) -> float:
    """About how far anything moves in the picture during the exposure, px."""
    if view.before is None and view.camera_before is None:
        return 0.0
    focal = float(view.camera_matrix[0, 0])
    depth = max(0.3, float((view.R @ view.bones[0][0, :, 3] + view.t)[2]))
    moved = max(
        float(np.abs(now - then)[:, :, 3].max())
        for now, then in zip(view.bones, view.before or view.bones, strict=True)
    )
    pixels = moved / depth * focal
    if view.camera_before is not None:
        pixels += float(np.abs(view.camera_before[0] - view.R).max()) * focal
    return pixels


def _moment(view: View, share: float, place: tuple[float, float]) -> View:
    """The view a share of the way from before to now, its pixels moved by a part of one."""
    bones = tuple(
        then + np.float32(share) * (now - then)
        for now, then in zip(view.bones, view.before or view.bones, strict=True)
    )
    K = view.camera_matrix.copy()
    K[:2, 2] += place
    R, t = view.R, view.t
    if view.camera_before is not None:
        earlier_R, earlier_t = view.camera_before
        left, _, right = np.linalg.svd(earlier_R + share * (R - earlier_R))
        R, t = left @ right, earlier_t + share * (t - earlier_t)
    return view._replace(camera_matrix=K, R=R, t=t, bones=bones, before=None, camera_before=None)
