"""Preparing landmark records: rendered people, filmed and looked at by BlazePose, file by file."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

from d3ke import __version__
from d3ke.crew import crew
from d3ke.dataset.source import Film
from d3ke.errors import D3keError
from d3ke.files import content_hash, read_text, replacing
from d3ke.progress import Progress, Silent
from d3ke.skeleton import default_model
from d3ke.synth.generator import SyntheticPeople
from d3ke.synth.landmarks.films import Filmer, record_film
from d3ke.synth.landmarks.records import INDEX, RECORDS, SCHEMA_VERSION, LandmarkRecord
from d3ke.synth.plans import ClipPlan, SynthConfig, clips_only
from d3ke.vision.person import open_finder
from d3ke.workers import Advance

KILLED = ".*.npz"  # what a writer that was killed leaves behind
VALID_SHARE = 0.1  # part of the clips that training does not see


@dataclass(frozen=True)
class LandmarkRecordsConfig:
    """All that a folder of landmark records follows from. size: longer side of a picture, px."""

    clips: int
    seed: int = 0
    frames: int = 100  # of a clip
    size: int = 320
    motions: Path | None = None
    wardrobe: Path | None = None
    backgrounds: Path | None = None

    def facts(self) -> dict[str, Any]:
        """As JSON, with what folders hold in place of where they are."""
        return {
            name: content_hash(value)[:16] if isinstance(value, Path) else value
            for name, value in asdict(self).items()
        }


class PreparedRecords(NamedTuple):
    """The folder, its clips and frames, and the part of these in which the person was found."""

    output: Path
    clips: int
    frames: int
    found: float


class RenderedFilms:
    """Films of synthetic people. What they are made of is opened when the first is due."""

    def __init__(self, config: LandmarkRecordsConfig) -> None:
        self.config = config
        self.synth = SynthConfig(
            frames=config.clips * config.frames,
            seed=config.seed,
            clip_frames=config.frames,
            motions=config.motions,
            wardrobe=config.wardrobe,
            backgrounds=config.backgrounds,
        )

    @cached_property
    def people(self) -> SyntheticPeople:
        """The people, their clothes and motions."""
        return SyntheticPeople(self.synth, default_model())

    def plans(self) -> list[ClipPlan]:
        """Clips for training, then those held out."""
        held_out = max(round(VALID_SHARE * self.config.clips), int(self.config.clips > 1))
        counts = {"train": self.config.clips - held_out, "valid": held_out}
        return [
            plan for split, count in counts.items() for plan in clips_only(self.synth, split, count)
        ]

    def film(self, plan: ClipPlan) -> Film:
        """A plan's clip."""
        return self.people.film(plan, self.config.size)


def prepare_landmarks(
    output: Path,
    config: LandmarkRecordsConfig,
    *,
    workers: int | None = None,
    ray: str | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    filmer: Callable[[], Filmer] | None = None,
) -> PreparedRecords:
    """Make the records of a configuration.

    A record is a file, written at once or not at all; `resume` leaves out what is there. workers:
    processes, one a core where it is None; ray: see crew; filmer: another maker of films, which
    every worker calls once. Raises D3keError where other records are in the way, and what the maker
    of films raises.
    """
    progress = progress or Silent()
    filmer = filmer or partial(RenderedFilms, config)
    plans = filmer().plans()
    _begin(output, config, resume)
    waiting = [plan for plan in plans if not _path(output, plan).exists()]
    progress.start("clips", len(plans))
    progress.advance(len(plans) - len(waiting))
    try:
        with crew(partial(Filming, filmer, output), len(waiting), output, workers, ray) as filming:
            for _ in filming.map(waiting, lambda _: None):
                progress.advance()
    except BaseException:
        progress.finish()
        if any(output.glob(RECORDS)):
            progress.note(f"{output}: whole records are kept. Go on with --resume.")
        raise
    progress.finish()
    facts = [_facts(_path(output, plan)) for plan in plans]
    _write_index(output, config, facts)
    frames = [int(fact["frames"]) for fact in facts]
    seen = sum(fact["seen"] * count for fact, count in zip(facts, frames, strict=True))
    return PreparedRecords(output, len(plans), sum(frames), seen / max(1, sum(frames)))


def _path(output: Path, plan: ClipPlan) -> Path:
    return output / f"{plan.subject}.npz"


def _begin(output: Path, config: LandmarkRecordsConfig, resume: bool) -> None:
    """The folder, with what its records follow from."""
    index, now = output / INDEX, config.facts()
    if index.exists():
        stated = _stated(index)
        began = stated.get("config", {}) | {"d3ke": stated.get("d3ke")}
        now["d3ke"] = __version__
        other = sorted(name for name in {*began, *now} if began.get(name) != now.get(name))
        if not resume:
            raise D3keError(
                f"{output}: holds landmark records. Pass --resume to go on, or another folder."
            )
        if other:
            raise D3keError(
                f"{output}: was begun with another {', '.join(other)}. Resume with the same "
                "options, or name another folder."
            )
        for left_behind in output.glob(KILLED):
            left_behind.unlink()
        return
    if output.is_file():
        raise D3keError(f"{output}: a file is in the way. Name a folder.")
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise D3keError(
            f"{output}: no folder for records ({error.strerror}). Name another."
        ) from error
    if any(output.glob(RECORDS)):
        raise D3keError(f"{output}: holds other .npz files. Name an empty folder.")
    _write_index(output, config, [])


def _stated(index: Path) -> dict[str, Any]:
    """What an index says of its records."""
    try:
        stated = json.loads(read_text(index))
    except json.JSONDecodeError as error:
        raise D3keError(f"{index}: not readable as JSON. Make the records anew.") from error
    if not isinstance(stated, dict):
        raise D3keError(f"{index}: not an index of landmark records. Make the records anew.")
    return stated


def _write_index(output: Path, config: LandmarkRecordsConfig, clips: list[dict[str, Any]]) -> None:
    content = {
        "schema_version": SCHEMA_VERSION,
        "d3ke": __version__,
        "config": config.facts(),
        "clips": clips,
    }
    with replacing(output / INDEX) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _facts(path: Path) -> dict[str, Any]:
    """What the index says of a record."""
    record = LandmarkRecord.load(path)
    seen = float(record.seen.mean())
    return {"file": path.name, "frames": len(record.seen), "seen": round(seen, 4), **record.info}


class Filming:
    """What a worker does: films plans, follows the person, keeps the record."""

    def __init__(self, filmer: Callable[[], Filmer], output: Path) -> None:
        self.filmer, self.output, self.finder = filmer(), output, open_finder()

    def __call__(self, plan: ClipPlan, advance: Advance) -> Path:
        """Write the record of a plan and name it."""
        path = _path(self.output, plan)
        record_film(self.filmer.film(plan), self.finder).save(path)
        return path
