"""Clothes, shoes, hair and skins of a folder of MakeHuman's CC0 assets.

A suit falls apart into its pieces where it consists of some, so that they can be combined anew.
"""

import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from d3ke.errors import D3keError
from d3ke.synth.clothes.colours import Pixels, linear
from d3ke.synth.clothes.regions import Regions, regions
from d3ke.synth.clothes.surfaces import BODY_VERTICES, Binding, Ids, Surface
from d3ke.synth.stage import Floats

Slot = Literal["top", "bottom", "suit", "hat", "shoes", "hair", "eyebrows", "eyelashes", "eyes"]
WORN: dict[str, Slot] = {
    "shoes": "shoes", "hair": "hair", "eyebrows": "eyebrows", "eyelashes": "eyelashes",
}  # fmt: skip
DECIMETRE_M = 0.1
COVERED, BARE = 1.0, -1.0  # an asset only says whether it hides a vertex, not how far inside
BRIM_M = 0.006  # hair and skin are hidden from so far above a hat's lowest point on
RIM_M = 0.02  # where a piece of a suit ends, what is beneath it goes on so far
ONE_PIECE_M = (-0.15, 0.35)  # over the hips: what spans this is neither top nor bottom
WAIST_M = 0.08  # over the hips: a piece whose middle is higher is a top
GREY = 0.75  # of white: what is usual in a texture that a tint colours
MEND = "Fetch the folder again."


@dataclass(frozen=True, eq=False)
class Garment:
    """A surface, and its texture, (H, W, 4), if it came with one."""

    slot: Slot
    surface: Surface
    texture: Pixels | None

    @cached_property
    def grey(self) -> Pixels | None:
        """The texture without its colour, for a tint; what is usual in it becomes pale."""
        if self.texture is None:
            return None
        return greyed(self.texture, self.surface.mesh.uv)


class SkinTexture(NamedTuple):
    """A skin and the linear RGB (3,) that it has on face, arms and chest."""

    name: str
    texture: Pixels
    albedo: Floats


@dataclass(frozen=True, eq=False)
class Pack:
    """All of a folder's assets."""

    garments: tuple[Garment, ...]
    skins: tuple[SkinTexture, ...]
    irises: Mapping[str, Pixels]

    def of(self, slot: Slot) -> tuple[Garment, ...]:
        """The garments worn in one place."""
        return tuple(garment for garment in self.garments if garment.slot == slot)

    @staticmethod
    def load(folder: Path) -> "Pack":
        """The assets of a folder with a manifest.json.

        Raises D3keError: no such folder, no or a bad manifest, a missing or broken file.
        """
        assets = _manifest(folder)
        garments: list[Garment] = []
        skins: list[SkinTexture] = []
        irises: dict[str, Pixels] = {}
        for asset in assets:
            texture = _texture(folder / asset["texture"]) if asset.get("texture") else None
            kind, name = asset["kind"], asset["name"]
            if "file" in asset and (kind in WORN or kind == "clothes" or name == "low-poly"):
                garments += _garments(folder / asset["file"], kind, name, texture)
            elif kind == "skin" and texture is not None and "suit" not in name:
                skins.append(SkinTexture(name, texture, _albedo(texture)))
            elif kind == "eye_texture" and texture is not None:
                irises[name] = texture
        if not skins or not garments:
            raise D3keError(f"{folder}: the manifest names no skins or no clothes. {MEND}")
        return Pack(tuple(garments), tuple(skins), irises)


def greyed(texture: Pixels, uv: Floats) -> Pixels:
    """A texture's luminance, such that what lies at uv (V, 2) is GREY on the whole."""
    luminance = texture[..., :3] @ np.array([0.299, 0.587, 0.114])
    height, width = luminance.shape
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    row = np.clip((uv[:, 1] * height).astype(int), 0, height - 1)
    opaque = texture[row, column, 3] > 127
    usual = float(np.median(luminance[row, column][opaque])) if opaque.any() else 128.0
    pixels = texture.copy()
    pixels[..., :3] = np.clip(luminance * (255 * GREY / max(usual, 8)), 0, 255)[..., None]
    return pixels


def _manifest(folder: Path) -> list[dict[str, Any]]:
    """The usable assets that a manifest names."""
    path = folder / "manifest.json"
    if not folder.is_dir():
        raise D3keError(f"{folder}: no such folder. Give the wardrobe's folder, or none.")
    if not path.is_file():
        raise D3keError(f"{folder}: no manifest.json in it. Give a folder of MakeHuman assets.")
    try:
        assets = json.loads(path.read_text(encoding="utf-8"))["assets"]
        return [asset for asset in assets if "skipped" not in asset and asset["kind"]]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise D3keError(f"{path}: not a wardrobe's manifest ({error!r}). {MEND}") from error


