"""Trials: which marker file, motion and videos of a folder belong together."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from d3ke.omc.subject import as_word

MARKER_FILES = {".trc", ".c3d"}
MOTION_FILES = {".mot", ".sto"}
VIDEO_FILES = {".mp4", ".mov", ".avi", ".mkv", ".webm"}

STATIC = re.compile(
    r"static|neutral|(?<![a-z])cal(ib\w*)?(?![a-z])|(?<![a-z])[ta][_-]?pose", re.IGNORECASE
)
# Columns of numbers in a .mot or .sto that are no coordinates.
FORCES = re.compile(
    r"(?<![a-z])(grf|forces?|fp|emg|activations?|controls|dynamics|id|residuals?|moments?|errors)"
    r"(?![a-z])",
    re.IGNORECASE,
)
FORCE_COLUMNS = re.compile(r"ground_force|ground_torque|_force_v?[xyz]\b", re.IGNORECASE)
HEADER_CHARACTERS = 4000
# What programs put behind the name of a trial, and what says no more than the suffix does.
PROCESSED = re.compile(
    r"[_\-. ](filt([_\-][a-z]+)*|lstm|augmented|sync(ed)?|ik|mot|trc|c3d|markers?|kinematics|"
    r"motion|\d+-\d+)$",
    re.IGNORECASE,
)
GENERIC = re.compile(
    r"^(markers?|truth|c3d|ik|mot(ion)?|kinematics|videos?|mocap)([_\-. ]+|$)", re.IGNORECASE
)
# Folders that say what kind of file is in them: OpenCap's, Pose2Sim's, and usual ones.
LAYOUT = {
    "markerdata", "markers", "mocap", "c3d", "trc", "omc", "pose3d", "postaugmentation",
    "opensimdata", "opensim", "kinematics", "ik", "motion", "motions", "mot",
    "model", "models", "osim", "videos", "video", "inputmedia", "calibration", "calib",
}  # fmt: skip
CAMERA = re.compile(
    r"(cam(era)?|view|gopro|iphone|ipad|phone|webcam|pi)[_\-. ]?"
    r"(\d*|[a-h]|left|right|front|back|side)|"
    r"(front|back|rear|left|right|side|top|sagittal|frontal|lateral)([_\-. ]?(view|cam(era)?))?\d*",
    re.IGNORECASE,
)
ONE_CAMERA = "camera"  # the name of one whose file says none


class LeftOut(NamedTuple):
    """A file that a session does not use, and why."""

    path: Path
    why: str


@dataclass(frozen=True)
class Trial:
    """One thing that the subject did: markers, or a motion, or both; and its videos by camera.

    name: a word; activity: what is done. offset_s and drift: where the session says how its clocks
    go together: marker time = (1 + drift) * video time + offset_s.
    """

    name: str
    markers: Path | None
    motion: Path | None
    videos: Mapping[str, Path]
    activity: str
    offset_s: float | None = None
    drift: float = 0.0


@dataclass
class _Draft:
    """A trial of which files are still being found. home: its folder."""

    name: str
    home: Path
    markers: list[Path] = field(default_factory=list)
    motions: list[Path] = field(default_factory=list)
    videos: dict[str, Path] = field(default_factory=dict)


class Drafts:
    """The trials of a folder, as its files are sorted in."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.name = root, name
        self.found: list[_Draft] = []
        self.left_out: list[LeftOut] = []

    def add_markers(self, path: Path) -> None:
        """Sort in a .trc or .c3d."""
        home, name = self._home(path), self._name(path)
        draft = self._named(home, name)
        if draft is None:
            draft = _Draft(name, home)
            self.found.append(draft)
        draft.markers.append(path)

    def add_motion(self, path: Path) -> None:
        """Sort in a .mot or .sto, to the markers of its name where there are any."""
        home, name = self._home(path), self._name(path)
        same = [draft for draft in self.found if _alike(draft.name, name)]
        draft = self._named(home, name)
        if draft is None and len(same) == 1:
            draft = same[0]
        if draft is None and not _own_words(path):
            inside = [draft for draft in self.found if draft.home == home]
            draft = inside[0] if len(inside) == 1 else None
        if draft is None:
            draft = _Draft(name, home)
            self.found.append(draft)
        draft.motions.append(path)

    def add_video(self, path: Path, only: bool) -> None:
        """Sort in a video, or leave it out where no trial has its name.

        only: there is no other, so that it belongs to the one trial whatever its name.
        """
        folders = path.relative_to(self.root).parts[:-1]
        cameras = [part for part in folders if CAMERA.fullmatch(part)]
        home, own = self._home(path), _own_words(path)
        inside = [draft for draft in self.found if draft.home == home]
        placed = _named_in(own, inside) or _named_in(own, self.found)
        is_camera = own.isdigit() or CAMERA.fullmatch(own) is not None
        if placed is None and (not own or is_camera) and len(inside) == 1:
            placed = inside[0], own
        if placed is None:
            said = {as_word(part).casefold() for part in folders}
            above = [draft for draft in self.found if draft.name.casefold() in said]
            placed = (above[0], own if is_camera else "") if len(above) == 1 else None
        if placed is None and only and len(self.found) == 1:
            placed = self.found[0], ""
        if placed is None:
            self.left_out.append(LeftOut(path, "no markers and no motion have its name"))
            return
        draft, rest = placed
        camera = as_word(cameras[-1] if cameras else rest) or ONE_CAMERA
        before = draft.videos.get(camera)
        if before is not None:
            older, path = sorted([before, path], key=_processing)
            self.left_out.append(LeftOut(older, f"{path.name} is of the same camera"))
        draft.videos[camera] = path

    def trials(self, activities: Mapping[Path, str]) -> Iterator[Trial]:
        """The trials in the order of their names. activities: by folder."""
        taken: set[str] = set()
        for draft in sorted(self.found, key=lambda draft: (draft.name, draft.home)):
            motion = self._one(draft.motions, "motion")
            markers = self._one(draft.markers, "recording", like=motion)
            yield Trial(
                name=_unique(draft, taken),
                markers=markers,
                motion=motion,
                videos=dict(sorted(draft.videos.items())),
                activity=activities.get(draft.home) or activity_of(draft.name),
            )

    def _one(self, paths: Sequence[Path], what: str, like: Path | None = None) -> Path | None:
        """The one to use of several files of one trial: of a motion's name, or most processed."""
        if not paths:
            return None
        rank = [
            (like is not None and path.stem == like.stem, _is_text(path), _processing(path))
            for path in paths
        ]
        chosen = paths[rank.index(max(rank))]
        for path in paths:
            if path != chosen:
                self.left_out.append(LeftOut(path, f"{chosen.name} is the same {what}"))
        return chosen

    def _named(self, home: Path, name: str) -> _Draft | None:
        return next((d for d in self.found if d.home == home and _alike(d.name, name)), None)

    def _home(self, path: Path) -> Path:
        """The folder that a file belongs to, those for kinds of files and cameras left out."""
        folder = path.parent
        while folder != self.root and (_is_layout(folder.name) or CAMERA.fullmatch(folder.name)):
            folder = folder.parent
        return folder

    def _name(self, path: Path) -> str:
        """The name of a trial by its file: the folder's where the file's says nothing."""
        home, own = self._home(path), _own_words(path)
        folder = self.name if home == self.root else as_word(home.name)
        if not own:
            return folder
        return f"{folder}_{own}" if own.isdigit() else own


