"""A data folder of a few kilobytes: a motion and two anthropometric tables, made up."""

import gzip
from pathlib import Path

import numpy as np

from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import write_motion
from d3ke.skeleton import default_model
from d3ke.synth.landmarks.people import ANSUR_FILES

# A person whose body scales are all 1.
MEASUREMENTS_MM = {
    "lateralmalleolusheight": 70,
    "lateralfemoralepicondyleheight": 70 + 415,
    "trochanterionheight": 70 + 415 + 400,
    "acromialheight": 70 + 415 + 400 + 525,
    "footlength": 262,
    "biacromialbreadth": 400,
    "hipbreadth": 330,
    "acromionradialelength": 320,
    "radialestylionlength": 254,
    "handlength": 188,
    "headlength": 195,
    "thighcircumference": 620,
    "calfcircumference": 390,
}


def small_data(folder: Path) -> Path:
    """Write `motions` and `anthropometry` under `folder` and return it."""
    osim = default_model()
    time = np.arange(0, 2.0, 0.01)
    q = np.zeros((len(time), len(osim.coordinates)))
    q[:, osim.coordinate_names.index("knee_angle_r")] = 0.5 + 0.5 * np.sin(4 * time)
    q[:, osim.coordinate_names.index("pelvis_ty")] = 0.95
    rotational = tuple(coordinate.rotational for coordinate in osim.coordinates)
    (folder / "motions").mkdir(parents=True)
    write_motion(
        folder / "motions" / "bend.mot", Motion(time, q, osim.coordinate_names, rotational)
    )
    (folder / "anthropometry").mkdir()
    rng = np.random.default_rng(0)
    for name, size in zip(ANSUR_FILES, (1.03, 0.95), strict=True):
        _write_table(folder / "anthropometry" / name, size, rng)
    return folder


def _write_table(path: Path, size: float, rng: np.random.Generator) -> None:
    """Fifty people whose lengths are near the reference, times `size`."""
    whole = size * rng.normal(1, 0.03, (50, 1))
    rows = whole * np.array(list(MEASUREMENTS_MM.values()))
    rows = rows * rng.normal(1, 0.002, rows.shape)
    lines = [
        ",".join(MEASUREMENTS_MM),
        *(",".join(f"{value:.1f}" for value in row) for row in rows),
    ]
    with gzip.open(path, "wt", encoding="latin-1") as text:
        text.write("\n".join(lines))
