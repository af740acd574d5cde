"""Files are written whole or not at all."""

import errno
import os
import stat
from pathlib import Path

import pytest

from d3ke.errors import D3keError
from d3ke.files import content_hash, read_text, replacing


def test_the_file_appears_only_when_the_block_ends(tmp_path: Path) -> None:
    target = tmp_path / "walk.mot"
    with replacing(target) as temporary:
        temporary.write_text("new")
        assert not target.exists()
        assert temporary.parent == target.parent
        assert temporary.suffix == ".mot"
    assert target.read_text() == "new"
    assert os.listdir(tmp_path) == ["walk.mot"]


@pytest.mark.parametrize("end", [ValueError, KeyboardInterrupt, SystemExit])
def test_what_ends_the_block_early_leaves_the_old_file_alone(
    tmp_path: Path, end: type[BaseException]
) -> None:
    target = tmp_path / "walk.mot"
    target.write_text("old")
    with pytest.raises(end), replacing(target) as temporary:
        temporary.write_text("half")
        raise end
    assert target.read_text() == "old"
    assert os.listdir(tmp_path) == ["walk.mot"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_a_full_disk_is_one_line(tmp_path: Path) -> None:
    with (
        pytest.raises(D3keError, match=r"^/dev/full: the disk is full"),
        replacing("/dev/full") as to,
    ):
        to.write_text("x")


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="disk is full"), replacing(tmp_path / "a.mot") as temporary:
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert os.listdir(tmp_path) == []


def test_a_size_limit_reads_as_a_full_disk(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="no file size limits on Windows")
    signal = pytest.importorskip("signal")
    old, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.getsignal(signal.SIGXFSZ)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, old[1]))
    try:
        with pytest.raises(D3keError, match="disk is full"), replacing(tmp_path / "a.npz") as to:
            to.write_bytes(bytes(100_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, old)
        signal.signal(signal.SIGXFSZ, handler)
    assert os.listdir(tmp_path) == []


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    target = tmp_path / "no" / "such" / "a.mot"
    with pytest.raises(D3keError, match=r"no/such.* does not exist"), replacing(target):
        raise AssertionError("the block must not run")


def test_a_folder_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mot").mkdir()
    with pytest.raises(D3keError, match="folder is in the way"), replacing(tmp_path / "a.mot"):
        raise AssertionError("the block must not run")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes anywhere")
def test_a_folder_without_permission_is_one_line(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    with pytest.raises(D3keError, match="no permission to write"), replacing(tmp_path / "a.mot"):
        raise AssertionError("the block must not run")


def test_a_read_only_system_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(self: Path, *_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(D3keError, match="no permission to write"), replacing(tmp_path / "a.mot"):
        raise AssertionError("the block must not run")


def test_an_error_about_another_file_stays_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.mot"):
        (tmp_path / "input.txt").read_text()


def test_a_link_stays_a_link_and_modes_are_kept(tmp_path: Path) -> None:
    real, link = tmp_path / "real.mot", tmp_path / "link.mot"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    with replacing(link) as temporary:
        temporary.write_text("new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_content_hash_sees_bytes_and_names(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
        (folder / "0001.png").write_bytes(b"abc")
    # SHA-256 of "abc": FIPS 180-2, appendix B.1
    abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_hash(one / "0001.png") == abc
    assert content_hash(one) == content_hash(two)
    (two / "0001.png").rename(two / "0002.png")
    assert content_hash(one) != content_hash(two)
    with pytest.raises(D3keError, match="no such file"):
        content_hash(tmp_path / "none")


@pytest.mark.parametrize(
    ("data", "message"),
    [(b"", "empty"), (b" \n\n", "empty"), (b"a\0b", "not a text file"), (None, "no such file")],
)
def test_text_that_is_none_is_refused(tmp_path: Path, data: bytes | None, message: str) -> None:
    path = tmp_path / "a.mot"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(D3keError, match=message):
        read_text(path)
    with pytest.raises(D3keError, match="folder"):
        read_text(tmp_path)


def test_latin_1_names_and_byte_order_marks_are_read(tmp_path: Path) -> None:
    (tmp_path / "old.trc").write_bytes("Fuß".encode("latin-1"))
    (tmp_path / "new.trc").write_bytes("\ufeffFuß".encode())
    assert read_text(tmp_path / "old.trc") == read_text(tmp_path / "new.trc") == "Fuß"
