"""Large files of tensors, which safetensors writes itself: what it says of a full disk."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError

from d3ke.errors import D3keError


@contextmanager
def told_of(path: Path) -> Iterator[None]:
    """Raises D3keError where safetensors cannot write `path`: its error is no OSError."""
    try:
        yield
    except SafetensorError as error:
        raise D3keError(
            f"{path}: cannot be written ({error}). Free some space, then go on with --resume."
        ) from error
