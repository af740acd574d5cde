"""Session: a lab's recordings of one subject: trials with their videos, model, cameras."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.omc.session_file import Board, SessionFile, read_session_file
from d3ke.omc.subject import FACT_FILES, Subject, as_word, read_facts, together
from d3ke.omc.trials import (
    MARKER_FILES,
    MOTION_FILES,
    VIDEO_FILES,
    Drafts,
    LeftOut,
    Trial,
    camera_of,
    holds_forces,
    is_static,
)

SESSION_FILE = "session.toml"
# Folders of what is not recorded: a truth kept apart, key points in single cameras, results.
OTHERS = {"truth", "pose", "posesync", "poseassociated", "preaugmentation", "dynamics", "geometry"}
DEEPEST = 6  # folders in folders; OpenCap's videos are four down
CALIBRATIONS = {".json", ".toml", ".xml", ".yaml", ".yml", ".pickle", ".pkl", ".xcp", ".txt"}
CALIBRATION = re.compile(r"calib|^cam|camera|intrinsic|extrinsic|\.qca$", re.IGNORECASE)
# Files of the same suffixes that are something else.
NOT_CALIBRATION = re.compile(r"settings|set_?up|config|task|marker|measure", re.IGNORECASE)
MAPPINGS = {".toml", ".xml"}
MAPPING = re.compile(r"marker_?(set|map|name)|mapping|^markers$", re.IGNORECASE)


@dataclass(frozen=True)
class Session:
    """A subject's recordings. path: what it was found by.

    static: markers of the subject standing still. osim: a model, which is_scaled to the subject or
    is not. calibration: the file of each camera that filmed, several cameras' where one file has
    them. mapping: of marker names. scale_setup: of OpenSim's ScaleTool. board: where OpenCap's
    checkerboard hung. left_out: files that look like recordings and are not used.
    """

    path: Path
    name: str
    subject: Subject
    trials: tuple[Trial, ...]
    static: Path | None = None
    osim: Path | None = None
    is_scaled: bool = False
    calibration: Mapping[str, Path] = field(default_factory=dict)
    mapping: Path | None = None
    scale_setup: Path | None = None
    board: Board | None = None
    left_out: tuple[LeftOut, ...] = ()

    @property
    def root(self) -> Path:
        """The folder in which its files lie."""
        return self.path if self.path.is_dir() else self.path.parent

    @property
    def cameras(self) -> tuple[str, ...]:
        """The names of the cameras that filmed."""
        return tuple(sorted({camera for trial in self.trials for camera in trial.videos}))


def find_session(path: str | os.PathLike[str]) -> Session:
    """The session in a folder as labs have them, or in a TOML that names its files.

    In a folder, files are told by their kinds and names: markers .trc .c3d, motions .mot .sto,
    videos beside them (walk.mp4, walk_cam1.mp4, cam1/walk.mp4, video_cam1.mp4 where there is one
    trial), a model .osim, calibrations (camera_cam1.json, calib.toml, ...), a static trial by its
    name, and facts in clip.json, trial.json, sessionMetadata.yaml or Config.toml. A session.toml
    there says what differs: see session_file.
    Raises D3keError: nothing usable, files of several subjects, a TOML that is wrong.
    """
    path = Path(path)
    if path.is_dir():
        written = path / SESSION_FILE
        said = read_session_file(written) if written.is_file() else None
        return _session(path, path, said)
    if path.suffix.lower() != ".toml":
        what = "not a folder, nor a .toml" if path.exists() else "no such folder"
        raise D3keError(f"{path}: {what}. Name the folder of a session.")
    return _session(path, path.parent, read_session_file(path))


class _Files:
    """The files of a folder, by what they are."""

    def __init__(self, root: Path) -> None:
        self.root = root
        inside = list(_walk(root))
        self.facts = [read_facts(path) for path in inside if path.name in FACT_FILES]
        shared = [path for facts in self.facts for path in facts.shared if path.is_file()]
        self.all = [*inside, *shared]
        self.markers = self._of(MARKER_FILES)
        self.motions = self._of(MOTION_FILES)
        self.videos = [path for path in inside if path.suffix.lower() in VIDEO_FILES]
        self.models = self._of({".osim"})
        self.calibrations = [path for path in inside if _is_calibration(path)]
        self.mappings = [path for path in self._of(MAPPINGS) if MAPPING.search(path.stem)]

    def subject(self, name: str, path: Path) -> Subject:
        """Whom the files are about, by their facts; called `name` where none says."""
        return together([facts.subject for facts in self.facts if facts.subject], name, path)

    def told(self) -> str:
        """What there is, in words."""
        kinds = ((self.videos, "video"), (self.models, "model"), (self.markers, "static trial"))
        found = [f"{len(some)} {word}{'s' * (len(some) > 1)}" for some, word in kinds if some]
        return ", ".join(found) or "nothing of a recording"

    def _of(self, suffixes: set[str]) -> list[Path]:
        return [path for path in self.all if path.suffix.lower() in suffixes]


def _session(path: Path, root: Path, said: SessionFile | None) -> Session:
    name = (said and said.name) or as_word(root.resolve().name) or "session"
    files = _Files(root)
    if said is None:
        found = _sorted_in(path, name, files)
    elif said.trials is None:
        found = _corrected(_sorted_in(path, name, files), said)
    else:
        known = said.subject is not None and said.subject.id
        subject = Subject(name) if known else files.subject(name, path)
        found = _corrected(Session(path, name, subject, said.trials), said)
    return _with_calibration(found, files, (said and said.calibration) or {})


def _sorted_in(path: Path, name: str, files: _Files) -> Session:
    """The session that the files of a folder make."""
    drafts = Drafts(files.root, name)
    statics = [one for one in files.markers if is_static(one)]
    for one in files.markers:
        if one not in statics:
            drafts.add_markers(one)
    for one in files.motions:
        if holds_forces(one) or is_static(one):
            drafts.left_out.append(LeftOut(one, "no motion of a trial"))
        else:
            drafts.add_motion(one)
    if not drafts.found and not statics:
        raise D3keError(
            f"{path}: holds {files.told()}, no markers (.trc, .c3d) and no motion (.mot, .sto). "
            "Add them, or name another folder."
        )
    for one in files.videos:
        if is_static(one):
            drafts.left_out.append(LeftOut(one, "by its name of the static trial"))
        else:
            drafts.add_video(one, only=len(files.videos) == 1)
    activities = {facts.path.parent: facts.activity for facts in files.facts if facts.activity}
    trials = tuple(drafts.trials(activities))
    osim = _first(sorted(files.models, key=_scaling), drafts.left_out)
    return Session(
        path=path,
        name=name,
        subject=files.subject(name, path),
        trials=trials,
        static=_first(statics, drafts.left_out),
        osim=osim,
        is_scaled=osim is not None and _is_scaled(osim, trials, statics),
        mapping=_first(files.mappings, drafts.left_out),
        left_out=tuple(drafts.left_out),
    )


def _corrected(found: Session, said: SessionFile) -> Session:
    """A session with what its TOML says in place of what the folder says."""
    osim = said.osim or found.osim
    of_file = said.osim is not None and _is_scaled(said.osim, found.trials, said.static)
    return replace(
        found,
        subject=found.subject if said.subject is None else _told(found.subject, said.subject),
        trials=tuple(
            one for one in found.trials if one.markers is None or one.markers != said.static
        ),
        static=said.static or found.static,
        osim=osim,
        is_scaled=(found.is_scaled or of_file) if said.is_scaled is None else said.is_scaled,
        mapping=said.mapping or found.mapping,
        scale_setup=said.scale_setup,
        board=said.board,
    )


def _told(found: Subject, said: Subject) -> Subject:
    return Subject(
        id=said.id or found.id,
        sex=said.sex or found.sex,
        height_m=said.height_m or found.height_m,
        mass_kg=said.mass_kg or found.mass_kg,
    )


def _with_calibration(found: Session, files: _Files, said: Mapping[str, Path]) -> Session:
    """A session with the calibration of each camera that filmed, where there is one."""
    named = {path: camera_of(path, files.root) for path in files.calibrations}
    of_one = {
        path: camera
        for path, name in named.items()
        for camera in found.cameras
        if _plain(name) == _plain(camera)
    }
    others = [path for path in named if path not in of_one]
    of_all = others[0] if len(others) == 1 else None
    chosen: dict[str, Path] = {}
    for camera in found.cameras:
        own = next((path for path, one in of_one.items() if one == camera), of_all)
        path = said.get(camera) or said.get("") or own
        if path is not None:
            chosen[camera] = path
    unused = [path for path in named if path not in chosen.values()]
    left_out = [LeftOut(path, "of no camera that filmed") for path in unused]
    return replace(found, calibration=chosen, left_out=(*found.left_out, *left_out))


def _walk(folder: Path, depth: int = 0) -> Iterator[Path]:
    """The files in a folder and its folders, in the order of their names."""
    for path in sorted(folder.iterdir()):
        if path.name.startswith("."):
            continue
        if path.is_file():
            yield path
        elif path.is_dir() and depth < DEEPEST and _plain(path.name) not in OTHERS:
            yield from _walk(path, depth + 1)


def _is_calibration(path: Path) -> bool:
    if path.suffix.lower() not in CALIBRATIONS or path.name in FACT_FILES:
        return False
    if path.suffix.lower() == ".xcp":
        return True
    by_name = CALIBRATION.search(path.stem) is not None
    by_folder = CALIBRATION.search(path.parent.name) and path.suffix.lower() != ".txt"
    return bool(by_name or by_folder) and not NOT_CALIBRATION.search(path.stem)


def _first(paths: Sequence[Path], left_out: list[LeftOut]) -> Path | None:
    """The first of several files of which one is enough."""
    left_out += [LeftOut(path, f"{paths[0].name} is used") for path in paths[1:]]
    return paths[0] if paths else None


def _scaling(path: Path) -> int:
    """Order of models: the subject's own, others, generic ones."""
    generic = re.search("generic|unscaled", path.stem, re.IGNORECASE)
    return 2 if generic else 1 - ("scaled" in path.stem.casefold())


def _is_scaled(osim: Path, trials: Sequence[Trial], static: object) -> bool:
    """Whether a model is of the subject: by its name in file or folder, or as motions are of it."""
    inside = re.search(r'<Model name="([^"]*)"', read_text(osim)[:4000])
    names = f"{osim.stem} {inside[1] if inside else ''}".casefold()
    if "generic" in names or "unscaled" in names:
        return False
    return "scaled" in names or (not static and any(trial.motion for trial in trials))


def _plain(name: str) -> str:
    """Letters and numbers without case and leading zeros."""
    return "".join(part.lstrip("0") or "0" for part in re.findall(r"[a-z]+|\d+", name.casefold()))
