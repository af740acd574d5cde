"""Writes segments.json, how long adults' segments are for their height, from ANSUR II.

Run: python models/d3ke/assets/build_segments.py FOLDER_OF_THE_TABLES

A straight line for each sex, and for both in equal parts. ANSUR II measured between landmarks on
the skin; between joint centres a segment is longer or shorter by what makes the unscaled default
skeleton an average adult of its height.
"""

import gzip
import json
import sys
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from d3ke.omc.scale_setup import DEFAULT_STATURE_M
from d3ke.omc.segments import SEGMENTS, segment_lengths
from d3ke.skeleton.default import default_model

TABLE = Path(__file__).with_name("segments.json")
FILES = {"man": "ANSUR_II_MALE_Public.csv.gz", "woman": "ANSUR_II_FEMALE_Public.csv.gz"}

COLUMNS: dict[str, dict[str, int]] = {
    "thigh": {"trochanterionheight": 1, "lateralfemoralepicondyleheight": -1},
    "shank": {"lateralfemoralepicondyleheight": 1, "lateralmalleolusheight": -1},
    "foot": {"footlength": 1},
    "trunk": {"acromialheight": 1, "trochanterionheight": -1},
    "upper arm": {"acromionradialelength": 1},
    "forearm": {"radialestylionlength": 1},
}


def main(folder: Path) -> None:
    """Write the table."""
    people = {sex: read(folder / name) for sex, name in FILES.items()}
    average = fitted(list(people.values()))
    osim = default_model()
    own = segment_lengths(osim, np.ones((len(osim.bodies), 3)))
    factors = {
        name: own[name] / (level + slope * DEFAULT_STATURE_M)
        for name, (level, slope, _) in average.items()
    }
    lines = {sex: fitted([table]) for sex, table in people.items()} | {"either": average}
    rounded = {
        sex: {
            name: [round(factors[name] * value, 5) for value in line] for name, line in one.items()
        }
        for sex, one in lines.items()
    }
    heights = np.concatenate([table[:, 0] for table in people.values()])
    note = (
        "Lengths between joint centres by ANSUR II (2012; US Government public release): mean = "
        "first + second * height, standard deviation third, m."
    )
    rows = {"note": note, "heights_m": [heights.min(), heights.max()], **rounded}
    text = ",\n".join(f" {json.dumps(key)}: {json.dumps(value)}" for key, value in rows.items())
    TABLE.write_text("{\n" + text + "\n}\n", encoding="utf-8", newline="\n")


def read(path: Path) -> NDArray[np.float64]:
    """The height, then the segments' lengths between landmarks, of all people, m."""
    with gzip.open(path, "rt", encoding="latin-1") as text:
        table = pd.read_csv(text)
    parts: list[dict[str, int]] = [{"stature": 1}, *(COLUMNS[name] for name in SEGMENTS)]
    columns = [
        np.sum([sign * np.asarray(table[name], np.float64) for name, sign in part.items()], axis=0)
        for part in parts
    ]
    return np.stack(columns, axis=1) / 1000


def fitted(groups: list[NDArray[np.float64]]) -> dict[str, list[float]]:
    """Lines by least squares; groups weigh the same, however many people are in them."""
    people = np.concatenate(groups)
    weights = np.concatenate([np.full(len(group), 1 / len(group)) for group in groups])
    lines = {}
    for column, name in enumerate(SEGMENTS, start=1):
        slope, level = np.polyfit(people[:, 0], people[:, column], 1, w=np.sqrt(weights))
        rest = people[:, column] - level - slope * people[:, 0]
        sd = np.sqrt(np.average(rest**2, weights=weights))
        lines[name] = [float(level), float(slope), float(sd)]
    return lines


if __name__ == "__main__":
    main(Path(sys.argv[1]))
