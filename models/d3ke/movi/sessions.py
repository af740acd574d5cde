"""Sessions of BML-MoVi: each movement with its markers and films, ready to be solved."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.movi.amass import read_amass
from d3ke.movi.cameras import MOCAP_HZ, VIDEO_HZ, camera_of
from d3ke.movi.layout import Movi, Subject
from d3ke.movi.motion_filter import frames_used
from d3ke.movi.smplh import BodyModel, find_smplh, load_smplh
from d3ke.movi.v3d import Movement, V3d, read_v3d
from d3ke.movi.virtual_markers import static_markers, virtual_markers
from d3ke.progress import Progress, Silent
from d3ke.vision.camera import Camera
from d3ke.vision.video import Video

RATE_TOLERANCE_HZ = 0.5
SEXES = ("female", "male")
LENGTH_TOLERANCE_S = 0.5  # of AMASS to v3d: more, and it is another movement


class Film(NamedTuple):
    """What a camera filmed of a movement: frames first up to before last of a video, from 0."""

    camera: str
    view: Camera
    path: Path
    first: int
    last: int


class Session(NamedTuple):
    """A movement of a subject.

    trial: a word of its own among the subject's; activity: as published. markers: in OpenSim's
    ground, m, by published names, their time that of the videos, s; static: those of a pose for
    calibration, or None. frames: the numbers in the videos of what the split takes.
    """

    subject: str
    sex: str
    height_m: float | None
    mass_kg: float | None
    split: str
    trial: str
    activity: str
    markers: MarkerData
    static: MarkerData | None
    films: tuple[Film, ...]
    frames: NDArray[np.int64]


class _Labels(NamedTuple):
    markers: MarkerData
    static: MarkerData | None


def sessions_of(
    movi: Movi, smplh: Path | None = None, progress: Progress | None = None
) -> Iterator[Session]:
    """Every movement that can be used, subject by subject.

    smplh: the folder of the body model; with it the markers are virtual ones on the bodies of
    AMASS, without it those that the subjects wore. What is left out is told to `progress`.
    Raises D3keError: `smplh`, but nothing of AMASS is there, or that folder has no body models.
    """
    progress = progress or Silent()
    models = None if smplh is None else open_bodies(movi, smplh)
    for line in movi.missing:
        progress.warn(line)
    for subject in movi.subjects:
        try:
            v3d, videos = read_v3d(subject.v3d), _videos(subject, progress)
            source = _Worn(v3d) if models is None else _Bodies(subject, models)
        except D3keError as error:
            progress.warn(str(error))
            continue
        for movement in v3d.movements:
            if not movement.is_static:
                yield from _session(subject, v3d, movement, videos, source, progress)


def open_bodies(movi: Movi, smplh: Path) -> "Bodies":
    """The body models that bodies of AMASS need.

    Raises D3keError: nothing of AMASS is there, or the folder has no body models.
    """
    if not movi.has_amass:
        raise D3keError(
            f"{movi.root}: no Subject_N_F_k_poses.npz of AMASS. Unpack its BMLmovi into it, "
            f"or go without --smplh."
        )
    return Bodies(smplh)


class Bodies:
    """The body models of a folder, read once each: those that MoVi needs at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read = {sex: load_smplh(folder, sex) for sex in SEXES}

    @property
    def files(self) -> list[Path]:
        """The files of the models that MoVi needs."""
        return [find_smplh(self.folder, sex) for sex in SEXES]

    def of(self, sex: str) -> BodyModel:
        """The model of a sex."""
        if sex not in self._read:
            self._read[sex] = load_smplh(self.folder, sex)
        return self._read[sex]


