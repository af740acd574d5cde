"""Skin, hair, brows, lashes and eyes of a person."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from d3ke.synth.clothes.colours import Tint, as_tint, draw_eyes, draw_hair, skin_albedo
from d3ke.synth.clothes.garments import Garment, Pack, SkinTexture
from d3ke.synth.clothes.grown_hair import CUT_OF, bun, cap, curtain, hair_texture
from d3ke.synth.clothes.outfits import OLD_YEARS, Person, Weighted, Worn, dyed, pick
from d3ke.synth.clothes.painted_skin import PALE, SKIN_LOOKS, eyes, painted_eye, painted_skin
from d3ke.synth.stage import Floats, Material

SKIN_GLOSS, HAIR_GLOSS, EYE_GLOSS = 0.2, 0.3, 0.9
PACK_HAIR = 0.65  # how often hair comes from the pack where there is one
DARK_BROWS = 0.45  # brows are darker than hair
OTHER_SEX = 0.15  # how readily a skin of the other sex serves
UNLIKELY = 1e-9  # where a pack has no skin that suits, any will do
TINT_RANGE = (0.12, 1.9)  # a photograph of skin is tinted no more than this
HUE_SHARE = 0.45  # and so far towards the wanted hue
HAIR: dict[bool, Weighted] = {
    False: {"stubble": 2, "crop": 4, "short": 6, "full": 2, "curly": 1, "receding": 1, "": 0.3},
    True: {"tied": 5, "long": 5, "full": 3, "curly": 2, "short": 1},
}
OLD_HAIR: dict[bool, Weighted] = {
    False: {"ring": 3, "receding": 4, "short": 3, "stubble": 1, "crop": 3, "": 2},
    True: {"short": 4, "full": 4, "tied": 3, "curly": 2},
}
HEAVY = ("eyelashes04",)
UNDER_HAT: Weighted = {"stubble": 1, "crop": 2}


@dataclass(frozen=True, eq=False)
class Heads:
    """Everything that grows on people. pack: None where it is only painted and grown."""

    pack: Pack | None

    def draw(self, person: Person, hat: bool, rng: Generator) -> tuple[Worn, ...]:
        """A person's hair, brows, lashes and eyes."""
        tint = draw_hair(person.skin_tone, person.age_years, rng)
        return (*self._hair(person, tint, hat, rng), *self._face(person, tint, rng))

    def skin(self, person: Person, rng: Generator) -> Material:
        """A person's skin."""
        albedo = skin_albedo(person.skin_tone) * rng.normal(1, 0.03, 3).astype(np.float32)
        if self.pack is None:
            texture = painted_skin(person.woman, int(rng.integers(SKIN_LOOKS)))
            return Material(texture, as_tint(albedo / PALE**2.2), SKIN_GLOSS)
        chosen = _nearest_skin(self.pack.skins, person, albedo, rng)
        return Material(chosen.texture, as_tint(_toned(chosen.albedo, albedo)), SKIN_GLOSS)

    def _hair(self, person: Person, tint: Tint, hat: bool, rng: Generator) -> list[Worn]:
        styles = OLD_HAIR if person.age_years > OLD_YEARS else HAIR
        name = pick(UNDER_HAT if hat else styles[person.woman], rng)
        if self.pack is not None and not hat and name and rng.random() < PACK_HAIR:
            choice = [hair for hair in self.pack.of("hair") if _suits(hair, person)]
            if choice:
                hair = choice[rng.integers(len(choice))]
                return [Worn(hair.surface, dyed(hair, tint, HAIR_GLOSS, cut=True))]
        strands = Material(hair_texture(), tint, HAIR_GLOSS)
        worn = [Worn(cap(name), strands)] if name else []
        if name and CUT_OF[name].ends == "curtain":
            worn.append(Worn(curtain(), strands))
        if name and CUT_OF[name].ends == "bun":
            worn.append(Worn(bun(), strands))
        return worn

    def _face(self, person: Person, tint: Tint, rng: Generator) -> list[Worn]:
        """Brows, lashes and eyes; painted skins have their own brows and lashes."""
        colour = draw_eyes(person.skin_tone, rng)
        if self.pack is None:
            return [Worn(eyes(), Material(painted_eye(colour), gloss=EYE_GLOSS))]
        red, green, blue = (DARK_BROWS * channel for channel in tint)
        worn = [
            Worn(hair.surface, dyed(hair, (red, green, blue), 0.0, cut=True))
            for hair in _one(self.pack.of("eyebrows"), rng)
        ]
        if person.woman:
            worn += [
                Worn(hair.surface, Material(hair.texture, gloss=0.0, cut=True))
                for hair in _one(_light(self.pack.of("eyelashes")), rng)
            ]
        return [*worn, self._bought_eyes(colour, rng)]

    def _bought_eyes(self, colour: int, rng: Generator) -> Worn:
        """Eyes of the pack; painted ones where it has none."""
        pair = _one(self.pack.of("eyes") if self.pack else (), rng)
        names = [name for name in IRISES[colour] if self.pack and name in self.pack.irises]
        if self.pack is None or not pair or not names:
            return Worn(eyes(), Material(painted_eye(colour), gloss=EYE_GLOSS))
        texture = self.pack.irises[names[rng.integers(len(names))]]
        return Worn(pair[0].surface, Material(texture, gloss=EYE_GLOSS, cut=True))


# The pack's irises that come near each of colours.EYES
IRISES = (
    ("brown",),
    ("brown", "brownlight"),
    ("blue", "deepblue", "lightblue"),
    ("green", "bluegreen"),
    ("grey", "ice"),
)


def _light(lashes: tuple[Garment, ...]) -> tuple[Garment, ...]:
    """Without those that make black holes of eyes from two metres away."""
    return tuple(garment for garment in lashes if garment.surface.mesh.name not in HEAVY)


def _one(choice: tuple[Garment, ...], rng: Generator) -> tuple[Garment, ...]:
    """One of several, or none of none."""
    return (choice[rng.integers(len(choice))],) if choice else ()


def _suits(hair: Garment, person: Person) -> bool:
    """Long hair is a woman's here, and so far nobody's who is old."""
    long = not hair.surface.mesh.name.startswith("short")
    return long == person.woman or (not long and person.age_years > OLD_YEARS)


def _toned(albedo: Floats, wanted: Floats) -> Floats:
    """The tint that makes skin as light as wanted, and of its hue as far as looks natural."""
    lighter = np.clip(wanted.mean() / albedo.mean(), *TINT_RANGE)
    hue = (wanted / wanted.mean()) / (albedo / albedo.mean())
    return np.asarray(lighter * hue**HUE_SHARE, np.float32)


def _nearest_skin(
    skins: tuple[SkinTexture, ...], person: Person, albedo: Floats, rng: Generator
) -> SkinTexture:
    """A skin of about the right tone, sex and age."""
    weights = []
    for skin in skins:
        lighter = float(albedo.mean() / skin.albedo.mean())
        weight = np.exp(-2.5 * abs(np.log(lighter)))
        weight *= TINT_RANGE[0] < lighter < TINT_RANGE[1]
        weight *= 1 if person.woman == ("female" in skin.name) else OTHER_SEX
        weight *= 0.05 if skin.name.startswith("old") and person.age_years < OLD_YEARS else 1
        weights.append(weight)
    chances = (np.array(weights) + UNLIKELY) / (sum(weights) + UNLIKELY * len(weights))
    return skins[rng.choice(len(skins), p=chances)]
