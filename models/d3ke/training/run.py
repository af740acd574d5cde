"""A run: a training in progress, its folder, and what is written there.

A stage's folder holds best and last weights (safetensors + JSON), the skeleton, log.csv,
TensorBoard's events, and the state from which `resume` goes on exactly where it stopped.
"""

import csv
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import get_ema_multi_avg_fn

from d3ke import __version__
from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.network.checkpoint import read_story, save_weights
from d3ke.network.d3ke import D3KE
from d3ke.network.training_state import load_state, save_state
from d3ke.training.config import TrainConfig
from d3ke.training.saving import told_of

STATE = "resume.safetensors"
OWN = {"device", "workers", "compile"}  # a run may go on with others of these


@dataclass
class Run:
    """A training in progress.

    average: the model whose weights are averages. learning, learning_average: what of the model,
    and of the average, learns. about: what the weights' story tells beside config and figures.
    """

    learning: nn.Module
    average: D3KE
    learning_average: nn.Module
    optimizer: torch.optim.Optimizer
    config: TrainConfig
    folder: Path
    about: Mapping[str, Any]
    step: int = 0
    best: float = float("inf")
    stages: list[dict[str, Any]] = field(default_factory=list)

    def begin(self, resume: bool, writes: bool = True) -> None:
        """Make the folder, or put the run back where it stopped.

        writes: whether this process is the one of several that writes.

        Raises D3keError: another run is there, none to resume, or one of other options.
        """
        if resume:
            self._resume()
        elif (self.folder / STATE).exists():
            raise D3keError(
                f"{self.folder}: holds a run. Pass --resume to go on, or another folder."
            )
        if not writes:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise D3keError(
                f"{self.folder}: no folder for a run ({error.strerror}). Name another."
            ) from error
        if resume:
            self._forget_later_rows()
        else:
            (self.folder / "log.csv").unlink(missing_ok=True)  # of a run killed as it first saved
        self.average.osim.write(self.folder / "skeleton.osim")
        with replacing(self.folder / "config.json") as temporary:
            temporary.write_text(json.dumps(asdict(self.config), indent=2) + "\n", encoding="utf-8")

    def save(self, row: dict[str, float], error: float) -> None:
        """Write the log, the weights, and the state to resume from; best ones by `error`."""
        story = {
            "d3ke": __version__,
            "licence": "Apache-2.0",
            **self.about,
            "stages": [*self.stages, {**self._what(), "log": row}],
        }
        if error < self.best:
            self.best = error
            save_weights(self.folder / "best.safetensors", self.average, story)
        save_weights(self.folder / "last.safetensors", self.average, story)
        self._log(row)  # before the state: a run killed in between makes this row anew
        with told_of(self.folder / STATE):
            save_state(
                self.folder / STATE,
                self.learning,
                self.learning_average,
                self.optimizer,
                self.step,
                self.best,
            )

    def move_average(self) -> None:
        """Take the new weights into the average; a young average forgets faster."""
        ema = self.config.ema
        keep = min(ema, (1 + self.step) / (10 + self.step)) if ema else 0.0
        move = get_ema_multi_avg_fn(keep)
        move(list(self.learning_average.parameters()), list(self.learning.parameters()), 0)
        with torch.no_grad():
            for known, now in self._buffers:
                torch._foreach_copy_(known, now)

    @cached_property
    def _buffers(self) -> list[tuple[list[Tensor], list[Tensor]]]:
        """Buffers of the average and of the model, by type: those of one are copied at once."""
        pairs = zip(self.learning_average.buffers(), self.learning.buffers(), strict=True)
        by_type: dict[torch.dtype, tuple[list[Tensor], list[Tensor]]] = {}
        for known, now in pairs:
            ours, theirs = by_type.setdefault(known.dtype, ([], []))
            ours.append(known)
            theirs.append(now)
        return list(by_type.values())

    def _what(self) -> dict[str, Any]:
        return {"what": self.about.get("what", self.folder.name), "train": asdict(self.config)}

    def _resume(self) -> None:
        path = self.folder / STATE
        if not path.is_file():
            raise D3keError(f"{self.folder}: no run to resume. Leave --resume out to start one.")
        self._check_same()
        state = load_state(path)
        self.learning.load_state_dict(state.part("model"))
        self.learning_average.load_state_dict(state.part("average"))
        state.into_optimizer(self.optimizer)
        self._lay_out_moments()
        self.step, self.best = state.step, state.best

    def _lay_out_moments(self) -> None:
        """Put moments in memory as their weights are: fused optimisers read both in one order."""
        for weight, moments in self.optimizer.state.items():
            for name, value in moments.items():
                if value.shape == weight.shape:
                    moments[name] = torch.empty_like(weight).copy_(value)

    def _check_same(self) -> None:
        """Raises D3keError where the run was begun with other options or another network."""
        try:
            began = json.loads(read_text(self.folder / "config.json"))
        except ValueError as error:
            raise D3keError(
                f"{self.folder / 'config.json'}: not JSON. Train into another folder."
            ) from error
        now = json.loads(json.dumps(asdict(self.config)))
        other = [name for name in now if name not in OWN and now[name] != began.get(name)]
        network = read_story(self.folder / "last.safetensors")["config"]
        wanted = json.loads(json.dumps(self.average.config.to_dict()))
        other += [name for name in wanted if wanted[name] != network.get(name, wanted[name])]
        if other:
            raise D3keError(
                f"{self.folder}: was begun with another {', '.join(dict.fromkeys(other))}. "
                "Resume with the same options, or train into another folder."
            )

    def _forget_later_rows(self) -> None:
        """Take rows out of the log that are not whole, or of steps after the state was written."""
        path = self.folder / "log.csv"
        if not path.is_file():
            return
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        whole = [line for line in lines if line.endswith("\n")]  # a full disk cuts one short
        column = lines[0].strip().split(",").index("step") if whole else 0
        kept = [line for line in whole[1:] if float(line.split(",")[column]) <= self.step]
        with replacing(path) as temporary:
            temporary.write_text("".join([*whole[:1], *kept]), encoding="utf-8")

    def _log(self, row: Mapping[str, float]) -> None:
        path = self.folder / "log.csv"
        fresh = not path.is_file() or path.stat().st_size == 0
        try:
            with path.open("a", newline="", encoding="utf-8") as text:
                writer = csv.DictWriter(text, fieldnames=list(row))
                if fresh:
                    writer.writeheader()
                writer.writerow({name: f"{value:.6g}" for name, value in row.items()})
            _to_tensorboard(self.folder, row)
        except OSError as error:
            raise D3keError(
                f"{self.folder}: the log cannot be written ({error.strerror}). Free some space, "
                "then go on with --resume."
            ) from error


def _to_tensorboard(folder: Path, row: Mapping[str, float]) -> None:
    """The same figures for TensorBoard."""
    # here, for it takes a second to load
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder / "tensorboard")) as writer:
        for name, value in row.items():
            writer.add_scalar(name, value, int(row["step"]))
