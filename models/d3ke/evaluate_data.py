"""Evaluate networks on a prepared data set: the published table, with what a blind network scores.

- Frame networks are judged on all frames of a split; temporal ones, and then frame networks beside
  them, on the frames of its clips, each in the middle of a window.
- `baseline` is the mean of the train split's labels, said of every frame.
- Intervals are of people: each is drawn with all of its frames. Two runs are told apart only where
  the interval of their difference, of the same people and frames, leaves out 0.
- The skeletons here mark no marker as a bony landmark: marker errors are over all of them.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from d3ke.answer_errors import Array, Figure, Figures, errors_of, nested
from d3ke.bootstrap import Bootstrap
from d3ke.dataset.reading import FRAME_SIZE_PX, DataSet, FrameDataset
from d3ke.errors import OptionError
from d3ke.landmark_answers import landmark_answers
from d3ke.network.checkpoint import load_weights
from d3ke.network.d3ke import D3KE
from d3ke.network.device import choose_device
from d3ke.network.fused import FusedD3KE
from d3ke.network.image_network import ImageD3KE
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.transition import FrameAnswer
from d3ke.progress import Progress, Silent
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.split_answers import (
    Answers,
    Looking,
    Truth,
    frame_answers,
    fused_answers,
    mean_answer,
    people_of,
    truth_of,
    window_answers,
)
from d3ke.training.samples import Watch

if TYPE_CHECKING:
    import pandas as pd

AUTO, FRAME, TEMPORAL = "auto", "frame", "temporal"
LEAST_TO_TELL = 8  # people, of whom an interval of differences is worth a verdict
CLIPS = "clip"  # the manifest's word for consecutive frames


@dataclass(frozen=True)
class DataOptions:
    """What is evaluated how.

    stage: "frame", "temporal", or "auto". batch: frames at a time. mean_of: another data set, whose
    train split gives the mean pose.
    """

    split: str = "test"
    stage: str = AUTO
    batch: int = 64
    device: str = AUTO
    mean_of: Path | None = None


class Estimate(NamedTuple):
    """A figure and its 95 % interval over people, NaN where there is none."""

    value: float
    low: float
    high: float

    @property
    def told_apart(self) -> bool:
        """Whether the interval leaves out 0."""
        return self.low > 0 or self.high < 0


@dataclass(frozen=True)
class Scores:
    """What a stage of a run scores. weights: as they were named; label: short, for tables."""

    weights: str
    stage: str
    label: str
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class Difference:
    """How much larger the errors of the first are than those of the second, person by person."""

    first: Scores
    second: Scores
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True)
class DataEvaluation:
    """Runs on a split of a data set.

    figures: what is estimated, in the order of all estimates. left_out: frames that could not be
    read. clips_only: whether single frames were left aside. baseline: None where the data set has
    no train split.
    """

    data: str
    split: str
    clips_only: bool
    frames: int
    people: int
    left_out: int
    figures: tuple[Figure, ...]
    scores: tuple[Scores, ...]
    baseline: tuple[float, ...] | None
    differences: tuple[Difference, ...]

    def to_json(self) -> dict[str, Any]:
        """All figures, their units in their names."""
        return {
            "data": self.data,
            "split": self.split,
            "weights": list(dict.fromkeys(one.weights for one in self.scores)),
            "clips_only": self.clips_only,
            "frames": self.frames,
            "people": self.people,
            "left_out": self.left_out,
            "runs": [{**_named(one), **self._json(one.estimates)} for one in self.scores],
            "baseline": None if self.baseline is None else nested(self.figures, self.baseline),
            "differences": [
                {
                    "first": _named(one.first),
                    "second": _named(one.second),
                    **self._json(one.estimates),
                    "told_apart": nested(self.figures, [e.told_apart for e in one.estimates]),
                }
                for one in self.differences
            ],
        }

    def to_frame(self) -> "pd.DataFrame":
        """A pandas table, one row a figure; of each stage of a run its value, low and high."""
        import pandas as pd

        columns: dict[str, Sequence[Any]] = {
            "kind": [figure.kind for figure in self.figures],
            "unit": [figure.unit for figure in self.figures],
        }
        if self.baseline is not None:
            columns["mean_pose"] = self.baseline
        for one in self.scores:
            for field in Estimate._fields:
                name = one.label if field == "value" else f"{one.label} {field}"
                columns[name] = [getattr(estimate, field) for estimate in one.estimates]
        index = pd.Index([figure.name for figure in self.figures], name="figure")
        return pd.DataFrame(columns, index=index)

    def _json(self, estimates: Sequence[Estimate]) -> dict[str, Any]:
        values = nested(self.figures, [estimate.value for estimate in estimates])
        ends = nested(self.figures, [[estimate.low, estimate.high] for estimate in estimates])
        return {**values, "intervals": ends}


def evaluate_data(
    folder: str | os.PathLike[str],
    weights: Sequence[str],
    options: DataOptions | None = None,
    progress: Progress | None = None,
) -> DataEvaluation:
    """Judge networks on a split of a prepared data set.

    weights: runs or files; the first is compared with each other.
    Raises D3keError: no data set, or of another skeleton than the weights; no such split; weights
    that work from landmarks where there are none; many broken samples. OptionError: a stage that a
    run has not.
    """
    options, progress = options or DataOptions(), progress or Silent()
    data = DataSet.open(folder)
    learnt = DataSet.open(options.mean_of, data.manifest.model()) if options.mean_of else data
    models = [_network(source, data) for source in weights]
    stages = _stages(weights, models, options.stage, progress)
    kind = None if all(one == (FRAME,) for one in stages) else CLIPS
    frames = FrameDataset(data, options.split, kind=kind)
    how = Looking(
        options.batch, choose_device(options.device), Watch(len(frames), progress), progress
    )
    said = []
    for run, (source, model) in enumerate(zip(weights, models, strict=True)):
        progress.start(f"{source} on {options.split}", len(frames) * len(stages[run]))
        for stage, answers in _answers(model, data, options.split, kind, stages[run], how):
            said.append(Said(run, source, stage, answers))
        progress.finish()
    numbers = _common([one.answers.numbers for one in said])
    truth = truth_of(frames, numbers)
    judge = Judge(data, truth, people_of(frames, numbers), _coordinates(models, truth))
    tables = [judge.table(one.answers.of(numbers)) for one in said]
    scores = [
        Scores(one.source, one.stage, label, judge.estimates(table))
        for one, label, table in zip(said, _labels(said), tables, strict=True)
    ]
    return DataEvaluation(
        data=str(folder),
        split=options.split,
        clips_only=kind is not None,
        frames=len(numbers),
        people=judge.bootstrap.people,
        left_out=len(frames) - len(numbers),
        figures=tuple(judge.figures.known),
        scores=tuple(scores),
        baseline=_baseline(learnt, judge, progress),
        differences=tuple(
            Difference(scores[one], scores[other], judge.difference(tables[one], tables[other]))
            for one, other in _pairs(said)
        ),
    )


class Judge:
    """Turns answers to frames into figures and their intervals."""

    def __init__(
        self, data: DataSet, truth: Truth, people: Sequence[str], coordinates: Sequence[str]
    ) -> None:
        """people: whose each frame is. coordinates: which are judged."""
        self.truth, self.coordinates = truth, coordinates
        self.people: NDArray[np.int64] = np.unique(people, return_inverse=True)[1]
        self.skeleton = SkeletalModel(data.manifest.model())
        self.figures = Figures(coordinates)
        self.bootstrap = Bootstrap(self.people)

    def table(self, answer: FrameAnswer) -> Array:
        """The errors of answers, as Figures describes them."""
        return errors_of(self.skeleton, answer, self.truth, self.coordinates, self.people)

    def values(self, table: Array) -> Array:
        """All figures (G,) of a table."""
        return self.figures.of(self.bootstrap.means(table))

    def estimates(self, table: Array) -> tuple[Estimate, ...]:
        """All figures of a table, with intervals."""
        return self._estimates(self.values(table), self.figures.of(self.bootstrap.drawn(table)))

    def difference(self, first: Array, second: Array) -> tuple[Estimate, ...]:
        """By how much the figures of the first table are larger, with intervals.

        Of few people there are none: two or three that agree tell nothing apart.
        """
        drawn = [self.figures.of(self.bootstrap.drawn(table)) for table in (first, second)]
        apart = drawn[0] - drawn[1]
        if self.bootstrap.people < LEAST_TO_TELL:
            apart = np.full_like(apart, np.nan)
        return self._estimates(self.values(first) - self.values(second), apart)

    def _estimates(self, values: Array, drawn: Array) -> tuple[Estimate, ...]:
        interval = self.bootstrap.interval(drawn)
        rows = zip(values.tolist(), interval.low.tolist(), interval.high.tolist(), strict=True)
        return tuple(Estimate(*row) for row in rows)


class Said(NamedTuple):
    """What a stage of a run said. run: which of the runs; source: its weights."""

    run: int
    source: str
    stage: str
    answers: Answers


def _network(source: str, data: DataSet) -> D3KE:
    model = load_weights(source)
    data.manifest.check_skeleton(model.osim, data.folder)
    return model


def _stages(
    weights: Sequence[str], models: Sequence[D3KE], stage: str, progress: Progress
) -> list[tuple[str, ...]]:
    """By which stages each run is judged, in order."""
    has = [_stages_of(model) for model in models]
    if stage != AUTO:
        for source, own in zip(weights, has, strict=True):
            if stage not in own:
                raise OptionError(f"--stage {stage}: {source} has no such network, but {own[0]}.")
    only_frames = all(FRAME in own for own in has) and not all(TEMPORAL in own for own in has)
    if stage == FRAME or only_frames:
        if any(TEMPORAL in own for own in has) and stage == AUTO:
            progress.note("not all runs have a temporal network: frame networks are compared")
        return [(FRAME,)] * len(has)
    return has


def _stages_of(model: D3KE) -> tuple[str, ...]:
    if not isinstance(model, ImageD3KE):
        return (TEMPORAL,)
    return (FRAME,) if model.temporal is None else (FRAME, TEMPORAL)


def _answers(
    model: D3KE, data: DataSet, split: str, kind: str | None, stages: Sequence[str], how: Looking
) -> Iterator[tuple[str, Answers]]:
    """What a run's stages say."""
    if isinstance(model, FusedD3KE):
        parts = [
            list(_answers(part, data, split, kind, stages, how))[-1][1]
            for part in (model.landmarks, model.pictures)
        ]
        yield TEMPORAL, fused_answers(model, *parts)
        return
    frames = FrameDataset(data, split, model.config.size or FRAME_SIZE_PX, kind=kind)
    if isinstance(model, LandmarkD3KE):
        yield TEMPORAL, landmark_answers(model, frames, how)
        return
    assert isinstance(model, ImageD3KE)
    said = frame_answers(model, frames, how)
    yield FRAME, said
    if TEMPORAL in stages:
        yield TEMPORAL, window_answers(model, frames, said, how)


