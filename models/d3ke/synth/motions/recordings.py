"""Recorded motions: read from a folder of .mot or from one packed file, and who is in which split.

A recording is a stretch in which nothing but feet touches the floor. Left out of pictures, because
hands, knees or equipment carry there: crawling, rolling, getting up, cartwheels, and what happens
on top of a playground.
"""

import csv
import re
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d, grey_opening

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.motion.filters import resample, uniform_grid
from d3ke.motion.motion import Motion
from d3ke.motion.names import to_names
from d3ke.motion.opensim_files import read_motion
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.bank import sole_heights
from d3ke.synth.motions.contacts import runs
from d3ke.synth.plans import SPLITS

Array = NDArray[np.float32]

RATE_HZ = 60.0
INDEX = "index.csv"
PACK_SCHEMA = 1
LEVELS = 65535  # steps of a packed coordinate between its lowest and its highest value
# File names that begin alike show one person, or may: animation data does not say who it was.
PEOPLE = (
    "cmu_01", "cmu_02", "cmu_03", "nb_s01dn603", "nb_sprint_start", "nb_sprinter", "nb_camargo",
    "nb_kirsten", "nb_welk002", "nb_welk007", "oc_moco",
)  # fmt: skip
SAME_PERSON = {
    "oc_gait2354": "gait2354", "oc_plugin": "gait2354", "nb_hamner": "hamner",
    "oc_hamner": "hamner", "nb_arnold": "arnold", "nb_laiarnold": "arnold",
}  # fmt: skip
# About 80, 10 and 10 % of the seconds, with walking and something else in each.
SPLIT_OF = {
    "arnold": "valid", "hamner": "valid", "nb_s01dn603": "valid",
    "gait2354": "test", "nb_camargo": "test", "nb_kirsten": "test", "nb_welk002": "test",
    "cmu_01": "train", "cmu_02": "train", "cmu_03": "train", "dm": "train", "oc_moco": "train",
    "nb_sprint_start": "train", "nb_sprinter": "train", "nb_welk007": "train",
}  # fmt: skip
NOT_ON_FEET = re.compile("crawl|roll|get.?up|cartwheel|handstand")
ON_EQUIPMENT = re.compile("playground|climb")
WITH_SLIDING_FEET = re.compile("dance|flip")
ON_BELT = re.compile("treadmill|running|sprint")
SHORTEST_S = 0.7
FLOOR_M, LEAST_M, FLIGHT_S, DROP_M = 0.07, 0.01, 0.8, 0.08
FALLING_M_S2 = -4.5  # a pelvis that falls faster than this is in the air
LOW_PELVIS_M, LOW_HEAD_M = 0.25, 0.55  # heights over the feet of someone who lies or kneels


@dataclass(frozen=True, eq=False)
class Recording:
    """A stretch of a recorded motion at RATE_HZ.

    q: (F, K) rad, with the pelvis' way in its x and z for legs of scale 1, m. airborne: (F,) m.
    sliding: its feet slide, so its way is the recorded one. belt: recorded in place.
    """

    name: str
    activity: str
    q: Array
    airborne: Array
    sliding: bool
    belt: bool

    @property
    def person(self) -> str:
        """Who was recorded, as far as the file's name tells."""
        return person_of(self.name)

    @property
    def split(self) -> str:
        """The split that this person is in."""
        return split_of(self.person)


def person_of(name: str) -> str:
    """Who a recording shows, by its file name: where nothing better is known, its first word."""
    for start, person in SAME_PERSON.items():
        if name.startswith(start):
            return person
    for start in PEOPLE:
        if name.startswith(start):
            return start
    return re.split("[_. -]", name, maxsplit=1)[0]


def split_of(person: str) -> str:
    """Always the same split for a person: 8 of 10 unknown ones train."""
    lot = zlib.crc32(person.encode()) % 10
    return SPLIT_OF.get(person, SPLITS[max(lot - 7, 0)])


