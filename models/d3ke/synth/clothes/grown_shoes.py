"""Shoes and socks grown from the feet of the base mesh."""

from dataclasses import replace
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from d3ke.synth.clothes.colours import CLOTH, Pixels, draw_tint, pixels_of
from d3ke.synth.clothes.regions import FAR, Regions, regions
from d3ke.synth.clothes.sewing import Piece, cut, hemmed
from d3ke.synth.clothes.surfaces import Binding, Surface
from d3ke.synth.stage import Floats

ShoeCut = Literal["sneaker", "runner", "boot"]
SockCut = Literal["ankle_sock", "crew_sock", "knee_sock"]
SHOES: tuple[ShoeCut, ...] = ("sneaker", "runner", "boot")
SOCKS: tuple[SockCut, ...] = ("ankle_sock", "crew_sock", "knee_sock")
COLLAR_M = {"sneaker": 0.088, "runner": 0.084, "boot": 0.19}  # over the floor
SOLE_M = {"sneaker": 0.014, "runner": 0.024, "boot": 0.022}  # thickness
SOCK_LEG_M = {"ankle_sock": 0.72, "crew_sock": 0.64, "knee_sock": 0.47}  # its end, from the hip
COLLAR_RISE = 0.22  # a collar rises so much towards the instep
LEATHER_M, WELT_M, TOE_M = 0.004, 0.004, 0.006  # how far a shoe stands off; more at welt and toe
SOCK_M = 0.002  # how far a sock stands off
FLAT_M, SHAPED_M = 0.010, 0.036  # a foot's lowest part becomes flat, and what is over it follows
TEXTURE_M, TEXELS = 0.22, 128  # a shoe's texture covers this height with so many rows
SHOE_LOOKS = 14


@cache
def shoes(kind: ShoeCut) -> Surface:
    """A pair of shoes."""
    where = regions()
    rise = where.position[:, 1] - where.position[where.foot_share > 0.5, 1].min()
    instep = COLLAR_RISE * np.clip(where.position[:, 0] - 0.01, -0.05, 0.06)
    inside = np.where(where.leg_share > 0.3, COLLAR_M[kind] + instep - rise, -FAR)
    piece = cut(where.base.body.faces["helper-tights"], inside.astype(np.float32))
    lifts = LEATHER_M + WELT_M * (piece.mix(rise) < 0.022) + TOE_M * piece.mix(where.toe_share)
    piece, lifts = hemmed(piece, lifts.astype(np.float32))
    binding = Binding(piece.anchors, piece.shares, lifts)
    right = piece.mix(where.position[:, 2]) > 0
    shaping = partial(_soled, feet=(right, ~right), thickness_m=SOLE_M[kind])
    shaped = shaping(binding.place(where.base.skin(where.position)))
    uv = _shoe_uv(where, piece, shaped)
    surface = where.base.surface(kind, binding, piece.corners, uv, inside.astype(np.float32))
    return replace(surface, shaping=shaping)


@cache
def socks(kind: SockCut) -> Surface:
    """A pair of socks."""
    where = regions()
    inside = (where.leg - SOCK_LEG_M[kind]).astype(np.float32)
    piece = cut(where.base.body.faces["helper-tights"], inside)
    piece, lifts = hemmed(piece, np.full(len(piece.anchors), SOCK_M, np.float32))
    binding = Binding(piece.anchors, piece.shares, lifts)
    uv = np.full((len(piece.corners), 3, 2), 0.5, np.float32)
    return where.base.surface(kind, binding, piece.corners, uv, inside)


@cache
def shoe_texture(look: int) -> Pixels:
    """One of SHOE_LOOKS looks of a shoe: sole, upper, tongue and stripes, (H, W, 4)."""
    rng = np.random.default_rng([7, look])
    v, u = (np.mgrid[:TEXELS, :TEXELS] + 0.5) / TEXELS
    upper, accent = (np.array(draw_tint(CLOTH, rng, 0.02)) ** (1 / 2.2) for _ in range(2))
    pale, dark = np.array((0.92, 0.92, 0.90)), np.array((0.10, 0.10, 0.11))
    sole = pale if rng.random() < 0.6 else dark
    rise, forward = v * TEXTURE_M, np.abs(u - 0.5) * 2
    texture = np.broadcast_to(upper, (TEXELS, TEXELS, 3)).copy()
    if rng.random() < 0.6:
        slant = (0.5 * rise / TEXTURE_M + forward) * rng.integers(10, 18)
        texture[(slant % 1 < 0.3) & (forward > 0.3) & (forward < 0.65)] = accent
    texture[(forward < 0.08) & (rise > 0.078)] = 0.5 * (upper + accent)
    texture[(forward < 0.10) & (rise > 0.08) & (rise % 0.012 < 0.004)] = sole
    texture[rise < rng.uniform(0.014, 0.028)] = sole
    return pixels_of(texture.astype(np.float32))


def _shoe_uv(where: Regions, piece: Piece, points: Floats) -> Floats:
    """Around the foot (0.5 in front) and up from the floor, of points (W, 3): (F, 3, 2)."""
    forward = points[:, 0] - 0.04
    sideways = np.abs(points[:, 2]) - where.head("foot.R")[2]
    around = (np.arctan2(sideways, forward) / (2 * np.pi) + 0.5)[piece.corners]
    across = around.max(axis=1, keepdims=True) - around.min(axis=1, keepdims=True) > 0.5
    around = np.where(across, around.max(axis=1, keepdims=True), around)
    up = ((points[:, 1] - points[:, 1].min()) / TEXTURE_M)[piece.corners]
    return np.stack([around, np.clip(up, 0, 1)], axis=2).astype(np.float32)


def _soled(points: Floats, feet: tuple[NDArray[np.bool_], ...], thickness_m: float) -> Floats:
    """Points of shoes with flat soles below them."""
    shaped = points.copy()
    for foot in feet:
        height = points[foot, 1]
        floor = height.min()
        rise = np.maximum(height - floor - FLAT_M, 0) / (SHAPED_M - FLAT_M)
        lowered = floor - thickness_m + rise * (SHAPED_M + thickness_m)
        shaped[foot, 1] = np.where(rise < 1, lowered, height)
    return shaped
