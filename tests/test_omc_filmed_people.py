"""Recordings of laboratories become samples: the labels are of the picture that they lie beside."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import SampleName
from d3ke.errors import D3keError
from d3ke.omc.filmed_people import FilmedConfig, FilmedPeople, runs
from d3ke.omc.recording import Recording
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from tests.made_clips import write_clip
from tests.scenes import SIZE as SCENE_SIZE
from tests.scenes import Scene, camera_at, scene, squat

Array = NDArray[np.float64]

OSIM = default_model()
SHOWN = ("RASI", "LASI", "RANK", "C7")  # of which a dot is drawn into the video
COLOURS = ((255, 40, 40), (40, 255, 40), (60, 60, 255), (255, 255, 40))
PIXELS = 256


def places(seen: Scene) -> Array:
    """The markers in ground, (T, M, 3)."""
    skeleton = SkeletalModel(OSIM, torch.float64)
    scales = torch.from_numpy(seen.regression.scales)
    found: Array = skeleton(torch.from_numpy(seen.q), scales).markers.numpy()
    return found


@pytest.fixture(scope="module")
def seen() -> Scene:
    return scene(squat(1.5), camera_at(distortion=(0.05, -0.02, 1e-3, -1e-3, 0)), scale=1.05)


@pytest.fixture(scope="module")
def recording(seen: Scene, tmp_path_factory: pytest.TempPathFactory) -> Recording:
    """Recorded at 30 Hz as the video is; four markers shine in the dark."""
    pixels = seen.camera.project(places(seen))
    chosen = [OSIM.marker_names.index(name) for name in SHOWN]
    images = []
    for spots in pixels[:, chosen]:
        image = np.zeros((SCENE_SIZE[1], SCENE_SIZE[0], 3), np.uint8)
        for spot, colour in zip(spots, COLOURS, strict=True):
            cv2.circle(image, spot.round().astype(int).tolist(), 7, colour, -1)
        images.append(image)
    clip = write_clip(tmp_path_factory.mktemp("films") / "film.mp4", images)
    count = len(seen.time)
    return Recording(
        subject="ann",
        trial="squat",
        camera="cam0",
        facts={"sex": "female", "height_m": 1.75},
        activity="squat",
        time=seen.time + 3.0,
        q=seen.q,
        q_mask=np.ones(seen.q.shape, bool),
        markers_mask=np.ones((count, len(OSIM.markers)), bool),
        scales=np.asarray(seen.regression.scales, np.float64),
        video=clip,
        frames=np.arange(count),
        video_time=seen.time + 3.0,
        landmarks=seen.track.landmarks,
        view=seen.camera,
    )


def people(folder: Path, *recordings: Recording) -> FilmedPeople:
    folder.mkdir(exist_ok=True)
    for one in recordings:
        one.save(folder / f"{one.name}.npz")
    splits = tuple((one.subject, "train" if one.subject == "ann" else "test") for one in recordings)
    return FilmedPeople(FilmedConfig(folder, splits, PIXELS), OSIM)


def samples_of(folder: Path, recording: Recording) -> list[Sample]:
    source = people(folder, recording)
    return [sample for plan in source.plans() for sample in source.make(plan).samples]


def test_a_recording_comes_back_from_its_file(recording: Recording, tmp_path: Path) -> None:
    recording.save(tmp_path / "one.npz")
    again = Recording.load(tmp_path / "one.npz")
    assert again.name == "ann-squat-cam0"
    assert again.facts == recording.facts
    assert again.video == recording.video
    for name in ("time", "q", "q_mask", "markers_mask", "scales", "frames", "landmarks"):
        assert np.array_equal(getattr(again, name), getattr(recording, name), equal_nan=True)
    assert np.array_equal(again.view.project([0, 1, 0]), recording.view.project([0, 1, 0]))
    (tmp_path / "junk.npz").write_bytes(b"no")
    with pytest.raises(D3keError, match=r"junk\.npz: not a solved recording"):
        Recording.load(tmp_path / "junk.npz")


def test_labels_lie_where_the_picture_shows_the_markers(
    recording: Recording, tmp_path: Path
) -> None:
    for sample in samples_of(tmp_path / "solved", recording)[::9]:
        picture = cv2.imdecode(np.frombuffer(sample.jpg, np.uint8), cv2.IMREAD_COLOR)
        assert picture is not None
        assert picture.shape == (PIXELS, PIXELS, 3)
        for name, colour in zip(SHOWN, COLOURS, strict=True):
            place = sample.markers[OSIM.marker_names.index(name)]
            ray = sample.crop_camera_matrix @ sample.crop_R @ place
            column, row = (ray[:2] / ray[2]).round().astype(int)
            shown = picture[row, column, ::-1].astype(int)
            assert np.abs(shown - colour).max() < 90, f"{name}: {shown}"  # colours bleed in video


def test_samples_hold_what_the_recording_says(
    recording: Recording, seen: Scene, tmp_path: Path
) -> None:
    samples = samples_of(tmp_path / "solved", recording)
    assert len(samples) == len(seen.time)
    in_ground = places(seen)
    for index in (0, 20, 44):
        sample = samples[index]
        assert SampleName.of(sample.key) == ("ann", "squat", "cam0", index)
        assert sample.time == pytest.approx(3.0 + seen.time[index])
        np.testing.assert_allclose(sample.q, seen.q[index], atol=1e-6)
        np.testing.assert_allclose(
            (sample.markers - sample.t) @ sample.R, in_ground[index], atol=1e-5
        )
        pelvis = np.eye(4)
        pelvis[:3, :3], pelvis[:3, 3] = sample.R, sample.t
        np.testing.assert_allclose(sample.root, pelvis @ seen.pelvis[index], atol=1e-3)
        assert sample.landmarks is not None
        x, y, width, height = sample.box
        pixels = seen.camera.project(in_ground[index])
        assert (pixels >= [x, y]).all()
        assert (pixels <= [x + width, y + height]).all()


def test_between_two_moments_labels_are_between_and_trust_is_of_both(
    recording: Recording,
) -> None:
    q_mask = recording.q_mask.copy()
    q_mask[10, 7] = False
    half = replace(recording, q_mask=q_mask, video_time=recording.video_time + 0.5 / 30)
    q, trusted, _ = half.at_frames()
    np.testing.assert_allclose(q[5], (recording.q[5] + recording.q[6]) / 2)
    assert np.flatnonzero(~trusted[:, 7]).tolist() == [9, 10]
    assert np.isnan(q[-1]).all()  # after the last moment nothing is known


def test_a_gap_parts_a_clip_in_two(recording: Recording, tmp_path: Path) -> None:
    q = recording.q.copy()
    q[20] = np.nan
    source = people(tmp_path / "solved", replace(recording, q=q))
    names = [SampleName.of(source.make(plan).samples[0].key).clip for plan in source.plans()]
    assert names == ["squat_part1", "squat_part2"]  # squat_2 may be another trial
    frames = [[s.frame for s in source.make(plan).samples] for plan in source.plans()]
    assert frames[0] == list(range(20))
    assert frames[1] == list(range(21, 45))


def test_frames_that_do_not_show_the_person_are_left_out(
    recording: Recording, tmp_path: Path
) -> None:
    aside = replace(recording.view, t=recording.view.t + np.array([5.0, 0, 0]))
    assert people(tmp_path / "aside", replace(recording, view=aside)).plans() == []
    behind = replace(recording.view, t=recording.view.t - np.array([0, 0, 20.0]))
    assert people(tmp_path / "behind", replace(recording, view=behind)).plans() == []


def test_plans_come_split_by_split(recording: Recording, tmp_path: Path) -> None:
    others = [replace(recording, subject="zoe"), replace(recording, camera="cam1"), recording]
    source = people(tmp_path / "solved", *others)
    assert [plan.split for plan in source.plans()] == ["train", "train", "test"]
    infos = [source.make(plan).info for plan in source.plans()]
    assert [info["subject"]["id"] for info in infos] == ["ann", "ann", "zoe"]
    assert infos[0]["sources"] == ["ann/squat"]
    assert infos[0]["rate_hz"] == 30


def test_sessions_of_one_person_keep_their_clips_apart(
    recording: Recording, tmp_path: Path
) -> None:
    zoe = replace(recording, subject="zoe")
    for session, one in (("monday", recording), ("tuesday", recording), ("zoe", zoe)):
        one.save(tmp_path / f"{session}-{one.name}.npz")
    splits = (("ann", "train"), ("zoe", "test"))
    source = FilmedPeople(FilmedConfig(tmp_path, splits, PIXELS), OSIM)
    made = [source.make(plan) for plan in source.plans()]
    clips = [SampleName.of(one.samples[0].key).sequence for one in made]
    assert clips == ["ann-monday_squat-cam0", "ann-tuesday_squat-cam0", "zoe-squat-cam0"]
    sources = [one.info["sources"] for one in made]
    assert sources == [["ann/monday_squat"], ["ann/tuesday_squat"], ["zoe/squat"]]


def test_runs_end_at_holes_and_the_shortest_are_left_out() -> None:
    time = np.arange(60) / 30
    time[30:] += 0.1
    usable = np.ones(60, bool)
    usable[[5, 40]] = False
    assert runs(usable, time, 30.0) == [(6, 30), (30, 40), (41, 60)]


def test_frames_strewn_over_a_recording_are_independent_ones(
    recording: Recording, seen: Scene, tmp_path: Path
) -> None:
    """Of every second frame some are left out: those that follow each other are a clip."""
    rows = np.array([0, 4, 6, *range(14, 34, 2), 38, 44])
    strewn = replace(
        recording,
        frames=recording.frames[rows],
        video_time=recording.video_time[rows],
        landmarks=recording.landmarks[rows],
    )
    assert strewn.rate_hz == pytest.approx(15)
    source = people(tmp_path / "solved", strewn)
    plans = source.plans()
    assert [(plan.kind, plan.frames) for plan in plans] == [("clip", 10), ("frames", 5)]
    clip, alone = (source.make(plan) for plan in plans)
    assert [sample.frame for sample in clip.samples] == list(range(14, 34, 2))
    assert [sample.frame for sample in alone.samples] == [0, 4, 6, 38, 44]
    assert len({sample.key for one in (clip, alone) for sample in one.samples}) == 15
    in_ground = places(seen)
    for sample in alone.samples:
        markers = (sample.markers - sample.t) @ sample.R
        np.testing.assert_allclose(markers, in_ground[sample.frame], atol=1e-5)


def test_a_recording_of_one_frame_is_one_independent_frame(
    recording: Recording, tmp_path: Path
) -> None:
    one = replace(
        recording,
        frames=recording.frames[7:8],
        video_time=recording.video_time[7:8],
        landmarks=recording.landmarks[7:8],
    )
    (plan,) = people(tmp_path / "solved", one).plans()
    assert (plan.kind, plan.frames, one.rate_hz) == ("frames", 1, 0)


def test_boxes_end_with_the_picture(recording: Recording, tmp_path: Path) -> None:
    close = replace(recording.view, t=recording.view.t - np.array([0, 0, 2.6]))
    near = replace(recording, view=close)
    labels = people(tmp_path / "solved", near).labels(near)
    assert labels.inside.max() < 1  # she is cut off
    assert (labels.boxes[:, :2] >= 0).all()
    assert (labels.boxes[:, :2] + labels.boxes[:, 2:] <= np.array(SCENE_SIZE) - 1).all()


def test_a_video_that_lost_frames_since_is_told(recording: Recording, tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"film\.mp4: lost frames since"):
        samples_of(tmp_path / "solved", replace(recording, frames=recording.frames + 5))
