"""A stage on the graphics card: its figures, its room and its furniture."""

import math
from typing import NamedTuple

import moderngl
import numpy as np

from d3ke.synth.pictures.environments import environment
from d3ke.synth.pictures.furniture import Solid, furniture_mesh, join
from d3ke.synth.pictures.gl_figures import FigureBuffers, geometry
from d3ke.synth.pictures.gl_frame import Backdrop, FloorMap, Light
from d3ke.synth.pictures.gl_programs import Programs
from d3ke.synth.pictures.gl_solids import SolidBuffers, ceiling_solid, floor_solid, wall_solids
from d3ke.synth.pictures.textures import CEILING_M, ceiling_texture
from d3ke.synth.stage import Floats, Furniture, Material, Stage, Surroundings, View

SHADOW_SOFT_OUT, SHADOW_SOFT_IN = 1.5, 5.0  # texels: the sun's edges are sharper than a lamp's
REACH_M = 1.0  # how far beyond the bones' middles a person's shadow and occlusion are drawn
SHADOW_MOST_M, SHADOW_LONG_M, FLOOR_MAP_MOST_M = 3.0, 4.0, 7.0
EVEN_OUT, EVEN_IN = 0.2, 0.55  # of the light, what things around and walls scatter
PHOTOGRAPH_WIDTH = math.radians(75)  # a phone's field of view


class Surface(NamedTuple):
    """A still surface, what it looks like, and which of gl_programs.SOLIDS draws it.

    scale: of its texture, 1/m.
    """

    role: str
    buffers: SolidBuffers
    material: Material
    scale: float = 1.0


class Shade(NamedTuple):
    """Where shadows and occlusion are drawn. balls: of each figure (S, 4).

    middle, radius: of what the light is drawn for, m.
    """

    balls: list[Floats]
    middle: Floats
    radius: float
    floor: FloorMap


class OpenStage:
    """What a renderer keeps of a stage. things: (S, 4) balls that stand for furniture."""

    def __init__(self, context: moderngl.Context, programs: Programs, stage: Stage) -> None:
        self._context, self._programs = context, programs
        around = stage.surroundings
        self.around = around
        self.light, self.backdrop = _light(around), _backdrop(around)
        self.figures = tuple(
            FigureBuffers(context, programs, geometry(figure)) for figure in stage.figures
        )
        self.furniture = tuple(
            self._surface("thing", furniture_mesh(thing), material)
            for thing, material in zip(around.furniture, around.furniture_materials, strict=True)
        )
        self.room = self._room(around)
        self.open_air = around.walls is None or around.walls.cut
        things = [_ball(thing) for thing in around.furniture]
        self.things = np.array(things, np.float32).reshape(-1, 4)

    def shade(self, view: View) -> Shade:
        """Where shadows fall in a view."""
        balls = [
            figure.shape.balls.at(bones)
            for figure, bones in zip(self.figures, view.bones, strict=True)
        ]
        low, high = _bounds(balls[0])
        middle: Floats = (low + high) / np.float32(2)
        radius = float(np.linalg.norm(high - low) + REACH_M) / 2
        if len(balls) + len(self.things) > 1:
            near = np.concatenate([*balls[1:], self.things])
            gap = float(np.linalg.norm(near[:, :3] - middle, axis=1).max())
            radius = max(radius, min(gap + REACH_M / 2, SHADOW_MOST_M))
            low, high = _bounds(np.concatenate([balls[0], near]))
        return Shade(balls, middle, radius, self._floor_map(low, high, middle))

    def _floor_map(self, low: Floats, high: Floats, middle: Floats) -> FloorMap:
        """A square of the floor about what stands there, and its shadow."""
        sun = np.asarray(self.around.sun, np.float32)
        away = -sun[[0, 2]] * float(high[1]) / max(float(sun[1]), 0.1)
        lit = max(self.around.sun_colour) > 0
        away *= min(1.0, SHADOW_LONG_M / max(float(np.linalg.norm(away)), 1e-6)) * lit
        least = np.minimum(low[[0, 2]], low[[0, 2]] + away)
        most = np.maximum(high[[0, 2]], high[[0, 2]] + away)
        side = float((most - least).max()) + REACH_M
        centre = (least + most) / 2
        if side > FLOOR_MAP_MOST_M:  # what is about the person counts
            side, centre = FLOOR_MAP_MOST_M, middle[[0, 2]] + away / 2
        return FloorMap(float(centre[0]) - side / 2, float(centre[1]) - side / 2, side)

    def release(self) -> None:
        """Free the buffers."""
        for figure in self.figures:
            figure.release()
        for surface in (*self.room, *self.furniture):
            surface.buffers.release()

    def _room(self, around: Surroundings) -> tuple[Surface, ...]:
        """Floor, walls and ceiling."""
        scale = 1 / around.floor_scale
        if around.walls is None:
            return (self._surface("ground", floor_solid(around), around.floor, scale),)
        ceiling = Material(ceiling_texture(int(around.room[0] * 100) % 4), gloss=0.0)
        return (
            self._surface("wall", join(wall_solids(around)), around.walls),
            self._surface("wall", ceiling_solid(around), ceiling, 1 / CEILING_M),
            self._surface("floor", floor_solid(around), around.floor, scale),
        )

    def _surface(self, role: str, solid: Solid, material: Material, scale: float = 1.0) -> Surface:
        programs = self._programs
        buffers = SolidBuffers(self._context, programs.solids[role], programs.shadow, solid)
        return Surface(role, buffers, material, scale)


def _light(around: Surroundings) -> Light:
    ambient = environment(around.environment).turned_ambient(around.turn)
    even = np.zeros_like(ambient)
    even[:, 3, 3] = ambient[:, 3, 3] + np.trace(ambient[:, :3, :3], axis1=1, axis2=2) / 3
    share = EVEN_OUT if around.walls is None else EVEN_IN
    softness = SHADOW_SOFT_OUT if around.walls is None else SHADOW_SOFT_IN
    return Light(share * even + (1 - share) * ambient, softness)


def _backdrop(around: Surroundings) -> Backdrop:
    if around.backdrop is None:
        return Backdrop(around.turn, 0.0, 0.0)
    rows, columns = around.backdrop.shape[:2]
    return Backdrop(around.turn, PHOTOGRAPH_WIDTH, PHOTOGRAPH_WIDTH * rows / columns)


def _bounds(balls: Floats) -> tuple[Floats, Floats]:
    """Least and greatest coordinates (3,) of balls (S, 4)."""
    middles, radii = balls[:, :3], balls[:, 3:]
    return (middles - radii).min(axis=0), (middles + radii).max(axis=0)


def _ball(thing: Furniture) -> tuple[float, float, float, float]:
    """The ball that stands for a thing where it takes away light."""
    x, y, z = thing.place
    length, height, width = thing.size
    return x, y + height / 2, z, 0.45 * float(np.cbrt(length * height * width))
