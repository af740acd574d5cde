"""A take: one person moves before one camera for a while, and all of it is known exactly."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.random import Generator
from numpy.typing import NDArray
from torch import Tensor

from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies.adults import Adult, Adults
from d3ke.synth.bodies.attachment import Attachment, sole_points
from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.clothes.wardrobe import Wardrobe
from d3ke.synth.motions.curves import sway
from d3ke.synth.motions.grounding import ground
from d3ke.synth.motions.library import MotionLibrary, PlannedMotion
from d3ke.synth.pictures.exposure import Look, draw_look
from d3ke.synth.pictures.phones import PhoneCamera, draw_phone
from d3ke.synth.pictures.surroundings import draw_surroundings, own_photographs
from d3ke.synth.plans import PEOPLE, SPLITS, SynthConfig
from d3ke.synth.stage import Figure, Furniture, Stage
from d3ke.vision.camera import rotvec_to_matrix

Floats = NDArray[np.float32]

BYSTANDERS = 16  # people of a split who only pass by: dressed once, seen often
OUTLINE_STEP = 48  # of the skin's vertices, one in so many bounds the person in a picture
CLEAR_M = 0.9  # a bystander's pelvis stays this far behind the person's
RELAXED, RESTLESS = 0.35, 0.15  # curl of fingers: mean, and how far it wanders
EXPOSURE_S = (1 / 250, 1 / 40)  # phones by day and in dim rooms


@dataclass(frozen=True, eq=False)
class Actor:
    """Somebody dressed. soles: (S, 3) m in the frames of the bodies sole_bodies (S,)."""

    adult: Adult
    figure: Figure
    soles: Floats
    sole_bodies: tuple[int, ...]


class Acted(NamedTuple):
    """A person's motion on the floor.

    q: (T, K); bodies: (T, N, 4, 4); joints: (T, J, 3); markers: (T, M, 3); bones: (T, R, 3, 4);
    outline: (T, P, 3) points of the skin; all in ground.
    """

    motion: PlannedMotion
    q: Tensor
    bodies: Tensor
    joints: Tensor
    markers: Tensor
    bones: Floats
    outline: Floats


class Take(NamedTuple):
    """What is before the camera, and the camera. others: bones (T, R, 3, 4) of each bystander.

    exposure_s: how long the shutter is open, 0 where nothing blurs.
    """

    actor: Actor
    acted: Acted
    phone: PhoneCamera
    stage: Stage
    others: tuple[Floats, ...]
    look: Look
    exposure_s: float


class Studio:
    """Everything that takes are made of."""

    def __init__(self, config: SynthConfig, osim: OsimModel) -> None:
        self.config, self.osim = config, osim
        if config.backgrounds is not None:
            own_photographs(config.backgrounds)
        self.library = MotionLibrary.load(config.motions, osim)
        self.wardrobe = Wardrobe.load(config.wardrobe)
        self.adults = Adults(osim, config.seed)
        self.attachment = Attachment(osim)
        self.skeleton = SkeletalModel(osim)
        self._passers: dict[int, Actor] = {}

    def actor(self, identity: int) -> Actor:
        """One person of this seed, always dressed the same."""
        adult = self.adults.adult(identity)
        figure = self.wardrobe.dress(adult, np.random.default_rng([self.config.seed, identity, 1]))
        soles = sole_points(adult, self.osim, figure.soles, figure.sole_bodies).numpy()
        bodies = tuple(self.osim.body_names.index(body) for body in figure.sole_bodies)
        return Actor(adult, figure, soles, bodies)

    def take(self, actor: Actor, split: str, frames: int, rate_hz: float, rng: Generator) -> Take:
        """A new motion, camera and place for somebody of a split."""
        acted, furniture = self._act(actor, split, frames, rate_hz, rng)
        phone = draw_phone(rng, acted.outline, rate_hz)
        path = acted.joints[:, 0].numpy()
        eye = phone.eyes[0]
        around = draw_surroundings(rng, furniture, path, eye, self.config.backgrounds)
        figures, others = [actor.figure], []
        if rng.random() < self.config.bystanders:
            passer = self._passer(split, rng)
            passing, _ = self._act(passer, split, frames, rate_hz, rng, furnished=False)
            figures.append(passer.figure)
            others.append(_placed_behind(passing, path, eye, rng))
        exposed = rng.random() < self.config.exposed
        exposure_s = float(rng.uniform(*EXPOSURE_S)) if exposed else 0.0
        stage = Stage(tuple(figures), around)
        return Take(actor, acted, phone, stage, tuple(others), draw_look(rng), exposure_s)

    def _act(
        self,
        actor: Actor,
        split: str,
        frames: int,
        rate_hz: float,
        rng: Generator,
        *,
        furnished: bool = True,
    ) -> tuple[Acted, tuple[Furniture, ...]]:
        """Let somebody do something. Returns it and the furniture that it needs."""
        motion = self.library.draw(rng, split, frames, rate_hz, furnished=furnished)
        scales = actor.adult.scales
        grounded = ground(self.skeleton, motion, scales, actor.sole_bodies, actor.soles)
        fingers = torch.from_numpy(_fingers(rng, frames, rate_hz))
        bones = self.attachment.bones(actor.adult, grounded.bodies, fingers).numpy()
        acted = Acted(
            motion,
            grounded.q,
            grounded.bodies,
            self.skeleton.joint_centres(grounded.bodies, scales),
            self.skeleton.markers(grounded.bodies, scales),
            bones,
            skin_points(actor.adult, bones, outline_vertices()),
        )
        return acted, grounded.furniture

    def _passer(self, split: str, rng: Generator) -> Actor:
        """Somebody of the same split who is never filmed for their own sake."""
        last = (SPLITS.index(split) + 1) * PEOPLE
        identity = last - 1 - int(rng.integers(BYSTANDERS))
        if identity not in self._passers:
            self._passers[identity] = self.actor(identity)
        return self._passers[identity]


def outline_vertices() -> NDArray[np.int64]:
    """Vertices of the skin that bound a person well enough, (P,)."""
    used = np.unique(parametric_body().faces["skin"])
    return used[::OUTLINE_STEP].astype(np.int64)


def skin_points(adult: Adult, bones: Floats, vertices: NDArray[np.int64]) -> Floats:
    """Vertices (P,) of a person's skin in ground, (T, P, 3). bones: (T, R, 3, 4)."""
    body = parametric_body()
    rest = np.append(adult.vertices[vertices], np.ones((len(vertices), 1), np.float32), axis=1)
    weights = np.zeros((len(vertices), bones.shape[1]), np.float32)
    rows = np.arange(len(vertices))[:, None]
    np.add.at(weights, (rows, body.bones[vertices]), body.weights[vertices])
    mixed = np.einsum("pr,trij->tpij", weights, bones, optimize=True)
    points: Floats = np.einsum("tpij,pj->tpi", mixed, rest, optimize=True)
    return points


