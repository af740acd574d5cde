"""Adult body proportions, as body scales of the default skeleton."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.errors import D3keError

Array = NDArray[np.float64]

ANSUR_FILES = ("ANSUR_II_MALE_Public.csv.gz", "ANSUR_II_FEMALE_Public.csv.gz")

# A length on the body, as a difference or sum of ANSUR II measurements in mm, and what it is for
# scale 1. The latter were set so that models scaled from markers (height 1.7 to 1.8 m) come out
# alike.
LENGTHS_MM: dict[str, tuple[dict[str, int], float]] = {
    "thigh": ({"trochanterionheight": 1, "lateralfemoralepicondyleheight": -1}, 400.0),
    "shank": ({"lateralfemoralepicondyleheight": 1, "lateralmalleolusheight": -1}, 415.0),
    "foot": ({"footlength": 1}, 262.0),
    "trunk": ({"acromialheight": 1, "trochanterionheight": -1}, 525.0),
    "shoulders": ({"biacromialbreadth": 1}, 400.0),
    "pelvis": ({"hipbreadth": 1}, 330.0),
    "upper_arm": ({"acromionradialelength": 1}, 320.0),
    "forearm": ({"radialestylionlength": 1}, 254.0),
    "hand": ({"handlength": 1}, 188.0),
    "head": ({"headlength": 1}, 195.0),
    "thigh_girth": ({"thighcircumference": 1}, 620.0),
    "calf_girth": ({"calfcircumference": 1}, 390.0),
}

# body: the lengths that scale its x, y and z axes
AXES: dict[str, tuple[str, str, str]] = {
    "pelvis": ("trunk", "trunk", "pelvis"),
    "sacrum": ("trunk", "trunk", "pelvis"),
    "femur": ("thigh_girth", "thigh", "thigh_girth"),
    "tibia": ("calf_girth", "shank", "calf_girth"),
    "talus": ("foot", "foot", "foot"),
    "calcn": ("foot", "foot", "foot"),
    "toes": ("foot", "foot", "foot"),
    "torso": ("trunk", "trunk", "shoulders"),
    "head": ("head", "head", "head"),
    "humerus": ("upper_arm", "upper_arm", "upper_arm"),
    "ulna": ("forearm", "forearm", "forearm"),
    "radius": ("forearm", "forearm", "forearm"),
    "hand": ("hand", "hand", "hand"),
}
GIRTH_SHARE = 0.4  # how much of a girth's deviation widens the bones under it
PELVIS_SPREAD = (0.08, 0.12, 0.07)  # what no ANSUR measurement tells of the pelvis, x y z


@dataclass(frozen=True)
class People:
    """A multivariate normal of log lengths for each sex. mean: (2, L); root: (2, L, L)."""

    mean: Array
    root: Array

    @staticmethod
    def from_ansur(folder: Path) -> "People":
        """Fit to the two ANSUR II tables in `folder`. Raises D3keError where one is missing."""
        logs = [_log_lengths(folder / name) for name in ANSUR_FILES]
        mean = np.stack([log.mean(axis=0) for log in logs])
        root = np.stack([np.linalg.cholesky(np.cov(log.T)) for log in logs])
        return People(mean, root)

    def draw(self, rng: Generator, count: int, body_names: tuple[str, ...]) -> Array:
        """Body scales (count, N, 3) of `count` adults, half of them women."""
        sex = rng.integers(0, 2, count)
        normal = rng.normal(size=(count, self.mean.shape[1]))
        logs = self.mean[sex] + np.einsum("bij,bj->bi", self.root[sex], normal)
        columns = {name: logs[:, index] for index, name in enumerate(LENGTHS_MM)}
        whole = rng.normal(0, 0.03, count)  # markers and cameras measure lengths with errors
        scales = np.zeros((count, len(body_names), 3))
        for index, body in enumerate(body_names):
            axes = AXES.get(body.removesuffix("_r").removesuffix("_l"))
            if axes is None:
                raise D3keError(f"No proportions are known for body {body}: use the default model.")
            for axis, length in enumerate(axes):
                share = GIRTH_SHARE if length.endswith("girth") else 1.0
                scales[:, index, axis] = share * columns[length] + whole
        pelvis = body_names.index("pelvis")
        scales[:, pelvis] += rng.normal(size=(count, 3)) * PELVIS_SPREAD
        people: Array = np.exp(scales)
        return people


def _log_lengths(path: Path) -> Array:
    """Log of each length over its reference, (people, L)."""
    if not path.is_file():
        raise D3keError(f"{path}: no such file. Pass the folder that holds the ANSUR II tables.")
    with gzip.open(path, "rt", encoding="latin-1") as text:
        table = pd.read_csv(text)
    columns = []
    for parts, reference in LENGTHS_MM.values():
        length = sum(sign * table[name] for name, sign in parts.items())
        columns.append(np.log(np.asarray(length, dtype=np.float64) / reference))
    logs: Array = np.stack(columns, axis=1)
    return logs
