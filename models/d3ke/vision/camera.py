"""The camera: how points in space become pixels, and where its figures come from."""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.vision.calibration import Calibration, read_calibration
from d3ke.vision.video import Video

Array = NDArray[np.float64]

LEAST_FOV_DEG, GREATEST_FOV_DEG = 10.0, 150.0  # of the long side; a pinhole is no model beyond
# Main cameras of phones are 24-26 mm lenses in 35-mm terms (Apple, Samsung and Google data sheets
# 2018-2025): 67-72 deg over the long side of their 4:3 sensors; stabilised video crops 5-10 %.
PHONE_FOV_DEG = 65.0
SAME_ASPECT = 0.01  # of the ratio: 1080 and 1088 px wide are one format
ROTATION_TOLERANCE = 1e-3  # of R R^T - 1: calibration files are written with few digits
UNDISTORT_STEPS = 20  # of a fixed point that gains about a digit a step within a picture
RADIAL_BOUNDS = (0.5, 2.0)  # keeps points far outside the picture from running away


def _eye() -> Array:
    return np.eye(3)


def _zeros(count: int) -> Array:
    return np.zeros(count)


@dataclass(frozen=True)
class Camera:
    """A pinhole with lens distortion, in OpenCV's convention: x right, y down, z forward.

    K: (3, 3) px, a pixel's centre has whole numbers; distortion: (5,) k1 k2 p1 p2 k3;
    R, t: x_cam = R x_ground + t, m; size: (width, height) px; source: where K came from.
    Source: OpenCV, calib3d, "Camera Calibration and 3D Reconstruction".
    """

    K: Array
    size: tuple[int, int]
    source: str
    distortion: Array = field(default_factory=lambda: _zeros(5))
    R: Array = field(default_factory=_eye)
    t: Array = field(default_factory=lambda: _zeros(3))

    @classmethod
    def from_focal(cls, size: tuple[int, int], focal_px: float, source: str) -> "Camera":
        """A camera without distortion that looks through the middle of its picture."""
        width, height = size
        middle = (width - 1) / 2, (height - 1) / 2
        K = np.array([[focal_px, 0, middle[0]], [0, focal_px, middle[1]], [0, 0, 1]])
        return cls(K, size, source)

    @classmethod
    def from_fov(cls, size: tuple[int, int], degrees: float, source: str = "") -> "Camera":
        """A camera from the field of view over the longer side of its picture, deg.

        Raises OptionError outside 10 to 150 deg.
        """
        if not LEAST_FOV_DEG <= degrees <= GREATEST_FOV_DEG:
            raise OptionError(
                f"field of view: {degrees:g} deg is not within {LEAST_FOV_DEG:g} to "
                f"{GREATEST_FOV_DEG:g}. Give that of the picture's longer side."
            )
        focal_px = max(size) / 2 / math.tan(math.radians(degrees) / 2)
        return cls.from_focal(size, focal_px, source or f"field of view of {degrees:g} deg, given")

    @classmethod
    def phone_default(cls, size: tuple[int, int]) -> "Camera":
        """What a phone's main camera has on average: 65 deg over the longer side."""
        return cls.from_fov(size, PHONE_FOV_DEG, f"a phone's {PHONE_FOV_DEG:g} deg, assumed")

    @classmethod
    def from_calibration(
        cls, path: Path | str, size: tuple[int, int], name: str | None = None
    ) -> "Camera":
        """A calibrated camera, scaled to a picture of `size` px.

        path: JSON, or TOML of Pose2Sim, Anipose or Caliscope, or OpenCV's YAML or XML;
        name: which of the file's cameras. Raises D3keError: no such file or camera, figures that
        are no camera's, or another shape of picture than the one calibrated.
        """
        path = Path(path)
        return cls.from_figures(path, read_calibration(path, name), size)

    @classmethod
    def from_figures(cls, path: Path, found: Calibration, size: tuple[int, int]) -> "Camera":
        """A camera whose figures a file holds, scaled to a picture of `size` px.

        Raises D3keError: figures that are no camera's, or another shape of picture.
        """
        K = _checked_K(path, found.K)
        K = K if found.size is None else _scaled_K(path, K, found.size, size)
        return cls(
            K=_checked_view(path, K, size),
            size=size,
            source=f"calibration file {path.name}",
            distortion=_checked_distortion(path, found.distortion),
            R=rotation_in(path, found.R),
            t=translation_in(path, found.t),
        )

    @property
    def fov_deg(self) -> float:
        """Field of view over the longer side of the picture, deg."""
        axis = int(self.size[1] > self.size[0])
        return math.degrees(2 * math.atan(max(self.size) / 2 / float(self.K[axis, axis])))

    def project(self, points: ArrayLike) -> Array:
        """Pixels (..., 2) of points in ground (..., 3), m; NaN for what is not in front."""
        seen = np.asarray(points, np.float64) @ self.R.T + self.t
        depth = np.where(seen[..., 2:] > 0, seen[..., 2:], np.nan)
        return self._to_pixels(_distorted(seen[..., :2] / depth, self.distortion))

    def undistort(self, pixels: ArrayLike) -> Array:
        """Where pixels (..., 2) would be without the lens' distortion, px."""
        seen = self._from_pixels(np.asarray(pixels, np.float64))
        straight = seen
        for _ in range(UNDISTORT_STEPS if self.distortion.any() else 0):
            radial, shift = _distortion_at(straight, self.distortion)
            straight = (seen - shift) / np.clip(radial, *RADIAL_BOUNDS)
        return self._to_pixels(straight)

    def _to_pixels(self, rays: Array) -> Array:
        pixels: Array = rays @ self.K[:2, :2].T + self.K[:2, 2]
        return pixels

    def _from_pixels(self, pixels: Array) -> Array:
        rays: Array = (pixels - self.K[:2, 2]) @ np.linalg.inv(self.K[:2, :2]).T
        return rays


