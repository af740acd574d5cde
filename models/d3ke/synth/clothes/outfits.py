"""What somebody puts on: drawn so that it could be seen in the street or in a movement laboratory.

Names are those of grown_clothes.CUTS; "" is nothing.
"""

from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

import numpy as np
from numpy.random import Generator

from d3ke.synth.clothes import patterns
from d3ke.synth.clothes.colours import CLOTH, DENIM, SOBER, WHITE, Palette, Tint, draw_tint
from d3ke.synth.clothes.garments import GREY, Garment, Pack, Slot
from d3ke.synth.clothes.grown_clothes import CUT_OF, grown
from d3ke.synth.clothes.grown_shoes import SHOE_LOOKS, SHOES, SOCKS, shoe_texture, shoes, socks
from d3ke.synth.clothes.surfaces import Surface
from d3ke.synth.stage import Material

Weighted = dict[str, float]
Name = TypeVar("Name", bound=str)
CLOTH_GLOSS, SHOE_GLOSS = 0.04, 0.2
GREY_LIGHT = GREY**2.2  # linear
OLD_YEARS = 58.0
LAB, SUIT, HAT, BAREFOOT, IN_SOCKS = 0.3, 0.1, 0.04, 0.06, 0.03  # how often
FROM_PACK = 0.55  # how often a piece comes from the pack where there is one
GAUDY = 0.15  # how often a bottom has a colour that one rather sees on a top
OVER_SEWN, OVER_BOUGHT = 1.15, 1.4  # a grown top is so much looser over a grown, a bought bottom
AS_BOUGHT = 0.4  # how often a piece of the pack keeps its own colours
HIDDEN_M = 0.0  # what lies so far under a garment is not seen
LAB_TOPS: dict[bool, Weighted] = {
    False: {"tank": 3, "fitted_tshirt": 3, "tshirt": 4, "": 3},
    True: {"tank": 4, "fitted_tshirt": 4, "tshirt": 2, "bra": 3},
}
LAB_BOTTOMS: dict[bool, Weighted] = {
    False: {"cycling_shorts": 3, "short_shorts": 3, "shorts": 5, "tights": 2},
    True: {"cycling_shorts": 4, "short_shorts": 3, "shorts": 1, "tights": 4, "capri_tights": 3},
}
TOPS: dict[bool, Weighted] = {
    False: {"tshirt": 6, "long_tshirt": 3, "longsleeve": 3, "sweatshirt": 4, "rollneck": 1},
    True: {
        "tshirt": 3, "fitted_tshirt": 4, "longsleeve": 3, "sweatshirt": 2, "three_quarter": 3,
        "rollneck": 1, "tank": 2,
    },
}  # fmt: skip
BOTTOMS: dict[bool, Weighted] = {
    False: {"trousers": 6, "slim_trousers": 4, "sweatpants": 3, "shorts": 3, "long_shorts": 2},
    True: {
        "trousers": 3, "slim_trousers": 5, "sweatpants": 2, "shorts": 1, "tights": 3,
        "capri_tights": 2, "mini_skirt": 1, "knee_skirt": 2, "long_skirt": 1,
    },
}  # fmt: skip
TWO_COLOURS: dict[str, dict[patterns.TwoColour, float]] = {
    "top": {
        "stripes": 3, "pinstripes": 1, "checks": 2, "blocks": 2, "badge": 6,
        "dots": 1, "side": 1,
    },
    "bottom": {"side": 4, "checks": 1, "pinstripes": 1},
    "suit": {"side": 1, "blocks": 1},
}  # fmt: skip
PATTERNED = {"top": 0.5, "bottom": 0.2, "suit": 0.3}  # how often


class Person(Protocol):
    """What clothes ask of somebody. skin_tone: 0 very light .. 1 very dark."""

    @property
    def woman(self) -> bool:
        """Or else a man."""

    @property
    def skin_tone(self) -> float:
        """From 0, very light, to 1, very dark."""

    @property
    def age_years(self) -> float:
        """How old."""


