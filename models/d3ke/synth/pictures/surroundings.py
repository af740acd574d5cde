"""Where people are filmed: rooms, corridors, laboratories, halls and the open air."""

from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.synth.pictures.clutter import Ground, clutter
from d3ke.synth.pictures.environments import (
    INDOORS,
    LUMINANCE,
    OVERCAST,
    SUNNY,
    Environment,
    about_y,
    environment,
    radiance,
)  # fmt: skip
from d3ke.synth.pictures.textures import (
    FLOOR_MEAN,
    PHOTOS,
    floor_texture,
    read_photo,
    thing_texture,
    wall_texture,
)
from d3ke.synth.stage import Furniture, FurnitureKind, Material, Surroundings

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Colour = tuple[float, float, float]

# Chosen by the project for where phones film people; not measured.
PLACES = ("home", "laboratory", "corridor", "hall", "open air", "photograph")
PLACE_SHARES = (0.24, 0.22, 0.06, 0.16, 0.22, 0.1)
OWN_PHOTO_SHARE = 0.4  # of the clips, where the user gives photographs
DIM_SHARE = 0.07
MIDDLE_LIGHT = 0.56  # exposed light of a white upright surface; the screen's white is at about 2
WALLS, THINGS, FLOORS = 24, 12, 6  # variants of textures
MARGIN_M = {"home": (0.5, 1.6), "laboratory": (0.8, 4.0), "corridor": (0.25, 0.5)}
CORRIDOR_M = (2.0, 6.0)  # beyond what happens, along a corridor
CEILING_M = {"home": (2.4, 2.8), "laboratory": (2.7, 4.5), "corridor": (2.3, 2.9)}
ROOM_FLOORS = {
    "home": ("planks", "carpet", "tiles", "speckled"),
    "laboratory": ("speckled", "concrete", "planks", "carpet", "tiles"),
    "corridor": ("speckled", "tiles", "carpet"),
}
# Albedo of floors, darkest and brightest.
ALBEDOS: dict[str, tuple[Colour, Colour]] = {
    "planks": ((0.10, 0.05, 0.025), (0.52, 0.36, 0.22)),
    "tiles": ((0.12, 0.11, 0.10), (0.65, 0.63, 0.60)),
    "speckled": ((0.08, 0.12, 0.16), (0.50, 0.50, 0.46)),
    "carpet": ((0.04, 0.05, 0.09), (0.36, 0.32, 0.28)),
    "concrete": ((0.15, 0.15, 0.15), (0.45, 0.44, 0.41)),
}
GROUNDS = {
    "apartment": "planks", "bridge": "concrete", "city": "brick", "dawn": "gravel",
    "esplanade": "tiles", "forest": "gravel", "hall": "planks", "lab": "speckled",
    "lobby": "planks", "night": "grass", "park": "grass", "sky": "concrete", "studio": "concrete",
    "sunrise": "grass", "sunset": "tiles", "venice": "asphalt", "warehouse": "concrete",
    "workshop": "speckled",
}  # fmt: skip
BACKDROPS = {  # photographs that show a place, and whether it is a room
    "lomiri_aitzgorri_by_Aitzol_Berasategi": False,
    "lomiri_picosdeeuropa_by_Aitzol_Berasategi": False,
    "lomiri_life_by_Aitzol_Berasategi": False,
    "lomiri_sunset_by_Aitzol_Berasategi": False,
    "sklearn_china": False,
    "lomiri_Wine_by_Jakkub_Mede": True,
}


