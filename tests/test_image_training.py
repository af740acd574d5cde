"""Image networks in training: what a run holds, what learns, what is left as it is."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from d3ke.errors import D3keError
from d3ke.network.checkpoint import story_of
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import about_first
from d3ke.progress import Silent
from d3ke.skeleton import default_model
from d3ke.synth.plans import ClipPlan
from d3ke.train import train_frames, train_temporal
from d3ke.train_images import ImageTraining
from d3ke.training.frames import FrameStage, held_out_frames
from d3ke.training.images import Start, open_sets
from d3ke.training.processes import Processes
from tests.small_training import (
    FRAMES,
    START,
    WINDOWS,
    curve,
    image_network,
    part,
    same,
    small_set,
    weights,
)

TRUNK = "trunk."
ONE = Processes(0, 1, "cpu")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def run(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of both stages, a few steps each."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    train_frames(folder, [data], START, FRAMES)
    train_temporal(folder, [data], WINDOWS)
    return folder


@pytest.fixture(scope="module")
def frame_model(run: Path) -> ImageD3KE:
    return image_network(run / "frame")


# --- runs


def test_a_run_holds_both_stages_each_with_what_it_needs(run: Path) -> None:
    for stage in ("frame", "temporal"):
        found = {path.name for path in (run / stage).iterdir()}
        needed = {
            f"{name}.{suffix}" for name in ("best", "last") for suffix in ("json", "safetensors")
        }
        assert needed | {"log.csv", "config.json", "skeleton.osim", "resume.safetensors"} <= found
    whole = image_network(run)
    assert whole.config.temporal == "transformer"
    assert (whole.config.encoder, whole.config.size, whole.config.window) == ("mobilenet_v2", 32, 9)
    assert whole.config.rate_hz == 30
    assert [stage["what"] for stage in story_of(run)["stages"]] == ["mobilenet_v2", "transformer"]
    assert story_of(run)["data"][0]["counts"]["train"]["frames"] == 16


def test_the_temporal_stage_leaves_the_frame_part_as_it_is(run: Path) -> None:
    whole = weights(run / "temporal" / "last.safetensors")
    frame = weights(run / "frame" / "best.safetensors")
    assert same(part(whole, "temporal.", inside=False), frame)


def test_every_validation_tells_the_figures_beside_the_mean_pose(run: Path) -> None:
    assert {"valid_all_deg", "valid_joints_mm", "valid_markers_mm", "valid_body"} <= set(
        curve(run / "frame")[0]
    )
    row = curve(run / "temporal")[-1]
    assert {"valid_all_deg", "frame_all_deg", "own_mean_all_deg"} <= set(row)


def test_validation_changes_nothing(data: Path) -> None:
    model = START.network(default_model(), 30.0)
    stage = FrameStage(
        model, FRAMES, lambda _: iter(()), held_out_frames(open_sets([data]), 32), {}
    )
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.eval()
    with torch.inference_mode():
        first, second = stage.validate(model), stage.validate(model)
    assert first == second
    assert same(model.state_dict(), before)


def test_validation_s_figures_are_those_of_the_answers(data: Path, frame_model: ImageD3KE) -> None:
    frames = held_out_frames(open_sets([data]), 32)
    stage = FrameStage(frame_model, replace(FRAMES, batch=3), lambda _: iter(()), frames, {})
    with torch.inference_mode():
        found = stage.validate(frame_model)
    sums: dict[str, list[float]] = {"all": [], "joints": [], "body": []}
    for number in range(len(frames)):
        sample = frames[number]
        item: Any = sample[1]
        with torch.inference_mode():
            answer = frame_model.frames(item.image[None])
            pose = frame_model.skeleton(answer.q[0], answer.scales[0])
        error = (answer.q[0] - item.q)[frame_model.predicted]
        sums["all"].append(float(torch.atan2(error.sin(), error.cos()).abs().mean().rad2deg()))
        pelvis = pose.bodies[0][:3, :3]
        joints = (pose.joints - pose.joints[0]) @ (answer.root[0] @ pelvis.T).T
        true = about_first(item.joints, item.markers).joints
        sums["joints"].append(1000 * float((joints - true).norm(dim=1).mean()))
        sums["body"].append(float((answer.scales[0] - item.scales).abs().sum(dim=1).mean()))
    for name, key in (("all", "all_deg"), ("joints", "joints_mm"), ("body", "body")):
        assert found[f"valid_{key}"] == pytest.approx(sum(sums[name]) / len(frames), rel=1e-3)


# --- fine-tuning, and what stays as it is


def test_a_head_alone_leaves_the_trunk_bit_for_bit(data: Path, run: Path, tmp_path: Path) -> None:
    config = replace(FRAMES, only="head", learning_rate=0.05)
    train_frames(tmp_path / "run", [data], START, config, init=run / "frame")
    before = weights(run / "frame" / "best.safetensors")
    after = weights(tmp_path / "run" / "frame" / "last.safetensors")
    assert any("running_mean" in name for name in part(after, TRUNK))
    assert same(part(after, TRUNK), part(before, TRUNK))
    assert not same(part(after, "head."), part(before, "head."), atol=1e-3)
    told = story_of(tmp_path / "run" / "frame")
    assert told["backbone_before"] == "a run of this project"
    assert len(told["stages"]) == 2


def test_only_temporal_leaves_the_frame_part_and_goes_on_with_the_temporal_one(
    data: Path, run: Path, tmp_path: Path
) -> None:
    plan = ImageTraining(
        (data,), init=str(run), only="temporal", temporal_steps=1, batch=4, window=9, workers=0
    )
    assert plan.stages() == ("temporal",)
    config = replace(WINDOWS, learning_rate=0.0)
    train_temporal(tmp_path / "run", [data], config, init=run)
    before, after = (
        weights(run / "temporal" / "best.safetensors"),
        weights(tmp_path / "run" / "temporal" / "last.safetensors"),
    )
    assert same(after, before, atol=1e-6)  # the same temporal network, which no rate changed
    train_temporal(tmp_path / "moved", [data], replace(WINDOWS, learning_rate=0.01), init=run)
    moved = weights(tmp_path / "moved" / "temporal" / "last.safetensors")
    assert same(part(moved, "temporal.", inside=False), part(before, "temporal.", inside=False))
    assert not same(part(moved, "temporal."), part(before, "temporal."), atol=1e-3)
    assert not (tmp_path / "moved" / "frame").exists()


def test_a_training_starts_from_given_weights(data: Path, run: Path, tmp_path: Path) -> None:
    still = replace(FRAMES, learning_rate=0.0, steps=1, freeze_norm=True)
    train_frames(tmp_path / "run", [data], Start("resnet50", 64), still, init=run)
    after = weights(tmp_path / "run" / "frame" / "last.safetensors")
    assert same(after, weights(run / "frame" / "best.safetensors"))  # backbone and size, too


def test_the_same_seed_trains_the_same_network(data: Path, run: Path, tmp_path: Path) -> None:
    train_frames(tmp_path / "again", [data], START, FRAMES)
    assert same(
        weights(tmp_path / "again" / "frame" / "last.safetensors"),
        weights(run / "frame" / "last.safetensors"),
    )
    assert curve(tmp_path / "again" / "frame") == curve(run / "frame")


def test_the_plan_sets_what_a_person_says(data: Path) -> None:
    plan = ImageTraining(
        (data,), recipe="paper", epochs=2.0, batch=5, seed=7, temporal="lstm", window=27, workers=3
    )
    assert plan.stages() == ("frame", "temporal")
    frame, temporal = plan.frame(), plan.temporal_config()
    assert frame.steps == 7  # 2 * 16 frames in batches of 5
    assert temporal.steps == 5  # of clips alone: 2 * 11
    assert (frame.batch, frame.seed, frame.workers, temporal.workers) == (5, 7, 3, 3)
    assert (temporal.network, temporal.window) == ("lstm", 27)
    assert frame.schedule == "published_frame"
    ours = ImageTraining((data,), steps=20, precision="fp32")
    assert (ours.frame().warmup, ours.frame().save_every) == (2, 20)
    assert (ours.frame().precision, ours.temporal_config().frame_precision) == ("fp32", "fp32")
    assert ours.frame().schedule == "cosine"


def test_without_clips_the_frame_stage_is_all(data: Path, tmp_path: Path) -> None:
    lone = small_set(
        tmp_path / "lone", [ClipPlan("train", 0, "frames", 3), ClipPlan("valid", 0, "frames", 2)]
    )
    assert ImageTraining((lone,)).stages() == ("frame",)
    assert ImageTraining((data,)).stages() == ("frame", "temporal")
    assert ImageTraining((lone, data)).stages() == ("frame", "temporal")
    assert ImageTraining((data,), temporal="none").stages() == ("frame",)
    assert ImageTraining((data,), only="head", init="run").stages() == ("frame",)
    assert ImageTraining(synthetic=3).stages() == ("frame",)


# --- who validates


def test_without_anybody_to_validate_the_last_weights_are_kept_and_it_is_said(
    data: Path, tmp_path: Path
) -> None:
    alone = small_set(tmp_path / "alone", [ClipPlan("train", 0, "clip", 6)])
    told = Silent()
    run = tmp_path / "run"
    train_frames(run, [alone], START, FRAMES, progress=told)
    assert told.notes[0] == "nobody validates: the last weights are kept, whether or not best"
    assert "step 4: loss " in told.notes[-1]
    best, last = (weights(run / "frame" / f"{name}.safetensors") for name in ("best", "last"))
    assert same(best, last)
    assert story_of(run)["stages"][-1]["log"]["step"] == FRAMES.steps


def test_one_set_may_be_learnt_from_and_another_one_validate(tmp_path: Path) -> None:
    learnt = small_set(tmp_path / "learnt", [ClipPlan("train", 0, "clip", 6)])
    judging = small_set(tmp_path / "judging", [ClipPlan("valid", 0, "clip", 3)])
    run = tmp_path / "run"
    train_frames(run, [learnt, judging], START, FRAMES)
    assert "valid_all_deg" in story_of(run)["stages"][-1]["log"]
    with pytest.raises(D3keError, match="no frames in train"):
        train_frames(tmp_path / "other", [judging], START, FRAMES)
