"""Hair grown from the scalp of the base mesh, and from its helper mesh for long hair."""

from dataclasses import dataclass
from functools import cache
from typing import Literal

import numpy as np
from scipy.ndimage import gaussian_filter
from scipy.sparse import block_diag, identity

from d3ke.synth.clothes.colours import Pixels, pixels_of
from d3ke.synth.clothes.regions import FAR, Regions, regions
from d3ke.synth.clothes.sewing import Piece, cut, draped, hemmed
from d3ke.synth.clothes.surfaces import BODY_VERTICES, Binding, Surface, itself
from d3ke.synth.stage import Floats

# The hairline from the side, template m: over a point at x forward, hair begins at height y.
HAIRLINE_M = np.array([
    (-0.20, 0.640), (-0.05, 0.645), (-0.025, 0.655), (-0.008, 0.675), (0.006, 0.735),
    (0.022, 0.765), (0.045, 0.763), (0.058, 0.728), (0.072, 0.735), (0.080, 0.770),
    (0.100, 0.800), (0.125, 0.818), (0.150, 0.835),
])  # fmt: skip
CURTAIN_M, CURTAIN_TOP_M = 0.50, 0.77  # where long hair ends, and where it leaves the head
WIDENED = 0.3  # by so much is it wider than the base mesh's strips
THICK_M = 0.008  # hair hides skin nearer to its border than cloth does
BUN_M = (0.030, 0.034, 0.042)  # half of a bun's depth, height and width
BUN_AT_M = (-0.072, 0.785, 0.0)  # on the template
HEAD_RULERS = ((962, 5320), (791, 881), (5399, 11998))  # depth, height and width of the head
ROOT_M = 0.03  # within this of the hairline hair stands off less
SIZE = 256
STRAND_M = 0.40  # a texture covers so much hair, from its line on


@dataclass(frozen=True)
class HairCut:
    """How hair stands off.

    sides, top: by so much, m; recede: bald up to that height over the hairline in front, m;
    crown: bald above that height, template m; ends: what becomes
    of long hair; rounds: of smoothing.
    """

    name: str
    sides: float
    top: float
    recede: float = 0.0
    crown: float = FAR
    ends: Literal["", "curtain", "bun"] = ""
    rounds: int = 4


HAIRCUTS = (
    HairCut("stubble", 0.0015, 0.0015, rounds=0),
    HairCut("crop", 0.004, 0.007, rounds=2),
    HairCut("short", 0.008, 0.018),
    HairCut("full", 0.016, 0.026, rounds=8),
    HairCut("curly", 0.034, 0.042, rounds=10),
    HairCut("receding", 0.005, 0.008, recede=0.035, rounds=2),
    HairCut("ring", 0.008, 0.004, crown=0.790, rounds=2),
    HairCut("tied", 0.007, 0.010, rounds=2, ends="bun"),
    HairCut("long", 0.010, 0.014, ends="curtain", rounds=6),
)
CUT_OF = {cut.name: cut for cut in HAIRCUTS}


@cache
def cap(name: str) -> Surface:
    """Hair of HAIRCUTS, by name, as far as it lies on the head."""
    where, how = regions(), CUT_OF[name]
    inside = _inside(where, how)
    piece = cut(where.base.body.faces["body"], inside)
    depth, height = piece.mix(inside), piece.mix(where.position[:, 1])
    rise = np.clip((height - 0.76) / 0.08, 0, 1)
    root = np.clip(depth / ROOT_M, 0, 1)
    lifts = (how.sides + rise * (how.top - how.sides)) * (0.25 + 0.75 * root * (2 - root))
    smooth = draped(piece.corners, len(lifts), how.rounds)
    piece, lifts = hemmed(piece, lifts.astype(np.float32))
    drape = block_diag([smooth, identity(len(lifts) - len(depth))], format="csr")
    binding = Binding(piece.anchors, piece.shares, lifts)
    uv = _hair_uv(where, piece, piece.mix(inside))
    return where.base.surface(
        f"hair {name}", binding, piece.corners, uv, inside + THICK_M, drape.astype(np.float32)
    )


