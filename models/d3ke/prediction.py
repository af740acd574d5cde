"""Prediction: what was found in one clip, and its .npz."""

import json
import os
import zipfile
import zlib
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion
from d3ke.skeleton.osim import OsimModel

SCHEMA_VERSION = 1
TEXTS = {"coordinate_names", "body_names", "joint_names", "marker_names"}


@dataclass(frozen=True)
class Prediction:
    """One clip's motion in ground, at the times of the frames that were looked at.

    time: (T,) s. q: (T, K) rad or m, NaN where the person was out of sight for long. q_std: the
    same shape, rad, such that the filtered q +- 1.645 q_std covers 90 %, NaN where not known (the
    pelvis, what was not observed); None where the weights tell no uncertainty. observed: (K,)
    False where a coordinate is the prior's and was not measured. scales: (N, 3). markers, joints:
    (T, M, 3), (T, J, 3) m. ground_from_camera: (4, 4). camera_matrix: (3, 3), camera_distortion:
    (5,), image_size: (2,) px. landmarks: (T, 33, 7) and boxes: (T, 4), see PersonTrack. osim: the
    scaled model's XML. meta: versions, options, what was assumed, warnings.
    """

    time: NDArray[np.float64]
    q: NDArray[np.float64]
    q_std: NDArray[np.float64] | None
    observed: NDArray[np.bool_]
    scales: NDArray[np.float64]
    markers: NDArray[np.float32]
    joints: NDArray[np.float32]
    coordinate_names: tuple[str, ...]
    body_names: tuple[str, ...]
    joint_names: tuple[str, ...]
    marker_names: tuple[str, ...]
    ground_from_camera: NDArray[np.float64]
    camera_matrix: NDArray[np.float64]
    camera_distortion: NDArray[np.float64]
    image_size: NDArray[np.int64]
    landmarks: NDArray[np.float32]
    boxes: NDArray[np.float32]
    osim: str
    meta: dict[str, Any]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the .npz: the same bytes for the same content.

        Raises D3keError where the file cannot be written.
        """
        arrays: dict[str, Any] = {"schema_version": np.int64(SCHEMA_VERSION)}
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name == "meta":
                value = json.dumps(value, sort_keys=True)
            if value is not None:
                arrays[field.name] = np.asarray(value)
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Prediction":
        """Read a .npz of `save`.

        Raises D3keError for any other file, and for one of a newer d3ke.
        """
        arrays = _arrays(Path(path))
        version = _version(arrays)
        if version > SCHEMA_VERSION:
            raise D3keError(
                f"{path}: written by a newer d3ke (schema {version}, this one reads up to "
                f"{SCHEMA_VERSION}). Update d3ke."
            )
        missing = sorted({field.name for field in fields(cls)} - set(arrays) - {"q_std"})
        if missing or version < 1:
            raise D3keError(
                f"{path}: not a prediction of d3ke (it lacks "
                f"{', '.join(missing or ['schema_version'])}). "
                "Pass the .npz that `d3ke predict` wrote."
            )
        values: dict[str, Any] = {field.name: arrays.get(field.name) for field in fields(cls)}
        try:
            values |= {name: tuple(str(text) for text in arrays[name]) for name in TEXTS}
            values |= {"osim": str(arrays["osim"]), "meta": dict(json.loads(str(arrays["meta"])))}
            found = cls(**values)
            found._check_shapes()
        except (ValueError, TypeError) as error:
            raise D3keError(
                f"{path}: changed since `d3ke predict` wrote it ({error}). Predict the clip again."
            ) from error
        return found

    def _check_shapes(self) -> None:
        """Raises ValueError where arrays do not belong together."""
        frames, coordinates = len(self.time), len(self.coordinate_names)
        shapes = {
            "q": (frames, coordinates),
            "observed": (coordinates,),
            "scales": (len(self.body_names), 3),
            "markers": (frames, len(self.marker_names), 3),
            "joints": (frames, len(self.joint_names), 3),
        }
        if self.q_std is not None:
            shapes["q_std"] = shapes["q"]
        for name, shape in shapes.items():
            found = np.shape(getattr(self, name))
            if found != shape:
                raise ValueError(f"{name} is {found}, names and times say {shape}")

    def motion(self) -> Motion:
        """The coordinates over time."""
        rotational = {c.name: c.rotational for c in self.model().coordinates}
        return Motion(
            self.time,
            self.q,
            self.coordinate_names,
            tuple(rotational[name] for name in self.coordinate_names),
        )

    def marker_data(self) -> MarkerData:
        """The markers over time."""
        return MarkerData(self.time, self.markers.astype(np.float64), self.marker_names)

    def model(self) -> OsimModel:
        """The scaled model."""
        return _model_of(self.osim)


@lru_cache(maxsize=2)  # it is asked for several times a clip, and read in 50 ms
def _model_of(xml: str) -> OsimModel:
    return OsimModel.from_xml(xml)


def read_meta(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The meta of a prediction alone, without its arrays. Raises D3keError as `load` does."""
    arrays = _arrays(Path(path), ("meta",))
    return dict(json.loads(str(arrays["meta"]))) if "meta" in arrays else {}


def _version(arrays: dict[str, NDArray[Any]]) -> int:
    """The schema's version; 0 where there is none."""
    version = arrays.get("schema_version", np.int64(0))
    return int(version) if np.issubdtype(version.dtype, np.integer) and not version.shape else 0


def _arrays(path: Path, only: tuple[str, ...] | None = None) -> dict[str, NDArray[Any]]:
    try:
        with np.load(path, allow_pickle=False) as file:
            return {name: file[name] for name in file.files if only is None or name in only}
    except FileNotFoundError as error:
        raise D3keError(f"{path}: no such file. Check the name.") from error
    except (
        OSError,
        ValueError,
        EOFError,
        AttributeError,
        TypeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        raise D3keError(
            f"{path}: not a readable .npz. Pass the .npz that `d3ke predict` wrote."
        ) from error