def draw_surroundings(
    rng: Generator,
    furniture: tuple[Furniture, ...],
    path: Floats,
    eye: Array,
    backgrounds: Path | None = None,
) -> Surroundings:
    """A place around a clip.

    furniture: what the motion needs; path: (T, 3) of the pelvis in ground; eye: (3,) the camera;
    backgrounds: a folder of photographs to be used beside those that ship.
    Raises D3keError for a folder without photographs.
    """
    own = own_photographs(backgrounds) if backgrounds is not None else ()
    place = PLACES[rng.choice(len(PLACES), p=PLACE_SHARES)]
    if own and rng.random() < OWN_PHOTO_SHARE:
        place = "photograph"
    else:
        own = ()
    walls = _walls(rng) if place in MARGIN_M else None
    photo, light = _far(rng, place, own, walls is not None and walls.cut)
    away = path.mean(axis=0) - eye
    ahead = float(np.arctan2(away[2], away[0]))
    turn = ahead + rng.normal(0, 0.25) if photo is not None else rng.uniform(-np.pi, np.pi)
    sun, sun_colour = _sun(rng, light, float(turn), 0.8 if photo is not None else 2.6)
    exposure = _exposure(rng, light, sun_colour)
    room, middle = _room(rng, place, furniture, path, eye)
    floor, floor_scale = _floor(rng, place, light, photo, sun[1] * sun_colour, exposure)
    ground = Ground(path, np.asarray(eye, np.float64), furniture, room, middle, walls is not None)
    things = (*furniture, *clutter(rng, place, ground))
    return Surroundings(
        environment=light.name,
        turn=float(turn),
        exposure=exposure,
        sun=_triple(sun),
        sun_colour=_triple(sun_colour),
        backdrop=photo,
        floor=floor,
        walls=walls,
        room=room,
        room_middle=middle,
        floor_scale=floor_scale,
        furniture=things,
        furniture_materials=tuple(_thing(rng, thing.kind) for thing in things),
    )


@lru_cache(maxsize=8)
def own_photographs(folder: Path) -> tuple[Path, ...]:
    """The photographs of a folder. Raises D3keError where there are none."""
    kinds = {".jpg", ".jpeg", ".png"}
    found = sorted(path for path in folder.glob("*") if path.suffix.lower() in kinds)
    if not found:
        raise D3keError(f"{folder}: no photographs. Put .jpg or .png files there.")
    return tuple(found)


def _triple(vector: Floats | Array) -> Colour:
    x, y, z = (float(value) for value in vector)
    return x, y, z


def _walls(rng: Generator) -> Material:
    texture = wall_texture(int(rng.integers(WALLS)))
    tint = _triple(rng.uniform(0.8, 1.0) * rng.uniform(0.93, 1.0, 3))
    return Material(texture, tint, float(rng.uniform(0, 0.1)), cut=bool(texture[..., 3].min() == 0))


def _far(
    rng: Generator, place: str, own: tuple[Path, ...], windows: bool
) -> tuple[Bytes | None, Environment]:
    """What is behind everything: a photograph or none, and a panorama that lights the scene."""
    outdoors = (*SUNNY, *OVERCAST)
    if place == "photograph":
        names = [*own] if own else [PHOTOS / f"{name}.jpg" for name in BACKDROPS]
        path = names[rng.integers(len(names))]
        indoors = BACKDROPS.get(path.stem, bool(rng.random() < 0.4))
        return read_photo(path), environment(_choice(rng, INDOORS if indoors else outdoors))
    lit_outside = place == "open air" or (windows and rng.random() < 0.5)
    return None, environment(_choice(rng, outdoors if lit_outside else INDOORS))


def _choice(rng: Generator, names: tuple[str, ...]) -> str:
    return names[rng.integers(len(names))]


def _sun(rng: Generator, light: Environment, turn: float, most: float) -> tuple[Floats, Floats]:
    """Direction (3,) and colour (3,) of the sun or lamp; `most` over the sky's light."""
    sun = about_y(turn) @ light.sun
    sun[1] = max(sun[1], rng.uniform(0.2, 0.5))
    sun /= np.linalg.norm(sun)
    if light.name in SUNNY:
        strength = rng.uniform(0.3 * most, most)
    elif light.indoors:
        strength = rng.uniform(0.15, 0.9)
    else:
        strength = max(0.0, rng.uniform(-0.2, 0.6))
    colour = light.sun_colour / max(float(light.sun_colour @ LUMINANCE), 1e-6)
    pale = 0.5 * colour + 0.5
    sky = float(radiance(light.ambient, np.array([0, 1, 0], np.float32)) @ LUMINANCE)
    return sun.astype(np.float32), (strength * sky * pale).astype(np.float32)


