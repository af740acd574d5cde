"""Files as a whole: written at once or not at all, read with a plain word about what is wrong."""

import errno
import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from d3ke.errors import D3keError

FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
CHUNK_BYTES = 1 << 20  # read 1 MiB at a time: a clip of any length is hashed in flat memory


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """A temporary file that takes the place of `path` when the block ends well.

    Yields a hidden name in the same folder with the same suffix (libraries choose the format
    by it). Whatever ends the block early, Ctrl-C too, leaves `path` as it was and nothing beside
    it. A device or pipe (/dev/stdout) is written through, a symbolic link's target is replaced.
    Raises D3keError: full disk, missing folder, no permission, a folder in the way.
    """
    shown = Path(path)
    target = _checked_target(shown)
    if target.exists() and not target.is_file():
        with _told_of(shown, target):
            yield target
        return
    temporary = target.with_name(f".{target.stem[:64]}.{secrets.token_hex(4)}{target.suffix}")
    try:
        with _told_of(shown, temporary):
            temporary.open("xb").close()
            yield temporary
            if target.exists():
                temporary.chmod(target.stat().st_mode & 0o777)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a file, without a byte order mark.

    Bytes that are not UTF-8 are taken as Latin-1: marker names from older Windows programs.
    Raises D3keError: missing, unreadable, empty, a folder, or not text.
    """
    data = read_bytes(path)
    if not data.strip():
        raise D3keError(f"{path}: the file is empty. Write it again.")
    if b"\0" in data:
        raise D3keError(
            f"{path}: not a text file (it holds zero bytes). Save it as plain text, UTF-8."
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The bytes of a file.

    Raises D3keError: missing, unreadable, or a folder.
    """
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise _unreadable(Path(path), error) from error


def content_hash(path: str | os.PathLike[str]) -> str:
    """SHA-256 of what a file holds; of a folder, of its files' names and contents in order.

    Returns 64 hexadecimal digits. Raises D3keError: missing or unreadable.
    """
    path = Path(path)
    if not path.is_dir():
        return _file_hash(path)
    digest = hashlib.sha256()
    for file in sorted(file for file in path.rglob("*") if file.is_file()):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_file_hash(file)}\n".encode())
    return digest.hexdigest()


def _file_hash(path: Path) -> str:
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
    except OSError as error:
        raise _unreadable(path, error) from error
    return digest.hexdigest()


def _checked_target(shown: Path) -> Path:
    target = Path(os.path.realpath(shown))
    if target.is_dir():
        raise D3keError(f"{shown}: a folder is in the way. Name a file, or remove the folder.")
    if not target.parent.is_dir():
        raise D3keError(f"{shown}: the folder {shown.parent} does not exist. Make it first.")
    if target.exists() and not os.access(target, os.W_OK):
        raise D3keError(f"{shown}: the file is read-only. Change its permissions or its name.")
    return target


@contextmanager
def _told_of(shown: Path, written: Path) -> Iterator[None]:
    """Turn what the system says of `written` into a word about `shown`; let the rest pass."""
    try:
        yield
    except OSError as error:
        about = {str(error.filename), str(error.filename2)} & {str(written), str(shown)}
        if error.errno in FULL:
            what = "the disk is full. Free some space or write elsewhere"
        elif not about:
            raise
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            what = "no permission to write here. Choose another folder"
        elif error.errno == errno.ENAMETOOLONG:
            what = "the name is too long. Choose a shorter one"
        else:
            what = f"cannot be written ({error.strerror}). Choose another place"
        raise D3keError(f"{shown}: {what}.") from error


def _unreadable(path: Path, error: OSError) -> D3keError:
    if isinstance(error, FileNotFoundError):
        return D3keError(f"{path}: no such file. Check the name.")
    if isinstance(error, IsADirectoryError) or path.is_dir():
        return D3keError(f"{path}: a folder, not a file. Name a file in it.")
    if isinstance(error, PermissionError):
        return D3keError(f"{path}: no permission to read it. Change its permissions.")
    return D3keError(f"{path}: cannot be read ({error.strerror}). Check the disk.")
