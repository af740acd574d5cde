"""Lab: sessions as they lie in a laboratory's folders, read as persons and takes."""

from collections import Counter
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import NamedTuple

import numpy as np

from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.motion.markers import MarkerData
from d3ke.omc.marker_check import ground_turn, static_findings, turned
from d3ke.omc.marker_names import check_mapping
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.scale_setup import read_scale_setup
from d3ke.omc.session import Session, find_session
from d3ke.omc.solved_session import Recorded, Recordings, SolveJob
from d3ke.omc.subject import as_word
from d3ke.omc.trials import Trial
from d3ke.progress import Progress
from d3ke.recordings import load_markers, load_motion
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.rigs import PICKLES, Rig, camera_named, on_wall_board, read_rig
from d3ke.vision.video import Video


class LabSource(NamedTuple):
    """Where a session lies, which file says what its markers are, and which how it is scaled."""

    path: Path
    mapping: Path | None
    scale_setup: Path | None = None


def lab_recordings(
    paths: Sequence[Path],
    mapping: Path | None,
    progress: Progress,
    scale_setup: Path | None = None,
) -> tuple[Recordings, list[str]]:
    """What to prepare of sessions, and the names of those that are none.

    These are told, and the others go on. mapping: of marker names in all of them; scale_setup: of
    OpenSim's ScaleTool, for all of them. Raises D3keError where one of these is none.
    """
    if mapping is not None:
        check_mapping(mapping)
    if scale_setup is not None:
        read_scale_setup(scale_setup)
    jobs, sources, lost = [], {}, []
    names = _names_of(paths)
    for path, name in zip(paths, names, strict=True):
        try:
            session = find_session(path)
            sources[name] = _hash_of(session, mapping, scale_setup)
        except D3keError as error:
            progress.warn(str(error))
            lost.append(str(path))
            continue
        source = LabSource(path, mapping, scale_setup)
        files = _files_of(session, mapping, scale_setup)
        files += [one.path for one in session.left_out]
        outside = [file for file in files if not file.is_relative_to(session.root)]
        told = (session.path, session.root, *outside)
        jobs.append(SolveJob(name, session.subject.id or name, source, told))
    return Recordings("omc", jobs, read_lab, sources), lost


def read_lab(job: SolveJob) -> Recorded:
    """A session's person and takes. Raises D3keError where it is none."""
    return _Reader(job.source).recorded(job.subject)