@cache
def curtain() -> Surface:
    """Long hair that hangs down the back and beside the neck: the base mesh's strips, widened."""
    where = regions()
    x, y, z = where.position.T
    beside_face = (x > 0.06) | ((x > 0.02) & (np.abs(z) < 0.07))
    inside = np.where(beside_face, -1.0, np.minimum(y - CURTAIN_M, CURTAIN_TOP_M - y))
    piece = cut(where.base.body.faces["helper-hair"], inside.astype(np.float32))
    anchors, shares = piece.anchors.copy(), piece.shares.copy()
    whole = shares[:, 0] == 1
    anchors[whole, 1] ^= 1  # a strip's vertices come in pairs, one of either edge
    shares[whole, 0], shares[whole, 1] = 1 + WIDENED, -WIDENED
    piece = Piece(piece.corners, anchors, shares)
    binding = Binding(anchors, shares, np.full(len(anchors), 0.002, np.float32))
    uv = _hair_uv(where, piece, 0.86 - piece.mix(y))
    covers = np.full(where.base.count, -FAR, np.float32)
    return where.base.surface("hair curtain", binding, piece.corners, uv, covers)


@cache
def bun() -> Surface:
    """Hair tied up at the back of the head."""
    where = regions()
    place = np.array(BUN_AT_M, np.float32)
    anchor = np.argmin(np.linalg.norm(where.position[:BODY_VERTICES] - place, axis=1))
    down, turn = (axis.ravel() for axis in np.mgrid[0 : np.pi : 9j, 0 : 2 * np.pi : 13j])
    ball = np.stack([np.cos(down), np.sin(down) * np.cos(turn), np.sin(down) * np.sin(turn)])
    grid = np.arange(9 * 13).reshape(9, 13)
    upper = np.stack([grid[1:-1, :-1], grid[2:, :-1], grid[1:-1, 1:]], axis=-1)
    lower = np.stack([grid[:-1, 1:], grid[1:, :-1], grid[1:, 1:]], axis=-1)
    corners = np.concatenate([upper.reshape(-1, 3), lower[:-1].reshape(-1, 3)])
    base = itself(np.full(len(down), anchor))
    ends = where.position[np.array(HEAD_RULERS)]  # (3, 2, 3)
    lengths = np.abs(ends[[0, 1, 2], 0, [0, 1, 2]] - ends[[0, 1, 2], 1, [0, 1, 2]])
    binding = Binding(
        base.anchors, base.shares,
        offsets=(ball.T * BUN_M + place - where.position[anchor]).astype(np.float32),
        rulers=np.array(HEAD_RULERS), ruler_m=lengths,
    )  # fmt: skip
    uv = np.stack([turn / (2 * np.pi), 0.2 + 0.1 * down], axis=1)[corners]
    covers = np.full(where.base.count, -FAR, np.float32)
    return where.base.surface("hair bun", binding, corners, uv, covers)


@cache
def hair_texture() -> Pixels:
    """Grey strands that a tint colours, (H, W, 4)."""
    rng = np.random.default_rng(11)
    strands = gaussian_filter(rng.standard_normal((SIZE, SIZE)), (24, 0.8), mode="wrap")
    locks = gaussian_filter(rng.standard_normal((SIZE, SIZE)), (40, 5), mode="wrap")
    shade = 0.72 + 0.11 * strands / strands.std() + 0.07 * locks / locks.std()
    return pixels_of(np.repeat(np.clip(shade, 0.3, 1)[..., None], 3, axis=2))


def _inside(where: Regions, how: HairCut) -> Floats:
    """How far above the hairline each vertex is, (V,), m."""
    x, y, z = where.position.T
    line = np.interp(x, *HAIRLINE_M.T) + how.recede * np.clip((x - 0.05) / 0.05, 0, 1)
    ear = (np.abs(z) > 0.079) & (y < 0.775)
    inside = np.where(where.head_share > 0.3, y - line, -FAR)
    inside = np.minimum(inside, how.crown - y)
    return np.asarray(np.where(ear, np.minimum(inside, -0.01), inside), np.float32)


def _hair_uv(where: Regions, piece: Piece, depth: Floats) -> Floats:
    """Around the head, and down from where hair begins, (F, 3, 2)."""
    x, _, z = (piece.mix(axis) for axis in where.position.T)
    turn = (np.arctan2(z, x - 0.02) / (2 * np.pi))[piece.corners]
    across = turn.max(axis=1, keepdims=True) - turn.min(axis=1, keepdims=True) > 0.5
    turn = np.where(across & (turn < 0), turn + 1, turn) + 0.5
    v = np.clip(depth / STRAND_M, 0, 1)[piece.corners]
    return np.stack([turn / 1.5, v], axis=2).astype(np.float32)