def camera_of(
    video: Video,
    fov_deg: float | None = None,
    calibration: Path | str | None = None,
    name: str | None = None,
) -> Camera:
    """The camera of a clip: as calibrated, as stated, from its metadata, or a phone's default.

    A calibration of several cameras is searched for `name`, else for the one whose name is in the
    clip's. Raises D3keError as Camera.from_calibration and Camera.from_fov do.
    """
    if calibration is not None:
        return Camera.from_calibration(calibration, video.size, name or video.path.stem)
    if fov_deg is not None:
        return Camera.from_fov(video.size, fov_deg)
    if video.focal_px is not None:
        camera = Camera.from_focal(
            video.size, video.focal_px, "focal length in the clip's metadata"
        )
        if LEAST_FOV_DEG <= camera.fov_deg <= GREATEST_FOV_DEG:
            return camera
    return Camera.phone_default(video.size)


def _distortion_at(rays: Array, distortion: Array) -> tuple[Array, Array]:
    """Radial factor (..., 1) and tangential shift (..., 2) of the lens at rays (..., 2)."""
    k1, k2, p1, p2, k3 = distortion
    x, y = rays[..., :1], rays[..., 1:]
    r2 = x * x + y * y
    radial = 1 + r2 * (k1 + r2 * (k2 + r2 * k3))
    along_x = 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    along_y = p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return radial, np.concatenate([along_x, along_y], axis=-1)


def _distorted(rays: Array, distortion: Array) -> Array:
    radial, shift = _distortion_at(rays, distortion)
    return rays * radial + shift


def _checked_K(path: Path, value: object) -> Array:
    K = _numbers(path, value, "camera matrix", ((3, 3),))
    if min(K[0, 0], K[1, 1]) <= 0 or not np.allclose(K[[1, 2, 2, 2], [0, 0, 1, 2]], [0, 0, 0, 1]):
        raise D3keError(
            f"{path}: the camera matrix is not [[fx, skew, cx], [0, fy, cy], [0, 0, 1]] in px. "
            f"Check how it was written."
        )
    return K


def _scaled_K(path: Path, K: Array, calibrated: tuple[int, int], size: tuple[int, int]) -> Array:
    """K of the same camera with other pixels."""
    across, down = size[0] / calibrated[0], size[1] / calibrated[1]
    if abs(across / down - 1) > SAME_ASPECT:
        raise D3keError(
            f"{path}: calibrated for pictures of {calibrated[0]} x {calibrated[1]} px, but the "
            f"clip has {size[0]} x {size[1]}. Calibrate with the clip's format and orientation."
        )
    scaled = K.copy()
    scaled[0], scaled[1] = K[0] * across, K[1] * down
    # A pixel's centre has whole numbers, so the corner that scaling keeps is (-0.5, -0.5).
    scaled[:2, 2] += 0.5 * (np.array([across, down]) - 1)
    return scaled


def _checked_view(path: Path, K: Array, size: tuple[int, int]) -> Array:
    camera = Camera(K, size, "")
    inside = 0 <= K[0, 2] <= size[0] and 0 <= K[1, 2] <= size[1]
    if not inside or not LEAST_FOV_DEG <= camera.fov_deg <= GREATEST_FOV_DEG:
        raise D3keError(
            f"{path}: a field of view of {camera.fov_deg:.0f} deg around ({K[0, 2]:.0f}, "
            f"{K[1, 2]:.0f}) px does not fit a clip of {size[0]} x {size[1]} px. "
            f"Is the file for another camera?"
        )
    return K


def _checked_distortion(path: Path, value: object) -> Array:
    if value is None:
        return np.zeros(5)
    found = _numbers(path, value, "distortion", ((4,), (5,), (8,), (12,), (14,)))
    if found[5:].any():
        raise D3keError(
            f"{path}: the distortion has {len(found)} terms; k1 k2 p1 p2 k3 are understood. "
            f"Calibrate without the rational model."
        )
    return np.pad(found, (0, 5))[:5]


def rotation_in(path: Path, value: object) -> Array:
    """A file's rotation as a matrix (3, 3). Raises D3keError where it is none."""
    if value is None:
        return np.eye(3)
    R = _numbers(path, value, "rotation", ((3,), (3, 3)))
    if R.ndim == 1:
        return rotvec_to_matrix(R)
    unit = np.allclose(R @ R.T, np.eye(3), atol=ROTATION_TOLERANCE)
    if not unit or np.linalg.det(R) < 0:
        raise D3keError(
            f"{path}: the rotation is none (determinant {np.linalg.det(R):.3f}). "
            f"Give a rotation vector or a proper matrix."
        )
    return R


def translation_in(path: Path, value: object) -> Array:
    """A file's translation, (3,). Raises D3keError where it is none."""
    return np.zeros(3) if value is None else _numbers(path, value, "translation", ((3,),))


def _numbers(path: Path, value: object, what: str, shapes: tuple[tuple[int, ...], ...]) -> Array:
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.ndim == 2 and 1 in array.shape:
        array = array.ravel()
    if array.shape not in shapes or not np.isfinite(array).all():
        wanted = " or ".join(" x ".join(map(str, shape)) for shape in shapes)
        raise D3keError(f"{path}: the {what} is not {wanted} numbers. Check the file.")
    return array


def rotvec_to_matrix(rotvec: Array) -> Array:
    """The rotation (3, 3) about a vector (3,) by its length, rad (Rodrigues' formula)."""
    angle = float(np.linalg.norm(rotvec))
    if angle == 0:
        return np.eye(3)
    x, y, z = rotvec / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    turned: Array = np.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * cross @ cross
    return turned