def _exposure(rng: Generator, light: Environment, sun_colour: Floats) -> float:
    """The factor that makes the person's light what a phone would make it."""
    usual = light.level + 0.4 * float(sun_colour @ LUMINANCE)
    wish = MIDDLE_LIGHT * float(np.exp(np.clip(rng.normal(0, 0.3), -0.7, 0.7)))
    if rng.random() < DIM_SHARE:
        wish *= rng.uniform(0.35, 0.7)
    return wish / max(usual, 1e-3)


def _room(
    rng: Generator, place: str, furniture: tuple[Furniture, ...], path: Floats, eye: Array
) -> tuple[Colour, Colour]:
    """Size and middle of the room around everything; in the open air of what happens."""
    spots = [path[:, [0, 2]] - 0.8, path[:, [0, 2]] + 0.8, eye[None, [0, 2]]]
    for thing in furniture:
        half = max(thing.size[0], thing.size[2]) / 2
        spots += [np.array([[thing.place[0], thing.place[2]]]) + sign * half for sign in (-1, 1)]
    places = np.concatenate(spots)
    low, high = places.min(axis=0), places.max(axis=0)
    margin = MARGIN_M.get(place, (0.5, 3.0))
    low, high = low - rng.uniform(*margin, 2), high + rng.uniform(*margin, 2)
    if place == "corridor":
        axis = int(np.argmax(high - low))
        low[axis] -= rng.uniform(*CORRIDOR_M)
        high[axis] += rng.uniform(*CORRIDOR_M)
    height = max(float(rng.uniform(*CEILING_M.get(place, (2.5, 3.0)))), float(eye[1]) + 0.3)
    size, middle = high - low, (low + high) / 2
    return (float(size[0]), height, float(size[1])), (float(middle[0]), 0.0, float(middle[1]))


def _floor(
    rng: Generator,
    place: str,
    light: Environment,
    photo: Bytes | None,
    sun_on_floor: Floats,
    exposure: float,
) -> tuple[Material, float]:
    """What the floor looks like; in the open air it goes over into what is far away."""
    received = radiance(light.ambient, np.array([0, 1, 0], np.float32)) + sun_on_floor
    if photo is not None:
        kind = "planks" if light.indoors else _choice(rng, ("grass", "gravel", "asphalt"))
        shown = photo[-photo.shape[0] // 6 :].reshape(-1, 3).mean(axis=0) / 255
        albedo = _unfilmed(shown) / (exposure * received)
    elif place in ROOM_FLOORS:
        kind = _choice(rng, ROOM_FLOORS[place])
        dark, bright = (np.array(bound) for bound in ALBEDOS[kind])
        albedo = dark + rng.random() * (bright - dark)
        albedo = albedo * rng.uniform(0.85, 1.1, 3)
    else:
        kind = GROUNDS[light.name]
        albedo = light.ground / received
    texture, metres = floor_texture(kind, int(rng.integers(FLOORS)))
    tint = np.clip(albedo, 0.02, 0.75) / FLOOR_MEAN**2.2
    shiny = kind in ("planks", "tiles", "speckled") and rng.random() < 0.5
    gloss = rng.uniform(0.1, 0.4) if shiny else rng.uniform(0, 0.1)
    return Material(texture, _triple(tint), float(gloss)), metres


def _unfilmed(shown: Floats) -> Floats:
    """The exposed light that the renderer shows as sRGB (3,): its curve read backwards."""
    y = np.clip(shown, 0.02, 0.9) ** 2.2
    a, b, c = 2.51 - 2.43 * y, 0.03 - 0.59 * y, -0.14 * y
    light: Floats = (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)
    return light


def _thing(rng: Generator, kind: FurnitureKind) -> Material:
    """What a piece of furniture is made of."""
    brightest = 0.25 if kind == "treadmill" else 0.7
    colour = np.full(3, rng.uniform(0.05, brightest))
    if rng.random() < 0.5:
        colour = colour * rng.uniform(0.4, 1.3, 3)
    texture = thing_texture(int(rng.integers(THINGS)))
    return Material(texture, _triple(colour * 1.3), float(rng.uniform(0.02, 0.4)))
