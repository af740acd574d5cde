"""Clothes grown from the base mesh's own helper meshes: nothing but the body is needed.

Every garment is a field over the base mesh, in metres: where it is positive there is cloth.
"""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np

from d3ke.synth.clothes.regions import FAR, Regions, regions
from d3ke.synth.clothes.sewing import Piece, cut, sewn
from d3ke.synth.clothes.surfaces import Surface
from d3ke.synth.stage import Floats

Slot = Literal["top", "bottom", "suit"]
NO_SLEEVE = -1.0
SKIRT_SEEN_M = 0.08  # so far above its hem one can look under a skirt


@dataclass(frozen=True)
class Cut:
    """How a garment is cut, m on the template, and how it hangs.

    hem, waist: heights over the hips that its trunk lies between (a top's waist is its collar:
    height over the neck's base, with a tilt); sleeve: its length from the shoulder; leg: its
    length from the hip; lift: how far it stands off; flare: how much more at its free ends.
    """

    name: str
    slot: Slot
    hem: float = -FAR
    waist: float = FAR
    collar: float = -0.004
    tilt: float = 0.22
    sleeve: float = NO_SLEEVE
    leg: float = 0.0
    lift: float = 0.006
    flare: float = 0.0
    smoothing: int = 0
    skirt: bool = False
    over_shoes: bool = False


CUTS = (
    Cut("tshirt", "top", hem=-0.02, sleeve=0.17, lift=0.007, flare=0.016, smoothing=8),
    Cut("long_tshirt", "top", hem=-0.07, sleeve=0.20, lift=0.008, flare=0.018, smoothing=12),
    Cut("fitted_tshirt", "top", hem=0.03, sleeve=0.13, tilt=0.35, lift=0.004, flare=0.004,
        smoothing=2),
    Cut("longsleeve", "top", hem=-0.02, sleeve=0.43, lift=0.006, flare=0.012, smoothing=6),
    Cut("sweatshirt", "top", hem=-0.03, sleeve=0.42, lift=0.011, flare=0.010, smoothing=14),
    Cut("three_quarter", "top", hem=0.0, sleeve=0.30, tilt=0.45, lift=0.005, flare=0.008,
        smoothing=4),
    Cut("rollneck", "top", hem=0.0, sleeve=0.43, collar=0.05, lift=0.005, flare=0.006, smoothing=3),
    Cut("tank", "top", hem=0.0, collar=-0.005, tilt=0.7, lift=0.008, flare=0.012, smoothing=3),
    Cut("bra", "top", hem=0.27, collar=-0.02, tilt=0.8, lift=0.003, smoothing=1),
    Cut("tights", "bottom", waist=0.12, leg=0.76, lift=0.003),
    Cut("capri_tights", "bottom", waist=0.13, leg=0.60, lift=0.003),
    Cut("cycling_shorts", "bottom", waist=0.11, leg=0.27, lift=0.003),
    Cut("short_shorts", "bottom", waist=0.09, leg=0.15, lift=0.006, flare=0.012, smoothing=4),
    Cut("shorts", "bottom", waist=0.10, leg=0.33, lift=0.007, flare=0.024, smoothing=6),
    Cut("long_shorts", "bottom", waist=0.10, leg=0.44, lift=0.008, flare=0.026, smoothing=8),
    Cut("trousers", "bottom", waist=0.10, leg=0.795, lift=0.007, flare=0.022, smoothing=8,
        over_shoes=True),
    Cut("sweatpants", "bottom", waist=0.11, leg=0.76, lift=0.010, flare=0.008, smoothing=12),
    Cut("slim_trousers", "bottom", waist=0.10, leg=0.77, lift=0.005, flare=0.006, smoothing=4,
        over_shoes=True),
    Cut("mini_skirt", "bottom", hem=-0.30, waist=0.11, lift=0.004, skirt=True),
    Cut("knee_skirt", "bottom", hem=-0.42, waist=0.11, lift=0.004, skirt=True),
    Cut("long_skirt", "bottom", hem=-0.66, waist=0.11, lift=0.004, skirt=True),
    Cut("catsuit", "suit", sleeve=0.43, collar=0.05, leg=0.77, lift=0.003),
)  # fmt: skip
CUT_OF = {cut.name: cut for cut in CUTS}


@cache
def grown(name: str) -> Surface:
    """A garment of CUTS, by name, on the body that ships with the package."""
    where, how = regions(), CUT_OF[name]
    inside = _inside(where, how)
    group = "helper-skirt" if how.skirt else "helper-tights"
    piece = cut(where.base.body.faces[group], inside)
    lifts = how.lift + how.flare * _freedom(where, how, piece)
    covers = _skirt_covers(where, how) if how.skirt else inside
    return sewn(where, name, piece, lifts, covers, how.smoothing, hem=not how.skirt)


def _inside(where: Regions, how: Cut) -> Floats:
    """How far inside the garment's borders each vertex of the base mesh is, (V,)."""
    if how.skirt:
        inside = np.minimum(how.waist - where.height, where.height - how.hem)
        return np.where(where.arm_share > 0.1, -FAR, inside)
    if how.slot == "suit":
        return np.minimum(_inside_top(where, how), how.leg - where.leg)
    return _inside_top(where, how) if how.slot == "top" else _inside_bottom(where, how)


def _inside_top(where: Regions, how: Cut) -> Floats:
    """A top is inside its hem, its collar and its sleeves."""
    on_arm = where.arm_share > 0.5
    hem = np.where(on_arm, FAR, where.height - how.hem)
    # Shoulders slope: along them it is twice as far to a collar as straight up.
    inside = np.minimum(hem, 2 * (how.collar - where.collar_height(how.tilt)))
    if how.sleeve == NO_SLEEVE:
        return np.asarray(np.minimum(inside, 0.3 * (0.35 - where.arm_share)), np.float32)
    return np.asarray(np.minimum(inside, how.sleeve - where.arm), np.float32)


def _inside_bottom(where: Regions, how: Cut) -> Floats:
    """A bottom is inside its waist and its legs."""
    inside = np.minimum(how.waist - where.height, how.leg - where.leg)
    return np.asarray(np.where(where.arm_share > 0.1, -FAR, inside), np.float32)


def _skirt_covers(where: Regions, how: Cut) -> Floats:
    """A skirt hides hips and thighs, but not the legs that can be seen from under it."""
    above = where.height - how.hem - SKIRT_SEEN_M
    return np.asarray(np.minimum(_inside(where, how), above), np.float32)


def _freedom(where: Regions, how: Cut, piece: Piece) -> Floats:
    """How freely cloth hangs: 0 at shoulders and waist, 1 at its lower ends, (W,)."""
    if how.slot == "top":
        body = np.clip((0.38 - where.height) / 0.35, 0, 1)
        arm = np.clip((where.arm - 0.03) / max(how.sleeve - 0.03, 0.05), 0, 1)
        free = np.where(where.arm_share > 0.5, arm, body)
    else:
        free = np.clip((where.leg - 0.02) / max(0.8 * how.leg, 0.1), 0, 1)
    return piece.mix(free)
