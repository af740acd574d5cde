"""A motion of one model as a motion of another: angles, sizes, and what stays between them."""

from pathlib import Path

import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.motion.motion import Motion
from d3ke.motion.opensim_files import read_motion
from d3ke.omc.transfer import factors, transferred
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from tests.scenes import squat

OSIM = default_model()
ROOT = ("pelvis_tx", "pelvis_ty", "pelvis_tz")


def motion_of(q: np.ndarray) -> Motion:
    flags = tuple(c.rotational for c in OSIM.coordinates)
    return Motion(np.arange(len(q)) / 30, q, OSIM.coordinate_names, flags)


def sizes(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.85, 1.2, (len(OSIM.bodies), 3))


def test_the_same_model_of_another_size_gives_its_scales_and_motion_back() -> None:
    scales = sizes()
    q = squat(1.0)[1]
    found = transferred(motion_of(q), OSIM.scaled(scales), OSIM)
    boned = [row for row, body in enumerate(OSIM.bodies) if "Mesh" in _body_of(body.name)]
    assert len(boned) > 15
    np.testing.assert_allclose(found.scales[boned], scales[boned], atol=1e-6)
    np.testing.assert_allclose(found.q, q, atol=1e-6)
    assert found.errors.max() < 1e-6
    assert found.known.all()


def _body_of(name: str) -> str:
    after = OSIM.xml.split(f'<Body name="{name}">', 1)[1]
    return after.split("</Body>", 1)[0]


def test_lengths_tell_the_size_where_bones_have_no_pictures() -> None:
    scales = np.repeat(sizes()[:, :1], 3, axis=1)
    bare = OsimModel.from_xml(OSIM.scaled(scales).xml.replace(".vtp", ".other"))
    found = factors(bare, OSIM)
    for body in ("femur_r", "tibia_l", "humerus_r"):
        row = OSIM.body_names.index(body)
        np.testing.assert_allclose(found[row], scales[row], atol=1e-6)


def test_what_a_motion_lacks_is_not_known() -> None:
    q = squat(0.5)[1]
    part = motion_of(q).select([name for name in OSIM.coordinate_names if "wrist" not in name])
    found = transferred(part, OSIM, OSIM)
    unknown = {OSIM.coordinate_names[place] for place in np.flatnonzero(~found.known)}
    assert unknown == {f"wrist_{way}_{side}" for way in ("flex", "dev") for side in "rl"}


def test_a_model_of_other_bodies_is_refused() -> None:
    other = OsimModel.from_xml(
        OSIM.xml.replace("femur", "thigh")
        .replace("humerus", "arm")
        .replace("tibia", "shank")
        .replace("talus", "hock")
        .replace("calcn", "heel")
        .replace("toes", "digits")
        .replace("radius", "spoke")
        .replace("hand_", "palm_")
    )
    with pytest.raises(D3keError, match=r"of its bodies are called as those of .*--model"):
        transferred(motion_of(squat(0.5)[1]), other, OSIM)


@pytest.mark.parametrize("clip", ["cmbbe_squats", "pose2sim_balancing"])
def test_models_of_other_laboratories_meet_ours_within_two_centimetres(
    data_dir: Path, clip: str
) -> None:
    folder = data_dir / "clips" / clip
    motion = read_motion(folder / "truth.mot")
    found = transferred(motion, OsimModel.from_file(folder / "model.osim"), OSIM)
    assert np.isfinite(found.q).all()
    assert np.median(found.errors, axis=0).max() < 0.027  # the head: its joint is another one's
    legs = [i for i, body in enumerate(found.bodies) if body.startswith(("femur", "tibia"))]
    assert found.errors[:, legs].mean() < 0.015
