"""Splits: who is learnt from, who validates and who tests. A person is in one of them only."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from d3ke.errors import D3keError
from d3ke.files import read_text
from d3ke.synth.plans import SPLITS

HELD_OUT = 0.1  # of the people, each to validate and to test; one at least, where there are three


def splits_by_seed(subjects: Sequence[str], seed: int) -> dict[str, str]:
    """A tenth each validates and tests; of two people one tests, and one alone is learnt from."""
    names = sorted(set(subjects))
    held = max(1, round(HELD_OUT * len(names)))
    order = np.random.default_rng(seed).permutation(len(names))
    test = order[:held] if len(names) > 1 else order[:0]
    valid = order[held : 2 * held] if len(names) > 2 else order[:0]
    split_of = dict.fromkeys(names, "train")
    split_of |= {names[place]: "test" for place in test}
    return split_of | {names[place]: "valid" for place in valid}


def splits_by_file(path: Path, subjects: Sequence[str]) -> dict[str, str]:
    """What a .csv with the columns subject and split says.

    Raises D3keError: no such file, another split than train, valid and test, a subject twice or
    not there.
    """
    text = io.StringIO(read_text(path))
    try:
        table = pd.read_csv(text, dtype=str, comment="#", skipinitialspace=True)
    except ValueError as error:
        raise D3keError(f"{path}: cannot be read as .csv ({error}). Check the file.") from error
    if not {"subject", "split"} <= set(table.columns):
        raise D3keError(f"{path}: has no columns `subject` and `split`. Write them in line 1.")
    wrong = table.loc[~table["split"].isin(SPLITS), "split"]
    if len(wrong):
        raise D3keError(f"{path}: no split {wrong.iloc[0]!r}. There are: {', '.join(SPLITS)}.")
    twice = table.loc[table["subject"].duplicated(), "subject"]
    if len(twice):
        raise D3keError(f"{path}: {twice.iloc[0]} is there twice. Keep one line of each.")
    told = dict(zip(table["subject"], table["split"], strict=True))
    missing = sorted(set(subjects) - set(told))
    if missing:
        raise D3keError(f"{path}: says nothing of {', '.join(missing)}. Add a line for each.")
    return {name: told[name] for name in sorted(set(subjects))}
