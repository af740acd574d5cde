"""How far off answers are: learnt, made true on people, kept, and written for OpenSim."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import opensim
import pytest
import torch

from d3ke.errors import D3keError
from d3ke.export import Sampling, export, sampled
from d3ke.network.building import fused
from d3ke.network.checkpoint import load_weights, save_weights, story_of
from d3ke.network.config import default_bounds
from d3ke.network.inference import regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.landmarks import LandmarkWindow
from d3ke.network.uncertainty import NORMAL_90, UncertaintyHead, conformal_factor, laplace_loss
from d3ke.predict import Seen, in_ground, predict_clip
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel
from d3ke.std_file import in_names_of
from d3ke.train import train_landmarks
from d3ke.train_uncertainty import Errors, factors_of, train_uncertainty, with_head
from d3ke.training.uncertainty import UncertaintyConfig
from tests.benchmarks.uncertainty import Judged, table
from tests.command import Command
from tests.scenes import camera_at, scene, squat
from tests.small_data import small_data
from tests.test_fused import landmarks_network, pictures_network
from tests.test_inference import CAMERA, track_at
from tests.test_train import TINY as SMALL
from tests.test_train import Interrupting

OSIM = default_model()
NAMES = OSIM.coordinate_names
KNEE, LEFT_KNEE, PELVIS = (
    NAMES.index(name) for name in ("knee_angle_r", "knee_angle_l", "pelvis_tilt")
)
PREDICTED = [NAMES.index(name) for name in default_bounds(OSIM)]
TINY = UncertaintyConfig(**vars(SMALL), calibration_batches=3, hidden=4)


def network(*, hidden: int = 0) -> LandmarkD3KE:
    model = landmarks_network()
    return with_head(model, hidden, "a test").eval() if hidden else model


def calibrated(factor: float = 2.0) -> LandmarkD3KE:
    model = network(hidden=4)
    assert model.uncertainty is not None
    model.uncertainty.factor.fill_(factor)
    return model


def test_a_head_learns_how_noisy_what_it_sees_is() -> None:
    """The noise of each frame is Laplacian and its size is the exponential of a feature."""
    torch.manual_seed(0)
    head = UncertaintyHead(4, 8, 2)
    optimizer = torch.optim.Adam(head.parameters(), 1e-2)
    for _ in range(600):
        features = torch.randn(64, 8, 4)
        true = -2.5 + 0.5 * features[..., :2]
        error = torch.distributions.Laplace(0.0, true.exp()).sample()
        loss = laplace_loss(error, head(features)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    features = torch.randn(512, 8, 4)
    found = head(features).detach()
    true = -2.5 + 0.5 * features[..., :2]
    assert (found - true).abs().mean() < 0.1  # of a logarithm: sizes are 10 % off on average
    assert np.corrcoef(found.flatten(), true.flatten())[0, 1] > 0.97


def test_the_factor_is_the_quantile_by_hand() -> None:
    """Of n people with one frame each: the ceil(0.9 (n + 1))-th smallest score."""
    for count in (9, 10, 19, 99, 100):
        scores = np.random.default_rng(count).exponential(size=count)
        by_hand = np.sort(scores)[math.ceil(0.9 * (count + 1) - 1e-9) - 1]
        assert conformal_factor(scores, np.arange(count)) == by_hand


def test_a_person_of_many_frames_counts_once() -> None:
    scores = np.arange(1.0, 20.0)
    long = np.concatenate([scores, np.full(500, 3.0)])
    people = np.concatenate([np.arange(19), np.full(500, 2)])
    assert conformal_factor(long, people) == conformal_factor(scores, np.arange(19)) == 18.0


def test_too_few_people_bound_nobody() -> None:
    with pytest.raises(D3keError, match="8 people: too few"):
        conformal_factor(np.ones(80), np.repeat(np.arange(8), 10))


def test_intervals_cover_new_people_nine_times_of_ten() -> None:
    """Each person has an own size of errors, which the head does not know."""
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(300):
        people = np.repeat(np.arange(41), 20)
        scores = np.abs(rng.normal(size=820)) * np.exp(0.5 * rng.normal(size=41))[people]
        factor = conformal_factor(scores[:800], people[:800])
        covered.append((scores[800:] <= factor).mean())
    assert np.mean(covered) == pytest.approx(0.91, abs=0.03)  # 0.9 to 0.9 + 1 / 41, sd 0.01


def test_the_table_tells_coverage_and_what_a_constant_would_cost() -> None:
    """Errors of one deviation in half of the frames, of three in the others, as is said."""
    rng = np.random.default_rng(0)
    std = np.full((40_000, len(NAMES)), np.nan)
    std[:, KNEE] = np.radians(np.where(np.arange(40_000) % 2, 1.0, 3.0))
    found = table([Judged(rng.normal(size=std.shape) * std, std)], NAMES).loc["knee_angle"]
    assert found["covered %"] == pytest.approx(90, abs=0.5)
    assert found["width deg"] == pytest.approx(2 * 2 * NORMAL_90, abs=0.01)
    # 90 % of the mixture: 0.5 (P(|n| < x) + P(|n| < x / 3)) = 0.9 at x = 3.846, by bisection
    assert found["constant deg"] == pytest.approx(2 * 3.846, abs=0.1)


def test_left_and_right_share_a_factor_and_the_pelvis_has_none() -> None:
    scores = np.full((100, len(NAMES)), np.nan)
    rng = np.random.default_rng(0)
    scores[:, [KNEE, LEFT_KNEE]] = rng.exponential(size=(100, 2))
    factors = factors_of(Errors(scores, np.arange(100)), NAMES)
    assert factors[KNEE] == factors[LEFT_KNEE] > 0
    assert np.isnan(factors[PELVIS])


def test_answers_are_the_same_bytes_with_a_head_and_without() -> None:
    track = track_at(np.arange(90) / 30)
    plain, headed = regress(network(), track, CAMERA), regress(calibrated(), track, CAMERA)
    assert plain.q_std is None
    assert headed.q_std is not None
    for one, other in zip(plain[:3], headed[:3], strict=True):
        assert one.tobytes() == other.tobytes()


def test_a_head_of_which_nobody_was_measured_tells_nothing() -> None:
    model = network(hidden=4)
    assert not model.tells_std
    assert regress(model, track_at(np.arange(20) / 30), CAMERA).q_std is None


def test_what_is_not_predicted_has_no_standard_deviation() -> None:
    found = regress(calibrated(), track_at(np.arange(20) / 30), CAMERA)
    assert found.q_std is not None
    assert (np.isfinite(found.q_std).all(axis=0) == found.observed).all()


def test_a_mirrored_window_is_as_uncertain_on_the_other_side() -> None:
    torch.manual_seed(3)
    landmarks = torch.randn(2, 12, 33, 6) * 0.2
    down = torch.tensor([[0.0, 1.0, 0.0]]).expand(2, 3)
    window = LandmarkWindow(landmarks, down, torch.ones(2, 12, dtype=torch.bool))
    with torch.inference_mode():
        straight, mirrored = (calibrated().both_ways(w) for w in (window, window.mirrored()))
    assert straight.log_sigma is not None
    assert mirrored.log_sigma is not None
    knees = straight.log_sigma[..., KNEE], mirrored.log_sigma[..., LEFT_KNEE]
    assert torch.allclose(*knees, atol=1e-5)
    assert not torch.allclose(straight.log_sigma[..., KNEE], straight.log_sigma[..., LEFT_KNEE])


def test_a_head_is_kept_with_the_weights_and_costs_few_bytes(tmp_path: Path) -> None:
    model = calibrated()
    for name, bits in (("all", 32), ("half", 16)):
        save_weights(tmp_path / f"{name}.safetensors", model, {}, bits=bits)
        again = load_weights(tmp_path / f"{name}.safetensors")
        assert again.tells_std
        track = track_at(np.arange(20) / 30)
        assert isinstance(again, LandmarkD3KE)
        one, other = (regress(m, track, CAMERA).q_std for m in (model, again))
        assert one is not None
        assert other is not None
        np.testing.assert_allclose(one, other, rtol=1e-6 if bits == 32 else 0.05)


@pytest.fixture(scope="module")
def told() -> Prediction:
    """Two seconds at 30 Hz of a clip at 60 whose standard deviations rise from 1 to 3 deg."""
    seen = scene(squat(2.0), camera_at())
    std = np.full_like(seen.q, np.nan)
    std[:, PREDICTED] = np.radians(np.linspace(1, 3, len(seen.time)))[:, None]
    sight = Seen(seen.track, seen.camera, seen.regression._replace(q_std=std), 60.0)
    return in_ground(sight, OSIM, PredictOptions())


def test_opensim_opens_the_file_at_the_times_of_the_motion(
    told: Prediction, tmp_path: Path
) -> None:
    told.save(tmp_path / "clip.npz")
    done = export(tmp_path / "clip.npz", tmp_path / "out.mot", ("mot", "std"), filter_hz=0)
    assert done.outputs["std"].name == "out_std.sto"
    mot, std = (opensim.Storage(str(done.outputs[name])) for name in ("mot", "std"))
    assert std.isInDegrees()
    labels = std.getColumnLabels()
    names = [labels.get(index) for index in range(labels.getSize())]
    assert names == ["time", *(NAMES[index] for index in PREDICTED)]
    assert std.getSize() == mot.getSize()
    rows = range(std.getSize())
    times = [[s.getStateVector(row).getTime() for row in rows] for s in (mot, std)]
    assert times[0] == times[1]
    knee = [std.getStateVector(row).getData().get(names.index("knee_angle_r") - 1) for row in rows]
    by_hand = np.interp(times[1], told.time, np.linspace(1, 3, len(told.time)))
    np.testing.assert_allclose(knee, by_hand, atol=1e-6)  # deg, eight decimals


def test_in_a_gap_it_is_as_wide_as_the_whole_range(told: Prediction) -> None:
    q, std = told.q.copy(), told.q_std
    assert std is not None
    q[20:45], std = np.nan, std.copy()
    std[20:45] = np.nan
    result = sampled(replace(told, q=q, q_std=std), Sampling())
    assert result.std is not None
    knee = result.std.column("knee_angle_r")
    low, high = OSIM.coordinates[KNEE].range
    middle = np.abs(result.std.time - told.time[32]) < 0.1
    np.testing.assert_allclose(knee[middle] * NORMAL_90, high - low)
    assert np.isfinite(result.std.q).all()  # OpenSim stops reading at a nan
    assert knee[~np.isnan(result.motion.column("knee_angle_r"))].max() < np.radians(3.1)


def test_another_model_gets_its_own_names(told: Prediction, data_dir: Path) -> None:
    other = OsimModel.from_file(data_dir / "osim" / "pose2sim" / "Model_Pose2Sim_muscles_flex.osim")
    std = sampled(told, Sampling()).std
    assert std is not None
    found = in_names_of(std, other)
    assert "knee_angle_r" in found.names
    assert set(found.names) <= set(other.coordinate_names)
    assert (found.q > 0).all()


def test_a_prediction_without_is_refused_by_name(told: Prediction, tmp_path: Path) -> None:
    replace(told, q_std=None).save(tmp_path / "old.npz")
    assert Prediction.load(tmp_path / "old.npz").q_std is None
    with pytest.raises(D3keError, match=r"old\.npz: holds no uncertainty.*Leave out std"):
        export(tmp_path / "old.npz", tmp_path, ("mot", "std"))
    assert {path.name for path in tmp_path.iterdir()} == {"old.npz"}


def test_a_changed_std_is_told(told: Prediction, tmp_path: Path) -> None:
    replace(told, q_std=np.ones((3, 2))).save(tmp_path / "clip.npz")
    with pytest.raises(D3keError, match="q_std is"):
        Prediction.load(tmp_path / "clip.npz")


@pytest.mark.parametrize("tells", [True, False])
def test_predict_writes_it_where_the_weights_tell(
    tells: bool, told: Prediction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = calibrated() if tells else network()
    found = replace(told, q_std=told.q_std if tells else None)
    found.meta["warnings"] = []
    monkeypatch.setattr("d3ke.predict.predict", lambda *_: found)
    (tmp_path / "clip.mp4").write_bytes(b"of a test")
    (tmp_path / "out_std.sto").write_bytes(b"of another .mot")
    result = predict_clip(tmp_path / "clip.mp4", tmp_path / "out.mot", None, model)
    assert ("std" in result.outputs) == tells
    assert (tmp_path / "out_std.sto").exists() == tells


def test_a_fusion_is_as_uncertain_as_its_widths_say() -> None:
    landmarks, pictures = calibrated(), pictures_network()
    found = regress(landmarks, track_at(np.arange(20) / 30), CAMERA)
    assert found.q_std is not None
    when = np.arange(20) / 30
    silent = fused(landmarks, pictures, {})
    assert not silent.tells_std
    assert silent.mixed(when, found, when, found).q_std is None
    both = fused(landmarks, pictures, {}, {"knee_angle_r": 0.5})
    assert both.tells_std
    mixed = both.mixed(when, found, when, found).q_std
    assert mixed is not None
    np.testing.assert_allclose(mixed[:, KNEE], 0.5 * found.q_std[:, KNEE])
    np.testing.assert_allclose(mixed[:, LEFT_KNEE], found.q_std[:, LEFT_KNEE])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_data(tmp_path_factory.mktemp("data") / "small")


@pytest.fixture(scope="module")
def trunk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("trunk") / "trunk.safetensors"
    save_weights(path, network(), {"stages": [{"what": "landmarks"}]})
    return path


def test_training_lets_the_network_be_and_measures_people(
    data: Path, trunk: Path, tmp_path: Path
) -> None:
    best = train_uncertainty(tmp_path / "run", data, OSIM, TINY, init=trunk)
    model, before = load_weights(best), load_weights(trunk).state_dict()
    assert model.tells_std
    after = model.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {name for name in after if name not in before} == {
        *(f"uncertainty.layers.{n}.{w}" for n in (0, 2) for w in ("weight", "bias")),
        "uncertainty.factor",
    }
    told = story_of(best)
    assert [stage["what"] for stage in told["stages"]] == ["landmarks", "uncertainty of landmarks"]
    assert told["calibrated"]["people"] == TINY.calibration_batches * TINY.batch


def test_a_resumed_training_equals_one_that_was_not_stopped(
    data: Path, trunk: Path, tmp_path: Path
) -> None:
    train_uncertainty(tmp_path / "whole", data, OSIM, TINY, init=trunk)
    with pytest.raises(KeyboardInterrupt):
        cut = Interrupting(after=5)
        train_uncertainty(tmp_path / "cut", data, OSIM, TINY, init=trunk, progress=cut)
    train_uncertainty(tmp_path / "cut", data, OSIM, TINY, init=trunk, resume=True)
    whole, cut_short = (load_weights(tmp_path / n).state_dict() for n in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut_short[name]) for name in whole)


def test_a_network_that_learns_on_forgets_what_it_said_of_itself(
    data: Path, tmp_path: Path
) -> None:
    save_weights(tmp_path / "headed.safetensors", calibrated(), {})
    config = replace(SMALL, steps=2)
    init = tmp_path / "headed.safetensors"
    train_landmarks(tmp_path / "on", data, OSIM, config, init=init)
    assert not load_weights(tmp_path / "on").tells_std


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--backbone landmarks --synthetic 0 --only uncertainty", "needs --init"),
        ("--backbone landmarks --synthetic 0 --only head", "is for backbones that see pictures"),
        ("--only uncertainty --init pictures", "is for --backbone landmarks"),
    ],
)
def test_wrong_wishes_are_refused(d3ke: Command, data: Path, words: str, message: str) -> None:
    result = d3ke("train", data, "-o", data / "run", *words.split())
    assert result.status == 2
    assert message in result.err


def test_pictures_have_no_such_head(data: Path, tmp_path: Path) -> None:
    with pytest.raises(D3keError, match="pictures: not a landmark network"):
        train_uncertainty(tmp_path / "run", data, OSIM, TINY, init="pictures")


@pytest.mark.parametrize("name", ["landmarks", "fused"])
def test_shipped_weights_tell_how_far_off_they_are(name: str) -> None:
    assert load_weights(name).tells_std
