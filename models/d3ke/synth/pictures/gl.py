"""The renderer on OpenGL: EGL without a screen, on a graphics card or on Mesa's llvmpipe."""

import importlib
from contextlib import suppress
from typing import Any

import cv2
import moderngl
import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.synth.pictures.gl_blur import moments
from d3ke.synth.pictures.gl_figures import FigureBuffers
from d3ke.synth.pictures.gl_frame import ball_block, bone_block, frame_block, shadow_matrix
from d3ke.synth.pictures.gl_programs import UNITS, Programs, give
from d3ke.synth.pictures.gl_stage import OpenStage, Surface
from d3ke.synth.pictures.gl_textures import Textures
from d3ke.synth.stage import Picture, Stage, View

Bytes = NDArray[np.uint8]

OVERSAMPLING = 1.5  # pixels along each side of one of the picture's; 2 costs a quarter more
SHADOW_TEXELS, FLOOR_TEXELS = 1024, 224
MOST_TARGETS = 4
SETTINGS: dict[str, Any] = {"backend": "egl"}


def open_renderer() -> "GlRenderer":
    """A renderer without a screen.

    Raises D3keError where there is no EGL, or none with OpenGL 3.3.
    """
    with suppress(ImportError):
        # Mesa brings an LLVM that all later libraries see; Triton, which torch loads with its
        # first optimizer, has another of its own and crashes unless it comes first.
        importlib.import_module("triton._C.libtriton")
    try:
        context = moderngl.create_context(require=330, standalone=True, **SETTINGS)
    except Exception as error:  # moderngl and its backends raise bare Exceptions
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise D3keError(
            f"EGL: no OpenGL 3.3 without a screen ({reason}). On Debian or Ubuntu run "
            "`apt-get install libegl1 libgl1 libgl1-mesa-dri`, or install the graphics card's "
            "driver."
        ) from error
    return GlRenderer(context)


