"""What a synthetic picture is made of: figures, furniture, surroundings, a view; and what it is.

Ground is OpenSim's: x forward, y up, z right, m. Cameras are OpenCV's: x right, y down, z forward.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Triangles = NDArray[np.int32]
FurnitureKind = Literal["chair", "stairs", "treadmill", "box", "beam"]


@dataclass(frozen=True, eq=False)
class Mesh:
    """A skinned surface, the same for everyone who wears it; a renderer may keep it by identity.

    uv: (V, 2), v down; bones: (V, 8) u1, into the rig's; weights: (V, 8), rows sum to 1;
    triangles: (F, 3), counter-clockwise from outside.
    """

    name: str
    uv: Floats
    bones: NDArray[np.uint8]
    weights: Floats
    triangles: Triangles


@dataclass(frozen=True, eq=False)
class Material:
    """What a surface looks like.

    texture: (H, W, 4) u1 sRGB and opacity, first row on top, or None for white; tint: (3,) linear
    RGB that multiplies it; gloss: 0 (cloth) .. 1 (wet); cut: opacity below one half is a hole.
    """

    texture: NDArray[np.uint8] | None
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    gloss: float = 0.1
    cut: bool = False


@dataclass(frozen=True, eq=False)
class Part:
    """A surface on one person, at rest. positions, normals: (V, 3).

    triangles: (F', 3) where only some of the mesh is shown (skin under clothes is not).
    """

    mesh: Mesh
    positions: Floats
    normals: Floats
    material: Material
    triangles: Triangles | None = None


@dataclass(frozen=True, eq=False)
class Figure:
    """A dressed person at rest. Bone transforms (R, 3, 4) take rest to ground.

    soles: (S, 3) points under the shoes, at rest; sole_bodies: (S,) the skeleton's body of each
    (calcn_r, toes_r, calcn_l, toes_l).
    """

    parts: tuple[Part, ...]
    soles: Floats
    sole_bodies: tuple[str, ...]


@dataclass(frozen=True)
class Furniture:
    """A thing that a motion needs, or that stands around.

    place: its footprint's middle on the floor, m; heading: about y, rad (0: its front faces +x);
    size: length along its heading, height, width, m. A chair's height is its seat's; stairs rise
    along +x in `steps` steps to their height, a treadmill's belt runs along -x.
    """

    kind: FurnitureKind
    place: tuple[float, float, float]
    heading: float
    size: tuple[float, float, float]
    steps: int = 1


class View(NamedTuple):
    """One frame: the camera and where bones are.

    camera_matrix: (3, 3); size: width, height, pixels; R: (3, 3), t: (3,), x_cam = R x_ground + t;
    bones: (R, 3, 4) of each figure, first the person that the labels are of.
    before: bones one exposure earlier, for motion blur; camera_before: R and t then.
    """

    camera_matrix: NDArray[np.float64]
    size: tuple[int, int]
    R: NDArray[np.float64]
    t: NDArray[np.float64]
    bones: tuple[Floats, ...]
    before: tuple[Floats, ...] | None = None
    camera_before: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None


class Picture(NamedTuple):
    """What a renderer makes of a view.

    rgb: (H, W, 3) u1 sRGB; person: (H, W) bool, where figure 0 is seen; silhouette: (H, W) bool,
    where it would be seen if nothing stood before it; None unless asked for.
    """

    rgb: NDArray[np.uint8]
    person: NDArray[np.bool_] | None
    silhouette: NDArray[np.bool_] | None


@dataclass(frozen=True, eq=False)
class Surroundings:
    """Where a clip takes place: light, floor, walls, background, furniture.

    environment: name of a panorama that lights the scene; turn: its heading, rad; exposure: factor;
    sun: (3,) towards the sun or lamp; sun_colour: linear RGB, 0 where the sky is overcast;
    backdrop: (H, W, 3) u1 photograph behind everything, None to show the panorama or walls;
    floor, walls: materials (walls None: open air); room: length, height, width, m, about
    `room_middle` on the floor; floor_scale: m of floor a texture covers.
    """

    environment: str
    turn: float
    exposure: float
    sun: tuple[float, float, float]
    sun_colour: tuple[float, float, float]
    backdrop: NDArray[np.uint8] | None
    floor: Material
    walls: Material | None
    room: tuple[float, float, float]
    room_middle: tuple[float, float, float]
    floor_scale: float
    furniture: tuple[Furniture, ...]
    furniture_materials: tuple[Material, ...]


class Stage(NamedTuple):
    """What stays the same during a clip."""

    figures: tuple[Figure, ...]
    surroundings: Surroundings


class Renderer(Protocol):
    """Draws views of a stage. One for each process; `open` another stage as often as you like."""

    def open(self, stage: Stage) -> None:
        """Make the stage ready; what it shares with earlier ones may be kept."""

    def draw(self, view: View, masks: bool = False) -> Picture:
        """The picture of a view; its masks where they are asked for."""

    def close(self) -> None:
        """Free what the renderer holds."""
