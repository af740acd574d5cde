"""Landmark records: as predict would see the film, whole on disk, and windows true to them."""

import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.dataset.source import Film
from d3ke.errors import D3keError
from d3ke.network.landmarks import LANDMARKS
from d3ke.network.mirror import mirror_landmarks
from d3ke.prepare_landmarks import LandmarkRecordsConfig, prepare_landmarks
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.landmarks.films import record_film
from d3ke.synth.landmarks.records import LandmarkRecord, read_records
from d3ke.synth.landmarks.windows import (
    JITTER_OF_BOX,
    MixedBatches,
    RecordWindows,
    RecordWindowsConfig,
)
from d3ke.synth.plans import ClipPlan
from d3ke.vision.person import open_finder, track_person
from d3ke.vision.video import Video
from tests.fake_films import FOCAL_PX, WALK, FakeFilms, made_record

CONFIG = LandmarkRecordsConfig(clips=3, frames=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("records") / "records"
    done = prepare_landmarks(output, CONFIG, workers=2, filmer=FakeFilms)
    assert done == (output, 3, 12, 1.0)
    return output


def windows(frames: int = 16, count: int = 12, seed: int = 0) -> RecordWindows:
    records = [made_record(40, 1, gap=slice(10, 30)), made_record(12, 2), made_record(200, 3)]
    return RecordWindows(default_model(), records, RecordWindowsConfig(frames, count), seed)


def test_a_record_holds_what_predict_would_see() -> None:
    frames = 30
    record = record_film(FakeFilms().film(ClipPlan("train", 0, "clip", frames)), open_finder())
    track = track_person(Video(WALK))
    np.testing.assert_array_equal(record.landmarks, track.landmarks[:frames])
    np.testing.assert_array_equal(record.presence, track.presence[:frames])
    assert record.seen.all()


def test_a_film_of_60_hz_is_looked_at_30_times_a_second() -> None:
    film = FakeFilms().film(ClipPlan("train", 0, "clip", 8))._replace(rate_hz=60.0)
    record = record_film(film, open_finder())
    np.testing.assert_allclose(record.time, np.arange(4) / 30)
    np.testing.assert_array_equal(record.q, film.q[::2])


def test_gravity_is_that_of_the_window() -> None:
    film = FakeFilms().film(ClipPlan("train", 0, "clip", 2))
    turn = np.array([[1, 0, 0], [0, 0.8, -0.6], [0, 0.6, 0.8]])
    film = film._replace(R=turn @ film.R, window_turn=turn)
    record = record_film(film, open_finder())
    np.testing.assert_allclose(record.down, [[0, 0.8, 0.6]] * 2, atol=1e-7)
    np.testing.assert_allclose(record.level, [0, 0.8, 0.6], atol=1e-7)


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    record = made_record(20, 0, gap=slice(3, 6))
    record.save(tmp_path / "train000000.npz")
    back = LandmarkRecord.load(tmp_path / "train000000.npz")
    np.testing.assert_array_equal(back.landmarks[..., :2], record.landmarks[..., :2])
    np.testing.assert_allclose(back.landmarks, record.landmarks, atol=1e-3)  # 16 bits of 1 m
    np.testing.assert_array_equal(back.q, record.q)
    assert back.info == record.info
    assert back.size == record.size


def test_a_folder_of_records_is_split_and_indexed(folder: Path) -> None:
    assert len(list(read_records(folder, "train"))) == 2
    assert len(list(read_records(folder, "valid"))) == 1
    index = json.loads((folder / "index.json").read_text())
    assert [clip["file"] for clip in index["clips"]] == sorted(p.name for p in folder.glob("*.npz"))
    assert all(clip["seen"] == 1 for clip in index["clips"])


def test_resuming_makes_what_is_missing_and_nothing_else(folder: Path) -> None:
    lost, kept = folder / "train000001.npz", folder / "train000000.npz"
    before, stamp = lost.read_bytes(), kept.stat().st_mtime_ns
    lost.unlink()
    (folder / ".train000001.abcd.npz").write_bytes(b"what a killed writer left")
    prepare_landmarks(folder, CONFIG, resume=True, filmer=FakeFilms)
    assert lost.read_bytes() == before
    assert kept.stat().st_mtime_ns == stamp
    assert len(list(read_records(folder))) == 3
    assert not list(folder.glob(".*"))


class BrokenFilms(FakeFilms):
    def film(self, plan: ClipPlan) -> Film:
        if plan.subject == "train000001":
            raise D3keError("no second film")
        return super().film(plan)


def test_a_run_that_stops_says_how_to_go_on(tmp_path: Path) -> None:
    progress = Silent()
    with pytest.raises(D3keError, match="no second film"):
        prepare_landmarks(tmp_path, CONFIG, workers=1, progress=progress, filmer=BrokenFilms)
    (note,) = progress.notes
    assert "--resume" in note
    assert [path.name for path in tmp_path.glob("*.npz")] == ["train000000.npz"]


def test_some_of_many_records_are_evenly_chosen(tmp_path: Path) -> None:
    for number in range(7):
        made_record(2, number).save(tmp_path / f"train{number:06d}.npz")
    some = [record.q for record in read_records(tmp_path, most=3)]
    assert len(some) == 3
    for number, q in zip((0, 2, 4), some, strict=True):
        np.testing.assert_array_equal(q, made_record(2, number).q)
    assert len(list(read_records(tmp_path, most=9))) == 7


def test_records_are_not_mixed_with_those_of_other_options(folder: Path) -> None:
    with pytest.raises(D3keError, match="--resume"):
        prepare_landmarks(folder, CONFIG, filmer=FakeFilms)
    other = LandmarkRecordsConfig(clips=3, frames=4, seed=1)
    with pytest.raises(D3keError, match="another seed"):
        prepare_landmarks(folder, other, resume=True, filmer=FakeFilms)
    index = folder / "index.json"
    before = index.read_text()
    index.write_text(json.dumps(json.loads(before) | {"d3ke": "0.0.1"}))
    with pytest.raises(D3keError, match="another d3ke"):
        prepare_landmarks(folder, CONFIG, resume=True, filmer=FakeFilms)
    index.write_text(before)


def test_motions_that_are_not_there_leave_no_folder_behind(tmp_path: Path) -> None:
    config = replace(CONFIG, motions=tmp_path / "nowhere")
    with pytest.raises(D3keError, match="nowhere"):
        prepare_landmarks(tmp_path / "records", config, filmer=FakeFilms)
    assert not (tmp_path / "records").exists()


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    made_record(20, 0).save(tmp_path / "train000000.npz")
    whole = (tmp_path / "train000000.npz").read_bytes()
    (tmp_path / "train000000.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(D3keError, match=r"train000000\.npz: not a whole"):
        list(read_records(tmp_path))


def test_a_record_with_a_changed_byte_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train000000.npz"
    made_record(20, 0).save(path)
    whole, read = path.read_bytes(), 0
    for place in range(0, len(whole) - 4, len(whole) // 60):
        path.write_bytes(whole[:place] + b"\xff\xff\xff\xff" + whole[place + 4 :])
        with suppress(D3keError):  # what a zip file says twice may be wrong once
            LandmarkRecord.load(path)
            read += 1
    assert read < 30


def test_a_folder_without_records_is_named(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="d3ke prepare landmarks"):
        list(read_records(tmp_path, "train"))


def test_windows_are_the_same_for_the_same_seed_and_index() -> None:
    one, two = windows().batch(5), windows().batch(5)
    assert torch.equal(one.window.landmarks, two.window.landmarks)
    assert torch.equal(one.q, two.q)
    assert not torch.equal(one.q, windows(seed=1).batch(5).q)


def test_windows_show_a_record_as_it_was_or_in_a_mirror() -> None:
    record = made_record(80, 4)
    stream = RecordWindows(default_model(), [record], RecordWindowsConfig(16, 40, focal_sd=0), 0)
    batch = stream.batch(0)
    pixels = (record.landmarks[..., :2] - record.camera_matrix[:2, 2]) / FOCAL_PX
    seen = torch.tensor(np.concatenate([pixels, record.landmarks[..., 3:]], axis=2)).float()
    box = float(stream.box[0])
    found = {"straight": 0, "mirrored": 0}
    for landmarks, q in zip(batch.window.landmarks, batch.q, strict=True):
        for name, seen_so, labels in (
            ("straight", seen, torch.tensor(record.q)),
            ("mirrored", mirror_landmarks(seen), stream_mirror(stream, record)),
        ):
            for step in (1, 2):
                starts = range(len(seen) - 15 * step)
                cuts = torch.stack([labels[s : s + 16 * step : step] for s in starts])
                start = int((cuts - q).abs().sum(dim=(1, 2)).argmin())
                if torch.allclose(cuts[start], q, atol=1e-6):
                    part = seen_so[start : start + 16 * step : step]
                    error = (landmarks - part).abs()
                    # five standard deviations of the jitter that is added
                    assert error[..., :2].max() < 5 * JITTER_OF_BOX * box
                    assert error[..., 2:].max() < 1e-5
                    found[name] += 1
    assert found["straight"] + found["mirrored"] == 40
    assert min(found.values()) > 8


def stream_mirror(stream: RecordWindows, record: LandmarkRecord) -> torch.Tensor:
    return torch.tensor(record.q)[:, stream.swap] * stream.signs


def test_gaps_and_the_ends_of_short_records_are_not_valid() -> None:
    gap = RecordWindows(
        default_model(), [made_record(40, 1, slice(10, 30))], RecordWindowsConfig(40, 4), 0
    )
    valid = gap.batch(0).window.valid
    assert valid[:, :10].all()
    assert valid[:, 30:].all()
    assert not valid[:, 15:25].any()
    short = RecordWindows(default_model(), [made_record(12, 2)], RecordWindowsConfig(16, 4), 0)
    assert (short.batch(0).window.valid.sum(dim=1) == 12).all()
    assert torch.isfinite(gap.batch(0).window.landmarks).all()


def test_gravity_is_measured_or_taken_for_level() -> None:
    down = windows(count=400).batch(0).window.down
    level = (down == torch.tensor([0.0, 1.0, 0.0])).all(dim=1).float().mean()
    assert 0.6 < level < 0.8
    tilted = down[down[:, 1] < 0.99]
    assert torch.allclose(tilted, torch.tensor([0, 0.96, 0.28]), atol=1e-6)


def test_a_clip_filmed_askew_is_turned_upright() -> None:
    record = made_record(40, 1)
    angle = np.radians(20)
    turn = np.array(
        [[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]]
    )
    landmarks, root = record.landmarks.copy(), record.root.copy()
    middle = record.camera_matrix[:2, 2]
    landmarks[..., :2] = (landmarks[..., :2] - middle) @ turn[:2, :2].T + middle
    landmarks[..., 4:] = landmarks[..., 4:] @ turn.T
    root[:, :3, :3] = turn @ root[:, :3, :3]
    down = (record.down @ turn.T).astype(np.float32)
    askew = replace(record, landmarks=landmarks, root=root, down=down)
    one, other = (
        RecordWindows(default_model(), [each], RecordWindowsConfig(16, 8), 0).batch(0)
        for each in (record, askew)
    )
    assert torch.allclose(one.window.landmarks, other.window.landmarks, atol=1e-5)
    assert torch.allclose(one.root, other.root, atol=1e-6)
    assert torch.allclose(one.window.down, other.window.down, atol=1e-6)


def test_turning_upright_keeps_where_in_the_picture_the_person_was() -> None:
    record = made_record(40, 1)
    rolled = np.tile(np.array([0.5, 0.8, 0.33], np.float32), (40, 1))
    record = replace(record, down=rolled, level=np.array([0, 0.96, 0.28], np.float32))
    stream = RecordWindows(default_model(), [record], RecordWindowsConfig(16, 40), 0)
    down = stream.batch(0).window.down
    level = (down - torch.tensor([0.0, 0.96, 0.28])).abs().amax(dim=1) < 1e-6
    assert 0.5 < level.float().mean() < 0.9  # of the others gravity is known


def test_mixed_batches_stand_side_by_side_and_begin_anywhere() -> None:
    one, two = windows(count=3), windows(count=5, seed=7)
    mixed = MixedBatches([one, two], first=4)
    batch = next(iter(mixed))
    assert batch.window.landmarks.shape == (8, 16, LANDMARKS, 6)
    assert torch.equal(batch.q[:3], one.batch(4).q)
    assert torch.equal(batch.scales[3:], two.batch(4).scales)
