"""Everything there is to wear: dresses a person from the skin to the hat."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.random import Generator

from d3ke.synth.clothes.garments import Pack
from d3ke.synth.clothes.heads import Heads
from d3ke.synth.clothes.outfits import HIDDEN_M, Closet, Person, Worn
from d3ke.synth.clothes.regions import regions
from d3ke.synth.clothes.soles import Soles, soles_of
from d3ke.synth.clothes.surfaces import Skin, Surface, itself
from d3ke.synth.stage import Figure, Floats, Part

SKIN_M = 0.015  # skin goes on so far under cloth
NOTHING = -9.0


class Adult(Person, Protocol):
    """Who is dressed."""

    @property
    def vertices(self) -> Floats:
        """The body at rest, (V, 3)."""


@dataclass(frozen=True, eq=False)
class Wardrobe:
    """Clothes, hair and skins: grown from the body, and of a pack where there is one."""

    pack: Pack | None
    closet: Closet = field(init=False)
    heads: Heads = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "closet", Closet(self.pack))
        object.__setattr__(self, "heads", Heads(self.pack))

    @staticmethod
    def load(folder: Path | None) -> "Wardrobe":
        """A wardrobe with the assets of a folder, or with none but what the body itself gives.

        Raises D3keError: no such folder, no manifest in it, a missing or broken asset.
        """
        return Wardrobe(Pack.load(folder) if folder is not None else None)

    def dress(self, adult: Adult, rng: Generator) -> Figure:
        """A person in clothes, at rest."""
        outfit = self.closet.draw(adult, rng)
        growing = self.heads.draw(adult, outfit.hat, rng)
        bare = Worn(bare_skin(), self.heads.skin(adult, rng))
        skin = regions().base.skin(adult.vertices)
        parts, covers = layered(outfit.clothes, skin)
        parts += [_shown(worn, skin, covers, HIDDEN_M) for worn in growing]
        covers = np.max([covers, *(worn.surface.covers for worn in growing)], axis=0)
        parts.append(_shown(bare, skin, covers, SKIN_M))
        on_feet = outfit.on_feet or bare.surface
        worn_part = next(part for part in parts if part.mesh is on_feet.mesh)
        points, bodies = _soles(on_feet).points(worn_part)
        return Figure(tuple(parts), points, bodies)


def layered(worn: tuple[Worn, ...], skin: Skin) -> tuple[list[Part], Floats]:
    """Clothes on a person, from the outermost on, each as far as it is seen.

    Also returns what all of them cover of the base mesh, (V,).
    """
    covers = np.full(regions().base.count, NOTHING, np.float32)
    parts = []
    for layer in worn:
        parts.append(_shown(layer, skin, covers, HIDDEN_M))
        covers = np.maximum(covers, layer.surface.covers)
    return parts, covers


def _shown(layer: Worn, skin: Skin, covers: Floats, margin_m: float) -> Part:
    """A layer as far as what covers it leaves it to be seen."""
    surface = layer.surface
    hidden = surface.beneath(covers, margin_m)
    shown = surface.mesh.triangles[~hidden] if hidden.any() else None
    return surface.worn(skin, layer.material, layer.looseness, shown)


@cache
def bare_skin() -> Surface:
    """The body's own skin, without the eyes."""
    where = regions()
    body = where.base.body
    faces, uv = body.faces["body"], body.uv[body.uv_faces["body"]]
    corner_uv = np.stack([uv[..., 0], 1 - uv[..., 1]], axis=2)
    covers = np.full(where.base.count, NOTHING, np.float32)
    return where.base.surface("skin", itself(np.arange(faces.max() + 1)), faces, corner_uv, covers)


@cache
def _soles(surface: Surface) -> Soles:
    return soles_of(surface, regions())
