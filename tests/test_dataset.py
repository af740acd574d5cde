"""Data sets: their files, what is read from them, and what augmentation does to both."""

import io
import json
import math
import pickle
from collections.abc import Iterator
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import webdataset
from numpy.typing import NDArray
from torch.utils.data import DataLoader

from d3ke.dataset.augmentation import Augmentation
from d3ke.dataset.labels import FrameItem, Framing, frame_item
from d3ke.dataset.live import SyntheticFrames, shuffled
from d3ke.dataset.manifest import Manifest, ShardRecord
from d3ke.dataset.reading import DataSet, FrameDataset, Shuffled, WindowDataset
from d3ke.dataset.sample import Sample
from d3ke.dataset.shards import Shard, labels_to_bytes, sample_from_bytes, write_shard
from d3ke.errors import D3keError
from d3ke.prepare import PrepareOptions, prepare_synthetic
from d3ke.skeleton import default_model
from d3ke.synth.plans import ClipPlan, SynthConfig
from tests.made_people import MadePeople, R, T, made_source

GOLDEN = Path(__file__).with_name("golden_dataset.json")
CONFIG = SynthConfig(frames=60, seed=5, size=96, clip_frames=9, lone_frames=4)
PLAIN = Augmentation(hidden=0, brightness=0, contrast=(1, 1), hue_deg=0, saturation=(1, 1))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prepared") / "data"
    prepare_synthetic(output, CONFIG, PrepareOptions(workers=1), open_source=made_source)
    return output


@pytest.fixture(scope="module")
def data(folder: Path) -> DataSet:
    return DataSet.open(folder, default_model())


@pytest.fixture(scope="module")
def samples() -> list[Sample]:
    source = MadePeople(replace(CONFIG, size=384), default_model())
    return source.make(ClipPlan("train", 3, "clip", 4)).samples


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def arrays_of(sample: Sample) -> dict[str, NDArray[Any]]:
    with np.load(io.BytesIO(labels_to_bytes(sample)), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}


# --- files


def test_the_schema_is_the_golden_one(folder: Path, data: DataSet) -> None:
    sample = replace(
        next(iter(data.shards["train-000000.tar"])), landmarks=np.zeros((33, 7), np.float32)
    )
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    found = {
        "npz": {name: [str(a.dtype), list(a.shape)] for name, a in arrays_of(sample).items()},
        "manifest": list(manifest),
        "clip": list(manifest["clips"][0]),
        "shard": list(manifest["shards"][0]),
        "counts": list(manifest["counts"]["train"]),
        "files": sorted(path.name for path in folder.iterdir()),
    }
    assert found == json.loads(GOLDEN.read_text(encoding="utf-8"))


def test_a_sample_comes_back_as_it_was(samples: list[Sample]) -> None:
    sample = replace(samples[2], landmarks=np.ones((33, 7), np.float32))
    back = sample_from_bytes(sample.key, sample.jpg, labels_to_bytes(sample))
    for field in fields(Sample):
        assert np.array_equal(getattr(back, field.name), getattr(sample, field.name)), field.name
    assert sample_from_bytes("k", b"", labels_to_bytes(samples[0])).landmarks is None


def test_labels_that_numpy_wrote_are_read_too(samples: list[Sample]) -> None:
    ours = labels_to_bytes(samples[0])
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays_of(samples[0]))
    for npz in (ours, buffer.getvalue()):
        back = sample_from_bytes("k", b"", npz)
        assert np.array_equal(back.markers, samples[0].markers)
        assert back.markers.flags.writeable


def test_a_label_that_has_changed_on_the_disk_is_told(
    tmp_path: Path, samples: list[Sample]
) -> None:
    path = tmp_path / "a.tar"
    write_shard(path, samples)
    content = bytearray(path.read_bytes())
    content[Shard(path).members[1].npz[0] + 500] ^= 1
    path.write_bytes(content)
    shard = Shard(path)
    assert shard[0].frame == 0
    with pytest.raises(D3keError, match=r"train000003-clip00-0-000001\.npz cannot be read"):
        shard[1]


def test_the_same_samples_give_the_same_bytes(tmp_path: Path, samples: list[Sample]) -> None:
    write_shard(tmp_path / "a.tar", samples)
    write_shard(tmp_path / "b.tar", iter(samples))
    content = (tmp_path / "a.tar").read_bytes()
    assert content == (tmp_path / "b.tar").read_bytes()
    assert b"root\0" not in content  # no user, no group


