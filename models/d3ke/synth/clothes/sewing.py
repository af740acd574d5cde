"""Clothes cut out of the base mesh along exact borders, hemmed, with texture coordinates."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_matrix, diags, identity

from d3ke.synth.clothes.regions import Regions
from d3ke.synth.clothes.surfaces import Binding, Ids, Surface
from d3ke.synth.stage import Floats, Triangles

SHORTEST = 0.03  # of an edge: no cut nearer to its end, or slivers appear
HEM = 0.15  # how far a hem's inner rim stands off, of the outer's lift
# How far a point goes towards its neighbours' mean and away again, each round: smoothing that
# keeps the volume (Taubin 1995).
SHRINK, SWELL = 0.60, 0.62
# Where each part lies in a texture of clothes: left, top, width, height, all of it being 1 x 1,
# and the length that its height stands for, m.
TRUNK = (0.0, 0.0, 1.0, 0.5, 1.30)
ARMS = ((0.0, 0.5, 0.5, 0.25, 0.60), (0.5, 0.5, 0.5, 0.25, 0.60))
LEGS = ((0.0, 0.75, 0.5, 0.25, 1.00), (0.5, 0.75, 0.5, 0.25, 1.00))
PANELS = (TRUNK, *ARMS, *LEGS)
TURNS = 1.1  # a panel goes so often round, so that triangles across its end have room
ABOVE_M = 0.10  # the length of a limb's panel above the joint that its measure begins at


class Piece(NamedTuple):
    """Triangles between points on the base mesh: corners (F, 3); anchors, shares (W, 3)."""

    corners: Triangles
    anchors: Ids
    shares: Floats

    def mix(self, values: NDArray[np.floating]) -> Floats:
        """Values of the base mesh, (V,), at the points, (W,)."""
        mixed = (values[self.anchors] * self.shares).sum(axis=1)
        return np.asarray(mixed, np.float32)


def cut(triangles: Triangles, inside: Floats) -> Piece:
    """What of triangles of the base mesh lies where `inside`, (V,), is positive."""
    positive = inside[triangles] > 0
    count = positive.sum(axis=1)
    whole = triangles[count == 3]
    one, two = (_odd_first(triangles[count == n], positive[count == n], n == 1) for n in (1, 2))
    edges = np.concatenate([one[:, [0, 1]], one[:, [0, 2]], two[:, [1, 0]], two[:, [2, 0]]])
    keys, inverse = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True)
    crossing = np.split(inverse.ravel(), np.cumsum([len(one), len(one), len(two)]))
    kept = np.unique(triangles[positive])
    place = np.zeros(len(inside), np.int64)
    place[kept] = np.arange(len(kept))
    a, b, c, d = (part + len(kept) for part in crossing)
    corners = np.concatenate([
        place[whole],
        np.stack([place[one[:, 0]], a, b], axis=1),
        np.stack([place[two[:, 1]], place[two[:, 2]], d], axis=1),
        np.stack([place[two[:, 1]], d, c], axis=1),
    ])  # fmt: skip
    first, last = inside[keys[:, 0]], inside[keys[:, 1]]
    part = np.clip(first / (first - last), SHORTEST, 1 - SHORTEST)
    anchors = np.concatenate([kept[:, None].repeat(3, axis=1), keys[:, [0, 1, 1]]])
    zero = np.zeros(len(kept))
    shares = np.concatenate([
        np.stack([zero + 1, zero, zero], axis=1),
        np.stack([1 - part, part, 0 * part], axis=1),
    ])  # fmt: skip
    return Piece(corners.astype(np.int32), anchors.astype(np.int32), shares.astype(np.float32))


def _odd_first(triangles: Triangles, positive: NDArray[np.bool_], value: bool) -> Triangles:
    """Triangles turned so that the one corner that is `value` comes first."""
    shift = np.argmax(positive == value, axis=1) if len(triangles) else np.zeros(0, np.int64)
    order = (shift[:, None] + np.arange(3)) % 3
    return np.take_along_axis(triangles, order, axis=1)


def border(corners: Triangles) -> Triangles:
    """The directed edges that only one triangle has, (E, 2)."""
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    _, first, count = np.unique(
        np.sort(edges, axis=1), axis=0, return_index=True, return_counts=True
    )
    single: Triangles = edges[first[count == 1]]
    return single


def hemmed(piece: Piece, lifts: Floats) -> tuple[Piece, Floats]:
    """A piece with its borders folded in towards the body; and the lifts (W',) of its points."""
    edges = border(piece.corners)
    rim = np.unique(edges)
    inner = np.zeros(len(lifts), np.int64)
    inner[rim] = len(lifts) + np.arange(len(rim))
    a, b = edges.T
    fold = np.concatenate([
        np.stack([b, a, inner[a]], axis=1),
        np.stack([b, inner[a], inner[b]], axis=1),
    ])  # fmt: skip
    corners = np.concatenate([piece.corners, fold]).astype(np.int32)
    anchors = np.concatenate([piece.anchors, piece.anchors[rim]])
    shares = np.concatenate([piece.shares, piece.shares[rim]])
    return Piece(corners, anchors, shares), np.concatenate([lifts, HEM * lifts[rim]])


def panel_uv(piece: Piece, regions: Regions) -> Floats:
    """Texture coordinates of the piece's corners on the panels of clothes, (F, 3, 2)."""
    part = regions.part[piece.anchors[piece.corners[:, 0], 0]]
    turns = [_continuous(turn[piece.anchors], piece.shares) for turn in regions.around]
    around = np.stack(turns)[part[:, None], piece.corners]  # (F, 3)
    along = np.stack([piece.mix(way) for way in regions.along])[part[:, None], piece.corners]
    across = around.max(axis=1) - around.min(axis=1) > 0.5
    around = np.where(across[:, None] & (around < 0), around + 1, around)
    panels = np.array(PANELS)[part]  # (F, 5)
    along = along + np.where(part > 0, ABOVE_M, 0)[:, None]
    u = panels[:, None, 0] + panels[:, None, 2] * np.clip((around + 0.5) / TURNS, 0, 1)
    v = panels[:, None, 1] + panels[:, None, 3] * np.clip(along / panels[:, None, 4], 0, 1)
    return np.stack([u, v], axis=2).astype(np.float32)


def _continuous(turns: Floats, shares: Floats) -> Floats:
    """Means of turns that may lie on either side of where they jump, (W,)."""
    turns = turns - np.round(turns - turns[:, :1])
    mean = (turns * shares).sum(axis=1)
    return np.asarray(mean - np.round(mean), np.float32)


def sewn(
    regions: Regions,
    name: str,
    piece: Piece,
    lifts: Floats,
    covers: Floats,
    rounds: int = 0,
    hem: bool = True,
) -> Surface:
    """A garment of a piece that stands off the base mesh by lifts (W,), m, and is smoothed."""
    smooth = draped(piece.corners, len(piece.anchors), rounds)
    if hem:
        piece, lifts = hemmed(piece, lifts)
        smooth = block_diag([smooth, identity(len(lifts) - smooth.shape[0])], format="csr")
    binding = Binding(piece.anchors, piece.shares, lifts.astype(np.float32))
    drape = smooth.astype(np.float32) if rounds else None
    uv = panel_uv(piece, regions)
    return regions.base.surface(name, binding, piece.corners, uv, covers, drape)


def draped(corners: Triangles, count: int, rounds: int) -> csr_matrix:
    """The matrix (count, count) that smooths points: rims along themselves, others all round.

    Source: Taubin 1995, A signal processing approach to fair surface design.
    """
    rim = border(corners)
    edges = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]], corners[:, [2, 0]]])
    free = ~np.isin(edges, rim)  # (E, 2)
    pairs = np.concatenate([edges[free[:, 0]], edges[free[:, 1]][:, ::-1], rim, rim[:, ::-1]])
    pairs = np.unique(pairs, axis=0)
    degree = np.bincount(pairs[:, 0], minlength=count)
    mean = csr_matrix((1 / degree[pairs[:, 0]], (pairs[:, 0], pairs[:, 1])), (count, count))
    bump = mean - diags(np.where(degree > 0, 1.0, 0.0))
    both = (identity(count) - SWELL * bump) @ (identity(count) + SHRINK * bump)
    smooth = identity(count, format="csr")
    for _ in range(rounds):
        smooth = both @ smooth
    return csr_matrix(smooth)