class _Reader:
    """Reads the files of a session, and gathers what is odd about them."""

    def __init__(self, source: LabSource) -> None:
        self.session = find_session(source.path)
        self.mapping = source.mapping or self.session.mapping
        self.scale_setup = source.scale_setup or self.session.scale_setup
        self.left_out: list[str] = []
        self.remarks = [f"{one.path}: not used: {one.why}" for one in self.session.left_out]

    def recorded(self, subject: str) -> Recorded:
        """The person, and the takes that are read one by one."""
        session, model = self.session, self._model()
        static = self._static()
        self.markers = {trial.name: self._markers(trial) for trial in session.trials}
        several = [m for m in (static, *self.markers.values()) if m is not None]
        turn = ground_turn(several)
        self.turn = np.eye(3) if turn is None else turn
        told = session.subject
        facts = {"sex": told.sex, "height_m": told.height_m, "mass_kg": told.mass_kg}
        person = Person(
            name=subject,
            facts={about: fact for about, fact in facts.items() if fact is not None},
            model=model,
            is_scaled=session.is_scaled,
            static=None if static is None else turned(static, self.turn),
            recordings=tuple(turned(m, self.turn) for m in self.markers.values() if m is not None),
            mapping=self.mapping,
            scale_setup=None if self.scale_setup is None else read_scale_setup(self.scale_setup),
        )
        self.rigs = self._rigs()
        return Recorded(person, self._takes(), str(session.path), self.left_out, self.remarks)

    def _takes(self) -> Iterator[Take]:
        for trial in self.session.trials:
            markers, odd = self.markers[trial.name], list[str]()
            motion = None
            if trial.motion is not None:
                try:
                    motion, _ = load_motion(trial.motion, odd.append)
                except D3keError as error:
                    odd.append(str(error))
            if markers is None and motion is None:
                continue
            footage = tuple(self._footage(trial, odd))
            yield Take(
                name=trial.name,
                activity=trial.activity,
                markers=None if markers is None else turned(markers, self.turn),
                motion=motion,
                footage=footage,
                remarks=tuple(odd),
            )

    def _footage(self, trial: Trial, odd: list[str]) -> Iterator[Footage]:
        for camera, video in sorted(trial.videos.items()):
            clock = None if trial.offset_s is None else (trial.offset_s, trial.drift)
            view = None
            rig = self.rigs.get(self.session.calibration.get(camera))
            if rig is not None:
                try:
                    size = Video(video).size
                    view = camera_named(rig.turned(self.turn), camera, size)
                except D3keError as error:
                    odd.append(f"{error} The camera is estimated instead.")
            yield Footage(camera, video.absolute(), view, clock)

    def _rigs(self) -> dict[Path | None, Rig]:
        """The calibrations by their files; one that cannot be read is told."""
        found: dict[Path | None, Rig] = {}
        for path in sorted(set(self.session.calibration.values())):
            try:
                found[path] = self._rig(path)
            except D3keError as error:
                self.remarks.append(f"{error} Its cameras are estimated instead.")
        return found

    def _rig(self, path: Path) -> Rig:
        """A calibration, in the markers' ground where its file has it or the session says how."""
        rig, board = read_rig(path), self.session.board
        if board is not None:
            return on_wall_board(rig, board.height_m, board.mounting)
        if path.suffix.lower() in PICKLES:
            raise D3keError(
                f"{path}: posed in its checkerboard's frame. Say where that hung, by [board] in "
                "session.toml."
            )
        return rig

    def _model(self) -> OsimModel | None:
        """The session's own model; None where it has none, or one that is not supported."""
        if self.session.osim is None:
            return None
        try:
            return OsimModel.from_file(self.session.osim)
        except D3keError as error:
            self.remarks.append(str(error))
            return None

    def _static(self) -> MarkerData | None:
        if self.session.static is None:
            return None
        try:
            markers = load_markers(self.session.static, self.remarks.append)
        except D3keError as error:
            self.remarks.append(f"{error} The size is taken from moving markers.")
            return None
        odd = static_findings(markers)
        self.remarks += [f"{self.session.static}: {one.text}." for one in odd]
        return markers

    def _markers(self, trial: Trial) -> MarkerData | None:
        if trial.markers is None:
            return None
        try:
            return load_markers(trial.markers, self.remarks.append)
        except D3keError as error:
            self.left_out.append(str(error))
            return None


def _names_of(paths: Sequence[Path]) -> list[str]:
    """A word for each session: its folder's name, with a number where several have the same."""
    words = [
        as_word(path.resolve().stem if path.is_file() else path.resolve().name) for path in paths
    ]
    found: Counter[str] = Counter()
    names = []
    for word in words:
        found[word] += 1
        names.append(word if words.count(word) == 1 else f"{word}_{found[word]}")
    return names


def _hash_of(session: Session, mapping: Path | None, scale_setup: Path | None) -> str:
    """One hash of all that a session is made of, wherever it lies."""
    files = _files_of(session, mapping, scale_setup)
    told = [f"{path.name} {content_hash(path)}" for path in files]
    told += [
        str(session.subject),
        str(session.board),
        *(f"{t.name} {t.offset_s} {t.drift}" for t in session.trials),
    ]
    return sha256("\n".join(told).encode()).hexdigest()


def _files_of(session: Session, mapping: Path | None, scale_setup: Path | None) -> list[Path]:
    """All that a session is made of."""
    files = [session.static, session.osim, mapping or session.mapping]
    files += [scale_setup or session.scale_setup]
    files += list(session.calibration.values())
    for trial in session.trials:
        files += [trial.markers, trial.motion, *trial.videos.values()]
    return sorted({path for path in files if path is not None})