def test_webdataset_reads_the_shards(folder: Path, data: DataSet) -> None:
    found = list(webdataset.WebDataset(str(folder / "train-000000.tar"), shardshuffle=False))
    ours = list(data.shards["train-000000.tar"])
    assert [sample["__key__"] for sample in found] == [sample.key for sample in ours]
    assert found[7]["jpg"] == ours[7].jpg
    with np.load(io.BytesIO(found[7]["npz"])) as labels:
        assert np.array_equal(labels["markers"], ours[7].markers)


def test_a_shard_that_is_cut_short_is_told(tmp_path: Path, samples: list[Sample]) -> None:
    path = tmp_path / "a.tar"
    write_shard(path, samples)
    path.write_bytes(path.read_bytes()[:20_000])
    with pytest.raises(D3keError, match=r"a.tar: not a whole shard: it ends within train000003"):
        len(Shard(path))
    with pytest.raises(D3keError, match="no such shard"):
        len(Shard(tmp_path / "b.tar"))


@pytest.mark.parametrize("key", ["a-b-c", "a.b-c-d-000001", "a-b-c-d-000001", "a-b-c-1"])
def test_keys_that_no_reader_could_part_are_refused(
    tmp_path: Path, samples: list[Sample], key: str
) -> None:
    with pytest.raises(ValueError, match="not subject-clip-camera-frame"):
        write_shard(tmp_path / "a.tar", [replace(samples[0], key=key)])
    assert list(tmp_path.iterdir()) == []


def changed_manifest(folder: Path, target: Path, **other: object) -> Path:
    table = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    target.mkdir()
    (target / "manifest.json").write_text(json.dumps(table | other), encoding="utf-8")
    return target


@pytest.mark.parametrize(
    ("other", "says"),
    [
        ({"schema_version": 2}, "schema 2, and this d3ke reads 1"),
        ({"skeleton": "0" * 64}, "another skeleton"),
        ({"flavour": "mint"}, "Prepare the data set again"),
        ({}, "train-000000.tar: 0 bytes where the manifest says"),
    ],
)
def test_what_does_not_fit_is_refused(
    folder: Path, tmp_path: Path, other: dict[str, object], says: str
) -> None:
    broken = changed_manifest(folder, tmp_path / "data", **other)
    if not other:
        (broken / "test-000000.tar").write_bytes((folder / "test-000000.tar").read_bytes())
    with pytest.raises(D3keError, match=says):
        DataSet.open(broken, default_model())


def test_a_folder_without_a_manifest_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"no manifest\.json"):
        DataSet.open(tmp_path)


def record(split: str, subject: str, source: str) -> ShardRecord:
    clip = {"subject": subject, "sources": [source], "frames": 1}
    return ShardRecord(f"{split}-000000.tar", split, 1, 1, "", (clip,), {subject: {}})


@pytest.mark.parametrize(
    ("subject", "source", "says"),
    [
        ("ann", "run", "subject ann"),
        ("bob", "walk", "motion walk"),
        ("bob", "run+walk", "motion walk"),
        ("bob", "procedural", ""),
    ],
)
def test_nobody_and_no_recording_is_in_two_splits(subject: str, source: str, says: str) -> None:
    first = "procedural" if source == "procedural" else "walk"
    shards = [record("train", "ann", first), record("test", subject, source)]
    about: dict[str, Any] = dict.fromkeys(("kind", "config", "sources", "licences", "picture"))
    if not says:
        assert Manifest.of(default_model(), shards, about).counts["test"]["subjects"] == 1
        return
    with pytest.raises(D3keError, match=f"{says} is in test and in train"):
        Manifest.of(default_model(), shards, about)


# --- frames


def test_an_item_depends_on_its_number_alone(data: DataSet) -> None:
    amount = Augmentation(flip=0.5)
    first, second = (FrameDataset(data, "train", 64, amount, seed=1) for _ in range(2))
    list(islice((first[n] for n in range(9)), 9))
    assert same(first[5], second[5])
    assert not torch.equal(first[5].image, first[5 + len(first)].image)  # the next epoch
    assert torch.equal(first[5].q.abs().sort().values, first[5 + len(first)].q.abs().sort().values)
    other = FrameDataset(data, "train", 64, amount, seed=2)
    assert not torch.equal(first[5].image, other[5].image)


