"""The overlay: a clip with the predicted skeleton drawn on the person.

Right is orange, left is blue, the middle is white. Bones run between joint centres, and on to the
tips of feet, hands and head; whatever is nearer to the camera is drawn over what is farther.
"""

import os
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.export import longest_gap_s
from d3ke.files import replacing
from d3ke.prediction import Prediction
from d3ke.progress import Progress, Silent
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera
from d3ke.vision.video import Frame, Video

Array = NDArray[np.float64]
Image = NDArray[np.uint8]
Colour = tuple[int, int, int]

RIGHT, LEFT, MIDDLE = (255, 140, 30), (60, 150, 255), (245, 245, 245)  # RGB, told apart by all
OUTLINE = (25, 25, 25)
BONE_WIDTH = 1 / 90  # of the person's height in the picture
SUBPIXEL_BITS = 4  # cv2 draws at 1/16 pixel
FARTHEST_PX = 1e6  # from the picture: beyond, cv2's numbers overflow
LONGEST_SIDE_PX = 4096  # of the video written: where the levels of H.264 end
TICKS_S = 90_000  # of the video's clock: keeps uneven times to 11 us
CODING = {"crf": "20", "preset": "veryfast"}
# x264's macroblock tree depends on memory that nobody has written (seen in PyAV 18.1's).
REPEATABLE = {"threads": "1", "x264-params": "mbtree=0"}


class Bone(NamedTuple):
    """A line between two places, each the middle of points counted through joints, then markers."""

    start: tuple[int, ...]
    end: tuple[int, ...]
    colour: Colour


def bones_of(osim: OsimModel) -> tuple[Bone, ...]:
    """The lines that show a skeleton: from joint to joint, and to the tips of its last bodies.

    Where limbs of both sides leave a body (hips, shoulders), they hang on the middle between them,
    and the spine goes through it.
    """
    inward = {joint.child.body: index for index, joint in enumerate(osim.joints)}
    outward = {joint.parent.body for joint in osim.joints}
    bones: list[Bone] = []
    for body in inward:
        children = [
            joint.child.body
            for joint in osim.joints
            # a last body that does not move (the sacrum) is part of its parent
            if joint.parent.body == body and (joint.coordinates or joint.child.body in outward)
        ]
        limbs = tuple(inward[child] for child in children if _colour(child) != _colour(body))
        hub = limbs or (inward[body],)
        if limbs and body in {joint.child.body for joint in osim.joints[1:]}:
            bones.append(Bone((inward[body],), hub, _colour(body)))
        bones += [Bone(hub, (inward[child],), _colour(child)) for child in children]
        tips = _tips(osim, body, is_last=not children)
        bones += [Bone(hub, (len(osim.joints) + tip,), _colour(body)) for tip in tips]
    return tuple(bones)


def _tips(osim: OsimModel, body: str, is_last: bool) -> list[int]:
    """The farthest marker of a last body, and the hindmost of a heel."""
    markers = [index for index, marker in enumerate(osim.markers) if marker.body == body]
    places = np.array([osim.markers[index].location for index in markers])
    if not markers or not (is_last or body.startswith("calcn")):
        return []
    farness = np.linalg.norm(places, axis=1) if is_last else -places[:, 0]
    return [markers[int(np.argmax(farness))]]


def _colour(body: str) -> Colour:
    return RIGHT if body.endswith("_r") else LEFT if body.endswith("_l") else MIDDLE


def draw_skeleton(image: Image, pixels: Array, depth: Array, bones: tuple[Bone, ...]) -> None:
    """Draw the bones into a picture.

    image: (H, W, 3) RGB, changed. pixels: (P, 2). depth: (P,) metres from the camera.
    """
    if not (np.abs(pixels) < FARTHEST_PX).all() or (depth <= 0).any():
        return
    width = max(1.5, BONE_WIDTH * float(np.ptp(pixels[:, 1])))
    for bone in sorted(bones, key=lambda bone: -depth[[*bone.start, *bone.end]].mean()):
        start, end = (_fixed(pixels[list(place)].mean(axis=0)) for place in bone[:2])
        for colour, thickness in ((OUTLINE, width + 2), (bone.colour, width)):
            thick = max(1, round(thickness))
            cv2.line(image, start, end, colour, thick, cv2.LINE_AA, SUBPIXEL_BITS)
            radius = round(0.7 * thickness * 2**SUBPIXEL_BITS)
            cv2.circle(image, end, radius, colour, cv2.FILLED, cv2.LINE_AA, SUBPIXEL_BITS)


