"""The renderer on OpenGL: EGL without a screen, on a graphics card or on Mesa's llvmpipe."""

import math
from collections import OrderedDict
from typing import NamedTuple

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.synth import shaders
from d3ke.synth.environments import environment
from d3ke.synth.furniture import Solid, furniture_mesh, join
from d3ke.synth.gl_figures import FigureBuffers, geometry
from d3ke.synth.gl_frame import (
    Backdrop,
    FloorMap,
    Light,
    ball_block,
    bone_block,
    frame_block,
    shadow_matrix,
)
from d3ke.synth.gl_solids import SolidBuffers, ceiling_solid, floor_solid, wall_solids
from d3ke.synth.stage import Floats, Furniture, Material, Picture, Stage, Surroundings, View

Bytes = NDArray[np.uint8]

OVERSAMPLING = 2  # pixels along each side of a pixel of the picture
SHADOW_TEXELS, FLOOR_TEXELS = 1024, 256
SHADOW_SOFT_OUT, SHADOW_SOFT_IN = 1.5, 5.0  # texels: the sun's edges are sharper than a lamp's
REACH_M = 1.0  # how far beyond the bones' middles a person's shadow and occlusion are drawn
FLOOR_MAP_MOST_M = 7.0
PHOTOGRAPH_WIDTH = math.radians(75)  # a phone's field of view
MOST_TEXTURES = 96  # kept on the card
BLUR_PIXELS, MOST_MOMENTS = 2.5, 6  # a blurred frame is a mean of moments this far apart
BLOCKS = {"Frame": 0, "Bones": 1, "Balls": 2}
SHADOW_UNIT, PANORAMA_UNIT, PHOTOGRAPH_UNIT, SURFACE_UNIT, FLOOR_UNIT = range(5)
SAMPLERS = {
    "shadow_map": SHADOW_UNIT,
    "panorama": PANORAMA_UNIT,
    "photograph": PHOTOGRAPH_UNIT,
    "surface": SURFACE_UNIT,
    "floor_light": FLOOR_UNIT,
}
SOLID_FRAGMENTS = {
    "floor": shaders.FLOOR_FRAGMENT,
    "ground": shaders.OPEN_FLOOR_FRAGMENT,
    "wall": shaders.WALL_FRAGMENT,
    "thing": shaders.THING_FRAGMENT,
}
CEILING = Material(None, (0.8, 0.8, 0.8), 0.0)
SCREEN = np.array([[-1, -1], [3, -1], [-1, 3]], np.float32)  # a triangle that covers all


def open_renderer() -> "GlRenderer":
    """A renderer without a screen.

    Raises D3keError where there is no EGL, or none of OpenGL 3.3.
    """
    try:
        context = moderngl.create_context(standalone=True, backend="egl", require=330)
    except Exception as error:  # moderngl and its backends raise bare Exceptions
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise D3keError(
            f"EGL: no OpenGL 3.3 without a screen ({reason}). On Debian or Ubuntu run "
            f"`apt-get install libegl1 libgl1-mesa-dri`, or install the graphics card's driver."
        ) from error
    return GlRenderer(context)


class Surface(NamedTuple):
    """A still surface, what it looks like, and which of SOLID_FRAGMENTS draws it.

    scale: of its texture, 1/m.
    """

    role: str
    buffers: SolidBuffers
    material: Material
    scale: float = 1.0


class Opened(NamedTuple):
    """A stage on the graphics card. things: (S, 4) balls that stand for furniture."""

    stage: Stage
    figures: tuple[FigureBuffers, ...]
    room: tuple[Surface, ...]
    furniture: tuple[Surface, ...]
    light: Light
    backdrop: Backdrop
    things: Floats


