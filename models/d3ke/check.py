"""Check: what OpenSim would refuse or silently misread in a file, in words; how good a clip is.

A problem is what makes OpenSim refuse the file or take it for something else than it is. A warning
is what may be meant so. A file that is read as it was meant, by everyone, has neither. A clip has a
problem where d3ke predict would refuse it, and a warning where it is poor to measure from.
"""

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import read_bytes, read_text
from d3ke.motion.body_sense import BodySense, sense_by_model, sense_by_names
from d3ke.motion.c3d import read_c3d
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.motion.motion_sense import motion_remarks
from d3ke.motion.names import CLEAR_BEND, GAIT2392, family_of, family_of_model
from d3ke.motion.opensim_files import STD_TITLE, motion_in
from d3ke.motion.storage import Remark, parse_storage
from d3ke.motion.trc import parse_trc
from d3ke.prediction import Prediction
from d3ke.progress import Silent
from d3ke.quality import Judgement, judge_clip
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.video import SUFFIXES as VIDEOS

Array = NDArray[np.float64]

SHOWN = 5  # names in a message
NEAR_AXIS = 0.8  # cosine of 37 degrees: a body that leans more is taken to lie


@dataclass(frozen=True)
class CheckResult:
    """What is wrong with a file. ok: nothing but warnings. quality: of a clip."""

    file: Path
    problems: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    quality: tuple[Judgement, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether OpenSim reads the file as it is meant, or d3ke predict the clip."""
        return not self.problems

    def to_json(self) -> dict[str, Any]:
        """The result as JSON has it."""
        told: dict[str, Any] = {
            "file": str(self.file),
            "ok": self.ok,
            "problems": list(self.problems),
            "warnings": list(self.warnings),
        }
        return told | ({"quality": [asdict(one) for one in self.quality]} if self.quality else {})


def check(
    file: str | os.PathLike[str], model: OsimModel | str | os.PathLike[str] | None = None
) -> CheckResult:
    """Look at a .mot, .sto, .trc, .c3d, .osim, .npz of `d3ke predict`, or a clip for it.

    model: an .osim that the motion or the markers are meant for.
    Raises D3keError: no such file, another kind of file, a model that cannot be read, or one
    for a clip. What is wrong inside the file is in the result.
    """
    path = Path(file)
    if path.is_dir() or path.suffix.lower() in VIDEOS:
        if model is not None:
            raise D3keError(f"{path}: a clip is judged without a model. Leave the .osim out.")
        return _check_clip(path)
    look = CHECKS.get(path.suffix.lower())
    if look is None:
        raise D3keError(
            f"{path}: not a kind of file to check. Pass {', '.join(CHECKS)} or a video."
        )
    read_bytes(path)
    if model is not None and not isinstance(model, OsimModel):
        model = OsimModel.from_file(model)
    try:
        remarks = list(look(path, model))
    except D3keError as error:
        remarks = [Remark(_without_path(str(error), path), misread=True)]
    return CheckResult(
        path,
        tuple(remark.text for remark in remarks if remark.misread),
        tuple(remark.text for remark in remarks if not remark.misread),
    )


def _check_clip(path: Path) -> CheckResult:
    if not path.exists():
        raise D3keError(f"{path}: no such file. Check its name.")
    heard = Silent()
    try:
        found = judge_clip(path, heard)
    except D3keError as error:
        return CheckResult(path, (_without_path(str(error), path),))
    said = tuple(_without_path(text, path) for text in heard.warnings)
    return CheckResult(path, (), said, tuple(found))


def _check_motion(path: Path, model: OsimModel | None) -> Iterator[Remark]:
    text = read_text(path)
    table = parse_storage(text, path)
    yield from table.remarks
    yield from _line_ends(path)
    if text.startswith(STD_TITLE):
        if model is not None:
            yield Remark("standard deviations, no motion: load the .mot beside it", True)
        return
    turns = {c.name: c.rotational for c in model.coordinates} if model else None
    motion = motion_in(table, path, turns)
    yield from motion_remarks(motion, table.in_degrees, path.suffix.lower() == ".mot")
    if model is not None:
        yield from _names_in_model(motion, model)


def _names_in_model(motion: Motion, model: OsimModel) -> Iterator[Remark]:
    known, found = set(model.coordinate_names), set(motion.names)
    strange = [name for name in motion.names if name not in known]
    if not known & found:
        yield Remark(f"no column is a coordinate of {model.name}: {_some(strange)}", True)
        return
    if strange:
        yield Remark(f"no coordinates of {model.name}, so ignored: {_some(strange)}", True)
    dependent = {coupler.dependent for coupler in model.couplers}
    missing = [name for name in model.coordinate_names if name not in found | dependent]
    if missing:
        yield Remark(f"not in the file, so left at their defaults: {_some(missing)}", False)
    negative = family_of_model(model) is GAIT2392
    if _bends(motion) and (family_of(motion.names, motion) is GAIT2392) != negative:
        signs = ("positive", "negative") if negative else ("negative", "positive")
        yield Remark("knee flexion is {} here and {} in the model".format(*signs), True)
    yield from _out_of_range(motion, model)


def _bends(motion: Motion) -> bool:
    knees = [
        motion.column(name) for name in ("knee_angle_r", "knee_angle_l") if name in motion.names
    ]
    return bool(knees) and bool(np.nanmax(np.abs(knees), initial=0) > CLEAR_BEND)


def _out_of_range(motion: Motion, model: OsimModel) -> Iterator[Remark]:
    beyond = []
    for coordinate in model.coordinates:
        if coordinate.name in motion.names and coordinate.clamped:
            low, high = coordinate.range
            values = motion.column(coordinate.name)
            if (values < low - 1e-3).any() or (values > high + 1e-3).any():
                beyond.append(coordinate.name)
    if beyond:
        yield Remark(f"beyond the model's range, where tools clamp: {_some(beyond)}", False)


def _check_trc(path: Path, model: OsimModel | None) -> Iterator[Remark]:
    table = parse_trc(read_text(path), path)
    yield from table.remarks
    yield from _line_ends(path)
    yield from _about_markers(table.markers, model, z_up_is_usual=False)


def _check_c3d(path: Path, model: OsimModel | None) -> Iterator[Remark]:
    warnings: list[str] = []
    markers = read_c3d(path, warnings.append)
    about = list(_about_markers(markers, model, z_up_is_usual=True))
    said = [_without_path(text, path) for text in warnings]
    if any("points up" in remark.text for remark in about):
        said = [text for text in said if "points up" not in text]
    yield from (Remark(text, "labelled" in text) for text in said)
    yield from about


def _about_markers(
    markers: MarkerData, model: OsimModel | None, z_up_is_usual: bool
) -> Iterator[Remark]:
    zeros = int((markers.xyz == 0).all(axis=2).sum())
    if zeros:
        yield Remark(f"{zeros} marker places are exactly 0, 0, 0: write nan for missing", True)
    sense = sense_by_names(markers)
    if model is not None:
        yield from _markers_in_model(markers, model)
        if sense is None or not sense.handed:
            sense = sense_by_model(markers, standing_places(model))
    if sense is not None:
        yield from _about_axes(sense, z_up_is_usual)


def _about_axes(sense: BodySense, z_up_is_usual: bool) -> Iterator[Remark]:
    if sense.handed < 0:
        yield Remark("the axes are left-handed (right and left side mirrored): flip one", True)
    axis = int(np.argmax(np.abs(sense.up)))
    if axis == 1 and sense.up[1] > 0:
        return
    if abs(sense.up[axis]) > NEAR_AXIS * np.linalg.norm(sense.up):
        sign = "-" if sense.up[axis] < 0 else ""
        text = f"{sign}{'XYZ'[axis]} points up; OpenSim's ground has Y up: turn the axes"
        yield Remark(text, not z_up_is_usual)


def _markers_in_model(markers: MarkerData, model: OsimModel) -> Iterator[Remark]:
    known = set(model.marker_names)
    if not known:
        yield Remark(f"the model {model.name} has no markers: add a marker set", True)
        return
    strange = [name for name in markers.names if name not in known]
    if len(strange) == len(markers.names):
        yield Remark(f"no marker of {model.name} is in the file: {_some(strange)}", True)
    elif strange:
        yield Remark(f"no markers of {model.name}, so ignored: {_some(strange)}", False)
    missing = sorted(known - set(markers.names))
    if missing and len(strange) < len(markers.names):
        yield Remark(f"in the model but not in the file: {_some(missing)}", False)


def standing_places(model: OsimModel) -> dict[str, Array]:
    """Where the model's markers are at its default coordinates, (3,) m each."""
    import torch

    from d3ke.skeleton.kinematics import SkeletalModel

    defaults = torch.tensor([c.default for c in model.coordinates], dtype=torch.float64)
    places = SkeletalModel(model, dtype=torch.float64)(defaults).markers.numpy()
    return dict(zip(model.marker_names, places, strict=True))


def _check_osim(path: Path, _: OsimModel | None) -> Iterator[Remark]:
    try:
        model = OsimModel.from_file(path)
    except D3keError as error:
        raise D3keError(f"d3ke cannot use it: {_without_path(str(error), path)}.") from error
    unit = re.search(r"<length_units>\s*(.*?)\s*</length_units>", model.xml)
    if unit and unit[1] not in {"meters", "m"}:
        yield Remark(f"length_units is {unit[1]}; OpenSim takes metres", True)
    meshes = re.findall(r"<mesh_file>\s*(.*?)\s*</mesh_file>", model.xml)
    local = [mesh for mesh in meshes if re.match(r"/|\\|[A-Za-z]:|~", mesh)]
    if local:
        yield Remark(f"shapes on this computer only: {_some(local)}: use bare file names", False)
    if not model.markers:
        yield Remark("no markers: inverse kinematics needs a marker set", False)


def _check_npz(path: Path, model: OsimModel | None) -> Iterator[Remark]:
    found = Prediction.load(path)
    motion = found.motion()
    gaps = np.asarray(np.isnan(found.q).any(axis=1))
    if gaps.all():
        yield Remark("no frame has a posture: the person was never seen", True)
        return
    if gaps.any():
        yield Remark(f"{int(gaps.sum())} of {len(gaps)} frames are gaps", False)
    yield from motion_remarks(motion, in_degrees=False, uniform=False)
    if model is not None:
        yield from _names_in_model(motion, model)
    yield from (Remark(str(text), False) for text in found.meta.get("warnings", []))


def _line_ends(path: Path) -> Iterator[Remark]:
    data = read_bytes(path)
    if b"\r" in data and b"\n" not in data:
        yield Remark("lines end with CR alone, which OpenSim does not read: use LF", True)
    if data.startswith(b"\xef\xbb\xbf") and path.suffix.lower() == ".trc":
        yield Remark("begins with a byte order mark, which OpenSim refuses in .trc", True)


def _without_path(text: str, path: Path) -> str:
    return text.removeprefix(f"{path}").lstrip(":, ").removesuffix(".")


def _some(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


CHECKS: dict[str, Callable[[Path, OsimModel | None], Iterator[Remark]]] = {
    ".mot": _check_motion,
    ".sto": _check_motion,
    ".trc": _check_trc,
    ".c3d": _check_c3d,
    ".osim": _check_osim,
    ".npz": _check_npz,
}