def _fixed(pixel: Array) -> tuple[int, int]:
    # cv2's pixel centres are integers, ours too: no half pixel between them
    x, y = np.round(pixel * 2**SUBPIXEL_BITS).astype(int)
    return int(x), int(y)


class Drawing:
    """The skeleton of a prediction at any time of its clip."""

    def __init__(self, prediction: Prediction) -> None:
        self.bones = bones_of(prediction.model())
        self.time = prediction.time
        self.longest_gap_s = longest_gap_s(prediction.time)
        self.joints, self.markers = prediction.joints, prediction.markers
        camera_from_ground = np.linalg.inv(prediction.ground_from_camera)
        self.camera = Camera(
            K=prediction.camera_matrix,
            distortion=prediction.camera_distortion,
            R=camera_from_ground[:3, :3].astype(np.float64),
            t=camera_from_ground[:3, 3].astype(np.float64),
            size=(int(prediction.image_size[0]), int(prediction.image_size[1])),
            source="the prediction",
        )

    def draw(self, frame: Frame) -> None:
        """Draw into a frame's picture; nothing while the person is out of sight."""
        points = self.at(frame.time)
        if points is None:
            return
        depth = (points @ self.camera.R.T + self.camera.t)[:, 2]
        draw_skeleton(frame.image, self.camera.project(points), depth, self.bones)

    def at(self, time: float) -> Array | None:
        """Joints and markers (P, 3) at a time, on a line between frames; None in a long gap."""
        after = int(np.clip(np.searchsorted(self.time, time), 1, len(self.time) - 1))
        before = after - 1
        span = self.time[after] - self.time[before]
        if span > self.longest_gap_s:
            return None
        part = float(np.clip((time - self.time[before]) / span, 0.0, 1.0))
        return (1 - part) * self._points(before) + part * self._points(after)

    def _points(self, row: int) -> Array:
        return np.concatenate([self.joints[row], self.markers[row]]).astype(np.float64)


def write_overlay(
    clip: str | os.PathLike[str],
    prediction: Prediction,
    output: str | os.PathLike[str],
    progress: Progress | None = None,
) -> None:
    """Write the clip again as H.264 in .mp4, skeleton drawn, every frame at its own time.

    Raises D3keError for a clip that cannot be read or a target that cannot be written.
    """
    progress = progress or Silent()
    video = Video(Path(clip))
    drawing = Drawing(prediction)
    progress.start("overlay", video.frame_count)
    with replacing(output) as temporary:
        encode(_drawn(video, drawing, progress), temporary, video.rate_hz)
    progress.finish()


def _drawn(video: Video, drawing: Drawing, progress: Progress) -> Iterator[Frame]:
    for frame in video:
        picture = np.ascontiguousarray(frame.image)
        if not picture.flags.writeable:
            picture = picture.copy()
        drawing.draw(frame._replace(image=picture))
        yield frame._replace(image=picture)
        progress.advance()


def encode(
    frames: Iterator[Frame],
    path: Path,
    rate_hz: float,
    repeatable: bool = False,
    coding: Mapping[str, str] = CODING,
) -> None:
    """Write frames as H.264 in .mp4, each at its own time. rate_hz: what players are told.

    repeatable: the same frames give the same bytes, which takes longer and more of them. coding:
    x264's options. Raises D3keError where there are no frames.
    """
    clock = Fraction(1, TICKS_S)
    chosen = {**coding, **(REPEATABLE if repeatable else {})}
    with av.open(os.fspath(path), "w", format="mp4", options={"movflags": "faststart"}) as file:
        stream = None
        for frame in frames:
            picture = _even(frame.image)
            if stream is None:
                rate = Fraction(rate_hz).limit_denominator(1001)
                stream = file.add_stream("libx264", rate, chosen)
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.time_base = clock
            shown = av.VideoFrame.from_ndarray(picture, format="rgb24")
            shown.pts, shown.time_base = round(frame.time * TICKS_S), clock
            file.mux(stream.encode(shown))
        if stream is None:
            raise D3keError(f"{path.name}: the clip has no frames to draw on.")
        file.mux(stream.encode())


def _even(image: Image) -> Image:
    """The picture with even sides, as 4:2:0 colour needs, and none too long for H.264."""
    shrink = LONGEST_SIDE_PX / max(image.shape[:2])
    if shrink < 1:
        size = (int(image.shape[1] * shrink), int(image.shape[0] * shrink))
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
    height, width = image.shape[0] // 2 * 2, image.shape[1] // 2 * 2
    return np.ascontiguousarray(image[:height, :width])
