"""Writes adults.json, how adults' measures are spread, from the two tables of ANSUR II.

Run: python models/d3ke/assets/body/build_adults.py FOLDER_OF_THE_TABLES
"""

import gzip
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import norm, rankdata

TABLE = Path(__file__).with_name("adults.json")
FILES = {"man": "ANSUR_II_MALE_Public.csv.gz", "woman": "ANSUR_II_FEMALE_Public.csv.gz"}
PROBABILITIES = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.975, 0.99)
RELAXED = 0.94  # of the flexed upper arm's girth that ANSUR II has; d3ke's estimate

# Each measure of d3ke.synth.bodies.measures, then mass and age, as a sum of ANSUR II's columns.
COLUMNS: dict[str, dict[str, float]] = {
    "stature": {"stature": 1},
    "thigh": {"trochanterionheight": 1, "lateralfemoralepicondyleheight": -1},
    "shank": {"lateralfemoralepicondyleheight": 1, "lateralmalleolusheight": -1},
    "foot": {"footlength": 1},
    "trunk": {"acromialheight": 1, "trochanterionheight": -1},
    "shoulders": {"biacromialbreadth": 1},
    "hips": {"hipbreadth": 1},
    "upper_arm": {"acromionradialelength": 1},
    "forearm": {"radialestylionlength": 1},
    "hand": {"handlength": 1},
    "head": {"headlength": 1},
    "thigh_girth": {"thighcircumference": 1},
    "calf_girth": {"calfcircumference": 1},
    "hip_girth": {"buttockcircumference": 1},
    "waist_girth": {"waistcircumference": 1},
    "chest_girth": {"chestcircumference": 1},
    "upper_arm_girth": {"bicepscircumferenceflexed": RELAXED},
    "neck_girth": {"neckcircumference": 1},
    "mass_kg": {"weightkg": 0.1},
    "age_years": {"Age": 1},
}


def main(folder: Path) -> None:
    """Write the table."""
    sexes = {sex: spread(columns(folder / name)) for sex, name in FILES.items()}
    note = (
        "Quantiles of ANSUR II (2012; US Government public release), lengths in mm, and the "
        "correlations of their normal scores, per cent."
    )
    table = {"note": note, "probabilities": PROBABILITIES, "measures": list(COLUMNS), **sexes}
    rows = [f" {json.dumps(key)}: {json.dumps(value)}" for key, value in table.items()]
    TABLE.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8", newline="\n")


def columns(path: Path) -> NDArray[np.float64]:
    """The measures of all people in a table, (people, M)."""
    with gzip.open(path, "rt", encoding="latin-1") as text:
        people = pd.read_csv(text)
    found = [
        sum(share * people[name] for name, share in parts.items()) for parts in COLUMNS.values()
    ]
    return np.stack([np.asarray(column, dtype=np.float64) for column in found], axis=1)


def spread(measures: NDArray[np.float64]) -> dict[str, Any]:
    """Quantiles, and correlations of normal scores."""
    quantiles = np.quantile(measures, PROBABILITIES, axis=0).T
    ranks = np.apply_along_axis(rankdata, 0, measures) / (len(measures) + 1)
    correlations = np.corrcoef(norm.ppf(ranks).T)
    return {
        "quantiles": quantiles.round(1).tolist(),
        "correlations": (100 * correlations).round().astype(int).tolist(),
    }


if __name__ == "__main__":
    main(Path(sys.argv[1]))
