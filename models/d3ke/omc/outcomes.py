"""Outcomes: what came of the sessions of a data set, while it is made and beside its shards."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from d3ke.errors import D3keError
from d3ke.files import read_text, replacing
from d3ke.omc.story import by_names

DONE = ".done"  # behind a job's name: its record, written when all is there
SESSIONS = "sessions.json"  # beside the manifest: all of them


class Outcome(NamedTuple):
    """What came of a job.

    subject: None where nothing did; left_out: what could not be used, and why; remarks: what is
    odd.
    """

    name: str
    subject: str | None
    recordings: int
    left_out: tuple[str, ...]
    remarks: tuple[str, ...]

    @staticmethod
    def from_dict(told: dict[str, Any]) -> "Outcome":
        """What JSON holds of one."""
        return Outcome(**told | {name: tuple(told[name]) for name in ("left_out", "remarks")})


def save_outcome(folder: Path, outcome: Outcome) -> None:
    """Write the record of a job that is done. Raises D3keError where that cannot be."""
    with replacing(folder / f"{outcome.name}{DONE}") as temporary:
        temporary.write_text(json.dumps(outcome._asdict()), encoding="utf-8")


def outcome_of(folder: Path, name: str) -> Outcome | None:
    """The record of a job that is done, None where it is to be done (again)."""
    path = folder / f"{name}{DONE}"
    try:
        outcome = Outcome.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, KeyError):
        return None
    whole = len(list(folder.glob(f"{name}-*.npz"))) == outcome.recordings
    return outcome if whole else None


def save_outcomes(
    folder: Path, outcomes: Iterable[Outcome], paths: Mapping[str, Sequence[Path]]
) -> None:
    """Write all of a data set's. paths: of each job, which are told by their names.

    Raises D3keError where that cannot be.
    """
    told = [
        one._replace(
            left_out=tuple(by_names(line, paths[one.name]) for line in one.left_out),
            remarks=tuple(by_names(line, paths[one.name]) for line in one.remarks),
        )._asdict()
        for one in outcomes
    ]
    with replacing(folder / SESSIONS) as temporary:
        temporary.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def load_outcomes(folder: Path) -> tuple[Outcome, ...]:
    """Those of a finished data set; none where it has no word of them.

    Raises D3keError for a file that `save_outcomes` did not write.
    """
    path = folder / SESSIONS
    if not path.is_file():
        return ()
    try:
        return tuple(Outcome.from_dict(told) for told in json.loads(read_text(path)))
    except (ValueError, TypeError, KeyError) as error:
        raise D3keError(f"{path}: not what came of sessions. Prepare anew.") from error
