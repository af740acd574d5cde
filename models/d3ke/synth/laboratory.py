"""A laboratory that is made up: people with markers move before cameras, all of it known."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain, count
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.motions.curves import sway
from d3ke.synth.motions.grounding import ground
from d3ke.synth.motions.planned_motion import PlannedMotion
from d3ke.synth.pictures.exposure import Look, draw_look, expose
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth.pictures.phones import look_at
from d3ke.synth.pictures.surroundings import draw_surroundings
from d3ke.synth.plans import SynthConfig
from d3ke.synth.skin_markers import SkinMarkers, with_gaps
from d3ke.synth.stage import Renderer, Stage, View
from d3ke.synth.takes import RELAXED, Actor, Studio, outline_vertices, skin_points
from d3ke.vision.camera import Camera
from d3ke.vision.video import Frame

Array = NDArray[np.float64]

ACTED_HZ, FASTEST_HZ = 60.0, 12.0  # motions are made at this rate, and smooth beyond the second
EDGE_S = 0.3  # acted before and after what is recorded: filters need it
STATIC_S = 1.5
ARM_DEG, ELBOW_DEG, SWAY_DEG = 15.0, 8.0, 0.3  # standing still
TAIL_S = 0.3  # the camera is stopped last
# When a video starts after the markers do; before them in some trials.
LATE_S, EARLY_S, EARLY_SHARE = (0.5, 3.0), (-1.0, -0.3), 0.25
FOV_DEG, HEIGHT_M, NEAREST_M = (45.0, 65.0), (0.8, 1.6), 2.0  # of cameras on tripods
CLEAR = 0.05  # of the picture, that stays free about the person
OUTLINE_S = 0.3  # the person is looked at so often when a camera is put up


@dataclass(frozen=True)
class LabConfig:
    """All that recordings follow from, beside the skeleton.

    activities: one trial each, of those that need no furniture, or recordings in the folder of
    `motions`; seconds: that markers and video of a trial share; size: of pictures, px; noise_m:
    standard deviation along each axis; placement_m: how far markers are stuck beside their places;
    skin: how far it moves, 1 as usual; gaps_hz: of each marker, a second; drift: the most by which
    the two clocks' speeds differ; files: of markers, units: of .trc; calibrated: whether the
    session tells its cameras.
    """

    seed: int = 0
    activities: tuple[str, ...] = ("walking", "squat", "reaching")
    seconds: float = 4.0
    marker_hz: float = 100.0
    video_hz: float = 30.0
    cameras: int = 1
    size: tuple[int, int] = (640, 480)
    noise_m: float = 0.0005
    placement_m: float = 0.005
    skin: float = 1.0
    gaps_hz: float = 0.02
    drift: float = 2e-4
    files: Literal["trc", "c3d"] = "trc"
    units: Literal["m", "mm"] = "m"
    calibrated: bool = True
    motions: Path | None = None
    wardrobe: Path | None = None
    backgrounds: Path | None = None

    def __post_init__(self) -> None:
        if self.seconds < 1 or self.cameras < 1 or not self.activities:
            raise OptionError("a session has a second, a camera and an activity at least.")
        if any(side % 2 or side < 2 for side in self.size):
            raise OptionError(f"pictures of {self.size} px: a video has even sides.")


class Filmed(NamedTuple):
    """When a camera filmed. time: (F,) s of its frames, by its own clock, after the first.

    The time of the markers is (1 + drift) * time + offset_s.
    """

    time: Array
    offset_s: float
    drift: float

    @property
    def marker_time(self) -> Array:
        """The frames in the time of the markers, (F,) s."""
        return (1 + self.drift) * self.time + self.offset_s


@dataclass(frozen=True, eq=False)
class Trial:
    """One activity. acted: all of it, in the time of the markers; markers: as they were measured.

    videos: one of each camera.
    """

    name: str
    activity: str
    acted: Motion
    markers: MarkerData
    videos: tuple[Filmed, ...] = ()

    @property
    def motion(self) -> Motion:
        """The coordinates at the times of the markers."""
        return self.acted.at(self.markers.time)


@dataclass(frozen=True, eq=False)
class Session:
    """One person's recordings. model: scaled to the person, its markers as they were stuck on."""

    person: int
    actor: Actor
    model: OsimModel
    static: Trial
    trials: tuple[Trial, ...]
    cameras: tuple[Camera, ...]
    looks: tuple[Look, ...]
    stage: Stage


