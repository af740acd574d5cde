"""Where a network runs, and in how many threads."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from threadpoolctl import threadpool_limits

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


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute in one thread: sums then have one order, and answers the same bytes on any cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(1, user_api="blas"):  # NumPy's and SciPy's
            yield
    finally:
        torch.set_num_threads(threads)
