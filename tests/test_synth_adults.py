"""Adults: drawn as ANSUR II says, fitted with a skeleton, the same to the byte."""

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial import ConvexHull

from d3ke.errors import D3keError
from d3ke.skeleton.default import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.bodies import strata
from d3ke.synth.bodies.adults import BLOCK, Adult, Adults
from d3ke.synth.bodies.body import RestBody, parametric_body
from d3ke.synth.bodies.bony_landmarks import hip_centres, skin_markers, tape_ends
from d3ke.synth.bodies.least_squares import levenberg_marquardt
from d3ke.synth.bodies.measures import MEASURES, SLICES, tape
from d3ke.synth.bodies.rest_points import rest_problem
from d3ke.synth.bodies.strata import Draft, draw_adult
from d3ke.synth.bodies.stretch import STRETCHES, dense_weights, stretched

Array = NDArray[np.float64]
OSIM = default_model()
QUARTILES = (0.25, 0.5, 0.75)


@cache
def adults(count: int) -> list[Adult]:
    source = Adults(OSIM, seed=1)
    return [source.adult(identity) for identity in range(count)]


def rest_of(people: list[Adult]) -> RestBody:
    return RestBody(
        torch.from_numpy(np.stack([a.vertices for a in people])),
        torch.from_numpy(np.stack([a.heads for a in people])),
    )


def measures_of(people: list[Adult]) -> Array:
    rest = rest_of(people)
    return tape().measure(rest.vertices[:, tape().vertices], rest.heads).double().numpy()


def joint_centres(adult: Adult) -> dict[str, Array]:
    centres = SkeletalModel(OSIM).joint_centres(adult.rest_bodies, adult.scales)
    return dict(zip(OSIM.joint_names, centres.double().numpy(), strict=True))


def ansur_quartiles(sex: str) -> Array:
    """(3, M), m."""
    table = json.loads(strata.ASSET.read_text(encoding="utf-8"))
    columns = [table["probabilities"].index(p) for p in QUARTILES]
    rows: Array = np.array(table[sex]["quantiles"])[: len(MEASURES), columns].T / 1000
    return rows


def assert_same(one: Adult, other: Adult) -> None:
    assert one.vertices.tobytes() == other.vertices.tobytes()
    assert one.scales.numpy().tobytes() == other.scales.numpy().tobytes()
    assert one.rest_q.numpy().tobytes() == other.rest_q.numpy().tobytes()
    assert (one.age_years, one.skin_tone) == (other.age_years, other.skin_tone)


def test_a_person_does_not_depend_on_who_was_asked_for_before() -> None:
    wanted = BLOCK + 3
    alone = Adults(OSIM, seed=1).adult(wanted)
    after_others = Adults(OSIM, seed=1)
    after_others.adult(0)
    assert_same(alone, after_others.adult(wanted))
    assert alone.identity == wanted
    assert not np.array_equal(alone.vertices, Adults(OSIM, seed=2).adult(wanted).vertices)


@cache
def drafts() -> list[Draft]:
    return [draw_adult(np.random.default_rng([0, i])) for i in range(3000)]


def test_men_and_women_general_and_older_of_every_skin_tone_are_drawn() -> None:
    assert 0.45 < np.mean([d.woman for d in drafts()]) < 0.55
    older = [d for d in drafts() if d.stratum == "older"]
    assert 0.3 < len(older) / len(drafts()) < 0.4
    assert max(d.age_years for d in older) > 78
    bmi = [d.mass_kg / d.measures[0] ** 2 for d in older]
    assert np.quantile(bmi, 0.95) > 37
    assert 27 < np.median(bmi) < 32
    assert max(bmi) < 40
    tones = np.histogram([d.skin_tone for d in drafts()], 5, (0, 1))[0]
    assert tones.min() > 0.04 * len(drafts())


@pytest.mark.parametrize("sex", ["man", "woman"])
def test_measures_are_drawn_with_ansurs_quartiles(sex: str) -> None:
    chosen = [d for d in drafts() if d.stratum == "general" and d.woman == (sex == "woman")]
    drawn = np.quantile([d.measures for d in chosen], QUARTILES, axis=0)
    # 1.5 %: three standard errors of a quartile of 950 people's waists
    np.testing.assert_allclose(drawn, ansur_quartiles(sex), rtol=0.015)


def test_older_women_are_shorter_than_others() -> None:
    statures = {
        stratum: np.median([d.measures[0] for d in drafts() if d.woman and d.stratum == stratum])
        for stratum in ("general", "older")
    }
    assert 0.03 < statures["general"] - statures["older"] < 0.08  # m