class GlRenderer:
    """Draws views of a stage with OpenGL 3.3. Implements stage.Renderer."""

    def __init__(self, context: moderngl.Context) -> None:
        self.context = context
        context.front_face = "cw"  # pictures are drawn upside down, so that rows come out right
        self._programs, self._textures = Programs(context), Textures(context)
        self._shadow_map = context.depth_texture((SHADOW_TEXELS, SHADOW_TEXELS))
        self._shadow_map.compare_func = "<="
        self._shadow_target = context.framebuffer(depth_attachment=self._shadow_map)
        self._floor_map = context.texture((FLOOR_TEXELS, FLOOR_TEXELS), 2)
        self._floor_map.repeat_x = self._floor_map.repeat_y = False
        self._floor_target = context.framebuffer([self._floor_map])
        self._targets: dict[tuple[int, int], moderngl.Framebuffer] = {}
        self._opened: OpenStage | None = None

    def open(self, stage: Stage) -> None:
        """Make the stage ready; textures and panoramas of earlier ones are kept."""
        with self.context:
            self._shut()
            self._opened = OpenStage(self.context, self._programs, stage)

    def draw(self, view: View, masks: bool = False) -> Picture:
        """The picture of a view; its masks where they are asked for."""
        opened = self._opened
        assert opened is not None, "draw before open"
        views = moments(view)
        finer = OVERSAMPLING if len(views) == 1 else 1.0
        drawn = []
        with self.context:
            for index, moment in enumerate(views):
                self._prepare(opened, moment)
                if index == 0:  # shadows hardly move within an exposure
                    self._cast_shadows(opened)
                drawn.append(self._colours(opened, view.size, finer, masks))
        colours = drawn[0][0]
        if len(views) > 1:
            colours = np.mean([picture for picture, _ in drawn], axis=0).astype(np.uint8)
        rgb, silhouette = np.ascontiguousarray(colours[..., :3]), drawn[-1][1]
        if silhouette is None:
            return Picture(rgb, None, None)
        return Picture(rgb, colours[..., 3] > 127, silhouette > 127)

    def close(self) -> None:
        """Free what the renderer holds."""
        with self.context:
            self._shut()
        self.context.release()

    def _prepare(self, opened: OpenStage, view: View) -> None:
        """Write what the programs need to know of a view, and skin the figures."""
        shade, around = opened.shade(view), opened.around
        shadow = shadow_matrix(shade.middle, shade.radius, around.sun)
        frame = frame_block(view, around, opened.light, opened.backdrop, shadow, shade.floor)
        self._programs.write("Frame", frame)
        self._programs.write("Balls", ball_block(shade.balls, opened.things))
        self._shadow_target.use()  # without a target not even skinning is drawn
        for figure, bones in zip(opened.figures, view.bones, strict=True):
            self._programs.write("Bones", bone_block(bones))
            figure.pose()

    def _cast_shadows(self, opened: OpenStage) -> None:
        """Draw what the light sees, and how much of it the floor gets."""
        self.context.enable_only(moderngl.DEPTH_TEST)
        self.context.depth_func = "<"
        self._shadow_target.clear(depth=1.0)
        if max(opened.around.sun_colour) > 0:
            for figure in opened.figures:
                figure.cast.render()
            for surface in opened.furniture:
                surface.buffers.cast.render()
        self._shadow_map.use(UNITS["shadow_map"])
        self._floor_target.use()
        self.context.enable_only(moderngl.NOTHING)
        self._programs.floor_map.render()
        self._floor_map.use(UNITS["floor_light"])

    def _colours(
        self, opened: OpenStage, size: tuple[int, int], finer: float, masks: bool
    ) -> tuple[Bytes, Bytes | None]:
        """Colours (H, W, 4) and the silhouette (H, W); alpha is the person that labels are of."""
        target = self._target((round(size[0] * finer), round(size[1] * finer)))
        target.use()
        self.context.enable_only(moderngl.DEPTH_TEST)
        self.context.depth_func = "<"
        target.clear(0.0, 0.0, 0.0, 0.0)
        self._draw_figure(opened.figures[0], 1.0)
        silhouette = _read(target, size)[..., 3] if masks else None
        for figure in opened.figures[1:]:
            self._draw_figure(figure, 0.0)
        self._textures.panorama(opened.around.environment).use(UNITS["panorama"])
        self._textures.of(opened.around.backdrop).use(UNITS["photograph"])
        self.context.enable_only(moderngl.DEPTH_TEST | moderngl.CULL_FACE)
        for surface in (*opened.furniture, *opened.room):
            self._draw_solid(surface)
        if opened.open_air:
            self.context.enable_only(moderngl.DEPTH_TEST)
            self.context.depth_func = "<="
            self._programs.far.render()
        return _read(target, size), silhouette

    def _draw_figure(self, figure: FigureBuffers, alpha: float) -> None:
        program = self._programs.figure
        for part in figure.shape.parts:
            material = part.material
            self._textures.of(material.texture).use(UNITS["surface"])
            give(program, "tint", (*material.tint, material.gloss))
            give(program, "marks", (0.5 if material.cut else 0.0, alpha))
            figure.drawn.render(vertices=part.indices, first=part.first)

    def _draw_solid(self, surface: Surface) -> None:
        program, material = self._programs.solids[surface.role], surface.material
        self._textures.of(material.texture).use(UNITS["surface"])
        give(program, "tint", (*material.tint, material.gloss))
        give(program, "scale", surface.scale)
        if surface.role == "wall":
            give(program, "hole", 0.5 if material.cut else 0.0)
        surface.buffers.drawn.render()

    def _target(self, size: tuple[int, int]) -> moderngl.Framebuffer:
        """Where pictures of a size are drawn."""
        if size not in self._targets:
            if len(self._targets) == MOST_TARGETS:
                for target in self._targets.values():
                    for held in (*target.color_attachments, target.depth_attachment, target):
                        held.release()
                self._targets.clear()
            self._targets[size] = self.context.framebuffer(
                [self.context.renderbuffer(size, 4)], self.context.depth_renderbuffer(size)
            )
        return self._targets[size]

    def _shut(self) -> None:
        """Free what belongs to the opened stage alone."""
        if self._opened is not None:
            self._opened.release()
            self._opened = None


def _read(target: moderngl.Framebuffer, size: tuple[int, int]) -> Bytes:
    """What was drawn, (H, W, 4), as a picture of a size."""
    width, height = target.size
    raw = target.read(components=4, alignment=1)
    colours = np.frombuffer(raw, np.uint8).reshape(height, width, 4)
    if target.size == size:
        return colours
    return np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_AREA), np.uint8)