class _Worn:
    """Labels from the markers that a subject wore."""

    def __init__(self, v3d: V3d) -> None:
        self.v3d = v3d
        count = len(v3d.markers.time)
        poses = (one for one in v3d.movements if one.is_static and one.mocap_first < count)
        self.static = next((self._part(pose) for pose in poses), None)

    def of(self, movement: Movement) -> _Labels:
        return _Labels(self._part(movement), self.static)

    def _part(self, movement: Movement) -> MarkerData:
        whole, (first, last) = self.v3d.markers, (movement.mocap_first, movement.mocap_last)
        if first >= len(whole.time):
            raise D3keError(f"begins after the last of {len(whole.time)} moments of the markers.")
        xyz = whole.xyz[first:last]
        time = movement.first / VIDEO_HZ + np.arange(len(xyz)) / MOCAP_HZ
        return replace(whole, time=time, xyz=xyz)


class _Bodies:
    """Labels from the bodies of AMASS."""

    def __init__(self, subject: Subject, models: Bodies) -> None:
        self.subject, self.models = subject, models

    def of(self, movement: Movement) -> _Labels:
        path = self.subject.amass.get(movement.number)
        if path is None:
            raise D3keError(f"AMASS has no Subject_{self.subject.number}_F_{movement.number}.")
        motion = read_amass(path)
        length = len(motion.poses) / motion.rate_hz
        expected = (movement.last - movement.first) / VIDEO_HZ
        if abs(length - expected) > LENGTH_TOLERANCE_S:
            raise D3keError(
                f"{path}: lasts {length:.1f} s, the movement {expected:.1f} s. Is it another one?"
            )
        # the shape belongs to the model that AMASS fitted, whatever sex the v3d file says
        model = self.models.of(motion.sex)
        markers = virtual_markers(model, motion, movement.first / VIDEO_HZ)
        return _Labels(markers, static_markers(model, motion.betas))


def _session(
    subject: Subject,
    v3d: V3d,
    movement: Movement,
    videos: Mapping[str, Video],
    source: _Worn | _Bodies,
    progress: Progress,
) -> Iterator[Session]:
    told = f"subject {subject.number}, movement {movement.number} {movement.name}"
    films = tuple(_films(movement, videos, told, progress))
    if not films:
        return
    try:
        markers, static = source.of(movement)
    except D3keError as error:
        progress.warn(f"{told}: {error} Not used.")
        return
    count = movement.last - movement.first
    yield Session(
        subject=f"Subject_{subject.number}",
        sex=v3d.sex,
        height_m=v3d.height_m,
        mass_kg=v3d.mass_kg,
        split=subject.split,
        trial=f"{movement.number:02d}_{re.sub(r'[^A-Za-z0-9]+', '_', movement.name)}",
        activity=movement.name,
        markers=markers,
        static=static,
        films=films,
        frames=movement.first + frames_used(subject.split, markers, count),
    )


def _videos(subject: Subject, progress: Progress) -> dict[str, Video]:
    """The videos that are as published: those of another size or rate were not calibrated."""
    found = {}
    for camera, path in subject.videos.items():
        try:
            found[camera] = _published(Video(path), camera_of(camera))
        except D3keError as error:
            progress.warn(str(error))
    return found


def _published(video: Video, view: Camera) -> Video:
    if video.size != view.size or abs(video.rate_hz - VIDEO_HZ) > RATE_TOLERANCE_HZ:
        raise D3keError(
            f"{video.path}: {video.size[0]} x {video.size[1]} px at {video.rate_hz:g} Hz, but "
            f"BML-MoVi's videos have {view.size[0]} x {view.size[1]} at {VIDEO_HZ:g}. "
            f"Take the published file."
        )
    return video


def _films(
    movement: Movement, videos: Mapping[str, Video], told: str, progress: Progress
) -> Iterator[Film]:
    for camera, video in videos.items():
        count = video.frame_count
        if count is not None and movement.last > count:
            progress.warn(
                f"{told}: frames {movement.first} to {movement.last - 1}, but {video.path} has "
                f"{count}. Not used from {camera}."
            )
            continue
        yield Film(camera, camera_of(camera), video.path, movement.first, movement.last)
