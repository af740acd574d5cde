"""Layout of BML-MoVi: which files of which subjects a folder has."""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from d3ke.errors import D3keError
from d3ke.movi.cameras import NAMES
from d3ke.movi.splits import split_of

PATTERNS = {
    "v3d": re.compile(r"F_v3d_Subject_(?P<subject>\d+)\.mat", re.IGNORECASE),
    "video": re.compile(r"F_(?P<part>PG[12])_Subject_(?P<subject>\d+)_L\.avi", re.IGNORECASE),
    "amass": re.compile(r"Subject_(?P<subject>\d+)_F_(?P<part>\d+)_poses\.npz", re.IGNORECASE),
}
WANTED = "F_v3d_Subject_N.mat and F_PG1_Subject_N_L.avi"


@dataclass(frozen=True)
class Subject:
    """A subject's files. videos: by camera; amass: by the number of the movement."""

    number: int
    split: str
    v3d: Path
    videos: Mapping[str, Path]
    amass: Mapping[int, Path]


@dataclass(frozen=True)
class Movi:
    """What a folder has. missing: a line for each file or subject that is not used."""

    root: Path
    subjects: tuple[Subject, ...]
    missing: tuple[str, ...]

    @property
    def has_amass(self) -> bool:
        """Whether bodies of AMASS are there."""
        return any(subject.amass for subject in self.subjects)


def find_movi(root: Path | str) -> Movi:
    """The subjects of BML-MoVi's round F below a folder, wherever in it the files lie.

    Raises D3keError: no such folder, or no subject in it with markers and a video.
    """
    root = Path(root)
    if not root.is_dir():
        raise D3keError(f"{root}: no such folder. Give the one that BML-MoVi was unpacked into.")
    found, missing = _files(root)
    subjects = []
    for number in sorted(set(found["v3d"]) | set(found["video"])):
        lines, subject = _subject(number, found)
        missing += lines
        if subject is not None:
            subjects.append(subject)
    if not subjects:
        raise D3keError(
            f"{root}: no subject of BML-MoVi with markers and a video{_reason(missing)}. "
            f"Unpack {WANTED} into it."
        )
    return Movi(root, tuple(subjects), tuple(missing))


Found = dict[str, dict[int, dict[str, Path]]]  # kind, subject, camera or movement


def _files(root: Path) -> tuple[Found, list[str]]:
    found: Found = {kind: defaultdict(dict) for kind in PATTERNS}
    doubles = []
    for path in sorted(root.rglob("*")):
        for kind, pattern in PATTERNS.items():
            match = pattern.fullmatch(path.name)
            if match is None or not path.is_file():
                continue
            part = match.groupdict().get("part", "").upper().lstrip("0")
            first = found[kind][int(match["subject"])].setdefault(part, path)
            if first != path:
                doubles.append(f"{path}: there is {first}, too; this one is not used.")
    return found, doubles


def _subject(number: int, found: Found) -> tuple[list[str], Subject | None]:
    split, v3d, videos = split_of(number), found["v3d"].get(number), found["video"].get(number, {})
    if split is None:
        return [f"subject {number}: is in no split; not used."], None
    if v3d is None:
        return [f"subject {number}: F_v3d_Subject_{number}.mat is missing; not used."], None
    lines = [
        f"subject {number}: F_{camera}_Subject_{number}_L.avi is missing."
        for camera in NAMES
        if camera not in videos
    ]
    if not videos:
        return [f"subject {number}: no video of PG1 or PG2; not used."], None
    amass = {int(part): path for part, path in found["amass"].get(number, {}).items()}
    ordered = {camera: videos[camera] for camera in NAMES if camera in videos}
    return lines, Subject(number, split, v3d[""], ordered, dict(sorted(amass.items())))


def _reason(missing: list[str]) -> str:
    return f" ({missing[0].rstrip('.')})" if missing else ""
