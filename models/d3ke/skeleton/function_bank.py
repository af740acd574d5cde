"""Many OpenSim functions of the coordinates, evaluated together."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from d3ke.skeleton.functions import Function, Line, Piecewise


class FunctionBank(nn.Module):
    """The values of F functions of the K coordinates. (K, P) -> (F, P), lines first.

    `order[i]` is where the i-th given function is found in the result.
    """

    order: list[int]
    slopes: Tensor
    offsets: Tensor
    arguments: Tensor
    starts: Tensor
    table: Tensor
    first_pieces: Tensor

    def __init__(
        self, functions: Sequence[tuple[Function, Sequence[int]]], width: int, dtype: torch.dtype
    ) -> None:
        super().__init__()
        lines = [i for i, (f, _) in enumerate(functions) if isinstance(f, Line)]
        curves = [i for i, (f, _) in enumerate(functions) if isinstance(f, Piecewise)]
        place = {given: found for found, given in enumerate(lines + curves)}
        self.order = [place[i] for i in range(len(functions))]
        slopes = torch.zeros(len(lines), width, dtype=dtype)
        offsets = torch.zeros(len(lines), 1, dtype=dtype)
        for row, i in enumerate(lines):
            function, arguments = functions[i]
            assert isinstance(function, Line)
            offsets[row] = function.constant
            for argument, slope in zip(arguments, function.coefficients, strict=True):
                slopes[row, argument] += slope
        self.register_buffer("slopes", slopes, persistent=False)
        self.register_buffer("offsets", offsets, persistent=False)
        self._register_curves([functions[i] for i in curves], dtype)

    def _register_curves(
        self, functions: Sequence[tuple[Function, Sequence[int]]], dtype: torch.dtype
    ) -> None:
        curves = [function for function, _ in functions if isinstance(function, Piecewise)]
        pieces = max((len(curve.anchors) for curve in curves), default=1)
        degree = max((len(row) for curve in curves for row in curve.coefficients), default=1)
        starts = torch.full((len(curves), pieces - 1), torch.inf, dtype=dtype)
        table = torch.zeros(1 + degree, len(curves), pieces, dtype=dtype)
        for row, curve in enumerate(curves):
            starts[row, : len(curve.starts)] = torch.tensor(curve.starts, dtype=dtype)
            table[0, row, : len(curve.anchors)] = torch.tensor(curve.anchors, dtype=dtype)
            for piece, values in enumerate(curve.coefficients):
                falling = torch.tensor(values[::-1], dtype=dtype)
                table[1 + degree - len(values) :, row, piece] = falling
        arguments = torch.tensor([a for _, (a,) in functions], dtype=torch.long)
        self.register_buffer("arguments", arguments, persistent=False)
        self.register_buffer("starts", starts, persistent=False)
        self.register_buffer("table", table.flatten(1), persistent=False)
        first = pieces * torch.arange(len(curves))[:, None]
        self.register_buffer("first_pieces", first, persistent=False)

    def forward(self, q: Tensor) -> Tensor:
        """The values. q: (K, P). Returns (F, P)."""
        lines = torch.addmm(self.offsets, self.slopes, q)
        if not len(self.arguments):
            return lines
        x = q.index_select(0, self.arguments)  # (C, P)
        # not searchsorted: ONNX has none, and with this few pieces it is no faster
        piece = (self.starts[:, :, None] <= x[:, None]).sum(1) + self.first_pieces
        anchor, value, *lower = self.table[:, piece].unbind(0)  # (1 + D, C, P)
        rise = x - anchor
        for coefficient in lower:
            value = torch.addcmul(coefficient, value, rise)
        return torch.cat([lines, value])