class Laboratory:
    """Makes sessions. Raises D3keError where nothing can be drawn."""

    def __init__(self, config: LabConfig, osim: OsimModel) -> None:
        self.config, self.osim = config, osim
        of_people = SynthConfig(
            frames=0,
            seed=config.seed,
            motions=config.motions,
            wardrobe=config.wardrobe,
            backgrounds=config.backgrounds,
        )
        self._studio = Studio(of_people, osim)
        self._exact = SkeletalModel(osim, torch.float64)
        self._renderer: Renderer = open_renderer()

    def session(self, person: int) -> Session:
        """What a person does, the markers of it, and the cameras. person: 0 or more."""
        rng = np.random.default_rng([self.config.seed, person, 2])
        actor = self._studio.actor(person)
        adult = actor.adult
        scaled = self.osim.scaled(adult.scales.double().numpy(), adult.mass_kg)
        worn = SkinMarkers.draw(rng, scaled, self.config.placement_m, self.config.skin)
        drifts = rng.uniform(-self.config.drift, self.config.drift, self.config.cameras)
        static = self._static(actor, worn, rng)
        trials: list[Trial] = []
        for number, activity in enumerate(self.config.activities):
            own = np.random.default_rng([self.config.seed, person, 3, number])
            name = _name(activity, [trial.name for trial in trials])
            trials.append(self._trial(actor, worn, name, activity, drifts, own))
        cameras = self._put_up(actor, trials, rng)
        eyes = np.array([-camera.R.T @ camera.t for camera in cameras])
        places = [trial.acted.select(["pelvis_tx", "pelvis_ty", "pelvis_tz"]).q for trial in trials]
        path = np.concatenate([*places, eyes]).astype(np.float32)
        around = draw_surroundings(rng, (), path, eyes[0], self.config.backgrounds)
        looks = tuple(draw_look(rng) for _ in cameras)
        stage = Stage((actor.figure,), around)
        model = scaled.marked(worn.places)
        return Session(person, actor, model, static, tuple(trials), cameras, looks, stage)

    def film(self, session: Session, trial: Trial, camera: int) -> Iterator[Frame]:
        """The frames of a trial's video, drawn as they are asked for."""
        seed = [self.config.seed, session.person, 4, session.trials.index(trial), camera]
        rng = np.random.default_rng(seed)
        view, look, video = session.cameras[camera], session.looks[camera], trial.videos[camera]
        bones = self._bones(session.actor, trial.acted.at(video.marker_time))
        self._renderer.open(session.stage)
        for index, time in enumerate(video.time):
            seen = View(view.K, view.size, view.R, view.t, (bones[index],))
            picture = expose(self._renderer.draw(seen).rgb, look, rng)
            yield Frame(index, float(time), picture)

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    def _trial(
        self,
        actor: Actor,
        worn: SkinMarkers,
        name: str,
        activity: str,
        drifts: Array,
        rng: Generator,
    ) -> Trial:
        """An activity from before the first recording starts until after the last has ended."""
        offsets = rng.uniform(*(EARLY_S if rng.random() < EARLY_SHARE else LATE_S), len(drifts))
        start_s, stop_s = min(0.0, *offsets), max(0.0, *offsets) + self.config.seconds
        videos = []
        for offset, drift in zip(offsets.tolist(), drifts.tolist(), strict=True):
            seconds = (stop_s + TAIL_S - offset) / (1 + drift)
            time = np.arange(int(seconds * self.config.video_hz) + 1) / self.config.video_hz
            videos.append(Filmed(time, offset, drift))
        frames = int((stop_s + TAIL_S - start_s + 2 * EDGE_S) * ACTED_HZ) + 2
        planned = self._planned(rng, activity, frames)
        acted = self._acted(actor, planned, start_s - EDGE_S)
        markers = self._measured(worn, actor, acted, stop_s, rng)
        broken = with_gaps(rng, markers.xyz, self.config.marker_hz, self.config.gaps_hz)
        markers = replace(markers, xyz=broken)
        return Trial(name, planned.activity, acted, markers, tuple(videos))

    def _planned(self, rng: Generator, activity: str, frames: int) -> PlannedMotion:
        """A recording of that name, or a procedural motion. Raises D3keError: it is unfit."""
        library = self._studio.library
        recorded = next((one for one in library.recordings if one.name == activity), None)
        if recorded is None:
            planned = library.perform(rng, activity, frames, ACTED_HZ)
        else:
            planned = library.play(rng, recorded, frames, ACTED_HZ)
        if planned.furniture:
            raise D3keError(f"{activity}: needs furniture, which no session has. Choose another.")
        return planned

    def _static(self, actor: Actor, worn: SkinMarkers, rng: Generator) -> Trial:
        """Standing still, arms a little away from the body."""
        time = np.arange(int((STATIC_S + 2 * EDGE_S) * ACTED_HZ) + 2) / ACTED_HZ
        q = np.zeros((len(time), len(self.osim.coordinates)), np.float32)
        posture = {"lumbar_extension": 0.0, "lumbar_bending": 0.0, "neck_flexion": 0.0}
        posture |= {f"arm_add_{side}": -ARM_DEG for side in "rl"}
        posture |= {f"elbow_flex_{side}": ELBOW_DEG for side in "rl"}
        for name, degrees in posture.items():
            swaying = degrees + sway(rng, time, SWAY_DEG)
            q[:, self.osim.coordinate_names.index(name)] = np.radians(swaying)
        planned = PlannedMotion("procedural", "static", ACTED_HZ, q, np.zeros(len(q), np.float32))
        acted = self._acted(actor, planned, -EDGE_S)
        return Trial("static", "static", acted, self._measured(worn, actor, acted, STATIC_S, rng))

    def _acted(self, actor: Actor, planned: PlannedMotion, start_s: float) -> Motion:
        """A motion on the floor, about the middle of the laboratory. start_s: its first moment."""
        scales, studio = actor.adult.scales, self._studio
        grounded = ground(studio.skeleton, planned, scales, actor.sole_bodies, actor.soles)
        q = grounded.q.double().numpy()
        slides = [self.osim.coordinate_names.index(f"pelvis_t{axis}") for axis in "xz"]
        q[:, slides] -= (q[:, slides].min(axis=0) + q[:, slides].max(axis=0)) / 2
        rotational = tuple(coordinate.rotational for coordinate in self.osim.coordinates)
        time = start_s + np.arange(len(q)) / planned.rate_hz
        return Motion(time, q, self.osim.coordinate_names, rotational).lowpassed(FASTEST_HZ)

    def _measured(
        self, worn: SkinMarkers, actor: Actor, acted: Motion, stop_s: float, rng: Generator
    ) -> MarkerData:
        """Markers from time 0 on, with noise."""
        time = np.arange(int(stop_s * self.config.marker_hz) + 1) / self.config.marker_hz
        q = acted.at(time).q
        with torch.inference_mode():
            size = actor.adult.scales.double()
            frames = self._exact.bodies(torch.from_numpy(q), size).numpy()
        xyz = worn.at(q, frames)
        noise = rng.normal(0, self.config.noise_m, xyz.shape)
        return MarkerData(time, xyz + noise, self.osim.marker_names)

    def _bones(self, actor: Actor, motion: Motion) -> NDArray[np.float32]:
        """Bone transforms of the person's mesh, (T, R, 3, 4)."""
        with torch.inference_mode():
            q = torch.from_numpy(motion.q).float()
            frames = self._studio.skeleton.bodies(q, actor.adult.scales)
            fingers = torch.full((len(q), 2), RELAXED)
            bones: NDArray[np.float32]
            bones = self._studio.attachment.bones(actor.adult, frames, fingers).numpy()
        return bones

    def _put_up(self, actor: Actor, trials: list[Trial], rng: Generator) -> tuple[Camera, ...]:
        """Cameras a quarter turn apart, each of which has the person in all of its videos."""
        heading, found = rng.uniform(-np.pi, np.pi), []
        step = max(1, round(OUTLINE_S * self.config.video_hz))
        for camera in range(self.config.cameras):
            outlines = []
            for trial in trials:
                some = trial.acted.at(trial.videos[camera].marker_time[::step])
                bones = self._bones(actor, some)
                outlines.append(skin_points(actor.adult, bones, outline_vertices()).reshape(-1, 3))
            points = np.concatenate(outlines).astype(np.float64)
            found.append(_tripod(rng, points, self.config.size, heading + camera * np.pi / 2))
        return tuple(found)


def _tripod(rng: Generator, points: Array, size: tuple[int, int], heading: float) -> Camera:
    """A camera in a direction from points (P, 3), as near as has them all in its picture."""
    camera = Camera.from_fov(size, float(rng.uniform(*FOV_DEG)), "synthetic")
    away = np.array([np.cos(heading), 0.0, np.sin(heading)])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    height, distance = float(rng.uniform(*HEIGHT_M)), NEAREST_M
    edge = CLEAR * np.array(size)
    while True:
        eye = middle * (1, 0, 1) + distance * away + (0, height, 0)
        R = look_at(eye, middle)
        placed = replace(camera, R=R, t=-R @ eye)
        pixels = placed.project(points)
        if ((pixels >= edge) & (pixels <= np.array(size) - edge)).all():
            return placed
        distance *= 1.05


def _name(activity: str, taken: list[str]) -> str:
    """A trial's name: of letters, digits and underscores, and not there yet."""
    word = re.sub(r"[^a-z0-9]+", "_", activity.lower()).strip("_")
    names = chain([word], (f"{word}_{number}" for number in count(2)))
    return next(name for name in names if name not in taken)