class Worn(NamedTuple):
    """A surface that somebody wears. looseness: how much looser than it is cut."""

    surface: Surface
    material: Material
    looseness: float = 1.0


class Outfit(NamedTuple):
    """All that somebody wears, from the outermost on. on_feet: what meets the floor, if shod."""

    clothes: tuple[Worn, ...]
    on_feet: Surface | None
    hat: bool


@dataclass(frozen=True, eq=False)
class Closet:
    """Everything there is to wear. pack: None where clothes are only grown from the body."""

    pack: Pack | None

    def draw(self, person: Person, rng: Generator) -> Outfit:
        """What a person wears."""
        hat = self._hat(rng)
        shoes_worn, socks_worn = self._footwear(person, rng)
        style = rng.random()
        if style < SUIT:
            upper, lower, over_shoes = self._suit(rng)
        elif style < SUIT + LAB and person.age_years < OLD_YEARS:
            upper, lower, over_shoes = self._for_the_lab(person, rng)
        else:
            upper, lower, over_shoes = self._for_the_street(person, rng)
        outer = (*upper, *lower, *shoes_worn) if over_shoes else (*upper, *shoes_worn, *lower)
        feet = (*shoes_worn, *socks_worn)
        on_feet = feet[0].surface if feet else None
        return Outfit((*hat, *outer, *socks_worn), on_feet, bool(hat))

    def _suit(self, rng: Generator) -> tuple[list[Worn], list[Worn], bool]:
        """Something of one piece, or grown top and trousers of one cloth."""
        if self.pack is not None and rng.random() < FROM_PACK:
            suits = self.pack.of("suit")
            return [bought(suits[rng.integers(len(suits))], CLOTH, rng)], [], True
        if rng.random() < 0.4:
            return [sewn_of("catsuit", rng)], [], False
        cloth = Material(patterns.plain("plain"), draw_tint(CLOTH, rng, 0.02), CLOTH_GLOSS)
        return [Worn(grown("sweatshirt"), cloth)], [Worn(grown("sweatpants"), cloth)], False

    def _for_the_lab(self, person: Person, rng: Generator) -> tuple[list[Worn], list[Worn], bool]:
        """Little and tight, so that markers could be seen."""
        top, bottom = pick(LAB_TOPS[person.woman], rng), pick(LAB_BOTTOMS[person.woman], rng)
        return [sewn_of(top, rng)] if top else [], [sewn_of(bottom, rng)], False

    def _for_the_street(
        self, person: Person, rng: Generator
    ) -> tuple[list[Worn], list[Worn], bool]:
        """A top and a bottom, each grown or bought."""
        top, bottom = pick(TOPS[person.woman], rng), pick(BOTTOMS[person.woman], rng)
        upper, lower = self._bought("top", person, rng), self._bought("bottom", person, rng)
        formal = upper is not None and "elegant" in upper.surface.mesh.name
        bottom = "trousers" if formal else bottom
        sewn_top = sewn_of(top, rng)
        wide = OVER_BOUGHT if lower is not None else OVER_SEWN
        sewn_top = sewn_top._replace(looseness=wide * sewn_top.looseness)
        over_shoes = lower is not None or CUT_OF[bottom].over_shoes
        return [upper or sewn_top], [lower or sewn_of(bottom, rng)], over_shoes

    def _bought(self, slot: Slot, person: Person, rng: Generator) -> Worn | None:
        """Something of the pack, or nothing of it."""
        if self.pack is None or rng.random() >= FROM_PACK:
            return None
        choice = [piece for piece in self.pack.of(slot) if _suits(piece, person)]
        if not choice:
            return None
        weights = np.array([_liking(piece) for piece in choice])
        piece = choice[rng.choice(len(choice), p=weights / weights.sum())]
        return bought(piece, palette_of(slot, True, rng), rng)

    def _hat(self, rng: Generator) -> list[Worn]:
        if self.pack is None or rng.random() >= HAT:
            return []
        hats = self.pack.of("hat")
        return [bought(hats[rng.integers(len(hats))], CLOTH, rng)] if hats else []

    def _footwear(self, person: Person, rng: Generator) -> tuple[list[Worn], list[Worn]]:
        """Shoes and socks; a few people are barefoot."""
        bare = rng.random()
        sock_tint = draw_tint(CLOTH if rng.random() < 0.4 else WHITE, rng, 0.01)
        sock = Worn(
            socks(SOCKS[rng.choice(len(SOCKS), p=(0.6, 0.35, 0.05))]),
            Material(None, sock_tint, CLOTH_GLOSS),
        )
        if bare < BAREFOOT:
            return [], []
        if bare < BAREFOOT + IN_SOCKS:
            return [], [sock]
        pair = self._bought("shoes", person, rng)
        if pair is not None:
            return [pair._replace(material=_glossy(pair.material))], []
        kind = SHOES[rng.choice(len(SHOES), p=(0.45, 0.45, 0.1))]
        leather = Material(shoe_texture(int(rng.integers(SHOE_LOOKS))), gloss=SHOE_GLOSS)
        return [Worn(shoes(kind), leather)], [sock]