def builder() -> Callable[[Path], Any]:
    path = strata.ASSET.with_name("build_adults.py")
    spec = importlib.util.spec_from_file_location("build_adults", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda folder: module.spread(module.columns(folder / module.FILES["woman"]))


def test_the_table_is_what_the_builder_makes_of_ansur(data_dir: Path) -> None:
    table = json.loads(strata.ASSET.read_text(encoding="utf-8"))
    assert builder()(data_dir / "anthropometry") == table["woman"]


@pytest.mark.slow
def test_bodies_have_the_quartiles_of_ansur_within_5_percent() -> None:
    people = adults(240)
    found = measures_of(people)
    for sex in ("man", "woman"):
        chosen = [a.stratum == "general" and a.woman == (sex == "woman") for a in people]
        assert sum(chosen) > 60
        quartiles = np.quantile(found[chosen], QUARTILES, axis=0)
        error = np.abs(quartiles / ansur_quartiles(sex) - 1)
        late = {name: e.max() for name, e in zip(MEASURES, error.T, strict=True) if e.max() > 0.05}
        assert late == {}, sex


@pytest.mark.slow
def test_hip_centres_lie_where_harrington_says_for_95_percent() -> None:
    people = adults(240)
    errors = []
    for adult in people:
        centres = joint_centres(adult)
        for side, sign in (("r", 1.0), ("l", -1.0)):
            errors.append(np.linalg.norm(centres[f"hip_{side}"] - harrington(adult, sign)))
    assert np.quantile(errors, 0.95) < 0.015


def harrington(adult: Adult, side: float) -> Array:
    """By hand. Source: Harrington et al. 2007, table 4; soft tissue as in landmarks.py."""
    at = {name: adult.vertices[v].astype(float) for name, v in skin_markers().items()}
    skin_asis, skin_psis = (at["RASI"] + at["LASI"]) / 2, (at["RPSI"] + at["LPSI"]) / 2
    asis, psis = 0.9 * skin_asis + 0.1 * skin_psis, 0.1 * skin_asis + 0.9 * skin_psis
    width, depth = np.linalg.norm(at["RASI"] - at["LASI"]), np.linalg.norm(asis - psis)
    knee = adult.heads[parametric_body().bone_names.index("lowerleg01.R")]
    leg = np.linalg.norm(at["RASI"] - knee) + np.linalg.norm(knee - at["RANM"])
    z = (at["RASI"] - at["LASI"]) / width
    x = (asis - psis) - z * ((asis - psis) @ z)
    x /= np.linalg.norm(x)
    y = np.cross(z, x)
    mm = 1000
    back = (-0.24 * depth * mm - 9.9) / mm
    up = (-0.16 * width * mm - 0.04 * leg * mm - 7.1) / mm
    aside = (0.28 * depth * mm + 0.16 * width * mm + 7.9) / mm
    centre: Array = asis + back * x + up * y + side * aside * z
    return centre


def test_iliac_spines_are_as_far_apart_as_peoples() -> None:
    people = adults(3 * BLOCK)
    right, left = skin_markers()["RASI"], skin_markers()["LASI"]
    widths = [np.linalg.norm(a.vertices[right] - a.vertices[left]) for a in people]
    assert 0.23 < np.median(widths) < 0.26  # m


def test_skeletons_fit_into_their_bodies() -> None:
    for adult in adults(3 * BLOCK):
        bones = dict(zip(parametric_body().bone_names, adult.heads, strict=True))
        centres = joint_centres(adult)
        for joint, bone, within_m in (
            ("walker_knee_r", "lowerleg01.R", 0.020),
            ("ankle_l", "foot.L", 0.015),
            ("elbow_r", "lowerarm01.R", 0.010),
            ("radius_hand_l", "wrist.L", 0.005),
        ):
            assert np.linalg.norm(centres[joint] - bones[bone]) < within_m, joint
        scales = dict(zip(OSIM.body_names, adult.scales, strict=True))
        for body in ("femur", "tibia", "calcn", "humerus", "hand"):
            assert torch.equal(scales[f"{body}_r"], scales[f"{body}_l"])
        assert float(adult.scales.min()) > 0.7
        assert float(adult.scales.max()) < 1.6


def test_rest_frames_are_those_of_rest_coordinates() -> None:
    adult = adults(BLOCK)[2]
    bodies = SkeletalModel(OSIM).bodies(adult.rest_q, adult.scales)
    torch.testing.assert_close(bodies, adult.rest_bodies, atol=1e-5, rtol=0)  # 0.01 mm: float32


def test_stature_and_mass_are_those_of_the_mesh() -> None:
    triangles = parametric_body().faces["skin"]
    for adult in adults(3 * BLOCK):
        vertices = adult.vertices.astype(float)
        height = vertices[tape_ends()["top"], 1] - vertices[tape_ends()["sole"], 1]
        assert adult.stature_m == pytest.approx(height, abs=0.02)  # m: legs rest apart
        a, b, c = vertices[triangles].transpose(1, 0, 2)
        volume = np.einsum("fi,fi->", a, np.cross(b, c)) / 6
        assert 930 < adult.mass_kg / volume < 1160  # kg/m3: water, give or take the drawn shape


@pytest.mark.parametrize("name", ["waist_girth", "thigh_girth", "calf_girth", "chest_girth"])
def test_a_girth_is_the_hull_of_a_cut_through_the_mesh(name: str) -> None:
    for adult in adults(BLOCK)[:4]:
        found = measures_of([adult])[0, MEASURES.index(name)]
        assert found == pytest.approx(cut_girth(adult, name), rel=0.03)


def cut_girth(adult: Adult, name: str) -> float:
    """By cutting every triangle of this person's skin with a plane, and a hull in that plane."""
    where, names = SLICES[name], parametric_body().bone_names
    vertices, skin = adult.vertices.astype(float), parametric_body().faces["body"]
    if where.bones is None:
        sole, top = (vertices[tape_ends()[end]] for end in ("sole", "top"))
        origin, normal = sole + where.at * (top - sole), np.array([0.0, 1.0, 0.0])
        # The tape keeps to the skin that it lay on on an average person.
        loop = tape().loops[name]
        used = vertices[tape().vertices[loop.low]] / 2 + vertices[tape().vertices[loop.high]] / 2
        origin[1] = used[:, 1].mean()
    else:
        start, end = (adult.heads[names.index(bone)].astype(float) for bone in where.bones)
        origin, normal = start + where.at * (end - start), (end - start)
    normal = normal / np.linalg.norm(normal)
    bone_of = np.array(names)[parametric_body().bones[:, 0]]
    on = np.array(
        [bone.startswith(where.skin) and (not where.bones or bone[-1] == "R") for bone in bone_of]
    )
    height = (vertices - origin) @ normal
    points = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        one, other = skin[:, i], skin[:, j]
        crossed = (height[one] * height[other] < 0) & on[one] & on[other]
        one, other = one[crossed], other[crossed]
        part = height[one] / (height[one] - height[other])
        points.append(vertices[one] + part[:, None] * (vertices[other] - vertices[one]))
    across = np.linalg.svd(normal[None])[2][1:]
    return float(ConvexHull(np.concatenate(points) @ across.T).area)


def test_stretching_by_nothing_changes_nothing() -> None:
    rest = rest_of(adults(BLOCK)[:1])
    same = stretched(rest, torch.zeros(1, len(STRETCHES)), dense_weights())
    torch.testing.assert_close(same.vertices, rest.vertices, atol=2e-6, rtol=0)  # float32
    torch.testing.assert_close(same.heads, rest.heads, atol=2e-6, rtol=0)


def test_stretching_the_forearm_makes_it_longer_and_carries_the_hand() -> None:
    names = parametric_body().bone_names
    rest = rest_of(adults(BLOCK)[:1])
    logs = torch.zeros(1, len(STRETCHES))
    logs[0, list(STRETCHES).index("forearm")] = np.log(1.1)
    longer = stretched(rest, logs, dense_weights())

    def length(body: RestBody, start: str, end: str) -> float:
        return float((body.heads[0, names.index(end)] - body.heads[0, names.index(start)]).norm())

    ratio = {
        bones: length(longer, *bones) / length(rest, *bones)
        for bones in (("lowerarm01.R", "wrist.R"), ("wrist.R", "finger3-3.R"), ("foot.L", "head"))
    }
    assert list(ratio.values()) == pytest.approx([1.1, 1.0, 1.0], abs=1e-4)


def test_least_squares_finds_the_bottom_of_a_bent_valley() -> None:
    def rosenbrock(x: torch.Tensor) -> torch.Tensor:
        return torch.stack([1 - x[..., 0], 10 * (x[..., 1] - x[..., 0] ** 2)], dim=-1)

    start = torch.tensor([[-1.2, 1.0], [2.0, -3.0]], dtype=torch.float64)
    found = levenberg_marquardt(rosenbrock, start, rounds=60, step=1e-7)
    torch.testing.assert_close(found, torch.ones_like(found), atol=1e-6, rtol=0)


def test_hip_centres_are_mirror_images() -> None:
    centres = hip_centres(*rest_of(adults(BLOCK)))
    mirrored = centres[:, 1] * torch.tensor([1.0, 1.0, -1.0])
    torch.testing.assert_close(centres[:, 0], mirrored, atol=1e-3, rtol=0)  # 1 mm: uneven shapes


def test_a_model_without_the_skeletons_parts_is_refused() -> None:
    other = OsimModel.from_xml(OSIM.xml.replace("walker_knee_r", "some_knee"))
    with pytest.raises(D3keError, match="no walker_knee_r"):
        rest_problem(other)