def read_recordings(folder: Path, osim: OsimModel) -> list[Recording]:
    """Every .mot of a folder, in the order of names.

    Raises D3keError: no such folder, no .mot, a motion of another model, a gap in a motion.
    """
    if not folder.is_dir():
        raise D3keError(f"{folder}: no such folder. Pass the folder of recorded .mot motions.")
    paths = sorted(folder.glob("*.mot"))
    if not paths:
        raise D3keError(f"{folder}: no .mot files. Pass the folder of recorded motions.")
    facts = _facts(folder / INDEX)
    skeleton = SkeletalModel(osim)
    found: list[Recording] = []
    for path in paths:
        motion = _checked(path, osim.coordinate_names)
        activity, leg_scale = facts.get(path.name, (path.stem.replace("_", " "), 1.0))
        if not NOT_ON_FEET.search(activity.lower()):
            found += _stretches(skeleton, path.stem, activity, motion, leg_scale)
    return found


def read_pack(path: Path, osim: OsimModel) -> list[Recording]:
    """Recordings that write_pack wrote.

    Raises D3keError: not such a file, or of another model.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            table = {name: arrays[name] for name in arrays.files}
        if int(table["schema"]) != PACK_SCHEMA:
            raise ValueError("another schema")
        names = tuple(table["coordinates"].tolist())
        found = _unpacked(table)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise D3keError(
            f"{path}: not a readable pack of motions. Pass a folder of .mot, or pack it again."
        ) from error
    _require(path, osim.coordinate_names, names)
    return found


def write_pack(path: Path, recordings: Sequence[Recording], names: Sequence[str]) -> None:
    """Recordings in one small file: coordinates in LEVELS steps, flights in half precision."""
    packed = [_packed(recording.q) for recording in recordings]
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(
            file,
            schema=np.array(PACK_SCHEMA),
            coordinates=np.array(list(names)),
            name=np.array([r.name for r in recordings]),
            activity=np.array([r.activity for r in recordings]),
            flags=np.array([(r.sliding, r.belt) for r in recordings]),
            length=np.array([len(r.q) for r in recordings]),
            low=np.stack([low for _, low, _ in packed]),
            step=np.stack([step for *_, step in packed]),
            q=np.concatenate([levels for levels, *_ in packed]),
            airborne=np.concatenate([r.airborne for r in recordings]).astype(np.float16),
        )


def _packed(q: Array) -> tuple[NDArray[np.uint16], Array, Array]:
    low = q.min(axis=0)
    step = np.maximum((q.max(axis=0) - low) / LEVELS, np.float32(1e-9))
    return np.rint((q - low) / step).astype(np.uint16), low, step


def _unpacked(table: Mapping[str, NDArray[np.generic]]) -> list[Recording]:
    ends = np.cumsum(np.asarray(table["length"], dtype=int))
    found = []
    for row, (begin, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        levels = np.asarray(table["q"][begin:end], dtype=np.float32)
        low, step = (np.asarray(table[key][row], dtype=np.float32) for key in ("low", "step"))
        sliding, belt = np.asarray(table["flags"][row], dtype=bool).tolist()
        found.append(
            Recording(
                name=str(table["name"][row]),
                activity=str(table["activity"][row]),
                q=levels * step + low,
                airborne=np.asarray(table["airborne"][begin:end], dtype=np.float32),
                sliding=sliding,
                belt=belt,
            )
        )
    return found


def _facts(index: Path) -> dict[str, tuple[str, float]]:
    """Activity and leg scale of each file, where the folder has an index."""
    if not index.is_file():
        return {}
    with index.open(newline="", encoding="utf-8") as lines:
        rows = list(csv.DictReader(lines))
    try:
        return {row["file"]: (row["activity"], float(row["leg_scale"])) for row in rows}
    except (KeyError, TypeError, ValueError) as error:
        raise D3keError(
            f"{index}: the columns file, activity and leg_scale are needed. Mend or remove it."
        ) from error


def _checked(path: Path, names: Sequence[str]) -> Motion:
    """A motion in the model's coordinates, whole."""
    motion = to_names(read_motion(path), names)
    given = ~np.isnan(motion.q).all(axis=0)
    _require(path, names, [names[column] for column in np.flatnonzero(given).tolist()])
    gaps = np.argwhere(np.isnan(motion.q))
    if len(gaps):
        frame, column = gaps[0]
        raise D3keError(
            f"{path}: {names[column]} is not a number at {motion.time[frame]:.3f} s. "
            "Fill the gap or take the file away."
        )
    if len(motion.time) < 4:
        raise D3keError(f"{path}: fewer than 4 frames. Take the file away.")
    return motion.unwrapped()


