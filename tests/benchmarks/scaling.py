"""How well people are scaled by their markers: ScaleTool's own rule, and ours, on made-up people.

    python -m tests.benchmarks.scaling [--people N]

Every person has a factor of 0.85 to 1.15 for each segment, equal on both sides, markers that are
worn 4 mm (standard deviation, in each direction) from their places, and stands with the arms and
knees that people have, or moves. Errors of scale factors, and of where markers are put, beside the
truth. Markers: all of the default skeleton, or those of Plug-in Gait.
"""

import argparse
from dataclasses import replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from d3ke.motion.markers import MarkerData
from d3ke.omc.scale_setup import ScaleSetup
from d3ke.omc.scaling import scale_model
from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from tests.default_scaling import default_scale_setup

Array = NDArray[np.float64]

WORN_M = 0.004
FRAMES, RATE_HZ = 60, 30
TOGETHER = {"sacrum": "pelvis", "talus": "foot", "calcn": "foot", "toes": "foot", "radius": "ulna"}
PLUG_IN_GAIT = (
    "ASI", "PSI", "THI", "KNE", "TIB", "ANK", "HEE", "TOE", "SHO", "UPA", "ELB", "FRM", "WRA",
    "WRB", "FIN", "FHD", "BHD",
)  # fmt: skip
MIDDLE = ("C7", "T10", "CLAV", "STRN")
# How people stand, deg: the mean and the standard deviation between them. Made up.
STANDING = {
    "arm_add": (-15, 8), "arm_flex": (5, 8), "elbow_flex": (20, 8), "knee_angle": (4, 3),
    "hip_flexion": (3, 4), "hip_adduction": (-3, 2), "pro_sup": (80, 15),
}  # fmt: skip


def person(osim: OsimModel, rng: np.random.Generator) -> tuple[Array, OsimModel]:
    """Scales (N, 3), and the unscaled model with the markers where they are worn."""
    drawn: dict[str, float] = {}
    scales = np.ones((len(osim.bodies), 3))
    for row, body in enumerate(osim.body_names):
        name = body.removesuffix("_r").removesuffix("_l")
        scales[row] = drawn.setdefault(TOGETHER.get(name, name), rng.uniform(0.85, 1.15))
    markers = []
    for marker in osim.markers:
        x, y, z = np.array(marker.location) + rng.normal(0, WORN_M, 3)
        markers.append(replace(marker, location=(x, y, z)))
    return scales, replace(osim, markers=tuple(markers))


def postures(osim: OsimModel, rng: np.random.Generator, still: bool) -> Array:
    """Coordinates (F, K) of a person who stands, or of one who moves everything."""
    q = np.tile([coordinate.default for coordinate in osim.coordinates], (FRAMES, 1))
    time = np.arange(FRAMES) / RATE_HZ
    for column, coordinate in enumerate(osim.coordinates):
        mean, spread = STANDING.get(coordinate.name[:-2], (None, 2))
        if not coordinate.rotational:
            continue
        if mean is not None:
            q[:, column] = np.radians(mean)
        q[:, column] += np.radians(rng.normal(0, spread))
        if not still:
            swing = np.radians(rng.uniform(5, 30))
            q[:, column] += swing * np.sin(6 * time + rng.uniform(0, 6))
    return q


def errors(seed: int, still: bool, names: list[str], setup: ScaleSetup) -> tuple[float, float]:
    """Mean over bodies of a factor's error, per cent; median over markers of a place's, mm."""
    osim, rng = default_model(), np.random.default_rng(seed)
    scales, worn = person(osim, rng)
    q = torch.from_numpy(postures(osim, rng, still))
    places = SkeletalModel(worn, torch.float64)(q, torch.from_numpy(scales)).markers.numpy()
    markers = MarkerData(np.arange(FRAMES) / RATE_HZ, places, osim.marker_names).select(names)
    found = scale_model(osim, markers, setup, still=still)
    off = np.abs(found.scales[:, 0] - scales[:, 0]).mean() * 100
    by_body = dict(zip(osim.body_names, scales, strict=True))
    truth = {m.name: np.array(m.location) * by_body[m.body] for m in worn.markers}
    chosen = [marker for marker in found.osim.markers if marker.name in names]
    put = [np.linalg.norm(marker.location - truth[marker.name]) for marker in chosen]
    return float(off), float(np.median(put)) * 1e3


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--people", type=int, default=12)
    people = parser.parse_args().people
    every = list(default_model().marker_names)
    few = [name for name in every if name[1:] in PLUG_IN_GAIT or name in MIDDLE]
    ours = default_scale_setup()
    rules = {
        "ScaleTool's rule": replace(ours, rounds=1, postures=0),
        "scaled until it fits": replace(ours, postures=0),
        "and in the postures": ours,
    }
    rows = []
    for still in (True, False):
        for markers, names in (("all", every), ("Plug-in Gait", few)):
            for rule, setup in rules.items():
                found = np.array([errors(seed, still, names, setup) for seed in range(people)])
                trial = "static" if still else "moving"
                rows.append((trial, markers, rule, *found.mean(axis=0)))
    columns = ["trial", "markers", "rule", "factors %", "places mm"]
    print(f"python -m tests.benchmarks.scaling --people {people}: means over people\n")
    print(pd.DataFrame(rows, columns=columns).to_string(index=False, float_format="%.2f"))


if __name__ == "__main__":
    main()
