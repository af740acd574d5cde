"""The prediction's .npz: its schema, its bytes, and what is no prediction."""

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction, read_meta
from d3ke.skeleton import default_model
from tests.scenes import camera_at, scene, squat

# The schema that users' scripts rely on: name, type letter, number of dimensions.
SCHEMA = {
    "schema_version": ("i", 0),
    "time": ("f", 1),
    "q": ("f", 2),
    "observed": ("b", 1),
    "scales": ("f", 2),
    "markers": ("f", 3),
    "joints": ("f", 3),
    "coordinate_names": ("U", 1),
    "body_names": ("U", 1),
    "joint_names": ("U", 1),
    "marker_names": ("U", 1),
    "ground_from_camera": ("f", 2),
    "camera_matrix": ("f", 2),
    "camera_distortion": ("f", 1),
    "image_size": ("i", 1),
    "landmarks": ("f", 3),
    "boxes": ("f", 2),
    "osim": ("U", 0),
    "meta": ("U", 0),
}


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    seen = scene(squat(1.0), camera_at())
    return in_ground(
        Seen(seen.track, seen.camera, seen.regression, 30.0), default_model(), PredictOptions()
    )


def test_the_schema_is_the_one_documented(prediction: Prediction, tmp_path: Path) -> None:
    prediction.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        found = {name: (file[name].dtype.kind, file[name].ndim) for name in file.files}
    assert found == SCHEMA


def test_what_is_saved_is_loaded_again(prediction: Prediction, tmp_path: Path) -> None:
    told = replace(prediction, q_std=0.1 * np.abs(prediction.q), meta={"key": "x", "n": [1]})
    told.save(tmp_path / "a.npz")
    loaded = Prediction.load(tmp_path / "a.npz")
    for field in fields(Prediction):
        before, after = getattr(told, field.name), getattr(loaded, field.name)
        if isinstance(before, np.ndarray):
            np.testing.assert_array_equal(before, after)
            assert before.dtype == after.dtype
        else:
            assert before == after
    assert read_meta(tmp_path / "a.npz") == {"key": "x", "n": [1]}


def test_the_same_content_has_the_same_bytes(prediction: Prediction, tmp_path: Path) -> None:
    for name in ("a.npz", "b.npz"):
        prediction.save(tmp_path / name)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


def test_shapes_belong_together(prediction: Prediction) -> None:
    frames, osim = 30, default_model()
    assert prediction.q.shape == (frames, len(osim.coordinate_names))
    assert prediction.markers.shape == (frames, len(osim.marker_names), 3)
    assert prediction.joints.shape == (frames, len(osim.joint_names), 3)
    assert prediction.landmarks.shape == (frames, 33, 7)
    assert prediction.marker_data().names == osim.marker_names
    assert prediction.motion().rotational.count(False) == 3


def test_joints_project_onto_the_person(prediction: Prediction) -> None:
    seen = scene(squat(1.0), camera_at())
    camera_from_ground = np.linalg.inv(prediction.ground_from_camera)
    hips = prediction.joints[:, [prediction.joint_names.index(f"hip_{side}") for side in "lr"]]
    in_camera = hips @ camera_from_ground[:3, :3].T + camera_from_ground[:3, 3]
    pixels = in_camera[..., :2] / in_camera[..., 2:] * prediction.camera_matrix[0, 0]
    pixels += prediction.camera_matrix[:2, 2]
    # 15 px: landmark and joint centre of a hip lie 26 mm apart, 7 px here
    np.testing.assert_allclose(pixels, seen.track.landmarks[:, 23:25, :2], atol=15)


def test_the_scaled_model_is_inside(prediction: Prediction) -> None:
    assert prediction.model().body_names == prediction.body_names
    assert "OpenSimDocument" in prediction.osim


def _not_zip(path: Path) -> None:
    path.write_bytes(b"PK not really")


def _other_npz(path: Path) -> None:
    np.savez(path, a=np.zeros(3))


def _plain_array(path: Path) -> None:
    with path.open("wb") as file:
        np.save(file, np.zeros(3))


def _pickle(path: Path) -> None:
    np.savez(path, schema_version=np.array([{"a": 1}], dtype=object))


def _version_in_words(path: Path) -> None:
    np.savez(path, schema_version="first")


def _empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize(
    "make", [_not_zip, _other_npz, _plain_array, _pickle, _version_in_words, _empty]
)
def test_other_files_are_refused_in_one_line(make: Callable[[Path], None], tmp_path: Path) -> None:
    path = tmp_path / "a.npz"
    make(path)
    with pytest.raises(D3keError, match=r"a\.npz: not a") as caught:
        Prediction.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("q", np.zeros((29, 40)), r"q is \(29, 40\), names and times say \(30, 40\)"),
        ("markers", np.zeros((30, 3)), r"markers is \(30, 3\)"),
        ("meta", np.array("{"), "Expecting property name"),
        ("meta", np.array("[1]"), "cannot convert"),
        ("time", np.float64(0), "len"),
    ],
)
def test_a_changed_prediction_is_refused(
    prediction: Prediction, tmp_path: Path, name: str, value: np.ndarray, words: str
) -> None:
    prediction.save(tmp_path / "a.npz")
    with np.load(tmp_path / "a.npz", allow_pickle=False) as file:
        np.savez(tmp_path / "a.npz", **{**file, name: value})
    with pytest.raises(D3keError, match=f"changed since.*{words}"):
        Prediction.load(tmp_path / "a.npz")


def test_a_newer_schema_is_refused(prediction: Prediction, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", schema_version=np.int64(99))
    with pytest.raises(D3keError, match="newer d3ke"):
        Prediction.load(tmp_path / "a.npz")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(D3keError, match=r"none\.npz: no such file"):
        Prediction.load(tmp_path / "none.npz")
