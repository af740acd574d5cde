"""Landmarks on the body's skin: the model's markers, and hip joint centres found from them."""

import json
from functools import cache
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from d3ke.synth.bodies.body import parametric_body

ASSET = Path(__file__).parents[2] / "assets" / "body" / "landmarks.json"


# Of the pelvis' depth from skin to skin, before and behind: leaves adults' bones about 155 mm deep.
SOFT_TISSUE = 0.1


@cache
def skin_markers() -> dict[str, int]:
    """The vertex of the body that each marker of the default model sits on."""
    markers: dict[str, int] = json.loads(ASSET.read_text(encoding="utf-8"))["markers"]
    return markers


@cache
def tape_ends() -> dict[str, int]:
    """The vertices, right side and midline, that lengths are measured between."""
    ends: dict[str, int] = json.loads(ASSET.read_text(encoding="utf-8"))["tape_ends"]
    return ends


def hip_centres(vertices: Tensor, heads: Tensor) -> Tensor:
    """Hip joint centres, right and left, by regression from the pelvis' bony landmarks.

    vertices: (B, V, 3), heads: (B, R, 3) of bodies at rest, m. Returns (B, 2, 3).
    Source: Harrington et al. 2007, J. Biomech. 40(3), 595-602: pelvis width and depth, leg length.
    """
    markers = skin_markers()
    at = {name: vertices[:, markers[name]] for name in ("RASI", "LASI", "RPSI", "LPSI", "RANM")}
    right = at["RASI"] - at["LASI"]
    width = right.norm(dim=1, keepdim=True)
    front, back = (at["RASI"] + at["LASI"]) / 2, (at["RPSI"] + at["LPSI"]) / 2
    forward = (1 - 2 * SOFT_TISSUE) * (front - back)
    middle = front - SOFT_TISSUE * (front - back)
    depth = forward.norm(dim=1, keepdim=True)
    knee = heads[:, parametric_body().bone_names.index("lowerleg01.R")]
    leg = sum_of_parts(at["RASI"], knee, at["RANM"])
    right = right / width
    forward = forward - (forward * right).sum(1, keepdim=True) * right
    forward = forward / forward.norm(dim=1, keepdim=True)
    up = torch.linalg.cross(right, forward)
    centre = middle + (-0.24 * depth - 0.0099) * forward
    centre = centre + (-0.16 * width - 0.04 * leg - 0.0071) * up
    aside = (0.28 * depth + 0.16 * width + 0.0079) * right
    return torch.stack([centre + aside, centre - aside], dim=1)


def sum_of_parts(*points: Tensor) -> Tensor:
    """The length of a broken line through points (B, 3), (B, 1)."""
    parts = [(b - a).norm(dim=1, keepdim=True) for a, b in pairwise(points)]
    return torch.stack(parts).sum(dim=0)
