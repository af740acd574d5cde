"""BML-MoVi as recordings to prepare: a job for each subject, clocks and cameras being known."""

from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.movi.cameras import VIDEO_HZ
from d3ke.movi.layout import Movi, Subject, find_movi
from d3ke.movi.sessions import Session, open_bodies, sessions_of
from d3ke.omc.marker_names import check_mapping
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.solved_session import Recorded, Recordings, SolveJob
from d3ke.progress import Progress, Silent

ASSETS = Path(__file__).parents[1] / "assets" / "movi"
WORN, VIRTUAL = "worn.toml", "smplh.toml"  # which markers are which of the default skeleton's
AT_ONCE = (0.0, 0.0)  # markers are told at the times of the videos
SEX = {"female": "f", "male": "m"}


class MoviSource(NamedTuple):
    """A subject of BML-MoVi. mapping, smplh: as the command was given them."""

    root: Path
    number: int
    smplh: Path | None
    mapping: Path | None


def movi_recordings(
    root: Path, smplh: Path | None, mapping: Path | None, progress: Progress
) -> Recordings:
    """What to prepare of BML-MoVi under `root`, by the published splits.

    smplh: the folder of the body model: markers are then virtual ones on the bodies of AMASS.
    Raises D3keError: no BML-MoVi there, no bodies for `smplh`, or a mapping that is none.
    """
    if mapping is not None:
        check_mapping(mapping)
    movi = find_movi(root)
    beside = [mapping] if mapping is not None else []
    beside += open_bodies(movi, smplh).files if smplh is not None else []
    common = [_hash_of_file(path) for path in beside]
    for line in movi.missing:
        progress.warn(line)
    told = tuple(path for path in (root, smplh, mapping) if path is not None)
    return Recordings(
        kind="movi",
        jobs=[
            SolveJob(_name(one), _name(one), MoviSource(root, one.number, smplh, mapping), told)
            for one in movi.subjects
        ],
        read=read_movi,
        sources={_name(one): _hash_of(one, smplh is not None, common) for one in movi.subjects},
        split_of={_name(one): one.split for one in movi.subjects},
    )


def read_movi(job: SolveJob) -> Recorded:
    """A subject and their movements. Raises D3keError where none can be used."""
    source: MoviSource = job.source
    movi = find_movi(source.root)
    chosen = tuple(one for one in movi.subjects if one.number == source.number)
    heard = Silent()
    alone: Movi = replace(movi, subjects=chosen, missing=())
    sessions = list(sessions_of(alone, source.smplh, heard))
    if not sessions:
        raise D3keError("; ".join(heard.warnings) or f"{job.name}: no movement can be used.")
    person = _person(job.name, sessions, source)
    return Recorded(person, _takes(sessions), job.name, heard.warnings, ())


def _person(name: str, sessions: list[Session], source: MoviSource) -> Person:
    session = sessions[0]
    facts = {
        "sex": SEX.get(session.sex, session.sex),
        "height_m": session.height_m,
        "mass_kg": session.mass_kg,
    }
    return Person(
        name=name,
        facts={about: fact for about, fact in facts.items() if fact is not None},
        static=session.static,
        recordings=tuple(one.markers for one in sessions),
        mapping=source.mapping or ASSETS / (WORN if source.smplh is None else VIRTUAL),
    )


def _takes(sessions: list[Session]) -> Iterator[Take]:
    for session in sessions:
        footage = tuple(
            Footage(film.camera, film.path, film.view, AT_ONCE, session.frames, VIDEO_HZ)
            for film in session.films
        )
        yield Take(session.trial, session.activity, session.markers, None, footage)


def _name(subject: Subject) -> str:
    return f"Subject_{subject.number}"


def _hash_of(subject: Subject, with_amass: bool, common: list[str]) -> str:
    """One hash of all that a subject's labels and pictures are made of; common: those of all."""
    files = [subject.v3d, *subject.videos.values()]
    files += subject.amass.values() if with_amass else []
    told = [_hash_of_file(path) for path in sorted(files)]
    return sha256("\n".join([*told, *common]).encode()).hexdigest()


def _hash_of_file(path: Path) -> str:
    return f"{path.name} {content_hash(path)}"
