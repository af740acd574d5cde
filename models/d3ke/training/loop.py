"""The loop: batches to updates, an average of the weights, validation, and what is saved.

- exponential moving average of the weights, which is what is judged and kept
- a step depends on its number and the seed alone, so that a resumed training is the same
- several processes (torchrun) share each batch; the first of them validates and writes
"""

import copy
import math
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from d3ke.errors import D3keError
from d3ke.progress import Progress, Silent
from d3ke.training.config import TrainConfig
from d3ke.training.processes import Processes
from d3ke.training.run import Run
from d3ke.training.stage import Stage, modes

Batch = TypeVar("Batch")

FIRST_LOOK = 0.02  # of the steps: an early validation, to see that it learns at all
SHOWN_OF = 20  # steps that the figures shown to a person are means of


def train_stage(
    stage: Stage[Batch],
    folder: Path,
    stages: list[dict[str, Any]],
    resume: bool,
    progress: Progress,
) -> Path:
    """Train a stage to its end and return its best weights.

    stages: of the weights that it starts from, as their story tells. Raises D3keError: a run in the
    way, none to resume, a loss that is not finite, a batch that does not fit, a full disk.
    """
    return Training(stage, folder, stages, resume, progress).to_the_end()


class Training(Generic[Batch]):
    """A stage on its way."""

    def __init__(
        self,
        stage: Stage[Batch],
        folder: Path,
        stages: list[dict[str, Any]],
        resume: bool,
        progress: Progress,
    ) -> None:
        # Moments of weights that no longer learn fade to denormal numbers, which a CPU multiplies
        # ten times slower: after 450 steps a MobileNetV2 came to a standstill.
        torch.set_flush_denormal(True)
        torch.backends.cudnn.benchmark = True  # all batches have one shape
        torch.backends.cudnn.allow_tf32 = stage.config.precision != "fp32"
        self.stage, self.config = stage, stage.config
        config = self.config
        self.processes = Processes.joined(config.device)
        self.progress = progress if self.processes.first else Silent()
        average = copy.deepcopy(stage.model)
        network = stage.network()
        self.optimizer = torch.optim.AdamW(
            (p for p in network.parameters() if p.requires_grad),
            config.learning_rate,
            weight_decay=config.weight_decay,
            betas=config.betas,
            amsgrad=config.amsgrad,
            fused=True,
        )
        self.run = Run(
            learning=stage.learning(stage.model),
            average=average,
            learning_average=stage.learning(average),
            optimizer=self.optimizer,
            config=config,
            folder=folder,
            about=stage.about(),
            stages=stages,
        )
        self.run.begin(resume, writes=self.processes.first)
        self.network = self.processes.shared(network)
        self.meter = _Meter(stage.unit, config)

    def to_the_end(self) -> Path:
        """Train until the last step; return the best weights."""
        run, steps = self.run, self.config.steps
        self.progress.start(f"Training {run.folder.name}", steps)
        self.progress.advance(run.step)
        for batch in self.stage.batches(run.step) if run.step < steps else ():
            self.stage.before(run.step / steps)
            self.meter.add(self.step(self.stage.on_device(batch)))
            self.progress.advance()
            self.progress.status(self.meter.shown())
            if self._is_looked_at():
                if self.processes.first:
                    self._validate()
                self.processes.wait()
            if run.step >= steps:
                break
        self.progress.finish()
        return run.folder / "best.safetensors"

    def _is_looked_at(self) -> bool:
        step, config = self.run.step, self.config
        early = step == max(1, round(FIRST_LOOK * config.steps))
        return early or step % config.save_every == 0 or step == config.steps

    def _validate(self) -> None:
        """Judge the averaged weights, and save."""
        row = {"step": float(self.run.step), **self.meter.row()}
        self.run.average.eval()
        with torch.inference_mode():
            row |= self.stage.validate(self.run.average)
        told = [f"{k.replace('_', ' ')} {v:.2f}" for k, v in row.items() if k.endswith("_deg")]
        shown = ", ".join(told) or f"loss {row['loss']:.3f}"
        self.progress.note(f"step {self.run.step}: {shown}")
        # where nobody validates, later weights count as better ones
        self.run.save(row, row.get(self.stage.judge, -row["step"]))
        self.meter.restart()

    def step(self, batch: Batch) -> dict[str, float]:
        """One update of the weights and of their average."""
        run, config, rates = self.run, self.config, self.config.rates()
        torch.manual_seed((config.seed << 32) + run.step)  # of dropout
        if rates.starts_afresh(run.step):
            self.optimizer.state.clear()
        for group in self.optimizer.param_groups:
            group["lr"] = rates.rate(run.step)
        terms = self._backward(batch)
        self.optimizer.step()
        run.step += 1
        run.move_average()
        return terms

    def _backward(self, batch: Batch) -> dict[str, float]:
        """Clipped gradients of a batch, and the terms of its loss."""
        values = self._within_memory(batch)
        if values is None:
            raise self._too_large(batch)
        norm = values.pop("norm")
        if not math.isfinite(values["loss"]) or not math.isfinite(norm):
            raise self._not_finite(batch)
        return values

    def _within_memory(self, batch: Batch) -> dict[str, float] | None:
        """The same, with the gradient's norm; None, and nothing kept, where memory ends."""
        self.optimizer.zero_grad(set_to_none=True)
        try:
            total, terms = self.stage.loss(self.network, batch)
            total.backward()
        except torch.OutOfMemoryError:
            return None
        norm = nn.utils.clip_grad_norm_(
            self.network.parameters(), self.config.clip_norm or math.inf
        )
        told = {"loss": total, **terms, "norm": norm}
        numbers = torch.stack([term.detach() for term in told.values()])
        return dict(zip(told, numbers.tolist(), strict=True))  # one wait for a GPU

    def _not_finite(self, batch: Batch) -> D3keError:
        """What to say of a loss that is not a number: whose it is, or the rate's."""
        names = self.stage.names(batch)
        network = self.stage.network()
        modules = [part for part in network.modules() if part.training]
        network.eval()
        with torch.no_grad():
            bad = [name for index, name in enumerate(names) if not self._is_finite(batch, index)]
        for part in modules:
            part.train()
        if not bad and self.processes.total > 1:
            what = "the batch of another process gives it"
        elif 0 < len(bad) < len(names):
            what = f"{', '.join(bad[:3])} gives it. Look at its labels, or prepare the data again"
        else:
            what = f"a whole batch gives it ({names[0]}, ...). Lower --learning-rate"
        return D3keError(
            f"{self.run.folder}: the loss is no number at step {self.run.step}: {what}. "
            "The weights of the last validation are kept."
        )

    def _is_finite(self, batch: Batch, index: int) -> bool:
        alone = self.stage.part(batch, slice(index, index + 1))
        return math.isfinite(float(self.stage.loss(self.stage.network(), alone)[0]))

    def _too_large(self, batch: Batch) -> D3keError:
        """What to say of a batch that does not fit: which one would."""
        config, count = self.config, len(self.stage.names(batch))
        modes(self.stage.network(), frozen_norm=True)  # else it would ask the other processes
        while count > 1:
            count //= 2
            self.optimizer.zero_grad(set_to_none=True)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            part = self.stage.part(batch, slice(count))
            try:  # not through self.network: other processes wait for its gradients
                self.stage.loss(self.stage.network(), part)[0].backward()
            except torch.OutOfMemoryError:
                continue
            fits = count * self.processes.total
            return D3keError(
                f"--batch {config.batch}: out of memory on {config.device}. --batch {fits} fits."
            )
        return D3keError(
            f"--batch {config.batch}: out of memory on {config.device}, and not even one sample "
            "fits. Use smaller pictures (--size), or --device cpu."
        )


class _Meter:
    """Means of what steps told, and how fast they come."""

    def __init__(self, unit: str, config: TrainConfig) -> None:
        self.unit, self.config = unit, config
        self.restart()

    def restart(self) -> None:
        """Forget all."""
        self.rows: list[Mapping[str, float]] = []
        self.started = time.monotonic()

    def add(self, row: Mapping[str, float]) -> None:
        """Take in what a step told."""
        self.rows.append(row)

    @property
    def pace(self) -> float:
        """Samples a second since the last restart."""
        return len(self.rows) * self.config.batch / max(1e-9, time.monotonic() - self.started)

    def row(self) -> dict[str, float]:
        """Means since the last restart."""
        return {f"{self.unit}_per_s": self.pace, **_means(self.rows)}

    def shown(self) -> str:
        """The last steps for a person."""
        means = _means(self.rows[-SHOWN_OF:])
        return f"loss {means['loss']:.3f}, {means['angle']:.1f} deg, {self.pace:.0f} {self.unit}/s"


def _means(rows: list[Mapping[str, float]]) -> dict[str, float]:
    return {name: sum(row[name] for row in rows) / len(rows) for name in rows[-1]} if rows else {}
