"""The person: where the landmarks fall on real clips, and who is followed."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.progress import Silent
from d3ke.vision.ahead import ahead
from d3ke.vision.blazepose import LandmarkNetwork, PoseDetector
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack, track_person
from d3ke.vision.rules import Rule
from d3ke.vision.tracking import Finder
from d3ke.vision.video import Video
from tests.made_clips import Image, write_clip

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"
# Landmark pairs of the two sides: BlazePose's order, eyes before ears before mouth before limbs.
SIDES = [0, 4, 5, 6, 1, 2, 3, 8, 7, 10, 9, *(i + (1 if i % 2 else -1) for i in range(11, 33))]
JOINTS = {
    "RShoulder": 12,
    "LShoulder": 11,
    "RElbow": 14,
    "LElbow": 13,
    "RWrist": 16,
    "LWrist": 15,
    "RHip": 24,
    "LHip": 23,
    "RKnee": 26,
    "LKnee": 25,
    "RAnkle": 28,
    "LAnkle": 27,
}


@pytest.fixture(scope="module")
def walk() -> PersonTrack:
    return track_person(Video(WALK))


@pytest.fixture(scope="module")
def walk_images() -> list[Image]:
    return [frame.image for frame in Video(WALK)]


@pytest.fixture(scope="module")
def two_people(data_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """On the left a man who stands, large; on the right, small, the same man doing squats."""
    clips = data_dir / "clips"
    standing = _images(clips / "cmbbe_jump" / "video_cam0.mp4", range(0, 80, 2))
    squatting = _images(clips / "cmbbe_squats" / "video_cam0.mp4", range(480, 560, 2))
    images = []
    for large, small in zip(standing, squatting, strict=True):
        canvas = np.full((640, 640, 3), 150, np.uint8)
        canvas[:, :360] = large
        canvas[160:, 370:] = cv2.resize(small, (270, 480), interpolation=cv2.INTER_AREA)
        images.append(canvas)
    return write_clip(tmp_path_factory.mktemp("clips") / "two.mp4", images)


def _images(clip: Path, numbers: range) -> list[Image]:
    return [frame.image for frame in Video(clip) if frame.index in numbers]


def height_px(track: PersonTrack) -> float:
    return float(np.nanmedian(track.boxes[:, 3]))


def apart(first: PersonTrack, second: PersonTrack) -> float:
    """Median distance of the same landmarks in two tracks, in per cent of the person's height."""
    distance = np.linalg.norm(first.landmarks[..., :2] - second.landmarks[..., :2], axis=2)
    return float(100 * np.nanmedian(distance) / height_px(first))


def test_a_track_holds_every_sampled_frame(walk: PersonTrack) -> None:
    assert walk.landmarks.shape == (90, 33, 7)
    assert walk.seen.all()
    np.testing.assert_array_equal(walk.frames, np.arange(90))
    np.testing.assert_allclose(walk.time, np.arange(90) / 30, atol=1e-4)
    assert (walk.landmarks[..., 3] >= 0).all()
    assert (walk.landmarks[..., 3] <= 1).all()
    assert walk.presence.min() > 0.9
    assert walk.size == (640, 286)


def test_the_walker_goes_left_upright_at_a_persons_size(walk: PersonTrack) -> None:
    path = walk.landmarks[:, 23:25, 0].mean(axis=1)
    assert path[0] > 520
    assert path[-1] < 130
    head, feet = walk.landmarks[:, 0, 1], walk.landmarks[:, 27:29, 1].max(axis=1)
    assert (feet - head > 150).all()
    world = walk.landmarks[..., 4:]
    leg = np.linalg.norm(world[:, [23, 25]] - world[:, [25, 27]], axis=2).sum(axis=1)
    assert 0.55 < np.median(leg) < 0.95  # m; BlazePose's world is 0.89 of life on average
    np.testing.assert_allclose(world[:, 23:25].mean(axis=1), 0, atol=0.02)  # hip-centred


def test_the_mirrored_clip_has_the_mirrored_landmarks(
    walk: PersonTrack, walk_images: Sequence[Image], tmp_path: Path
) -> None:
    flipped = [np.ascontiguousarray(image[:, ::-1]) for image in walk_images[:45]]
    path = write_clip(tmp_path / "mirrored.mkv", flipped, codec="ffv1", pixels="bgr0")
    mirrored = track_person(Video(path)).landmarks[:, SIDES]
    mirrored[..., 0] = 639 - mirrored[..., 0]
    mirrored[..., 4] *= -1
    offset = mirrored - walk.landmarks[:45]
    difference = np.linalg.norm(offset[..., :2], axis=2)
    # The network itself is not symmetric, least for the hidden arm.
    assert np.median(difference) < 0.015 * height_px(walk)
    world = np.linalg.norm(offset[..., 4:], axis=2)
    assert np.median(world) < 0.08  # m; depth is what it guesses


