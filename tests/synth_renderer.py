"""A renderer and simple figures for tests; a machine without EGL skips what needs them."""

from collections.abc import Iterator

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.synth.pictures.gl import GlRenderer, open_renderer
from d3ke.synth.pictures.phones import look_at
from d3ke.synth.stage import (
    Figure,
    Floats,
    Furniture,
    Material,
    Mesh,
    Part,
    Surroundings,
    View,
)
from d3ke.vision.camera import Camera

BONES = 4
RED, BLUE = (0.6, 0.02, 0.02), (0.02, 0.02, 0.6)


@pytest.fixture(scope="session")
def renderer() -> Iterator[GlRenderer]:
    """The renderer of a test session."""
    try:
        opened = open_renderer()
    except D3keError as error:
        pytest.skip(str(error))
    yield opened
    opened.close()


def block_figure(size: tuple[float, float, float], material: Material, bone: int = 0) -> Figure:
    """A box that stands on the origin at rest and hangs on one bone."""
    x, y, z = np.array(size) / 2
    corners = [(i * x, j * y + y, k * z) for i in (-1, 1) for j in (-1, 1) for k in (-1, 1)]
    sides = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    positions = np.array([corners[i] for side in sides for i in side], np.float32)
    normals = np.repeat(np.array(NORMALS, np.float32), 4, axis=0)
    quads = np.arange(24).reshape(6, 4)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]).astype(np.int32)
    bones, weights = np.zeros((24, 8), np.uint8), np.zeros((24, 8), np.float32)
    bones[:, 0], weights[:, 0] = bone, 1
    uv = np.tile(np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32), (6, 1))
    mesh = Mesh("block", uv, bones, weights, triangles)
    part = Part(mesh, positions, normals, material)
    return Figure((part,), positions[:1], ("calcn_r",))


NORMALS = [(-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1)]


def still_bones(place: tuple[float, float, float] = (0, 0, 0)) -> Floats:
    """Bones (BONES, 3, 4) that only move everything to a place."""
    bones = np.zeros((BONES, 3, 4), np.float32)
    bones[:, :, :3], bones[:, :, 3] = np.eye(3), place
    return bones


def view_from(
    eye: tuple[float, float, float],
    target: tuple[float, float, float],
    *bones: Floats,
    size: tuple[int, int] = (96, 96),
    fov_deg: float = 50.0,
) -> View:
    """A view of figures from a place towards another."""
    R = look_at(np.array(eye, float), np.array(target, float))
    K = Camera.from_fov(size, fov_deg).K
    return View(K, size, R, -R @ np.array(eye, float), bones)


def plain_surroundings(
    sun_colour: tuple[float, float, float] = (0.0, 0.0, 0.0),
    furniture: tuple[Furniture, ...] = (),
    walls: Material | None = None,
    environment: str = "city",
) -> Surroundings:
    """A grey floor under an even sky."""
    return Surroundings(
        environment=environment,
        turn=0.0,
        exposure=0.6,
        sun=(0.0, 1.0, 0.0),
        sun_colour=sun_colour,
        backdrop=None,
        floor=Material(None, (0.3, 0.3, 0.3), 0.0),
        walls=walls,
        room=(8.0, 3.0, 8.0),
        room_middle=(0.0, 0.0, 0.0),
        floor_scale=1.0,
        furniture=furniture,
        furniture_materials=tuple(Material(None, BLUE) for _ in furniture),
    )
