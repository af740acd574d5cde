"""A small BML-MoVi of synthetic people: its markers and videos show the same bodies, all known."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.io import savemat

from d3ke.movi.cameras import MOCAP_HZ, VIDEO_HZ, camera_of
from d3ke.movi.recorded import ASSETS, WORN
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.synth.laboratory import Filmed, LabConfig, Laboratory, Session, Trial
from d3ke.synth.takes import Actor
from d3ke.vision.camera import Camera
from tests.made_clips import Image, write_clip
from tests.movi_stand_in import CENTRES, v3d

Array = NDArray[np.float64]

CAMERAS = ("PG1", "PG2")
STATIC_FRAMES, BETWEEN = 15, 3  # of a video: of the T-pose, and that belong to no movement
NAMES: dict[str, str] = tomllib.loads((ASSETS / WORN).read_text())["names"]  # to the skeleton's


class MoviLaboratory(Laboratory):
    """A laboratory with the cameras of BML-MoVi, whose clocks are those of the markers."""

    def __init__(self, seconds: float) -> None:
        """seconds: that each movement lasts."""
        config = LabConfig(
            seed=5,
            seconds=seconds,
            marker_hz=MOCAP_HZ,
            video_hz=VIDEO_HZ,
            cameras=len(CAMERAS),
            size=camera_of("PG1").size,
            placement_m=0.002,
            skin=0.3,
            drift=0.0,
        )
        super().__init__(config, default_model())
        self.frames = round(seconds * VIDEO_HZ)
        self._bends = {name: _bend(camera_of(name)) for name in CAMERAS}

    def subject(self, person: int, activities: tuple[str, ...]) -> Session:
        """A person, whose videos begin with the markers."""
        self.config = replace(self.config, activities=activities)
        session, time = self.session(person), np.arange(self.frames) / VIDEO_HZ
        videos = tuple(Filmed(time, 0.0, 0.0) for _ in CAMERAS)
        trials = tuple(replace(trial, videos=videos) for trial in session.trials)
        return replace(session, trials=trials)

    def pictures(self, session: Session, trial: Trial, camera: str) -> Iterator[Image]:
        """The frames of a movement, bent as the camera's lens does."""
        for frame in self.film(session, trial, CAMERAS.index(camera)):
            bent = cv2.remap(frame.image, *self._bends[camera], cv2.INTER_LINEAR)
            yield np.asarray(bent, np.uint8)

    def _put_up(self, actor: Actor, trials: list[Trial], rng: Generator) -> tuple[Camera, ...]:
        return tuple(camera_of(name) for name in CAMERAS)


class Subject(NamedTuple):
    """What somebody does, the cameras that film it, and the rate that their files tell."""

    activities: tuple[str, ...]
    cameras: tuple[str, ...]
    told_hz: float = VIDEO_HZ


def write_people(
    root: Path, laboratory: MoviLaboratory, subjects: Mapping[int, Subject]
) -> dict[int, Session]:
    """Write F_v3d_Subject_N.mat and videos of some people, in the folders of the archives.

    subjects: by number. Returns who they are.
    """
    found = {}
    for folder in ("F_Subjects_1_45", "Videos"):
        (root / folder).mkdir(parents=True)
    for subject, of_subject in subjects.items():
        session = laboratory.subject(subject, of_subject.activities)
        path = root / "F_Subjects_1_45" / f"F_v3d_Subject_{subject}.mat"
        savemat(path, _v3d_of(laboratory, subject, session), do_compression=True)
        for camera in of_subject.cameras:
            path = root / "Videos" / f"F_{camera}_Subject_{subject}_L.avi"
            pictures = _video(laboratory, session, camera)
            write_clip(path, pictures, of_subject.told_hz, codec="mpeg4")
        found[subject] = session
    return found


def movements_of(laboratory: MoviLaboratory, session: Session) -> dict[str, tuple[int, int]]:
    """First and last frame of each movement, counted from 1."""
    found, first = {"T-pose": (1, STATIC_FRAMES)}, STATIC_FRAMES + BETWEEN + 1
    for trial in session.trials:
        found[trial.name] = (first, first + laboratory.frames - 1)
        first += laboratory.frames + BETWEEN
    return found


def true_joints(session: Session, trial: Trial, time: Array) -> Array:
    """Joints in ground, (T, J, 3) m, at times since the movement began."""
    skeleton = SkeletalModel(default_model(), torch.float64)
    q = torch.from_numpy(trial.acted.at(time).q)
    found: Array = skeleton(q, session.actor.adult.scales.double()).joints.numpy()
    return found


def _v3d_of(laboratory: MoviLaboratory, subject: int, session: Session) -> dict[str, object]:
    movements = movements_of(laboratory, session)
    count = 4 * (max(last for _, last in movements.values()) + BETWEEN)
    places_mm = np.zeros((count, len(NAMES) + len(CENTRES), 3))  # 0 where nothing is seen
    acted = (session.static, *session.trials)
    for trial, (first, last) in zip(acted, movements.values(), strict=True):
        rows = slice(4 * (first - 1), 4 * last)
        x, y, z = np.moveaxis(trial.markers.select(NAMES.values()).xyz, 2, 0) * 1000
        seen = np.nan_to_num(np.stack([x, -z, y], axis=2))
        places_mm[rows, : len(NAMES)] = seen[: rows.stop - rows.start]
    adult = session.actor.adult
    person = {
        "sex": "Female" if adult.woman else "Male",
        "height": 100 * adult.stature_m,
        "mass": adult.mass_kg,
    }
    return v3d(subject, [*NAMES, *CENTRES], places_mm, movements, person)


def _video(laboratory: MoviLaboratory, session: Session, camera: str) -> Iterator[Image]:
    """Grey pictures, and the movements in their places."""
    width, height = camera_of(camera).size
    grey = np.full((height, width, 3), 90, np.uint8)
    yield from [grey] * STATIC_FRAMES
    for trial in session.trials:
        yield from [grey] * BETWEEN
        yield from laboratory.pictures(session, trial, camera)
    yield from [grey] * BETWEEN


def _bend(camera: Camera) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Where a picture without distortion has what pixels show: columns and rows, (H, W) px."""
    columns, rows = np.meshgrid(*(np.arange(side) for side in camera.size))
    straight = camera.undistort(np.stack([columns, rows], axis=2)).astype(np.float32)
    return straight[..., 0], straight[..., 1]
