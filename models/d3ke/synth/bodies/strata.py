"""Who is drawn: the measures, age, mass and looks of adults, general and older ones."""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.stats import norm

from d3ke.synth.bodies.measures import MEASURES

ASSET = Path(__file__).parents[2] / "assets" / "body" / "adults.json"
Stratum = Literal["general", "older"]
Array = NDArray[np.float64]

OLDER_SHARE = 0.35
FURTHEST_SCORE = 3.2  # normal scores past the tables' 1 and 99 per cent go on in a straight line

# Older adults, men and women. Mean stature and BMI of US adults: Fryar et al. 2018, National Health
# Statistics Reports 122 (NHANES 2015-2016); what age takes off the stature from 40 on, about 1 mm a
# year and more in women: Sorkin et al. 1999, Am. J. Epidemiol. 150(9). Rounded, not looked up anew.
OLDER_AGE_YEARS = (58.0, 82.0)
STATURE_MM = ((1754.0, 72.0), (1617.0, 68.0))  # mean, sd; men, women
SHRINKAGE_MM_PER_YEAR = (1.0, 1.4)
BMI = ((29.1, 5.0), (29.6, 6.0))
BMI_BOUNDS = (19.0, 39.0)

# Skin from very light 0 to very dark 1: mean for each race's shape. Spread so that all tones occur.
SKIN_TONES = (0.75, 0.35, 0.25)  # african, asian, caucasian
SKIN_TONE_SD = 0.16


@dataclass(frozen=True, eq=False)
class Draft:
    """A person before there is a body. measures: (M,) m, in the order of MEASURES.

    races: african, asian, caucasian parts. features: the looks that measures leave open.
    """

    woman: bool
    stratum: Stratum
    age_years: float
    mass_kg: float
    measures: Array
    races: Array
    features: dict[str, float]
    skin_tone: float


def draw_adult(rng: Generator) -> Draft:
    """One adult, half of them women."""
    woman = bool(rng.random() < 0.5)
    older = bool(rng.random() < OLDER_SHARE)
    values = _older(rng, woman) if older else _general(rng, woman)
    races = rng.dirichlet((0.5, 0.5, 0.5))
    tone = races @ SKIN_TONES + rng.normal(0, SKIN_TONE_SD)
    features = {
        "gender": (1 - rng.uniform(0, 0.12)) if woman else rng.uniform(0, 0.12),
        "cupsize": rng.uniform(0.25, 0.85),
        "firmness": rng.uniform(0.2, 0.5) if older else rng.uniform(0.3, 0.8),
    }
    return Draft(
        woman=woman,
        stratum="older" if older else "general",
        age_years=float(values[-1]),
        mass_kg=float(values[-2]),
        measures=values[: len(MEASURES)] / 1000,
        races=races,
        features=features,
        skin_tone=float(np.clip(tone, 0.0, 1.0)),
    )


def _general(rng: Generator, woman: bool) -> Array:
    """Measures in mm, mass and age, as ANSUR II has them."""
    spread = spreads()[woman]
    return spread.values(spread.root @ rng.normal(size=len(spread.root)))


def _older(rng: Generator, woman: bool) -> Array:
    """The same of an older adult: what stature and mass say of the other measures."""
    spread = spreads()[woman]
    age = rng.uniform(*OLDER_AGE_YEARS)
    mean, sd = STATURE_MM[woman]
    stature = rng.normal(mean - SHRINKAGE_MM_PER_YEAR[woman] * (age - 40), sd)
    bmi = np.clip(rng.normal(*BMI[woman]), *BMI_BOUNDS)
    known = [MEASURES.index("stature"), len(MEASURES)]
    mass = bmi * (stature / 1000) ** 2
    given = spread.scores(known, np.array([stature, mass]))
    scores = spread.root @ rng.normal(size=len(spread.root))
    covariance = spread.root @ spread.root.T
    gain = covariance[:, known] @ np.linalg.inv(covariance[np.ix_(known, known)])
    values = spread.values(scores + gain @ (given - scores[known]))
    values[known], values[-1] = (stature, mass), age
    return values


@dataclass(frozen=True, eq=False)
class Spread:
    """How measures of one sex are spread. quantiles: (M + 2, Q) at normal scores (Q,).

    root: of the correlations between normal scores, (M + 2, M + 2).
    """

    at: Array
    quantiles: Array
    root: Array

    def values(self, scores: Array) -> Array:
        """The values at normal scores (M + 2,)."""
        scores = scores.clip(-FURTHEST_SCORE, FURTHEST_SCORE)
        rows = zip(scores, self.quantiles, strict=True)
        return np.array([_line(score, self.at, row) for score, row in rows])

    def scores(self, rows: list[int], values: Array) -> Array:
        """The normal scores of the values in some rows."""
        found = [
            _line(v, self.quantiles[row], self.at) for row, v in zip(rows, values, strict=True)
        ]
        return np.clip(found, -FURTHEST_SCORE, FURTHEST_SCORE)


def _line(x: float, at: Array, values: Array) -> float:
    """Linear interpolation, and past either end along the last two intervals' slope."""
    if x < at[0]:
        return float(values[0] + (x - at[0]) * (values[2] - values[0]) / (at[2] - at[0]))
    if x > at[-1]:
        return float(values[-1] + (x - at[-1]) * (values[-1] - values[-3]) / (at[-1] - at[-3]))
    return float(np.interp(x, at, values))


@cache
def spreads() -> tuple[Spread, Spread]:
    """Of men and of women."""
    table = json.loads(ASSET.read_text(encoding="utf-8"))
    at = norm.ppf(table["probabilities"])
    men, women = (
        Spread(
            at=at,
            quantiles=np.array(table[sex]["quantiles"]),
            root=_root(np.array(table[sex]["correlations"]) / 100),
        )
        for sex in ("man", "woman")
    )
    return men, women


def _root(correlations: Array) -> Array:
    """A square root, with the eigenvalues that rounding made negative set to none."""
    values, vectors = np.linalg.eigh(correlations)
    root: Array = vectors * np.sqrt(values.clip(1e-6))
    return root
