"""Trainings that learn by heart, and that come back from the dead."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from d3ke.dataset.reading import DataSet, FrameDataset
from d3ke.errors import D3keError
from d3ke.network.image_network import ImageD3KE
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Silent
from d3ke.synth.plans import ClipPlan
from d3ke.train import train_frames
from d3ke.train_images import ImageTraining, train_images
from d3ke.training.errors_of import errors_of
from d3ke.training.frames import target_of
from d3ke.training.images import Start, open_sets
from d3ke.training.loop import train_stage
from d3ke.training.processes import Processes
from d3ke.training.samples import Frames, collated
from d3ke.training.stored import StoredAnswers, stored_answers
from d3ke.training.temporal import TemporalStage, with_temporal
from tests.small_training import (
    FRAMES,
    START,
    WINDOWS,
    curve,
    fresh_weights,
    image_network,
    same,
    small_set,
    weights,
)
from tests.test_train import Interrupting

ONE = Processes(0, 1, "cpu")
ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_set(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fresh_weights(tmp_path_factory.mktemp("fresh") / "frame")


@pytest.fixture(scope="module")
def frame_model(fresh: Path) -> ImageD3KE:
    return image_network(fresh)


@pytest.fixture(scope="module")
def answers(frame_model: ImageD3KE, data: Path) -> StoredAnswers:
    return stored_answers(frame_model, open_sets([data]), "train", Silent())


# --- slow: it learns, and it comes back from the dead


@pytest.mark.slow
@pytest.mark.parametrize(
    ("backbone", "steps", "within_deg"), [("mobilenet_v2", 200, 1.0), ("resnext50", 80, 3.0)]
)
def test_the_frame_stage_learns_eight_frames_by_heart(
    tmp_path: Path, backbone: str, steps: int, within_deg: float
) -> None:
    plans = [
        ClipPlan("train", 0, "clip", 4),
        ClipPlan("train", 1, "frames", 4),
        ClipPlan("valid", 0, "frames", 1),
    ]
    folder = small_set(tmp_path / "data", plans)
    config = replace(
        FRAMES, steps=steps, batch=8, learning_rate=2e-3, warmup=10, save_every=steps, ema=0.9
    )
    train_frames(tmp_path / "run", [folder], Start(backbone, 64), config)
    model = image_network(tmp_path / "run" / "frame" / "last.safetensors")
    frames = Frames([FrameDataset(DataSet.open(folder), "train", 64)])
    batch = collated([frames[number] for number in range(8)]).batch
    assert batch is not None
    with torch.inference_mode():
        answer = model.frames(batch.frames.image)
        errors = errors_of(model, answer, target_of(batch.frames))
    assert float(errors["all_deg"].mean()) < within_deg


def rough(model: ImageD3KE, answers: StoredAnswers) -> StoredAnswers:
    """Answers as of a frame network that has learnt something: the truth, roughly."""
    torch.manual_seed(4)
    q = answers.true_q.clone()
    q[:, model.predicted] += 0.15 * torch.randn(len(q), len(model.predicted))
    said = FrameAnswer(q, answers.true_root, answers.true_scales)
    return replace(answers, **said._asdict(), rows=model.rows(said))


@pytest.mark.slow
@pytest.mark.parametrize("network", ["transformer", "lstm"])
def test_the_temporal_stage_learns_two_clips_by_heart(
    frame_model: ImageD3KE, answers: StoredAnswers, tmp_path: Path, network: str
) -> None:
    config = replace(
        WINDOWS, network=network, steps=300, batch=11, width=64, learning_rate=3e-3, warmup=20
    )
    torch.manual_seed(0)
    model = with_temporal(frame_model, network, 9, 64, 30.0)
    stored = rough(model, answers)
    config = replace(config, save_every=300, ema=0.9)
    train_stage(
        TemporalStage(model, config, stored, stored, {}, ONE), tmp_path, [], False, Silent()
    )
    last = curve(tmp_path)[-1]
    assert last["valid_all_deg"] < 1
    assert last["frame_all_deg"] > 5  # before


FRAME_STAGE = """
train_frames(Path({out!r}), [Path({data!r})], START, replace(FRAMES, steps=12, save_every=3,
    augmentation=Augmentation(flip=0.5), workers=1), resume={resume})
"""
TEMPORAL_STAGE = """
train_temporal(Path({out!r}), [Path({data!r})], replace(WINDOWS, steps=12, save_every=3,
    network="lstm"), init={fresh!r}, resume={resume})
"""
PROGRAM = f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from dataclasses import replace
from pathlib import Path
from d3ke.dataset.augmentation import Augmentation
from d3ke.train import train_frames, train_temporal
from tests.small_training import FRAMES, START, WINDOWS
"""


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["frame", "temporal"])
def test_a_training_killed_and_resumed_is_the_one_that_was_not(
    data: Path, fresh: Path, tmp_path: Path, stage: str
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    call = FRAME_STAGE if stage == "frame" else TEMPORAL_STAGE  # of lstm, which has dropout

    def words(out: Path, resume: bool = False) -> list[str]:
        names = {"out": str(out), "data": str(data), "fresh": str(fresh), "resume": resume}
        return [sys.executable, "-c", PROGRAM + call.format(**names)]

    subprocess.run(words(whole), check=True)
    log = killed / stage / "log.csv"
    with subprocess.Popen(words(killed)) as running:
        while not (log.is_file() and "\n6," in log.read_text()):
            assert running.poll() is None
            time.sleep(0.01)
        os.kill(running.pid, signal.SIGKILL)
        assert running.wait(60) == -signal.SIGKILL
    subprocess.run(words(killed, resume=True), check=True)
    assert curve(killed / stage) == curve(whole / stage)
    for name in ("last", "best"):
        assert same(
            weights(killed / stage / f"{name}.safetensors"),
            weights(whole / stage / f"{name}.safetensors"),
        )


def test_a_training_interrupted_and_resumed_is_the_one_that_was_not(
    data: Path, tmp_path: Path
) -> None:
    train_frames(tmp_path / "whole", [data], START, FRAMES)
    with pytest.raises(KeyboardInterrupt):
        train_frames(tmp_path / "run", [data], START, FRAMES, progress=Interrupting(after=2))
    train_frames(tmp_path / "run", [data], START, FRAMES, resume=True)
    assert same(
        weights(tmp_path / "run" / "frame" / "last.safetensors"),
        weights(tmp_path / "whole" / "frame" / "last.safetensors"),
    )
    assert curve(tmp_path / "run" / "frame") == curve(tmp_path / "whole" / "frame")


def test_a_plan_goes_on_with_the_stage_that_was_not_done(data: Path, tmp_path: Path) -> None:
    plan = ImageTraining(
        (data,),
        backbone="mobilenet_v2",
        temporal="tcn",
        steps=2,
        temporal_steps=2,
        batch=4,
        size=32,
        window=9,
        workers=0,
        precision="fp32",
    )
    with pytest.raises(KeyboardInterrupt):
        train_images(tmp_path, plan, Interrupting(after=2))
    assert (tmp_path / "frame" / "best.safetensors").is_file()
    assert not (tmp_path / "temporal" / "resume.safetensors").exists()
    before = (tmp_path / "frame" / "last.safetensors").read_bytes()
    trained = train_images(tmp_path, replace(plan, resume=True))
    assert trained.steps == {"frame": 2, "temporal": 2}
    assert all(path.is_file() for path in trained.weights.values())
    assert (tmp_path / "frame" / "last.safetensors").read_bytes() == before
    with pytest.raises(D3keError, match="holds a run"):
        train_images(tmp_path, plan)
