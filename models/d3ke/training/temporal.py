"""The temporal stage: windows of stored answers become better ones."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from d3ke.dataset.reading import Shuffled
from d3ke.network.d3ke import D3KE, Answer
from d3ke.network.image_network import ImageD3KE
from d3ke.network.losses import D3KELoss, Target
from d3ke.network.sequence import SequenceNetwork
from d3ke.network.transition import FrameAnswer
from d3ke.training.config import TemporalConfig
from d3ke.training.errors_of import Sums, errors_of
from d3ke.training.processes import Processes
from d3ke.training.stage import Losses, Stage, autocast
from d3ke.training.stored import StoredAnswers

# A training's batch norms remember no more than a tenth of its steps: the published momentum falls
# to 0.001, a memory of a thousand steps, which would outlive a short training.
REMEMBERED, LONGEST_MOMENTUM = 10.0, 0.1


class TemporalBatch(NamedTuple):
    """Windows: rows (B, T, C); target: of all frames; centre: of the middle one, T = 1."""

    names: tuple[str, ...]
    rows: Tensor
    target: Target
    centre: Target


class TemporalStage(Stage[TemporalBatch]):
    """An ImageD3KE's temporal network, trained on stored answers."""

    unit = "windows"
    judge = "valid_all_deg"

    def __init__(
        self,
        model: ImageD3KE,
        config: TemporalConfig,
        train: StoredAnswers,
        held_out: StoredAnswers,
        story: Mapping[str, Any],
        processes: Processes,
    ) -> None:
        """train, held_out: what the model's frame network said of both splits."""
        self.model: D3KE = model
        self.config: TemporalConfig = config
        self.train, self.held_out = train.near(config.device), held_out.near(config.device)
        self.story, self.processes = story, processes
        self.transition = model.transition
        skeleton, predicted = model.skeleton, model.predicted
        self._centre = D3KELoss(skeleton, predicted, config.loss)
        self._frames = D3KELoss(skeleton, predicted, config.loss, config.positions_every)

    def learning(self, model: D3KE) -> nn.Module:
        """The temporal network alone."""
        assert isinstance(model, ImageD3KE)
        assert model.temporal is not None
        return model.temporal

    def batches(self, first: int) -> Iterator[TemporalBatch]:
        """Endless batches of windows about any frame."""
        config, rank = self.config, self.processes.rank
        share = self.processes.share(config.batch)
        whole: list[int] = []
        for number in Shuffled(self.train.frames, config.seed, first * config.batch):
            whole.append(number % self.train.frames)
            if len(whole) == config.batch:
                yield self.batch(self.train, torch.tensor(whole[rank * share :][:share]))
                whole = []

    def batch(self, stored: StoredAnswers, centres: Tensor) -> TemporalBatch:
        """The windows about frames (B,), where the stored answers lie."""
        centres = centres.to(stored.rows.device)
        frames = stored.windows(centres, self.config.window)
        names = tuple(
            f"{stored.subjects[clip]}, frame {frame}"
            for clip, frame in zip(stored.clip_of(centres).tolist(), centres.tolist(), strict=True)
        )
        return TemporalBatch(
            names, stored.rows[frames], stored.target(frames), stored.target(centres[:, None])
        )

    def loss(self, network: nn.Module, batch: TemporalBatch) -> Losses:
        """The loss of the middle frames, and that of all frames where the network tells of them."""
        with autocast(self.config):
            said = network(batch.rows)
        centre = self.transition.of_rows(said.centre.unsqueeze(1))
        total, terms = self._centre(_answer(centre), batch.centre)
        if said.frames is not None:
            frames = self.transition.of_rows(said.frames)
            total = total + self._frames(_answer(frames), batch.target)[0]
        return total, terms

    def on_device(self, batch: TemporalBatch) -> TemporalBatch:
        """The batch where it is computed on."""

        def to(target: Target) -> Target:
            return Target(*(part.to(self.config.device) for part in target if part is not None))

        rows = batch.rows.to(self.config.device)
        return TemporalBatch(batch.names, rows, to(batch.target), to(batch.centre))

    def names(self, batch: TemporalBatch) -> Sequence[str]:
        """Whose windows, about which frame."""
        return batch.names

    def part(self, batch: TemporalBatch, chosen: slice) -> TemporalBatch:
        """Some of the windows."""

        def of(target: Target) -> Target:
            return Target(*(part[chosen] for part in target if part is not None))

        return TemporalBatch(
            batch.names[chosen], batch.rows[chosen], of(batch.target), of(batch.centre)
        )

    def validate(self, model: D3KE) -> dict[str, float]:
        """Errors on held-out clips, and those of the frame network on the same frames."""
        assert isinstance(model, ImageD3KE)
        stored, sums, before = self.held_out, Sums(), Sums()
        count = min(stored.frames, self.config.validation_windows)
        chosen = torch.arange(count) * stored.frames // count
        for centres in chosen.split(self.config.batch):
            batch = self.on_device(self.batch(stored, centres))
            with autocast(self.config):
                answer = model.windows(batch.rows).centre
            sums.add(errors_of(model, answer, batch.centre), batch.centre.q[:, 0])
            told = FrameAnswer(*(part[centres].to(batch.rows.device) for part in stored.answers))
            before.add(errors_of(model, told, batch.centre), batch.centre.q[:, 0])
        found = {f"valid_{name}": value for name, value in sums.means().items()}
        found |= {f"frame_{name}": value for name, value in before.means().items()}
        return found | {f"own_mean_{name}": e for name, e in sums.own_mean(model).items()}

    def about(self) -> Mapping[str, Any]:
        """What the weights' story tells."""
        return self.story

    def before(self, share: float) -> None:
        """Training mode; normalisation that remembers longer and longer."""
        network = self.network()
        network.train()
        if isinstance(network, SequenceNetwork):
            network.set_bn_momentum(share, min(LONGEST_MOMENTUM, REMEMBERED / self.config.steps))


def _answer(frames: FrameAnswer) -> Answer:
    return Answer(frames.q, frames.root, frames.scales)


def with_temporal(
    model: ImageD3KE, network: str, window: int, width: int, rate_hz: float
) -> ImageD3KE:
    """A network with the same backbone and head, and a temporal network of a kind.

    rate_hz: of the frames of its windows. The temporal network is fresh, unless the model has one
    of the same kind, size and rate.
    """
    config = replace(model.config, temporal=network, window=window, width=width, rate_hz=rate_hz)
    found = ImageD3KE(config, model.osim)
    kept = model.state_dict()
    if config != model.config:
        kept = {name: value for name, value in kept.items() if not name.startswith("temporal.")}
    found.load_state_dict(kept, strict=False)
    return found
