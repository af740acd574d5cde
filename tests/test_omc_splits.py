"""Splits: nobody in two of them, the same for a seed, or as a file says."""

from pathlib import Path

import pytest

from d3ke.errors import D3keError
from d3ke.omc.splits import splits_by_file, splits_by_seed

PEOPLE = [f"s{number:02d}" for number in range(40)]


def test_a_tenth_each_is_held_out_and_the_seed_says_who() -> None:
    found = splits_by_seed(PEOPLE, 3)
    assert sorted(found) == PEOPLE
    values = list(found.values())
    assert [values.count(split) for split in ("train", "valid", "test")] == [32, 4, 4]
    assert splits_by_seed(PEOPLE[::-1], 3) == found
    assert splits_by_seed(PEOPLE, 4) != found


@pytest.mark.parametrize(
    ("count", "kinds"), [(1, ["train"]), (2, ["test", "train"]), (3, ["test", "train", "valid"])]
)
def test_few_people_are_split_as_far_as_they_go(count: int, kinds: list[str]) -> None:
    assert sorted(splits_by_seed(PEOPLE[:count], 0).values()) == kinds


def test_a_file_decides(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_text("subject,split\n# the older ones\nann, train\nbob, test\n")
    assert splits_by_file(path, ["bob", "ann"]) == {"ann": "train", "bob": "test"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("subject,split\nann,train\n", "says nothing of bob"),
        ("subject,split\nann,train\nbob,exam\n", "no split 'exam'"),
        ("subject,split\nann,train\nann,test\nbob,test\n", "ann is there twice"),
        ("who,where\nann,train\n", "no columns `subject` and `split`"),
        ("", "the file is empty"),
        ('subject,split\n"ann,train\n', "cannot be read as .csv"),
    ],
)
def test_a_file_that_does_not_say_it_is_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "split.csv"
    path.write_text(text)
    with pytest.raises(D3keError, match=says):
        splits_by_file(path, ["ann", "bob"])


def test_a_file_that_is_not_there_is_told_as_everywhere(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"^\S+split.csv: no such file. Check the name.$"):
        splits_by_file(tmp_path / "split.csv", ["ann"])