def is_static(path: Path) -> bool:
    """Whether a file's name says that the subject stands still for the calibration."""
    return STATIC.search(path.stem) is not None


def holds_forces(path: Path) -> bool:
    """Whether a .mot or .sto holds forces or the like, not coordinates: by its name, or columns."""
    if FORCES.search(path.stem):
        return True
    with path.open(encoding="utf-8", errors="replace") as file:
        return FORCE_COLUMNS.search(file.read(HEADER_CHARACTERS)) is not None


def camera_of(path: Path, root: Path) -> str:
    """The camera that a calibration file is of, by its name or folder; "" for all of them."""
    own = re.sub(
        r"^(camera|calib(ration)?|intrinsics?|extrinsics?)?([_\-. ]|(?=[A-Z])|$)", "", path.stem
    )
    own = re.sub(r"(intrinsics?|extrinsics?|calib(ration)?|[_\-. ]+)$", "", own, flags=re.I)
    folders = [part for part in path.relative_to(root).parts[:-1] if CAMERA.fullmatch(part)]
    return as_word(folders[-1] if folders else own)


def activity_of(name: str) -> str:
    """What is done, by a trial's name without its number."""
    return re.sub(r"[_\d]+$", "", name).replace("_", " ") or name


def _own_words(path: Path) -> str:
    """What a file's name says beyond what every program writes: the trial, the camera, or both."""
    stem, before = path.stem, ""
    while stem != before:
        before, stem = stem, PROCESSED.sub("", stem)
    return as_word(GENERIC.sub("", stem))


def _named_in(own: str, drafts: Sequence[_Draft]) -> tuple[_Draft, str] | None:
    """The trial that a video's name names, the longest name first, and what else it says."""
    said = own.casefold()
    for draft in sorted(drafts, key=lambda draft: -len(draft.name)):
        known = draft.name.casefold()
        if said == known:
            return draft, ""
        if said.startswith(f"{known}_"):
            return draft, own[len(known) + 1 :]
        if said.endswith(f"_{known}"):
            return draft, own[: -len(known) - 1]
    return None


def _alike(name: str, other: str) -> bool:
    return name.casefold() == other.casefold()


def _is_layout(folder: str) -> bool:
    plain = re.sub(r"[^a-z0-9]", "", folder.casefold())
    return plain in LAYOUT or plain.startswith("postaugmentation")


def _is_text(path: Path) -> bool:
    """A .trc beside a .c3d was exported from it for OpenSim, axes turned and gaps filled."""
    return path.suffix.lower() != ".c3d"


def _processing(path: Path) -> tuple[int, str]:
    """How far a file has come, by the words that programs put behind its name."""
    return len(path.stem), path.name


def _unique(draft: _Draft, taken: set[str]) -> str:
    name, number = draft.name, 2
    if name.casefold() in taken:
        name = f"{as_word(draft.home.name)}_{draft.name}"
    while name.casefold() in taken:
        name, number = f"{draft.name}_{number}", number + 1
    taken.add(name.casefold())
    return name