def _texture(path: Path) -> Pixels:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGBA"))
    except (OSError, UnidentifiedImageError, SyntaxError, ValueError) as error:
        raise D3keError(f"{path}: not a picture that can be read. {MEND}") from error


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        raise D3keError(f"{path}: not a file of arrays that can be read. {MEND}") from error


def _garments(path: Path, kind: str, name: str, texture: Pixels | None) -> list[Garment]:
    """The pieces of an asset."""
    table, where = _arrays(path), regions()
    try:
        binding = _binding(table)
        corners, corner_uv = table["faces"], table["uv"][table["faces_uv"]]
        hidden = np.zeros(where.base.count, bool)
        hidden[table["delete_base_ids"]] = True
        binding.mix(where.position)
        pieces = _pieces(where, binding, corners, kind)
    except (KeyError, IndexError, ValueError, TypeError) as error:
        raise D3keError(f"{path}: not clothes for this body ({error!r}). {MEND}") from error
    corner_uv = np.stack([corner_uv[..., 0], 1 - corner_uv[..., 1]], axis=2).astype(np.float32)
    made = []
    for slot, chosen in pieces.items():
        label = name if len(pieces) == 1 else f"{name} {slot}"
        covers = _covers(where, binding, corners[chosen], hidden, slot)
        surface = where.base.surface(
            label, binding, corners[chosen], corner_uv[chosen], covers, by_nearness=slot == "shoes"
        )
        made.append(Garment(slot, surface, texture))
    return made


def _binding(table: dict[str, NDArray[Any]]) -> Binding:
    """MakeHuman's binding in our axes: x left, y up, z forward becomes x forward, y up, z right."""
    x, y, z = table["offsets"].astype(np.float32).T * DECIMETRE_M
    return Binding(
        table["base_ids"].astype(np.int32),
        table["base_weights"].astype(np.float32),
        offsets=np.stack([z, y, -x], axis=1),
        rulers=table["scale_ids"][[2, 1, 0]].astype(np.int32),
        ruler_m=table["scale_ref"][[2, 1, 0]].astype(np.float32) * DECIMETRE_M,
    )


def _pieces(
    where: Regions, binding: Binding, corners: Ids, kind: str
) -> dict[Slot, NDArray[np.bool_]]:
    """Which triangles, (F,) each, are worn where."""
    everything = np.ones(len(corners), bool)
    if kind != "clothes":
        return {WORN.get(kind, "eyes"): everything}
    links = np.concatenate([corners[:, [0, 1]], corners[:, [1, 2]]])
    size = len(binding.anchors)
    graph = coo_matrix((np.ones(len(links)), tuple(links.T)), (size, size))
    _, label = connected_components(graph, directed=False)
    height, head = binding.mix(where.height), binding.mix(where.head_share)
    slots: dict[Slot, NDArray[np.bool_]] = {}
    for number in np.unique(label):
        mine = label == number
        if height[mine].min() < ONE_PIECE_M[0] and height[mine].max() > ONE_PIECE_M[1]:
            return {"suit": everything}
        middle = height[mine].mean()
        slot: Slot = "top" if middle > WAIST_M else "bottom"
        slot = "hat" if head[mine].mean() > 0.6 else slot
        chosen = mine[corners[:, 0]]
        slots[slot] = slots.get(slot, ~everything) | chosen
    return slots


def _covers(
    where: Regions, binding: Binding, corners: Ids, hidden: NDArray[np.bool_], slot: Slot
) -> Floats:
    """What a piece hides of the base mesh, (V,): COVERED or BARE."""
    height = binding.place(where.base.skin(where.position))[np.unique(corners), 1]
    y = where.position[:, 1]
    if slot == "top":
        hidden = hidden & (y > height.min() + RIM_M)
    elif slot == "bottom":
        hidden = hidden & (y < height.max() - RIM_M)
    elif slot == "hat":
        hidden = (where.head_share > 0.5) & (y > height.min() + BRIM_M)
    body = where.position[:BODY_VERTICES]
    _, nearest = cKDTree(body).query(where.position[BODY_VERTICES:])
    hidden = np.concatenate([hidden[:BODY_VERTICES], hidden[nearest]])
    return np.where(hidden, COVERED, BARE).astype(np.float32)


def _albedo(texture: Pixels) -> Floats:
    """A skin's linear colour where it is mostly seen, (3,): face, chest and arms."""
    body, where = regions().base.body, regions()
    faces, uv = body.faces["body"], body.uv[body.uv_faces["body"]][:, 0]
    first = faces[:, 0]
    bare = (where.arm_share[first] > 0.5) & (where.arm[first] < 0.4)
    face = (where.head_share[first] > 0.5) & (where.position[first, 0] > 0.08)
    uv = uv[bare | face]
    height, width = texture.shape[:2]
    row = np.clip(((1 - uv[:, 1]) * height).astype(int), 0, height - 1)
    column = np.clip((uv[:, 0] * width).astype(int), 0, width - 1)
    return np.asarray(linear(texture[row, column, :3]).mean(axis=0), np.float32)
