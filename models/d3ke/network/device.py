"""Where a network runs."""

import torch

from d3ke.errors import D3keError


def choose_device(name: str = "auto") -> str:
    """The device of that name; auto: a GPU where there is one.

    Raises D3keError for cuda where there is none.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and not torch.cuda.is_available():
        raise D3keError("--device cuda: torch finds no CUDA GPU here. Use --device cpu or auto.")
    return name
