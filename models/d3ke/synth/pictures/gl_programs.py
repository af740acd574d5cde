"""The renderer's programs in one context, wired to their textures and blocks."""

import moderngl
import numpy as np

from d3ke.synth.pictures import shaders

BLOCKS = {"Frame": 0, "Bones": 1, "Balls": 2}
SIZES = {"Frame": 32 * 16, "Bones": shaders.MOST_BONES * 48, "Balls": shaders.SPHERES * 16}
UNITS = {"shadow_map": 0, "panorama": 1, "photograph": 2, "surface": 3, "floor_light": 4}
SOLIDS = {
    "floor": shaders.FLOOR_FRAGMENT,
    "ground": shaders.OPEN_FLOOR_FRAGMENT,
    "wall": shaders.WALL_FRAGMENT,
    "thing": shaders.THING_FRAGMENT,
}
SCREEN = np.array([[-1, -1], [3, -1], [-1, 3]], np.float32)  # a triangle that covers all


class Programs:
    """Programs and the blocks that they share."""

    def __init__(self, context: moderngl.Context) -> None:
        self.context = context
        self.skin = self._wired(
            context.program(
                vertex_shader=shaders.SKIN_VERTEX, varyings=("position", "normal", "sky")
            )
        )
        self.shadow = self._program(shaders.SHADOW_VERTEX, shaders.SHADOW_FRAGMENT)
        self.figure = self._program(shaders.FIGURE_VERTEX, shaders.FIGURE_FRAGMENT)
        self.solids = {
            role: self._program(shaders.SOLID_VERTEX, fragment) for role, fragment in SOLIDS.items()
        }
        corners = context.buffer(SCREEN.tobytes())
        self.floor_map, self.far = (
            context.vertex_array(
                self._program(shaders.SCREEN_VERTEX, fragment), [(corners, "2f", "in_corner")]
            )
            for fragment in (shaders.FLOOR_MAP_FRAGMENT, shaders.BACKDROP_FRAGMENT)
        )
        self._blocks = {name: context.buffer(reserve=size) for name, size in SIZES.items()}
        for name, block in self._blocks.items():
            block.bind_to_uniform_block(BLOCKS[name])

    def write(self, block: str, data: bytes) -> None:
        """Give a block of all programs its values."""
        self._blocks[block].write(data)

    def _program(self, vertex: str, fragment: str) -> moderngl.Program:
        return self._wired(self.context.program(vertex_shader=vertex, fragment_shader=fragment))

    def _wired(self, program: moderngl.Program) -> moderngl.Program:
        for name in program:
            if name in UNITS:
                give(program, name, UNITS[name])
            elif isinstance(block := program[name], moderngl.UniformBlock):
                block.binding = BLOCKS[name]
        return program


def give(program: moderngl.Program, name: str, value: float | tuple[float, ...]) -> None:
    """Give a uniform of a program its value."""
    uniform = program[name]
    assert isinstance(uniform, moderngl.Uniform), name
    uniform.value = value