def _fingers(rng: Generator, frames: int, rate_hz: float) -> Floats:
    """Curl of the right and left hand over time, (T, 2), 0 open to 1 a fist."""
    time = np.arange(frames) / rate_hz
    usual = np.clip(rng.normal(RELAXED, 0.2, 2), 0, 1)
    curl = usual + np.stack([sway(rng, time, RESTLESS, 0.3) for _ in usual], axis=1)
    fingers: Floats = np.clip(curl, 0, 1).astype(np.float32)
    return fingers


def _placed_behind(
    passing: Acted, path: Floats, eye: NDArray[np.float64], rng: Generator
) -> Floats:
    """A bystander's bones, turned and moved behind the person as the camera sees it, clear of both.

    path: (T, 3) the person's pelvis; eye: (3,) the camera. Returns (T, R, 3, 4).
    """
    middle = path.mean(axis=0) * (1, 0, 1)
    away = middle - eye * (1, 0, 1)
    away /= max(float(np.linalg.norm(away)), 1e-6)
    aside = np.array([-away[2], 0, away[0]])
    angle = rng.uniform(-np.pi, np.pi)
    turn = rotvec_to_matrix(np.array([0, angle, 0]))
    steps = passing.joints[:, 0].numpy() @ turn.T * (1, 0, 1)
    place = (
        middle + rng.uniform(0.5, 3.5) * away + rng.uniform(-1.6, 1.6) * aside - steps.mean(axis=0)
    )
    gap = steps + place - path * (1, 0, 1)
    place += away * np.maximum(CLEAR_M - gap @ away, 0).max()
    turned: Floats = np.einsum("ij,trjk->trik", turn, passing.bones).astype(np.float32)
    turned[..., 3] += place.astype(np.float32)
    return turned
