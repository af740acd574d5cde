"""Networks on a data set: each figure a second time by hand, and what a table may not claim."""

import csv
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from d3ke import evaluate_data as evaluate_data_module
from d3ke.agreement import GROUPS
from d3ke.dataset.manifest import Manifest
from d3ke.dataset.reading import DataSet, FrameDataset, WindowDataset
from d3ke.errors import D3keError, OptionError
from d3ke.evaluate_data import DataOptions, Estimate, Judge, evaluate_data
from d3ke.landmark_answers import track_of
from d3ke.network.checkpoint import load_weights
from d3ke.network.config import default_bounds
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.transition import FrameAnswer
from d3ke.prepare import PrepareOptions, prepare_synthetic
from d3ke.progress import Silent
from d3ke.split_answers import mean_answer, people_of, truth_of
from d3ke.synth.plans import SynthConfig
from d3ke.vision.camera import Camera
from d3ke_cli.tables import table_of
from tests.command import Command
from tests.judged_data import OSIM, by_hand, fresh, rewritten, saved, turned_by
from tests.made_people import K, R, made_source

CONFIG = SynthConfig(frames=150, seed=5, size=96, clip_frames=9, lone_frames=4)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("prepared") / "data"
    prepare_synthetic(output, CONFIG, PrepareOptions(workers=1), open_source=made_source)
    return output


@pytest.fixture(scope="module")
def data(folder: Path) -> DataSet:
    return DataSet.open(folder)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    base = tmp_path_factory.mktemp("runs")
    return [saved(fresh(seed), base / name) for seed, name in enumerate(("one", "two"))]


@pytest.fixture(scope="module")
def temporal(tmp_path_factory: pytest.TempPathFactory) -> str:
    return saved(fresh(3, "transformer"), tmp_path_factory.mktemp("run") / "both", "temporal")


def judge_of(data: DataSet, split: str = "test") -> Judge:
    frames = FrameDataset(data, split)
    numbers, predicted = torch.arange(len(frames)), list(default_bounds(OSIM))
    return Judge(data, truth_of(frames, numbers), people_of(frames, numbers), predicted)


def values_of(judge: Judge, answer: FrameAnswer) -> dict[str, float]:
    values = judge.values(judge.table(answer)).tolist()
    return dict(zip([figure.name for figure in judge.figures.known], values, strict=True))


@pytest.fixture(autouse=True)
def few_people_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate_data_module, "LEAST_TO_TELL", 2)


def people_in(data: DataSet, split: str) -> set[str]:
    return {clip["subject"] for clip in data.sequences(split)}


# --- figures


def test_a_perfect_network_scores_nothing(data: DataSet) -> None:
    judge = judge_of(data)
    truth = judge.truth
    found = values_of(judge, FrameAnswer(truth.q, truth.root, truth.scales))
    assert max(found.values()) < 2e-2  # mm, deg, %: float32 over 12 bodies
    assert found["all"] == 0


def test_every_figure_is_that_of_plain_loops(data: DataSet, runs: list[str]) -> None:
    found = evaluate_data(data.folder, runs[:1])
    (scores,) = found.scores
    model = load_weights(runs[0])
    assert isinstance(model, ImageD3KE)
    frames = FrameDataset(data, "test", size=64)
    with torch.inference_mode():
        answer = model.frames(torch.stack([frames[n].image for n in range(len(frames))]))
    expected = by_hand(data, "test", answer)
    predicted = [OSIM.coordinate_names[i] for i in model.predicted.tolist()]
    expected["all"] = float(np.mean([expected[name] for name in predicted]))
    for group, members in GROUPS.items():
        expected[group] = float(np.mean([expected[name] for name in members]))
    assert found.frames == len(frames)
    names = [figure.name for figure in found.figures]
    assert names[-len(predicted) :] == predicted
    for name, estimate in zip(names, scores.estimates, strict=True):
        assert estimate.value == pytest.approx(expected[name], rel=2e-4, abs=2e-3), name
        assert estimate.low < estimate.value < estimate.high, name