def test_workers_change_no_batch(data: DataSet) -> None:
    frames = FrameDataset(data, "train", 32, Augmentation(), seed=1)

    def batches(workers: int) -> Iterator[FrameItem]:
        order = Shuffled(len(frames), seed=3, start=10)
        yield from islice(DataLoader(frames, 8, sampler=order, num_workers=workers), 8)

    assert all(same(a, b) for a, b in zip(batches(0), batches(2), strict=True))


def test_an_epoch_is_every_number_once_and_can_be_resumed() -> None:
    whole = list(islice(Shuffled(7, seed=1), 21))
    assert [sorted(whole[n : n + 7]) for n in (0, 7, 14)] == [
        list(range(n, n + 7)) for n in (0, 7, 14)
    ]
    assert [n % 7 for n in whole[:7]] != [n % 7 for n in whole[7:14]]
    assert list(islice(Shuffled(7, seed=1, start=10), 11)) == whole[10:]


def test_the_data_set_travels_to_workers_without_its_files(data: DataSet) -> None:
    frames = FrameDataset(data, "valid", 32)
    frames[0]
    assert same(pickle.loads(pickle.dumps(frames))[3], frames[3])


def test_a_split_without_clips_says_so(tmp_path: Path, data: DataSet) -> None:
    few = replace(data, manifest=replace(data.manifest, clips=()))
    with pytest.raises(D3keError, match="no clips of consecutive frames"):
        WindowDataset(few, "train")


# --- windows


def test_no_window_leaves_its_clip(data: DataSet) -> None:
    windows = WindowDataset(data, "train", window=6, stride=2)
    clips = data.sequences("train", kind="clip")
    assert len(windows) == sum(math.ceil(clip["frames"] / 2) for clip in clips)
    for index in range(len(windows)):
        item = windows[index]
        frames = torch.round(item.time * CONFIG.rate_hz)
        inside = frames[item.valid]
        assert torch.equal(torch.diff(inside), torch.ones(len(inside) - 1, dtype=torch.float64))
        steps = torch.diff(frames)
        assert set(steps.tolist()) <= {0, 1}  # the last frame again, never another clip's


def test_beyond_an_end_is_the_last_frame_again(data: DataSet) -> None:
    item = WindowDataset(data, "train", window=6, stride=2)[0]
    assert item.valid.tolist() == [False] * 3 + [True] * 3
    assert torch.equal(item.q[0], item.q[3])
    assert not torch.equal(item.q[3], item.q[4])


def test_a_window_s_labels_are_those_of_its_frames(data: DataSet) -> None:
    windows = WindowDataset(data, "train", window=4, stride=1, size=48)
    clip, centre = windows.centres[3]
    sample = data.sample(clip, centre)
    item = windows[3]
    at = 2  # the centre of 4
    framing = Framing.of(data.manifest, 48, None)
    frame = frame_item(sample, framing, np.random.default_rng(0))
    assert torch.equal(item.images[at], frame.image)
    assert torch.allclose(item.markers[at], frame.markers)
    assert torch.equal(item.root[at], frame.root)
    assert item.images.shape == (4, 3, 48, 48)
    assert WindowDataset(data, "train", window=4)[0].images.shape == (4, 3, 0, 0)
    assert bool(item.landmarks.isnan().all())


# --- on the fly


def test_people_on_the_fly_are_the_same_for_the_same_seed() -> None:
    def items(seed: int) -> list[FrameItem]:
        config = replace(CONFIG, seed=seed)
        live = SyntheticFrames(config, default_model(), size=48, pool=9, open_source=made_source)
        return list(islice(live, 12))

    first, again, other = items(1), items(1), items(2)
    assert all(same(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first[0].q, other[0].q)


def test_workers_make_different_people() -> None:
    live = SyntheticFrames(CONFIG, default_model(), size=32, pool=9, open_source=made_source)
    loader = DataLoader(live, 8, num_workers=2, multiprocessing_context="spawn")
    batches = list(islice(loader, 2))
    scales = [{tuple(row.flatten().tolist()) for row in batch.scales} for batch in batches]
    assert not scales[0] & scales[1]


def test_the_pool_loses_and_repeats_nothing() -> None:
    drawn = list(shuffled(range(50), 8, np.random.default_rng(0)))
    assert sorted(drawn) == list(range(50))
    assert drawn != list(range(50))


def test_the_made_camera_looks_at_the_person(samples: list[Sample]) -> None:
    ground = (samples[0].joints.astype(np.float64) - T) @ R
    assert 0.5 < ground[0, 1] < 1.3  # m: the pelvis' height