def _require(path: Path, wanted: Sequence[str], given: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in given]
    if missing:
        shown = ", ".join(missing[:4]) + (", ..." if len(missing) > 4 else "")
        raise D3keError(
            f"{path}: a motion of another model, without {shown}. "
            "Convert it to the coordinates of the default model."
        )


def _stretches(
    skeleton: SkeletalModel, name: str, activity: str, motion: Motion, leg_scale: float
) -> list[Recording]:
    """What of a motion shows someone on their feet."""
    names = skeleton.osim.coordinate_names
    slides = [names.index(f"pelvis_t{axis}") for axis in "xyz"]
    grid = uniform_grid(motion.time, RATE_HZ)
    q = resample(motion.time, motion.q, grid).astype(np.float32)
    q[:, slides] /= leg_scale
    heights = sole_heights(skeleton, torch.from_numpy(q)).amin(dim=1).double().numpy()
    airborne = _flights(heights, q[:, slides[1]].astype(float))
    usable = _on_feet(skeleton, q, heights)
    if ON_EQUIPMENT.search(activity):
        usable &= (heights < FLOOR_M) | (airborne > 0)
    way = q[:, [slides[0], slides[2]]]
    belt = bool(ON_BELT.search(activity)) and _pace(way) < 0.5
    found = []
    for begin, end in runs(usable):
        if end - begin < SHORTEST_S * RATE_HZ:
            continue
        part = q[begin:end].copy()
        part[:, slides] -= part[0, slides]
        part[:, slides[1]] = 0
        levels, low, step = _packed(part)
        air = airborne[begin:end].astype(np.float16).astype(np.float32)
        whole = levels.astype(np.float32) * step + low  # the same whether packed or not
        sliding = bool(WITH_SLIDING_FEET.search(activity))
        found.append(Recording(name, activity, whole, air, sliding, belt))
    return found


def _pace(way: Array) -> float:
    """Speed from the first frame to the last, m/s. way: (F, 2) m."""
    return float(np.linalg.norm(way[-1] - way[0])) / (len(way) / RATE_HZ)


def _flights(heights: NDArray[np.float64], pelvis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Height of the lower sole in true flights, (F,) m; 0 elsewhere.

    heights: (F,) of the lower sole; pelvis: (F,) height. Both in m at RATE_HZ.
    """
    floor = grey_opening(heights, size=round(FLIGHT_S * RATE_HZ), mode="nearest")
    over = np.clip(heights - floor, 0, None)
    falling = gaussian_filter1d(pelvis, 1.5, order=2, mode="nearest") * RATE_HZ**2
    airborne = np.zeros_like(heights)
    for begin, end in runs((falling < FALLING_M_S2) & (over > LEAST_M)):
        flown = over[begin:end]
        ends = np.linspace(flown[0], flown[-1], end - begin)
        uneven = abs(flown[0] - flown[-1]) > DROP_M  # off something, or begun in the air
        airborne[begin:end] = np.clip(flown - (0.0 if uneven else ends), 0, None)
    return airborne


def _on_feet(skeleton: SkeletalModel, q: Array, heights: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether pelvis and head are over the feet as of someone who stands or crouches, (F,)."""
    bodies = skeleton.bodies(torch.from_numpy(q))
    names = skeleton.osim.body_names
    pelvis, head = (
        bodies[:, names.index(body), 1, 3].double().numpy() for body in ("pelvis", "head")
    )
    upright: NDArray[np.bool_] = pelvis - heights > LOW_PELVIS_M
    return upright & (head - heights > LOW_HEAD_M)
