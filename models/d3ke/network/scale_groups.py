"""Body scales that are one number of a network: which axes of which bodies, and within what."""

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.network.mirror import swap_of

AXES = ("x", "y", "z")


@dataclass(frozen=True)
class ScaleGroup:
    """Axes of bodies that one number v in (-1, 1) scales, by (average + reach v) / template.

    axes: "body.x" to its template factor: 1, unless average and reach are scales of another body
    than the .osim's, which is then itself that many times as large as that body.
    Raises D3keError: no axes, or numbers that could give a scale that is not positive.
    """

    name: str
    average: float
    reach: float
    axes: Mapping[str, float]

    def __post_init__(self) -> None:
        if not self.axes:
            raise D3keError(f"scale group {self.name} has no axes. Name some, such as pelvis.x.")
        if not 0 <= self.reach < self.average < math.inf:
            raise D3keError(
                f"scale group {self.name}: average {self.average:g} and reach {self.reach:g} "
                "allow scales that are not positive. Give 0 <= reach < average."
            )
        for axis, template in self.axes.items():
            if not 0 < template < math.inf:
                raise D3keError(
                    f"scale group {self.name}: the template of {axis} is {template:g}. "
                    "Give a positive number."
                )

    def to_dict(self) -> dict[str, Any]:
        """As JSON would hold it."""
        return asdict(self)

    @staticmethod
    def from_dict(stored: Mapping[str, Any]) -> "ScaleGroup":
        """The group that `to_dict` gave; its axes may be a list of names, too: templates of 1.

        Raises D3keError: a field that is missing, unknown, or of another kind.
        """
        name = str(stored.get("name", "without a name"))
        if set(stored) != {"name", "average", "reach", "axes"}:
            raise D3keError(
                f"scale group {name} has the fields {', '.join(map(str, stored))}. "
                "Give it name, average, reach and axes."
            )
        average, reach = _number(stored["average"], name), _number(stored["reach"], name)
        return ScaleGroup(name, average, reach, _axes(stored["axes"], name))


class ScaleMap(nn.Module):
    """From one number a group to the scales of all bodies. Axes in no group keep 1.

    index: (N, 3) the group of each axis, S where it has none; average, reach: (S,); template:
    (N, 3). They are not in the state dict.
    """

    index: Tensor
    average: Tensor
    reach: Tensor
    template: Tensor

    def __init__(self, groups: Sequence[ScaleGroup], body_names: Sequence[str]) -> None:
        """Raises D3keError: a body or axis that there is not, or an axis in two groups."""
        super().__init__()
        self.register_buffer("average", torch.tensor([g.average for g in groups]), persistent=False)
        self.register_buffer("reach", torch.tensor([g.reach for g in groups]), persistent=False)
        index = torch.full((len(body_names), 3), len(groups))
        template = torch.ones(len(body_names), 3)
        for number, place, factor in _placed(groups, body_names):
            index[place], template[place] = number, factor
        self.register_buffer("index", index, persistent=False)
        self.register_buffer("template", template, persistent=False)

    def scales(self, v: Tensor) -> Tensor:
        """v: (..., S) in (-1, 1). Returns the bodies' scales, (..., N, 3)."""
        factors = self.average + self.reach * v
        factors = torch.cat([factors, factors.new_ones(*v.shape[:-1], 1)], dim=-1)  # (..., S + 1)
        chosen: Tensor = factors.index_select(-1, self.index.flatten())
        return chosen.reshape(*v.shape[:-1], *self.index.shape) / self.template


def symmetric_groups(
    body_names: Sequence[str], average: float = 1.0, reach: float = 0.4
) -> tuple[ScaleGroup, ...]:
    """A group for each axis of each body, one for left and right together."""
    groups = []
    for first, twin in enumerate(swap_of(body_names)):
        bodies = dict.fromkeys([body_names[first], body_names[twin]])
        for axis in AXES if first <= twin else ():
            axes = {f"{body}.{axis}": 1.0 for body in bodies}
            groups.append(ScaleGroup(next(iter(axes)), average, reach, axes))
    return tuple(groups)


def read_scale_groups(path: str | os.PathLike[str]) -> tuple[ScaleGroup, ...]:
    """The groups in a JSON file: a list of objects with name, average, reach and axes.

    Raises D3keError: a file that cannot be read, or holds something else.
    """
    try:
        stored = json.loads(read_text(path))
    except ValueError as error:
        raise D3keError(f"{os.fspath(path)}: no JSON ({error}). Write the file again.") from error
    if not isinstance(stored, list) or not all(isinstance(group, dict) for group in stored):
        raise D3keError(
            f"{os.fspath(path)}: not a list of scale groups. "
            "Give a list of objects with name, average, reach and axes."
        )
    try:
        return tuple(ScaleGroup.from_dict(group) for group in stored)
    except D3keError as error:
        raise D3keError(f"{os.fspath(path)}: {error}") from error


def _number(value: object, group: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise D3keError(f"scale group {group}: {value!r} is not a number. Give one.")
    return float(value)


def _axes(stored: object, group: str) -> dict[str, float]:
    if isinstance(stored, Mapping):
        return {str(axis): _number(template, group) for axis, template in stored.items()}
    if not isinstance(stored, list) or len(set(map(str, stored))) < len(stored):
        raise D3keError(
            f"scale group {group}: axes are neither names, each once, nor names with templates. "
            'Give such as ["pelvis.x"] or {"pelvis.x": 1.0}.'
        )
    return {str(axis): 1.0 for axis in stored}


def _placed(
    groups: Sequence[ScaleGroup], body_names: Sequence[str]
) -> Iterator[tuple[int, tuple[int, int], float]]:
    """The group, the body and axis, and the template of all axes in groups."""
    taken: dict[tuple[int, int], str] = {}
    for number, group in enumerate(groups):
        for name, template in group.axes.items():
            body, _, axis = name.rpartition(".")
            if body not in body_names or axis not in AXES:
                raise D3keError(
                    f"scale group {group.name}: the skeleton has no {name}. Give a body of it "
                    "and x, y or z, such as pelvis.x."
                )
            place = (body_names.index(body), AXES.index(axis))
            if place in taken:
                raise D3keError(
                    f"scale groups {taken[place]} and {group.name} both scale {name}. "
                    "Leave it in one of them."
                )
            taken[place] = group.name
            yield number, place, template
