"""The overlay: the skeleton is drawn where the person is, at every frame's own time."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.report.overlay import LEFT, MIDDLE, RIGHT, Drawing, bones_of, draw_skeleton, write_overlay
from d3ke.skeleton import default_model
from d3ke.vision.video import Frame
from tests.made_clips import write_clip
from tests.scenes import SIZE, Scene, camera_at, scene, squat

GREY = 90


@pytest.fixture(scope="module")
def seen() -> Scene:
    return scene(squat(1.0), camera_at())


@pytest.fixture(scope="module")
def prediction(seen: Scene) -> Prediction:
    sight = Seen(seen.track, seen.camera, seen.regression, 30.0)
    return in_ground(sight, default_model(), PredictOptions())


def grey(size: tuple[int, int] = SIZE) -> NDArray[np.uint8]:
    return np.full((size[1], size[0], 3), GREY, np.uint8)


def times_of(path: Path) -> list[float]:
    with av.open(str(path)) as file:
        return [float(frame.time or 0) for frame in file.decode(video=0)]


def near(image: NDArray[np.uint8], pixel: Sequence[float], colour: tuple[int, int, int]) -> bool:
    """Whether the colour is within 12 px: landmarks lie up to 3 cm from joint centres."""
    x, y = round(pixel[0]), round(pixel[1])
    patch = image[max(y - 12, 0) : y + 13, max(x - 12, 0) : x + 13].astype(int)
    return bool((np.abs(patch - colour).sum(axis=-1) < 30).any())


def test_bones_lie_on_the_landmarks_in_the_colour_of_their_side(
    seen: Scene, prediction: Prediction
) -> None:
    image = grey()
    Drawing(prediction).draw(Frame(10, 10 / 30, image))
    pixels = seen.track.landmarks[10, :, :2]
    for left, right in ((11, 12), (13, 14), (25, 26), (27, 28)):  # shoulder, elbow, knee, ankle
        assert near(image, pixels[left], LEFT)
        assert near(image, pixels[right], RIGHT)
    assert near(image, pixels[[23, 24]].mean(axis=0), MIDDLE)


def test_every_body_is_reached_and_sides_mirror_each_other() -> None:
    osim = default_model()
    bones = bones_of(osim)
    ends = {osim.joints[bone.end[0]].name for bone in bones if bone.end[0] < len(osim.joints)}
    assert {"hip_r", "walker_knee_l", "mtp_r", "radius_hand_l", "head_torso"} <= ends
    assert [bone.colour for bone in bones].count(RIGHT) == [b.colour for b in bones].count(LEFT)


def test_between_frames_the_skeleton_is_between(prediction: Prediction) -> None:
    drawing = Drawing(prediction)
    before, halfway, after = (drawing.at(row / 30) for row in (10, 10.5, 11))
    assert before is not None
    assert halfway is not None
    assert after is not None
    np.testing.assert_allclose(halfway, (before + after) / 2, atol=1e-6)


def test_a_clip_of_one_frame_a_second_is_drawn_on(prediction: Prediction) -> None:
    slow = Drawing(replace(prediction, time=30 * prediction.time))
    assert slow.at(10.0) is not None
    assert slow.at(10.5) is not None


def test_nothing_is_drawn_across_a_long_gap(prediction: Prediction) -> None:
    drawing = Drawing(prediction)
    drawing.joints = drawing.joints.copy()
    drawing.joints[5:25] = np.nan
    image = grey()
    drawing.draw(Frame(10, 10 / 30, image))
    assert (image == GREY).all()


def test_places_far_outside_the_picture_do_no_harm(prediction: Prediction) -> None:
    bones = bones_of(prediction.model())
    pixels = np.full((200, 2), 1e12)
    image = grey()
    draw_skeleton(image, pixels, np.ones(200), bones)
    assert (image == GREY).all()


def test_uneven_times_are_kept(prediction: Prediction, tmp_path: Path) -> None:
    times = [0.0, 0.033, 0.1, 0.133, 0.4, 0.5]
    clip = write_clip(tmp_path / "clip.mp4", [grey()] * 6, times=times)
    write_overlay(clip, prediction, tmp_path / "out.mp4")
    assert times_of(tmp_path / "out.mp4") == pytest.approx(times, abs=1e-3)


def test_odd_sides_are_cut_by_a_pixel(prediction: Prediction, tmp_path: Path) -> None:
    clip = write_clip(
        tmp_path / "clip.mp4", [grey((121, 91))] * 3, codec="ffv1", pixels="bgr0", format="matroska"
    )
    write_overlay(clip, prediction, tmp_path / "out.mp4")
    with av.open(str(tmp_path / "out.mp4")) as file:
        assert (file.streams.video[0].width, file.streams.video[0].height) == (120, 90)


def test_a_clip_that_is_none_leaves_nothing_behind(prediction: Prediction, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_text("no video")
    with pytest.raises(D3keError, match=r"clip\.mp4"):
        write_overlay(tmp_path / "clip.mp4", prediction, tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["clip.mp4"]