def pick(choices: dict[Name, float], rng: Generator) -> Name:
    """One of weighted names."""
    weights = np.array(list(choices.values()), float)
    return list(choices)[rng.choice(len(choices), p=weights / weights.sum())]


def sewn_of(name: str, rng: Generator) -> Worn:
    """A garment of CUTS in some cloth."""
    slot = CUT_OF[name].slot
    looseness = float(rng.uniform(0.85, 1.2))
    if rng.random() < PATTERNED[slot]:
        texture = patterns.two_colour(
            pick(TWO_COLOURS[slot], rng), int(rng.integers(patterns.VARIANTS))
        )
        return Worn(grown(name), Material(texture, gloss=CLOTH_GLOSS), looseness)
    palette = palette_of(slot, CUT_OF[name].smoothing > 0, rng)
    plain: patterns.Plain = "melange" if rng.random() < 0.3 else "plain"
    kind: patterns.Plain = "denim" if palette is DENIM else plain
    tint = draw_tint(palette, rng, 0.02)
    return Worn(grown(name), Material(patterns.plain(kind), tint, CLOTH_GLOSS), looseness)


def palette_of(slot: str, loose: bool, rng: Generator) -> Palette:
    """What colours something is likely to have: trousers are seldom gaudy."""
    if slot != "bottom" or rng.random() < GAUDY:
        return CLOTH
    return DENIM if loose and rng.random() < 0.4 else SOBER


def bought(garment: Garment, palette: Palette, rng: Generator) -> Worn:
    """A garment of the pack, in its own colours or dyed."""
    tint = draw_tint(palette, rng, 0.02)
    if garment.texture is not None and rng.random() < AS_BOUGHT:
        return Worn(garment.surface, Material(garment.texture, gloss=CLOTH_GLOSS))
    return Worn(garment.surface, dyed(garment, tint, CLOTH_GLOSS))


def dyed(garment: Garment, tint: Tint, gloss: float, cut: bool = False) -> Material:
    """A garment's texture in another colour, linear RGB."""
    if garment.grey is None:
        return Material(None, tint, gloss)
    red, green, blue = (channel / GREY_LIGHT for channel in tint)
    return Material(garment.grey, (red, green, blue), gloss, cut)


def _suits(garment: Garment, person: Person) -> bool:
    """Skirts, hot pants and tops that leave the belly bare are young women's."""
    name = garment.surface.mesh.name
    scanty = name.startswith("female_") and name != "female_sportsuit01 bottom"
    return not scanty or (person.woman and person.age_years < OLD_YEARS)


def _liking(garment: Garment) -> float:
    """How readily a garment is chosen: bare bellies, short skirts and jackets less than others."""
    name = garment.surface.mesh.name
    return 0.4 if name.startswith("female") or name == "male_elegantsuit01 top" else 1.0


def _glossy(material: Material) -> Material:
    return Material(material.texture, material.tint, SHOE_GLOSS, material.cut)