def test_the_turned_clip_has_the_same_landmarks(walk: PersonTrack, data_dir: Path) -> None:
    turned = track_person(Video(data_dir / "clips" / "sports2d_walk" / "walk_3s_rot90.mp4"))
    assert turned.size == walk.size
    assert apart(walk, turned) < 1  # per cent; the clip was encoded anew


@pytest.mark.slow
@pytest.mark.parametrize("clip", ["cmbbe_squats", "cmbbe_jump_high_knees", "cmbbe_jump"])
@pytest.mark.parametrize("view", ["cam0", "cam1"])
def test_landmarks_fall_on_the_true_joints(data_dir: Path, clip: str, view: str) -> None:
    folder = data_dir / "clips" / clip
    track = track_person(Video(folder / f"video_{view}.mp4"), rate_hz=15)
    camera = Camera.from_calibration(folder / f"camera_{view}.json", track.size)
    names, points = _trc(folder / "truth.trc")
    truth = camera.project(points[track.frames][:, [names.index(name) for name in JOINTS]])
    error = np.linalg.norm(truth - track.landmarks[:, list(JOINTS.values()), :2], axis=2)
    assert track.seen.all()
    assert np.median(error) < 0.03 * height_px(track)


def _trc(path: Path) -> tuple[list[str], NDArray[np.float64]]:
    """Marker names and places (T, M, 3) of a whole .trc file, read on its own."""
    lines = path.read_text().splitlines()
    names = [name for name in lines[3].split("\t")[2:] if name.strip()]
    rows = [line.split("\t")[2 : 2 + 3 * len(names)] for line in lines[5:] if line.strip()]
    return names, np.array(rows, np.float64).reshape(len(rows), -1, 3)


def test_a_tilted_camera_tilts_the_world_landmarks(walk_images: Sequence[Image]) -> None:
    image = walk_images[30]
    turned_deg = 25.0  # clockwise as seen
    canvas = np.pad(image, ((200, 200), (0, 0), (0, 0)), mode="edge")
    centre = (canvas.shape[1] / 2, canvas.shape[0] / 2)
    matrix = cv2.getRotationMatrix2D(centre, -turned_deg, 1.0)
    tilted = np.asarray(cv2.warpAffine(canvas, matrix, canvas.shape[1::-1]), np.uint8)
    finder = Finder(PoseDetector(), LandmarkNetwork())
    upright, leaning = (finder.search(picture)[0].landmarks.values for picture in (canvas, tilted))
    expected = upright[:, :2] @ matrix[:, :2].T + matrix[:, 2]
    assert np.median(np.linalg.norm(leaning[:, :2] - expected, axis=1)) < 4  # px, of 200 tall
    world = upright[:, 4:].copy()
    world[:, :2] = world[:, :2] @ matrix[:, :2].T
    # Turned the other way they would be 0.4 m apart at head and feet.
    assert np.median(np.linalg.norm(leaning[:, 4:] - world, axis=1)) < 0.05  # m


@pytest.mark.parametrize(
    ("rule", "left"),
    [("largest", True), ("moving", False), ("centre", True), ((400, 250, 200, 330), False)],
)
def test_the_rule_says_who_is_followed(two_people: Path, rule: Rule, left: bool) -> None:
    progress = Silent()
    track = track_person(Video(two_people), rule, progress=progress)
    middles = track.boxes[:, 0] + track.boxes[:, 2] / 2
    assert track.seen.mean() > 0.9
    assert ((middles < 365) == left)[track.seen].all()  # and never somebody else
    told = any("more than one person" in warning for warning in progress.warnings)
    assert told == isinstance(rule, str)


def test_a_short_occlusion_is_bridged(walk_images: Sequence[Image], tmp_path: Path) -> None:
    hidden = range(40, 55)
    images = [image.copy() for image in walk_images]
    for index in hidden:
        images[index][:] = 128
    progress = Silent()
    track = track_person(Video(write_clip(tmp_path / "hidden.mp4", images)), progress=progress)
    assert not track.seen[list(hidden)].any()
    assert np.isnan(track.landmarks[~track.seen]).all()
    assert np.isnan(track.boxes[~track.seen]).all()
    assert (track.presence[~track.seen] == 0).all()
    assert track.seen[:40].all()
    assert track.seen[57:].all()  # found again within two frames
    assert any(f"{track.seen.sum()} of 90 frames" in warning for warning in progress.warnings)


