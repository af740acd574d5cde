"""AMASS files: how a body of SMPL+H moved."""

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError

Array = NDArray[np.float64]

JOINTS = 52  # of SMPL+H: 22 of the body, 30 of the hands


@dataclass(frozen=True, eq=False)
class Amass:
    """A movement of T moments.

    sex: of the body model that the shape belongs to; poses: (T, 52, 3) rotation vectors, rad;
    betas: (16,) shape; trans: (T, 3) m; rate_hz.
    """

    sex: str
    poses: Array
    betas: Array
    trans: Array
    rate_hz: float


def read_amass(path: Path | str) -> Amass:
    """Read a Subject_N_F_k_poses.npz.

    Raises D3keError: no such file, broken, or not of SMPL+H.
    Source: AMASS (github.com/nghorbani/amass): poses (T, 156), betas (16,), trans (T, 3), gender,
    mocap_framerate.
    """
    path = Path(path)
    arrays = read_arrays(path, ("poses", "betas", "trans", "gender", "mocap_framerate"))
    poses = np.asarray(arrays["poses"], np.float64)
    trans = np.asarray(arrays["trans"], np.float64)
    rate_hz = float(arrays["mocap_framerate"])
    betas = np.asarray(arrays["betas"], np.float64)
    fits = poses.shape == (len(trans), 3 * JOINTS) and trans.shape[1:] == (3,)
    if not fits or betas.shape != (16,) or not rate_hz > 0:
        raise D3keError(f"{path}: not a movement of SMPL+H. Take AMASS' BMLmovi as SMPL+H G.")
    gender = arrays["gender"].item()
    return Amass(
        sex=(gender.decode() if isinstance(gender, bytes) else str(gender)).lower(),
        poses=poses.reshape(-1, JOINTS, 3),
        betas=betas,
        trans=trans,
        rate_hz=rate_hz,
    )


def read_arrays(path: Path, names: tuple[str, ...]) -> dict[str, NDArray[Any]]:
    """Arrays of an .npz by their names.

    Raises D3keError: no such file, broken, or one is missing.
    """
    if not path.is_file():
        raise D3keError(f"{path}: no such file. Check the name.")
    faults = (OSError, ValueError, EOFError, KeyError, TokenError, zipfile.BadZipFile, zlib.error)
    try:
        with np.load(path, allow_pickle=False) as file:
            missing = [name for name in names if name not in file]
            found = {name: file[name] for name in names if name not in missing}
    except faults as error:
        raise D3keError(f"{path}: broken, or not an .npz of numbers. Download it again.") from error
    if missing:
        raise D3keError(f"{path}: has no {', '.join(missing)}. Is it the right file?")
    return found
