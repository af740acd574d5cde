"""Where results go: names, folders, all or nothing."""

import errno
import os
from pathlib import Path

import pytest

from d3ke.errors import D3keError, OptionError
from d3ke.files import replacing
from d3ke.outputs import (
    check_writable,
    clear_left_behind,
    names_of,
    replacing_all,
    stem_of,
    with_suffixes,
)


def written(targets: dict[str, Path]) -> None:
    with replacing_all(targets) as paths:
        for suffix, path in paths.items():
            path.write_text(suffix)


def test_a_mot_names_the_files_beside_it() -> None:
    stem = stem_of(Path("there/out.mot"), "clip")
    assert with_suffixes(stem, ["mot", "npz"]) == {
        "mot": Path("there/out.mot"),
        "npz": Path("there/out.npz"),
    }


def test_a_folder_takes_the_clips_name_dots_and_all() -> None:
    stem = stem_of(Path("there"), "walk.2024.05")
    assert with_suffixes(stem, ["mot"])["mot"] == Path("there/walk.2024.05.mot")


def test_a_folder_that_looks_like_a_file_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "out.mot").mkdir()
    assert stem_of(tmp_path / "out.mot", "clip") == tmp_path / "out.mot" / "clip"


def test_clips_of_the_same_name_get_their_folders_name() -> None:
    clips = [Path("/a/walk.mp4"), Path("/b/walk.mp4"), Path("/a/run.mp4")]
    assert names_of(clips) == ["a_walk", "b_walk", "run"]


def test_clips_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(OptionError, match="different folders"):
        names_of([Path("/x/a/walk.mp4"), Path("/y/a/walk.mov")])


def test_a_clip_that_is_named_twice_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    with pytest.raises(OptionError, match=r"^/x/walk.mp4: named more than once"):
        names_of([Path("x/walk.mp4"), Path("/a/walk.mp4"), Path("/x/walk.mp4")])


def test_all_are_written_under_their_own_names(tmp_path: Path) -> None:
    targets = with_suffixes(tmp_path / "new" / "out", ["mot", "trc"])
    written(targets)
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["out.mot", "out.trc"]
    assert targets["trc"].read_text() == "trc"


def test_if_one_fails_none_is_changed(tmp_path: Path) -> None:
    targets = with_suffixes(tmp_path / "out", ["mot", "trc"])
    written(targets)
    with pytest.raises(RuntimeError), replacing_all(targets) as paths:
        paths["mot"].write_text("new")
        raise RuntimeError
    assert targets["mot"].read_text() == "mot"
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_is_told_with_the_name_that_was_asked_for(tmp_path: Path) -> None:
    with (
        pytest.raises(D3keError) as caught,
        replacing_all(with_suffixes(tmp_path / "out", ["mot"])) as paths,
        replacing(paths["mot"]) as temporary,
    ):
        raise OSError(errno.ENOSPC, "No space left on device", str(temporary))
    assert str(caught.value).startswith(f"{tmp_path / 'out.mot'}: the disk is full")
    assert not list(tmp_path.iterdir())


def test_a_folder_in_the_way_is_told_before_writing(tmp_path: Path) -> None:
    (tmp_path / "out.trc").mkdir()
    with pytest.raises(D3keError, match="folder is in the way"):
        written(with_suffixes(tmp_path / "out", ["mot", "trc"]))
    assert not (tmp_path / "out.mot").exists()


def test_a_link_keeps_pointing_to_the_file_that_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real.mot").write_text("old")
    (tmp_path / "out.mot").symlink_to(tmp_path / "real.mot")
    written({"mot": tmp_path / "out.mot"})
    assert (tmp_path / "out.mot").is_symlink()
    assert (tmp_path / "real.mot").read_text() == "mot"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(D3keError, match="cannot be made"):
        check_writable(tmp_path / "file" / "out.mot")


def test_looking_whether_a_folder_can_be_made_makes_none(tmp_path: Path) -> None:
    check_writable(tmp_path / "a" / "b" / "out.mot")
    assert not list(tmp_path.iterdir())


def test_a_read_only_file_is_kept(tmp_path: Path) -> None:
    (tmp_path / "out.mot").write_text("mine")
    (tmp_path / "out.mot").chmod(0o400)
    if os.access(tmp_path / "out.mot", os.W_OK):
        pytest.skip("this user may write to any file")
    with pytest.raises(D3keError, match="read-only"):
        written(with_suffixes(tmp_path / "out", ["mot"]))


def test_what_a_kill_after_the_last_file_has_left_is_cleared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets, others = ({"mot": tmp_path / f"{name}.mot"} for name in ("walk", "run"))
    with monkeypatch.context() as killed:
        killed.setattr("d3ke.outputs.shutil.rmtree", lambda *_, **__: None)
        for each in (targets, others):
            with replacing_all(each) as paths:
                paths["mot"].write_text("whole", encoding="utf-8")
    clear_left_behind(targets)
    assert len(list(tmp_path.glob(".*"))) == 1  # of the others, who may still be writing
    assert targets["mot"].read_text(encoding="utf-8") == "whole"
