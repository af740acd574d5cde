"""Two processes that share each batch train as one does with the whole of it."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest

from d3ke.train import train_frames, train_temporal
from d3ke.training.processes import Processes
from tests.command import PROGRAM
from tests.small_training import (
    FRAMES,
    START,
    WINDOWS,
    curve,
    fresh_weights,
    same,
    small_set,
    weights,
)

ROOT = Path(__file__).parents[1]
# Three updates, validated twice in between; without dropout and normalisation over a batch the
# mean of two halves' gradients is the whole's.
FROZEN = replace(FRAMES, steps=3, save_every=2, freeze_norm=True, learning_rate=1e-3)
HEAD = replace(FROZEN, only="head")
MIDDLE = replace(WINDOWS, steps=3, save_every=2)
WITHIN = 1e-5  # of a weight
WORKER = """
import sys
sys.path.insert(0, {root!r})
from pathlib import Path
from tests import test_distributed as test
from d3ke.progress import Silent
class Loud(Silent):
    def note(self, message):
        print("note", message, flush=True)
test.stages(Path({data!r}), Path({fresh!r}), Path({out!r}), Loud())
"""


class Shared(NamedTuple):
    """What was trained by one process, and by two; what the two said."""

    one: Path
    two: Path
    said: str


def stages(data: Path, fresh: Path, out: Path, progress: object = None) -> None:
    """Train each stage for three updates."""
    told = {"progress": progress} if progress else {}
    train_frames(out / "frozen", [data], START, FROZEN, **told)  # type: ignore[arg-type]
    train_frames(out / "head", [data], START, HEAD, init=fresh, **told)  # type: ignore[arg-type]
    train_temporal(out / "temporal", [data], MIDDLE, init=fresh, **told)  # type: ignore[arg-type]


def torchrun(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Two processes of a program."""
    words = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", *arguments]
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=500, check=False
    )


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Shared:
    folder = tmp_path_factory.mktemp("shared")
    data, fresh = small_set(folder / "data"), fresh_weights(folder / "fresh")
    stages(data, fresh, folder / "one")
    program = folder / "program.py"
    program.write_text(
        WORKER.format(root=str(ROOT), data=str(data), fresh=str(fresh), out=str(folder / "two"))
    )
    done = torchrun(str(program))
    assert done.returncode == 0, done.stderr
    return Shared(folder / "one", folder / "two", done.stdout)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["frozen/frame", "head/frame", "temporal/temporal"])
def test_two_processes_train_as_one(shared: Shared, stage: str) -> None:
    one, two = (weights(run / stage / "last.safetensors") for run in (shared.one, shared.two))
    for table in (one, two):
        for name in table:
            if name.endswith("key_value.bias"):
                # no softmax changes with a bias of keys: its gradient is rounding, writ large by
                # Adam (measured: 1.3e-5; else 3e-6 at most)
                table[name].chunk(2)[0].zero_()
    assert same(one, two, atol=WITHIN)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["frozen/frame", "head/frame", "temporal/temporal"])
def test_only_the_first_process_validates_writes_and_tells(shared: Shared, stage: str) -> None:
    one, two = curve(shared.one / stage), curve(shared.two / stage)
    assert [row["step"] for row in two] == [1, 2, 3]
    assert len({row["valid_all_deg"] for row in two}) == 3  # it does learn
    valid = [name for name in one[0] if name.startswith("valid_")]
    for mine, theirs in zip(one, two, strict=True):
        assert [theirs[n] for n in valid] == pytest.approx([mine[n] for n in valid], rel=1e-3)
    assert shared.said.count("note step") == 3 * 3  # three validations of three stages, once each


@pytest.mark.slow
def test_two_processes_of_the_command_finish(tmp_path: Path) -> None:
    data = small_set(tmp_path / "data")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    words = f"train {data} -o {tmp_path / 'run'} --backbone mobilenet_v2 --size 32 --steps 2"
    words += " --temporal-steps 1 --window 9 --batch 4 --workers 0 --device cpu"
    done = torchrun(str(program), *words.split())
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "temporal" / "best.safetensors").is_file()
    assert done.stderr.count("note: step 2:") == 1


def test_alone_a_process_is_the_first_and_has_all() -> None:
    alone = Processes.joined("cpu")
    assert alone == (0, 1, "cpu")
    assert alone.first
    assert alone.share(7) == 7
    alone.wait()