def _common(numbers: Sequence[Tensor]) -> Tensor:
    """The frames that all have answered."""
    found = numbers[0]
    for others in numbers[1:]:
        found = found[torch.isin(found, others)]
    return found


def _coordinates(models: Sequence[D3KE], truth: Truth) -> list[str]:
    """The coordinates that all networks predict and whose truth is known in some frame."""
    first = models[0]
    chosen = set.intersection(*(set(model.predicted.tolist()) for model in models))
    known = truth.q_mask.any(dim=0).tolist()
    names = first.osim.coordinate_names
    return [names[i] for i in first.predicted.tolist() if i in chosen and known[i]]


def _baseline(data: DataSet, judge: Judge, progress: Progress) -> tuple[float, ...] | None:
    """What the mean of the train split scores."""
    if not data.has("train"):
        progress.warn(f"{data.folder}: no train split, so what its mean pose scores is not known")
        return None
    return tuple(judge.values(judge.table(mean_answer(data, progress))).tolist())


def _pairs(said: Sequence[Said]) -> list[tuple[int, int]]:
    """What is compared: the first run's stages with each other's, then a run's own stages."""
    runs: dict[int, list[int]] = {}
    for place, one in enumerate(said):
        runs.setdefault(one.run, []).append(place)
    first, *others = runs.values()
    pairs = []
    for other in others:
        # from the last stages on: a landmark network has no first one
        pairs += list(zip(reversed(first), reversed(other), strict=False))
    return pairs + [(own[-1], own[0]) for own in runs.values() if len(own) > 1]


def _labels(said: Sequence[Said]) -> list[str]:
    """Short names, each once: the run's folder and the stage."""
    short: dict[int, str] = {}
    for one in said:
        name = Path(one.source).resolve().name if Path(one.source).is_dir() else one.source
        taken = {value for run, value in short.items() if run != one.run}
        short.setdefault(one.run, f"{name} ({one.run + 1})" if name in taken else name)
    return [f"{short[one.run]} {one.stage}" for one in said]


def _named(scores: Scores) -> dict[str, str]:
    return {"weights": scores.weights, "stage": scores.stage}