def test_the_baseline_is_the_mean_of_train_by_hand(data: DataSet) -> None:
    labels = [FrameDataset(data, "train", size=32)[n] for n in range(CONFIG.frames * 8 // 10)]
    answer = mean_answer(data, Silent())
    assert len(labels) == len(FrameDataset(data, "train"))
    columns = zip(*(item.q.tolist() for item in labels), strict=True)
    for index, column in enumerate(columns):
        mean = math.atan2(sum(map(math.sin, column)), sum(map(math.cos, column)))
        assert float(answer.q[0, index]) == pytest.approx(mean, abs=1e-5)
    scales = sum(item.scales.double() for item in labels) / len(labels)
    torch.testing.assert_close(answer.scales[0].double(), scales, atol=1e-5, rtol=0)
    # the rotation nearest to the mean, by singular values
    u, _, vt = np.linalg.svd(sum(item.root.double().numpy() for item in labels))
    nearest = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
    assert (
        turned_by(answer.root[0].double().numpy(), nearest) < 0.03
    )  # deg: an arc cosine next to 1, of float32
    count = len(FrameDataset(data, "test"))
    everywhere = FrameAnswer(*(part.expand(count, *part.shape[1:]) for part in answer))
    expected = by_hand(data, "test", everywhere)
    found = values_of(judge_of(data), answer)
    for name in ("joints", "markers", "pelvis", "body", "knee_angle_r"):
        assert found[name] == pytest.approx(expected[name], rel=2e-4), name


def test_angles_are_averaged_and_compared_on_the_circle(data: DataSet) -> None:
    judge = judge_of(data)
    truth = judge.truth
    around = FrameAnswer(truth.q + 2 * torch.pi, truth.root, truth.scales)
    assert values_of(judge, around)["all"] < 1e-3


def test_what_is_not_known_does_not_count(data: DataSet) -> None:
    judge = judge_of(data)
    truth = judge.truth
    knee = OSIM.coordinate_names.index("knee_angle_r")
    q, markers = truth.q.clone(), truth.markers.clone()
    q[::2, knee] += 1
    markers[::2, 5] += 1
    answer = FrameAnswer(truth.q, truth.root, truth.scales)
    judge.truth = truth._replace(q=q, markers=markers)
    assert values_of(judge, answer)["knee_angle_r"] > 20
    assert values_of(judge, answer)["markers"] > 1
    q_mask, markers_mask = truth.q_mask.clone(), truth.markers_mask.clone()
    q_mask[::2, knee] = False
    markers_mask[::2, 5] = False
    judge.truth = judge.truth._replace(q_mask=q_mask, markers_mask=markers_mask)
    assert values_of(judge, answer)["knee_angle_r"] == 0
    assert values_of(judge, answer)["markers"] < 2e-2


# --- temporal networks


def test_a_temporal_network_is_judged_on_clips_beside_its_frames(
    data: DataSet, temporal: str
) -> None:
    found = evaluate_data(data.folder, [temporal], DataOptions(batch=4))
    frames = FrameDataset(data, "test", size=64, kind="clip")
    assert found.clips_only
    assert found.frames == len(frames) < len(FrameDataset(data, "test"))
    assert [one.stage for one in found.scores] == ["frame", "temporal"]
    model = load_weights(temporal)
    assert isinstance(model, ImageD3KE)
    windows = WindowDataset(data, "test", window=9, stride=1, size=64)
    knee = OSIM.coordinate_names.index("knee_angle_l")
    errors: list[float] = []
    with torch.inference_mode():
        for n in range(len(windows)):
            rows = model.rows(model.frames(windows[n].images))
            q = model.windows(rows[None]).centre.q[0, knee]
            errors.append(math.degrees(abs(q - windows[n].q[4, knee])))
    place = [figure.name for figure in found.figures].index("knee_angle_l")
    assert found.scores[1].estimates[place].value == pytest.approx(np.mean(errors), rel=1e-4)
    (difference,) = found.differences
    assert (difference.first.stage, difference.second.stage) == ("temporal", "frame")


def test_a_stage_that_a_run_lacks_is_told(data: DataSet, runs: list[str], temporal: str) -> None:
    with pytest.raises(OptionError, match=r"--stage temporal: .*one has no such network"):
        evaluate_data(data.folder, [temporal, runs[0]], DataOptions(stage="temporal"))
    progress = Silent()
    found = evaluate_data(data.folder, [temporal, runs[0]], progress=progress)
    assert not found.clips_only
    assert [one.stage for one in found.scores] == ["frame", "frame"]
    assert any("frame networks are compared" in note for note in progress.notes)
    alone = evaluate_data(data.folder, [temporal], DataOptions(stage="frame"))
    assert alone.frames == found.frames
    assert alone.scores[0].estimates == found.scores[0].estimates


# --- intervals


def test_the_same_weights_are_not_told_apart(data: DataSet, runs: list[str]) -> None:
    found = evaluate_data(data.folder, [runs[0], runs[0]])
    (difference,) = found.differences
    assert all(e == (0, 0, 0) and not e.told_apart for e in difference.estimates)
    assert [one.label for one in found.scores] == ["one frame", "one (2) frame"]
    shown = table_of(found)
    assert "not told apart" in shown
    assert "errs less" not in shown


def test_few_people_tell_nothing(
    data: DataSet, runs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluate_data_module, "LEAST_TO_TELL", 8)
    (difference,) = evaluate_data(data.folder, runs[:2]).differences
    assert not any(e.told_apart or math.isnan(e.value) for e in difference.estimates)


def test_a_verdict_needs_an_interval_without_0(data: DataSet, runs: list[str]) -> None:
    judge = judge_of(data)
    truth = judge.truth
    good = judge.table(FrameAnswer(truth.q + 0.01, truth.root, truth.scales))
    bad = judge.table(FrameAnswer(truth.q + 0.2, truth.root, truth.scales))
    names = [figure.name for figure in judge.figures.known]
    found = dict(zip(names, judge.difference(good, bad), strict=True))
    assert found["all"].told_apart
    assert found["all"].value == pytest.approx(math.degrees(-0.19), rel=1e-4)
    assert not found["pelvis"].told_apart
    mixed = good.copy()
    mixed[judge.people == judge.people[0]] += 1e4  # one person alone
    assert not dict(zip(names, judge.difference(mixed, bad), strict=True))["all"].told_apart


def test_a_verdict_names_the_run_that_errs_less(data: DataSet, runs: list[str]) -> None:
    found = evaluate_data(data.folder, runs)
    (difference,) = found.differences
    for estimate, better in ((Estimate(-2, -3, -1), "one"), (Estimate(2, 1, 3), "two")):
        told = replace(difference, estimates=(estimate,) * len(found.figures))
        shown = table_of(replace(found, differences=(told,)))
        assert shown.count(f"{better} frame errs less") == len(
            [figure for figure in found.figures if figure.kind != "coordinate"]
        )


# --- what is written and told


def test_json_is_stable_finite_and_the_same_twice(
    data: DataSet, runs: list[str], tmp_path: Path, d3ke: Command
) -> None:
    table = tmp_path / "table.csv"
    words = ("evaluate", data.folder, "--weights", runs[0], "--weights", runs[1], "--json")
    first = d3ke(*words, "-o", table)
    assert first.status == 0
    assert d3ke(*words).out == first.out
    found = first.json
    assert list(found) == [
        "data", "split", "weights", "clips_only", "frames", "people", "left_out", "runs",
        "baseline", "differences",
    ]  # fmt: skip
    figures = ["joints_mm", "markers_mm", "root_deg", "body", "body_of_person", "mae_deg"]
    one = found["runs"][0]
    assert list(found["baseline"]) == figures
    assert list(one) == ["weights", "stage", *figures, "intervals"]
    assert list(one["intervals"]) == figures
    assert list(one["mae_deg"]) == ["groups", "all", "coordinates"]
    assert list(one["body"]) == ["sum", "x_percent", "y_percent", "z_percent"]
    assert found["weights"] == runs
    assert found["people"] == len(people_in(data, "test"))
    (difference,) = found["differences"]
    assert list(difference) == ["first", "second", *figures, "intervals", "told_apart"]
    apart = one["joints_mm"] - found["runs"][1]["joints_mm"]
    assert difference["joints_mm"] == pytest.approx(apart)
    assert "NaN" not in first.out
    assert "null" not in first.out
    with table.open(encoding="utf-8") as text:
        rows = {row["figure"]: row for row in csv.DictReader(text)}
    assert set(GROUPS) | set(one["mae_deg"]["coordinates"]) <= set(rows)
    assert rows["knee_angle_r"]["kind"] == "coordinate"
    assert float(rows["joints"]["one frame"]) == pytest.approx(one["joints_mm"])
    assert float(rows["all"]["two frame low"]) < float(rows["all"]["two frame high"])


def test_the_text_has_every_figure(data: DataSet, runs: list[str], d3ke: Command) -> None:
    shown = d3ke("evaluate", data.folder, "--weights", runs[0], "--split", "valid")
    assert shown.status == 0
    assert f"of {len(people_in(data, 'valid'))} people (valid)" in shown.out
    for word in ("joints, mm", "pelvis, deg", "arms, deg", "knee_angle_r, deg", "mean pose"):
        assert word in shown.out


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        ("DATA", 2, "either REF"),
        ("DATA x.mot --weights RUN", 2, "either REF"),
        ("x.mot y.mot --split test", 2, "--split is for --weights only"),
        ("x.mot y.mot --batch 3", 2, "--batch is for --weights only"),
        ("DATA --weights RUN --lag 0.1", 2, "--lag is for PRED and REF only"),
        ("DATA --weights RUN --stage temporal", 2, "--stage temporal"),
        ("DATA --weights RUN --split all", 2, "--split"),
        ("RUN --weights RUN", 1, "no data set"),
        ("nowhere --weights RUN", 1, "no data set"),
        ("DATA --weights nowhere", 1, "nowhere: no such weights"),
        ("DATA --weights landmarks", 1, "holds no landmarks"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    words: str, status: int, told: str, data: DataSet, runs: list[str], d3ke: Command
) -> None:
    places = {"DATA": str(data.folder), "RUN": runs[0]}
    result = d3ke("evaluate", *(places.get(word, word) for word in words.split()))
    assert result.status == status
    assert result.out == ""
    (line,) = result.errors
    assert told in line


def test_broken_samples_are_named_left_out_and_counted(
    data: DataSet, runs: list[str], tmp_path: Path
) -> None:
    frames = FrameDataset(data, "test")
    broken = frames.sample(5).key
    folder = rewritten(
        data, tmp_path / "broken", lambda s: replace(s, jpg=b"no jpg") if s.key == broken else s
    )
    progress = Silent()
    found = evaluate_data(folder, runs, progress=progress)
    assert found.left_out == 1
    assert found.frames == len(frames) - 1
    (warning,) = progress.warnings
    assert broken in warning
    worse = rewritten(data, tmp_path / "worse", lambda sample: replace(sample, jpg=b"no jpg"))
    with pytest.raises(D3keError, match="cannot be read, more than one in a hundred"):
        evaluate_data(worse, runs)


def test_another_skeleton_is_refused(runs: list[str], data: DataSet, tmp_path: Path) -> None:
    xml = OSIM.xml.replace("</Model>", "<!-- another --></Model>")
    other = type(OSIM).from_xml(xml)
    model = fresh(0)
    config = replace(model.config, skeleton_sha256=other.sha256)
    run = saved(ImageD3KE(config, other), tmp_path / "other")
    other.write(Path(run) / "frame" / "skeleton.osim")
    with pytest.raises(D3keError, match="its labels are of another skeleton"):
        evaluate_data(data.folder, [run])


def test_without_train_there_is_no_baseline(data: DataSet, runs: list[str], tmp_path: Path) -> None:
    folder = rewritten(data, tmp_path / "tests_only", lambda sample: sample)
    clips = tuple(DataSet.open(folder).sequences("test"))
    replace(Manifest.load(folder), clips=clips).save(folder)
    progress = Silent()
    found = evaluate_data(folder, runs[:1], progress=progress)
    assert found.baseline is found.to_json()["baseline"] is None
    assert any("no train split" in warning for warning in progress.warnings)
    given = evaluate_data(folder, runs[:1], DataOptions(mean_of=data.folder)).baseline
    assert given == evaluate_data(data.folder, runs[:1]).baseline


# --- landmarks


def test_a_landmark_network_is_judged_where_there_are_landmarks(
    data: DataSet, temporal: str, tmp_path: Path
) -> None:
    rng = np.random.default_rng(0)

    def with_landmarks(sample: Any) -> Any:
        pixels = sample.markers[:33] @ K.T
        found = rng.normal(0, 0.1, (33, 7)).astype(np.float32)
        found[:, :2] = pixels[:, :2] / pixels[:, 2:]
        found[:, 3] = 0.9
        return replace(sample, landmarks=found)

    folder = rewritten(data, tmp_path / "seen", with_landmarks)
    found = evaluate_data(folder, ["landmarks", temporal])
    assert [one.stage for one in found.scores] == ["temporal", "frame", "temporal"]
    pairs = [(one.first.label, one.second.label) for one in found.differences]
    assert pairs == [("landmarks temporal", "both temporal"), ("both temporal", "both frame")]
    seen = DataSet.open(folder)
    model = load_weights("landmarks")
    assert isinstance(model, LandmarkD3KE)
    errors: list[float] = []
    for clip in seen.sequences("test", kind="clip"):
        samples = [seen.sample(clip, index) for index in range(clip["frames"])]
        camera = Camera(K, (720, 1280), "made")
        told = regress(model, track_of(samples), camera, R @ np.array([0, -1.0, 0]))
        errors += [
            turned_by(root, sample.root[:3, :3])
            for root, sample in zip(told.root, samples, strict=True)
        ]
    place = [figure.name for figure in found.figures].index("pelvis")
    assert found.scores[0].estimates[place].value == pytest.approx(np.mean(errors), rel=1e-3)