def test_who_leaves_the_picture_is_no_longer_seen(
    walk_images: Sequence[Image], tmp_path: Path
) -> None:
    right_half = [np.ascontiguousarray(image[:, 320:]) for image in walk_images]
    track = track_person(Video(write_clip(tmp_path / "leaves.mp4", right_half)))
    # She crosses its left edge around frame 50.
    assert track.seen[:45].all()
    assert not track.seen[56:].any()


def test_after_an_occlusion_the_same_person_is_followed(two_people: Path, tmp_path: Path) -> None:
    images = [frame.image for frame in Video(two_people)]
    for image in images[10:20]:
        image[:, 365:] = 128
    path = write_clip(tmp_path / "hidden.mp4", images)
    track = track_person(Video(path), (400, 250, 200, 330))
    middles = track.boxes[:, 0] + track.boxes[:, 2] / 2
    assert not track.seen[10:20].any()
    assert track.seen[22:].all()
    assert (middles[track.seen] > 365).all()


def test_small_people_are_found_measured_and_told(
    walk: PersonTrack, walk_images: Sequence[Image], tmp_path: Path
) -> None:
    images = []
    for image in walk_images[:20]:
        canvas = np.full((1080, 1920, 3), 128, np.uint8)
        canvas[600:700, 900:1124] = cv2.resize(image, (224, 100), interpolation=cv2.INTER_AREA)
        images.append(canvas)
    progress = Silent()
    track = track_person(Video(write_clip(tmp_path / "far.mp4", images)), progress=progress)
    assert track.seen.mean() > 0.9
    near = (track.landmarks[..., :2] - (900, 600) + 0.5) * (640 / 224) - 0.5
    error = np.linalg.norm(near - walk.landmarks[:20, :, :2], axis=2)
    assert np.nanmedian(error) < 0.03 * height_px(walk)
    assert any("coarse" in warning for warning in progress.warnings)


def test_a_person_of_a_few_pixels_is_refused(walk_images: Sequence[Image], tmp_path: Path) -> None:
    images = [
        cv2.resize(image[:, -240:], (40, 48), interpolation=cv2.INTER_AREA).astype(np.uint8)
        for image in walk_images[:10]
    ]
    with pytest.raises(D3keError, match=r"too small|no person"):
        track_person(Video(write_clip(tmp_path / "tiny.mp4", images)))


def test_a_clip_without_a_person_is_refused(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (10, 120, 160, 3), np.uint8)
    path = write_clip(tmp_path / "noise.mp4", list(noise))
    with pytest.raises(D3keError, match=r"noise\.mp4: no person found in 10 frames"):
        track_person(Video(path))
    with pytest.raises(D3keError, match="no person found in the box"):
        track_person(Video(path), (10, 10, 50, 100))


@pytest.mark.parametrize(
    "rule", ["tallest", (1, 2, 3), (0, 0, 0, 5), (700, 0, 5, 5), (float("nan"), 0, 1, 1)]
)
def test_a_rule_that_is_none_is_refused(rule: Rule) -> None:
    with pytest.raises(D3keError, match="box"):
        track_person(Video(WALK), rule)


def test_two_frames_at_sixty_hertz_are_too_short(
    walk_images: Sequence[Image], tmp_path: Path
) -> None:
    path = write_clip(tmp_path / "short.mp4", walk_images[:2], rate_hz=60)
    with pytest.raises(D3keError, match="too short"):
        track_person(Video(path))


@pytest.mark.parametrize("name", ["lite", "heavy"])
def test_other_networks_agree(walk: PersonTrack, data_dir: Path, name: str) -> None:
    model = data_dir / "blazepose" / f"pose_landmark_{name}.tflite"
    other = track_person(Video(WALK), rate_hz=10, landmark_model=model)
    assert other.time[1] == pytest.approx(0.1)
    distance = other.landmarks[..., :2] - walk.landmarks[other.frames][..., :2]
    assert np.median(np.linalg.norm(distance, axis=2)) < 0.03 * height_px(walk)


def test_the_same_clip_gives_the_same_track(walk: PersonTrack) -> None:
    again = track_person(Video(WALK))
    np.testing.assert_array_equal(again.landmarks, walk.landmarks)


def test_working_ahead_keeps_order_and_passes_errors_on() -> None:
    def numbers() -> Iterator[int]:
        yield from range(50)
        raise OSError("the disk")

    found: list[int] = []
    with pytest.raises(OSError, match="the disk"):
        found.extend(ahead(numbers(), depth=2))
    assert list(ahead(iter(range(50)))) == list(range(50))
    assert list(ahead(iter(()))) == []


def test_working_ahead_ends_with_the_loop() -> None:
    before = threading.active_count()
    for number in ahead(iter(range(10**9))):
        if number == 3:
            break
    assert threading.active_count() == before