class GlRenderer:
    """Draws views of a stage with OpenGL 3.3. Implements stage.Renderer."""

    def __init__(self, context: moderngl.Context) -> None:
        self.context = context
        context.gc_mode = None
        context.front_face = "cw"  # pictures are drawn upside down, so that rows come out right
        self._skin = self._wired(
            context.program(
                vertex_shader=shaders.SKIN_VERTEX, varyings=["position", "normal", "sky"]
            )
        )
        self._shadow = self._program(shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT)
        self._figure = self._program(shaders.FIGURE_VERTEX, shaders.FIGURE_FRAGMENT)
        self._solids = {
            role: self._program(shaders.SOLID_VERTEX, fragment)
            for role, fragment in SOLID_FRAGMENTS.items()
        }
        floor_map = self._program(shaders.SCREEN_VERTEX, shaders.FLOOR_MAP_FRAGMENT)
        self._far = self._program(shaders.SCREEN_VERTEX, shaders.BACKDROP_FRAGMENT)
        self._frame_block = context.buffer(reserve=32 * 16)
        self._bone_block = context.buffer(reserve=shaders.MOST_BONES * 48)
        self._ball_block = context.buffer(reserve=shaders.SPHERES * 16)
        corners = context.buffer(SCREEN.tobytes())
        self._floor_screen = context.vertex_array(floor_map, [(corners, "2f", "in_corner")])
        self._far_screen = context.vertex_array(self._far, [(corners, "2f", "in_corner")])
        self._shadow_map = context.depth_texture((SHADOW_TEXELS, SHADOW_TEXELS))
        self._shadow_map.compare_func = "<="
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow_map)
        self._floor_map = context.texture((FLOOR_TEXELS, FLOOR_TEXELS), 2)
        self._floor_map.repeat_x = self._floor_map.repeat_y = False
        self._floor_target = context.framebuffer([self._floor_map])
        self._white = context.texture((1, 1), 4, bytes([255] * 4))
        self._textures: OrderedDict[int, tuple[object, moderngl.Texture]] = OrderedDict()
        self._panoramas: dict[str, moderngl.Texture] = {}
        self._targets: dict[tuple[int, int], moderngl.Framebuffer] = {}
        self._photograph: moderngl.Texture | None = None
        self._opened: Opened | None = None
        self._frame_block.bind_to_uniform_block(BLOCKS["Frame"])
        self._bone_block.bind_to_uniform_block(BLOCKS["Bones"])
        self._ball_block.bind_to_uniform_block(BLOCKS["Balls"])

    def _program(self, vertex: str, fragment: str) -> moderngl.Program:
        return self._wired(self.context.program(vertex_shader=vertex, fragment_shader=fragment))

    def _wired(self, program: moderngl.Program) -> moderngl.Program:
        """A program whose textures and blocks are where the renderer puts them."""
        for name in program:
            if name in SAMPLERS:
                program[name].value = SAMPLERS[name]
            elif name in BLOCKS:
                program[name].binding = BLOCKS[name]
        return program

    def open(self, stage: Stage) -> None:
        """Make the stage ready; textures and panoramas of earlier ones are kept."""
        self._shut()
        around = stage.surroundings
        light = environment(around.environment)
        ambient = light.turned_ambient(around.turn)
        backdrop = Backdrop(around.turn, 0.0, 0.0)
        if around.backdrop is not None:
            rows, columns = around.backdrop.shape[:2]
            backdrop = Backdrop(around.turn, PHOTOGRAPH_WIDTH, PHOTOGRAPH_WIDTH * rows / columns)
            self._photograph = self._upload(around.backdrop)
        softness = SHADOW_SOFT_OUT if around.walls is None else SHADOW_SOFT_IN
        figures = tuple(
            FigureBuffers(self.context, self._skin, self._shadow, self._figure, geometry(figure))
            for figure in stage.figures
        )
        furniture = tuple(
            self._surface("thing", furniture_mesh(thing), material)
            for thing, material in zip(around.furniture, around.furniture_materials, strict=True)
        )
        things = np.array([_ball(thing) for thing in around.furniture], np.float32).reshape(-1, 4)
        self._opened = Opened(
            stage,
            figures,
            self._room(around),
            furniture,
            Light(ambient, softness),
            backdrop,
            things,
        )
        self._bind_far(around.environment)

    def draw(self, view: View, masks: bool = False) -> Picture:
        """The picture of a view; its masks where they are asked for."""
        opened = self._opened
        assert opened is not None, "draw before open"
        moments = _moments(view)
        if moments == 1:
            colours, silhouette = self._moment(opened, view, masks)
            return _picture(colours, silhouette)
        total = np.zeros((view.size[1], view.size[0], 4), np.uint16)
        for moment in range(moments):
            share = (moment + 0.5) / moments
            colours, silhouette = self._moment(opened, _between(view, share), masks)
            total += colours
        return _picture((total // moments).astype(np.uint8), silhouette)

    def close(self) -> None:
        """Free what the renderer holds."""
        self._shut()
        self.context.release()

    def _moment(self, opened: Opened, view: View, masks: bool) -> tuple[Bytes, Bytes | None]:
        """Colours (H, W, 4), alpha is the labelled person's; and its alpha with nothing before it."""
        self._write_blocks(opened, view)
        self._cast_shadows(opened, view)
        target = self._target(view.size)
        target.use()
        self.context.enable(moderngl.DEPTH_TEST)
        target.clear(0.0, 0.0, 0.0, 0.0)
        silhouette = None
        for index, figure in enumerate(opened.figures):
            self._draw_figure(figure, 1.0 if index == 0 else 0.0)
            if masks and index == 0:
                silhouette = _smaller(self._read(target), view.size)[..., 3]
        for surface in (*opened.furniture, *opened.room):
            self._draw_solid(surface)
        self.context.depth_func = "<="
        if opened.stage.surroundings.walls is None or opened.stage.surroundings.walls.cut:
            self._far_screen.render()
        return _smaller(self._read(target), view.size), silhouette

    def _write_blocks(self, opened: Opened, view: View) -> None:
        around = opened.stage.surroundings
        balls = [
            figure.shape.balls.at(bones)
            for figure, bones in zip(opened.figures, view.bones, strict=True)
        ]
        low, high = balls[0][:, :3].min(axis=0), balls[0][:, :3].max(axis=0)
        middle, radius = (low + high) / 2, float(np.linalg.norm(high - low)) / 2 + REACH_M / 2
        near = np.concatenate([*balls, opened.things])
        gaps = np.linalg.norm(near[:, [0, 2]] - middle[[0, 2]], axis=1)
        side = min(FLOOR_MAP_MOST_M, 2 * float(gaps.max()) + 2 * REACH_M)
        floor = FloorMap(float(middle[0]) - side / 2, float(middle[2]) - side / 2, side)
        if len(opened.figures) + len(opened.furniture) > 1:
            radius = max(radius, min(float(gaps.max()) + REACH_M / 2, 3.0))
        shadow = shadow_matrix(middle, radius, around.sun)
        self._frame_block.write(
            frame_block(view, around, opened.light, opened.backdrop, shadow, floor)
        )
        self._ball_block.write(ball_block(balls, opened.things))

    def _cast_shadows(self, opened: Opened, view: View) -> None:
        """Skin the figures, and draw what the light sees."""
        self._shadow_target.use()  # without a target not even skinning is drawn
        for figure, bones in zip(opened.figures, view.bones, strict=True):
            self._bone_block.write(bone_block(bones))
            figure.pose()
        self.context.enable(moderngl.DEPTH_TEST)
        self.context.depth_func = "<"
        self._shadow_target.clear(depth=1.0)
        if max(opened.stage.surroundings.sun_colour) > 0:
            for figure in opened.figures:
                figure.cast.render()
            for surface in opened.furniture:
                surface.buffers.cast.render()
        self._shadow_map.use(SHADOW_UNIT)
        self._floor_target.use()
        self.context.disable(moderngl.DEPTH_TEST)
        self._floor_screen.render()
        self.context.enable(moderngl.DEPTH_TEST)
        self._floor_map.use(FLOOR_UNIT)

    def _draw_figure(self, figure: FigureBuffers, alpha: float) -> None:
        self.context.disable(moderngl.CULL_FACE)
        for part in figure.shape.parts:
            material = part.material
            self._bind(material)
            self._figure["tint"].value = (*material.tint, material.gloss)
            self._figure["marks"].value = (0.5 if material.cut else 0.0, alpha)
            figure.drawn.render(vertices=part.count, first=part.first)

    def _draw_solid(self, surface: Surface) -> None:
        self.context.enable(moderngl.CULL_FACE)
        self._bind(surface.material)
        program = self._solids[surface.role]
        program["tint"].value = (*surface.material.tint, surface.material.gloss)
        program["scale"].value = surface.scale
        if surface.role == "wall":
            program["hole"].value = 0.5 if surface.material.cut else 0.0
        surface.buffers.drawn.render()
        self.context.disable(moderngl.CULL_FACE)

    def _room(self, around: Surroundings) -> tuple[Surface, ...]:
        """Floor, walls and ceiling."""
        scale = 1 / around.floor_scale
        if around.walls is None:
            return (self._surface("ground", floor_solid(around), around.floor, scale),)
        return (
            self._surface("wall", join(wall_solids(around)), around.walls),
            self._surface("wall", ceiling_solid(around), CEILING),
            self._surface("floor", floor_solid(around), around.floor, scale),
        )

    def _surface(self, role: str, solid: Solid, material: Material, scale: float = 1.0) -> Surface:
        buffers = SolidBuffers(self.context, self._solids[role], self._shadow, solid)
        return Surface(role, buffers, material, scale)

    def _bind(self, material: Material) -> None:
        """Bind a material's texture, uploaded where it is not on the card yet."""
        if material.texture is None:
            self._white.use(SURFACE_UNIT)
            return
        key = id(material.texture)
        if key not in self._textures:
            self._textures[key] = (material.texture, self._upload(material.texture))
            if len(self._textures) > MOST_TEXTURES:
                self._textures.popitem(last=False)[1][1].release()
        self._textures.move_to_end(key)
        self._textures[key][1].use(SURFACE_UNIT)

    def _upload(self, pixels: Bytes) -> moderngl.Texture:
        pixels = np.ascontiguousarray(pixels)
        rows, columns, channels = pixels.shape
        texture = self.context.texture((columns, rows), channels, pixels.tobytes(), alignment=1)
        texture.build_mipmaps()
        texture.filter = moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR
        return texture

    def _bind_far(self, name: str) -> None:
        """Bind the panorama and the photograph."""
        if name not in self._panoramas:
            pixels = environment(name).pixels.astype(np.float16)
            rows, columns = pixels.shape[:2]
            texture = self.context.texture(
                (columns, rows), 3, pixels.tobytes(), dtype="f2", alignment=1
            )
            texture.repeat_y = False
            self._panoramas[name] = texture
        self._panoramas[name].use(PANORAMA_UNIT)
        (self._photograph or self._white).use(PHOTOGRAPH_UNIT)

    def _target(self, size: tuple[int, int]) -> moderngl.Framebuffer:
        if size not in self._targets:
            if len(self._targets) > 3:
                for old in self._targets.values():
                    old.release()
                self._targets.clear()
            large = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
            colour = self.context.renderbuffer(large, 4)
            depth = self.context.depth_renderbuffer(large)
            self._targets[size] = self.context.framebuffer([colour], depth)
        return self._targets[size]

    def _read(self, target: moderngl.Framebuffer) -> Bytes:
        width, height = target.size
        raw = target.read(components=4, alignment=1)
        return np.frombuffer(raw, np.uint8).reshape(height, width, 4)

    def _shut(self) -> None:
        """Free what belongs to the opened stage alone."""
        if self._opened is not None:
            for figure in self._opened.figures:
                figure.release()
            for surface in (*self._opened.room, *self._opened.furniture):
                surface.buffers.release()
        if self._photograph is not None:
            self._photograph.release()
        self._opened = self._photograph = None


def _smaller(colours: Bytes, size: tuple[int, int]) -> Bytes:
    smaller: Bytes = cv2.resize(colours, size, interpolation=cv2.INTER_AREA)
    return smaller


def _picture(colours: Bytes, silhouette: Bytes | None) -> Picture:
    rgb = np.ascontiguousarray(colours[..., :3])
    if silhouette is None:
        return Picture(rgb, None, None)
    return Picture(rgb, colours[..., 3] > 127, silhouette > 127)


def _ball(thing: Furniture) -> tuple[float, float, float, float]:
    """The ball that stands for a thing where it takes away light."""
    x, y, z = thing.place
    length, height, width = thing.size
    return x, y + height / 2, z, 0.45 * float(np.cbrt(length * height * width))


def _moments(view: View) -> int:
    """How many moments a frame is a mean of: 1 where nothing blurs."""
    if view.before is None and view.camera_before is None:
        return 1
    focal = view.camera_matrix[0, 0]
    depth = max(0.3, float((view.R @ view.bones[0][0, :, 3] + view.t)[2]))
    moved = 0.0
    for now, then in zip(view.bones, view.before or view.bones, strict=True):
        moved = max(moved, float(np.abs(now - then)[:, :, 3].max()))
    pixels = moved / depth * focal
    if view.camera_before is not None:
        pixels += float(np.abs(view.camera_before[0] - view.R).max()) * focal
    return int(np.clip(math.ceil(pixels / BLUR_PIXELS), 1, MOST_MOMENTS))


def _between(view: View, share: float) -> View:
    """A view part of the way from before to now."""
    bones = tuple(
        then + share * (now - then)
        for now, then in zip(view.bones, view.before or view.bones, strict=True)
    )
    if view.camera_before is None:
        return view._replace(bones=bones)
    R, t = (
        then + share * (now - then)
        for now, then in zip((view.R, view.t), view.camera_before, strict=True)
    )
    left, _, right = np.linalg.svd(R)
    return view._replace(bones=bones, R=left @ right, t=t)
