"""Training: it learns, it resumes as if nothing had happened, it refuses what would lose a run."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from d3ke.errors import D3keError
from d3ke.network.checkpoint import load_weights, story_of
from d3ke.skeleton import default_model
from d3ke.synth.landmarks.clips import LandmarkClipsConfig
from d3ke.train import train_landmarks
from d3ke.training.landmarks import LandmarkConfig
from tests.fake_films import made_record
from tests.small_data import small_data

TINY = LandmarkConfig(
    steps=6,
    batch=4,
    save_every=3,
    warmup=2,
    precision="fp32",
    workers=0,
    validation_batches=1,
    clips=LandmarkClipsConfig(frames=16, bank_clips=8),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("records")
    for number in range(3):
        made_record(40, number).save(folder / f"train{number:06d}.npz")
    made_record(40, 7).save(folder / "valid000000.npz")
    return folder


def weights(run: Path) -> dict[str, torch.Tensor]:
    return load_weights(run / "last.safetensors").state_dict()


def test_a_resumed_run_equals_one_that_was_not_stopped(data: Path, tmp_path: Path) -> None:
    osim = default_model()
    train_landmarks(tmp_path / "whole", data, osim, TINY)
    # The learning rate follows `steps`, so the first half is cut short, not configured short.
    with pytest.raises(KeyboardInterrupt):
        train_landmarks(tmp_path / "cut", data, osim, TINY, progress=Interrupting(after=5))
    train_landmarks(tmp_path / "cut", data, osim, TINY, resume=True)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_so_does_one_that_is_trained_on_records_too(
    data: Path, records: Path, tmp_path: Path
) -> None:
    osim = default_model()
    train_landmarks(tmp_path / "whole", data, osim, TINY, records=records)
    with pytest.raises(KeyboardInterrupt):
        interrupting = Interrupting(after=5)
        train_landmarks(tmp_path / "cut", data, osim, TINY, records=records, progress=interrupting)
    train_landmarks(tmp_path / "cut", data, osim, TINY, records=records, resume=True)
    whole, cut = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_held_out_records_are_logged_beside_held_out_windows(
    data: Path, records: Path, tmp_path: Path
) -> None:
    config = replace(TINY, steps=1, save_every=1, record_share=1.0)
    train_landmarks(tmp_path / "run", data, default_model(), config, records=records)
    names = (tmp_path / "run" / "log.csv").read_text().splitlines()[0].split(",")
    assert {"valid_legs_deg", "records_legs_deg", "records_all_deg"} <= set(names)
    told = story_of(tmp_path / "run")["stages"][0]["train"]
    assert told["records"]
    assert str(records) not in str(told)  # what it was, not where


def test_a_run_is_not_resumed_with_other_records(data: Path, records: Path, tmp_path: Path) -> None:
    config = replace(TINY, steps=1, save_every=1)
    train_landmarks(tmp_path / "run", data, default_model(), config, records=records)
    with pytest.raises(D3keError, match="another records"):
        train_landmarks(tmp_path / "run", data, default_model(), config, resume=True)


def test_records_without_held_out_ones_are_refused(data: Path, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    made_record(40, 0).save(tmp_path / "records" / "train000000.npz")
    with pytest.raises(D3keError, match="split valid"):
        train_landmarks(tmp_path / "run", data, default_model(), TINY, records=tmp_path / "records")
    assert not (tmp_path / "run").exists()


class Interrupting:
    """A person who presses Ctrl-C in the middle of training."""

    def __init__(self, after: int) -> None:
        self.after, self.training = after, False

    def start(self, what: str, total: int | None = None) -> None:
        self.training = what.startswith("Training")

    def advance(self, count: int = 1) -> None:
        self.after -= count if self.training else 0
        if self.after < 0:
            raise KeyboardInterrupt

    def status(self, text: str) -> None: ...

    def finish(self) -> None: ...

    def note(self, message: str) -> None: ...

    def warn(self, message: str) -> None: ...


@pytest.mark.slow
def test_training_lowers_the_error_by_a_quarter_in_150_steps(data: Path, tmp_path: Path) -> None:
    config = replace(TINY, steps=150, save_every=25, batch=16, learning_rate=2e-3)
    train_landmarks(tmp_path / "run", data, default_model(), config)
    rows = (tmp_path / "run" / "log.csv").read_text().splitlines()
    names = rows[0].split(",")
    losses = [float(row.split(",")[names.index("angle")]) for row in rows[1:]]
    assert losses[-1] < 0.75 * losses[0]  # measured: 0.67


def test_a_run_is_not_overwritten(data: Path, tmp_path: Path) -> None:
    train_landmarks(tmp_path / "run", data, default_model(), replace(TINY, steps=1, save_every=1))
    with pytest.raises(D3keError, match="--resume"):
        train_landmarks(tmp_path / "run", data, default_model(), TINY)


def test_nothing_to_resume_is_said(data: Path, tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="no run to resume"):
        train_landmarks(tmp_path / "none", data, default_model(), TINY, resume=True)


def test_a_run_starts_from_given_weights(data: Path, tmp_path: Path) -> None:
    first = replace(TINY, steps=1, save_every=1)
    train_landmarks(tmp_path / "one", data, default_model(), first)
    still = replace(first, learning_rate=0.0)
    train_landmarks(tmp_path / "two", data, default_model(), still, init=tmp_path / "one")
    one, two = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert all(torch.allclose(one[name], two[name], atol=1e-6) for name in one)


def test_the_learning_rate_warms_up_and_fades() -> None:
    schedule = LandmarkConfig(steps=100, warmup=10, learning_rate=1.0).rates()
    rates = [schedule.rate(step) for step in range(100)]
    assert rates[0] == 0.1
    assert max(rates) == rates[10] == 1.0
    assert 0.009 < rates[-1] < 0.02


def test_a_run_remembers_the_stages_before_it(data: Path, tmp_path: Path) -> None:
    first = replace(TINY, steps=1, save_every=1)
    train_landmarks(tmp_path / "one", data, default_model(), first)
    train_landmarks(tmp_path / "two", data, default_model(), first, init=tmp_path / "one")
    assert len(story_of(tmp_path / "one")["stages"]) == 1
    assert len(story_of(tmp_path / "two")["stages"]) == 2


def test_a_run_is_not_resumed_with_other_options(data: Path, tmp_path: Path) -> None:
    config = replace(TINY, steps=1, save_every=1)
    train_landmarks(tmp_path / "run", data, default_model(), config)
    with pytest.raises(D3keError, match="another seed"):
        train_landmarks(
            tmp_path / "run", data, default_model(), replace(config, seed=5), resume=True
        )


def test_a_file_in_the_way_of_a_run_is_named(data: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("no folder")
    with pytest.raises(D3keError, match="no folder for a run"):
        train_landmarks(tmp_path / "run", data, default_model(), TINY)


def test_data_that_are_not_there_leave_no_run_behind(tmp_path: Path) -> None:
    with pytest.raises(D3keError):
        train_landmarks(tmp_path / "run", tmp_path / "nothing", default_model(), TINY)
    assert not (tmp_path / "run").exists()
