"""What people wear: it fits, hides what it should, meets the floor, and is the same each time."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from d3ke.errors import D3keError
from d3ke.synth.bodies.body import parametric_body
from d3ke.synth.clothes.colours import linear, skin_albedo
from d3ke.synth.clothes.garments import Garment, Pack
from d3ke.synth.clothes.grown_clothes import CUT_OF, CUTS, grown
from d3ke.synth.clothes.grown_hair import HAIRCUTS, bun, cap
from d3ke.synth.clothes.grown_shoes import SHOES, shoes
from d3ke.synth.clothes.painted_skin import eyes
from d3ke.synth.clothes.regions import regions
from d3ke.synth.clothes.sewing import border, cut
from d3ke.synth.clothes.soles import soles_of
from d3ke.synth.clothes.surfaces import BODY_VERTICES, Skin
from d3ke.synth.clothes.wardrobe import Wardrobe, bare_skin
from d3ke.synth.stage import Figure, Floats, Material

PLAIN = Material(None)


@dataclass(frozen=True, eq=False)
class Somebody:
    """As much of an adult as clothes ask for."""

    vertices: Floats
    woman: bool
    skin_tone: float
    age_years: float


@cache
def somebody(number: int) -> Somebody:
    """A man or a woman of some build, tone and age."""
    rng = np.random.default_rng(number)
    woman = bool(number % 2)
    drawn = {name: float(rng.uniform(0.3, 0.8)) for name in ("muscle", "weight", "proportions")}
    drawn |= {"gender": float(woman), "age": float(rng.uniform(0.65, 1.0)), "height": 0.5}
    body = parametric_body()
    phenotype = {name: torch.tensor([value]) for name, value in drawn.items()}
    vertices = body.rest(body.coefficients(phenotype)).vertices[0].numpy()
    return Somebody(vertices, woman, float(rng.random()), float(rng.uniform(20, 85)))


def figure(wardrobe: Wardrobe, number: int) -> Figure:
    return wardrobe.dress(somebody(number), np.random.default_rng(number))


def skin_of(number: int) -> Skin:
    return regions().base.skin(somebody(number).vertices)


def stands_off(points: Floats, skin: Skin) -> NDArray[np.floating]:
    """How far points are outside the body's surface (inside: negative), m."""
    _, near = cKDTree(skin.positions[:BODY_VERTICES]).query(points)
    away: NDArray[np.floating] = ((points - skin.positions[near]) * skin.normals[near]).sum(axis=1)
    return away


@pytest.fixture(scope="module")
def grown_only() -> Wardrobe:
    return Wardrobe.load(None)


@pytest.fixture(scope="module")
def pack_dir(data_dir: Path) -> Path:
    return data_dir / "body" / "makehuman"


@pytest.fixture(scope="module")
def pack(pack_dir: Path) -> Pack:
    return Pack.load(pack_dir)


@pytest.mark.parametrize("name", [how.name for how in CUTS])
def test_grown_clothes_lie_outside_the_skin(name: str) -> None:
    for number in (0, 3, 8):
        skin = skin_of(number)
        away = stands_off(grown(name).placed(skin), skin)
        assert np.percentile(away, 1) > -0.001  # the base mesh's tights touch armpit and crotch
        assert np.median(away) < 0.045  # a skirt stands off, but nothing floats


def test_cloth_ends_where_it_is_cut() -> None:
    body = parametric_body()
    triangles = body.faces["helper-tights"]
    height = regions().height
    piece = cut(triangles, height - 0.1)
    rim = np.unique(border(piece.corners))
    heights = piece.mix(height)
    assert heights.min() > 0.1 - 0.002  # no cut is nearer than SHORTEST to an edge's end
    lower = rim[heights[rim] < 0.13]  # wrists end higher up
    np.testing.assert_allclose(heights[lower], 0.1, atol=0.002)
    assert len(lower) > 20


def test_clothes_of_the_pack_lie_outside_the_skin_and_their_mirror_image_does_not(
    pack: Pack,
) -> None:
    def outside(garment: Garment, mirror: tuple[int, int, int]) -> float:
        binding, skin = garment.surface.binding, skin_of(3)
        assert binding.offsets is not None
        flipped = replace(binding, offsets=binding.offsets * np.array(mirror, np.float32))
        points = flipped.place(skin)[np.unique(garment.surface.corners)]
        return float((stands_off(points, skin) > -0.003).mean())

    worn = [piece for piece in pack.garments if piece.slot in ("suit", "top", "bottom", "shoes")]
    right = np.array([outside(piece, (1, 1, 1)) for piece in worn])
    assert right.min() > 0.9
    assert right.mean() > 0.97
    for mirror in ((1, 1, -1), (-1, 1, 1)):
        assert np.mean([outside(piece, mirror) for piece in worn]) < right.mean() - 0.03


@pytest.mark.parametrize("name", [how.name for how in HAIRCUTS])
def test_hair_lies_on_the_head(name: str) -> None:
    skin = skin_of(5)
    away = stands_off(cap(name).placed(skin), skin)
    assert away.min() > -0.004
    assert away.max() < 0.06


def test_meshes_are_fit_to_be_drawn(grown_only: Wardrobe) -> None:
    for number in range(12):
        for part in figure(grown_only, number).parts:
            mesh, count = part.mesh, len(part.positions)
            assert mesh.uv.shape == (count, 2)
            assert mesh.bones.shape == mesh.weights.shape == (count, 8)
            assert mesh.uv.min() >= 0
            assert mesh.uv.max() <= 1
            assert mesh.bones.max() < len(parametric_body().bone_names)
            np.testing.assert_allclose(mesh.weights.sum(axis=1), 1, atol=1e-5)
            assert mesh.triangles.max() < count
            assert np.isfinite(part.positions).all()
            used = np.unique(mesh.triangles)
            lengths = np.linalg.norm(part.normals[used], axis=1)
            np.testing.assert_allclose(lengths, 1, atol=1e-3)


def test_triangles_face_outwards() -> None:
    skin = skin_of(2)
    for surface in (bare_skin(), eyes(), bun(), *(shoes(kind) for kind in SHOES)):
        part = surface.worn(skin, PLAIN)
        a, b, c = np.moveaxis(part.positions[part.mesh.triangles], 1, 0)
        volume = float((a * np.cross(b, c)).sum() / 6)
        assert volume > 0


def test_the_same_seed_dresses_alike_to_the_byte(grown_only: Wardrobe) -> None:
    first, again = figure(grown_only, 7), figure(Wardrobe.load(None), 7)
    assert [part.mesh.name for part in first.parts] == [part.mesh.name for part in again.parts]
    for one, other in zip(first.parts, again.parts, strict=True):
        assert one.positions.tobytes() == other.positions.tobytes()
        assert one.material.tint == other.material.tint
    assert first.soles.tobytes() == again.soles.tobytes()


def test_people_differ(grown_only: Wardrobe) -> None:
    dressed = {
        tuple((part.mesh.name, part.material.tint) for part in figure(grown_only, number).parts)
        for number in range(30)
    }
    assert len(dressed) == 30


def test_what_a_renderer_may_keep_is_the_same_object_for_all(grown_only: Wardrobe) -> None:
    meshes: dict[str, set[int]] = {}
    textures = set()
    for number in range(40):
        for part in figure(grown_only, number).parts:
            meshes.setdefault(part.mesh.name, set()).add(id(part.mesh))
            textures.add(id(part.material.texture))
    assert all(len(kept) == 1 for kept in meshes.values())
    assert len(textures) < 80


def test_face_and_hands_are_bare_and_trunks_are_mostly_covered(grown_only: Wardrobe) -> None:
    where = regions()
    faces = parametric_body().faces["body"]
    hand = (where.base.share("finger", "metacarpal")[faces] > 0.9).all(axis=1)
    face = (where.position[faces, 0] > 0.12).all(axis=1) & (where.head_share[faces] > 0.9).all(1)
    hips = (np.abs(where.height[faces]) < 0.03).all(axis=1) & (where.arm_share[faces] < 0.1).all(1)
    for number in range(30):
        skin = next(part for part in figure(grown_only, number).parts if part.mesh.name == "skin")
        shown = skin.mesh.triangles if skin.triangles is None else skin.triangles
        seen = np.isin(skin.mesh.triangles[:, 0] * 1_000_000 + skin.mesh.triangles[:, 1],
                       shown[:, 0] * 1_000_000 + shown[:, 1])  # fmt: skip
        assert seen[hand].all()
        assert seen[face].all()
        assert not seen[hips].any()


def test_no_foot_reaches_below_its_sole_points() -> None:
    where, rng = regions(), np.random.default_rng(0)
    for surface in (*(shoes(kind) for kind in SHOES), bare_skin()):
        skin = skin_of(4)
        part = surface.worn(skin, PLAIN)
        points, bodies = soles_of(surface, where).points(part)
        assert set(bodies) == {"calcn_r", "toes_r", "calcn_l", "toes_l"}
        right = np.array([body.endswith("r") for body in bodies])
        assert (points[right, 2] > 0).all()
        assert (points[~right, 2] < 0).all()
        foot = part.positions[surface.binding.mix(where.foot_share)[surface.points] > 0.4]
        for _ in range(60):
            pitch, roll = np.radians([rng.uniform(-60, 60), rng.uniform(-15, 15)])
            up = np.array([-np.sin(pitch), np.cos(pitch) * np.cos(roll), 0])
            up[2] = np.cos(pitch) * np.sin(roll)
            below = (points[right] @ up).min() - (foot[foot[:, 2] > 0] @ up).min()
            assert below < 0.003  # 3 mm; feet must not sink by more than 10


def test_shoes_make_people_taller_and_their_soles_are_flat() -> None:
    skin = skin_of(6)
    floor = bare_skin().worn(skin, PLAIN).positions[:, 1].min()
    for kind in SHOES:
        points = shoes(kind).placed(skin)
        right = points[points[:, 2] > 0]
        lowest = right[:, 1].min()
        assert 0.008 < floor - lowest < 0.05
        flat = right[right[:, 1] < lowest + 0.002]
        assert np.ptp(flat[:, 0]) > 0.15  # from heel to toes


def test_a_darker_tone_gives_darker_skin(grown_only: Wardrobe) -> None:
    light = []
    for tone in np.linspace(0, 1, 6):
        person = replace(somebody(1), skin_tone=float(tone))
        material = grown_only.heads.skin(person, np.random.default_rng(0))
        light.append(_albedo(material).mean())
        np.testing.assert_allclose(_albedo(material), skin_albedo(tone), rtol=0.15)
    assert all(np.diff(light) < 0)


def test_skins_of_the_pack_reach_every_tone_for_both_sexes(pack: Pack) -> None:
    wardrobe = Wardrobe(pack)
    for number in (0, 1):
        for tone in np.linspace(0, 1, 6):
            person = replace(somebody(number), skin_tone=float(tone))
            for seed in range(6):
                material = wardrobe.heads.skin(person, np.random.default_rng(seed))
                assert material.texture is not None
                texture = next(skin for skin in pack.skins if skin.texture is material.texture)
                reached = (texture.albedo * material.tint).mean()
                assert reached == pytest.approx(float(skin_albedo(tone).mean()), rel=0.15)


def test_heels_of_shoes_hang_on_the_foot_and_tips_on_the_toes(pack: Pack) -> None:
    toes = np.array([bone.startswith("toe") for bone in parametric_body().bone_names])
    template = regions().base.skin(regions().position)
    pairs = [piece.surface for piece in pack.of("shoes")] + [shoes(kind) for kind in SHOES]
    for surface in pairs:
        mesh = surface.mesh
        share = (mesh.weights * toes[mesh.bones]).sum(axis=1)
        forward = surface.placed(template)[surface.points, 0]
        assert share[forward < 0.0].max() < 0.02
        assert share[forward > 0.17].min() > 0.9


def test_eyes_look_forward() -> None:
    surface, skin = eyes(), skin_of(1)
    part = surface.worn(skin, PLAIN)
    iris = np.linalg.norm(part.mesh.uv - 0.5, axis=1) < 0.1
    for side in (part.positions[:, 2] > 0, part.positions[:, 2] < 0):
        front = part.positions[side, 0].max()
        assert front - part.positions[side & iris, 0].min() < 0.002
        assert front - part.positions[side & ~iris, 0].max() > 0.0005


def test_a_wardrobe_of_the_pack_dresses_everybody(pack: Pack) -> None:
    wardrobe = Wardrobe(pack)
    names = set()
    for number in range(40):
        dressed = figure(wardrobe, number)
        names |= {part.mesh.name for part in dressed.parts}
        assert all(np.isfinite(part.positions).all() for part in dressed.parts)
        assert "low-poly" in {part.mesh.name for part in dressed.parts}
    bought = {piece.surface.mesh.name for piece in pack.garments}
    assert len(names & bought) > 25
    assert names & set(CUT_OF)  # and what grows is worn beside it


def test_a_wardrobe_that_cannot_be_read_is_told_in_one_line(tmp_path: Path, pack_dir: Path) -> None:
    broken = tmp_path / "wardrobe"
    messages = [_complaint(tmp_path / "nowhere"), _complaint(tmp_path)]
    for folder in ("clothes", "skins"):
        (broken / folder).mkdir(parents=True)
    manifest = json.loads((pack_dir / "manifest.json").read_text(encoding="utf-8"))
    names = ("male_casualsuit02", "young_asian_male")
    assets = [asset for asset in manifest["assets"] if asset["name"] in names]
    for asset in assets:
        for path in (asset.get("file"), asset["texture"]):
            if path:
                shutil.copy(pack_dir / path, broken / path)
    (broken / "manifest.json").write_text("{]", encoding="utf-8")
    messages.append(_complaint(broken))
    (broken / "manifest.json").write_text(json.dumps({"assets": assets}), encoding="utf-8")
    assert Pack.load(broken).of("top")
    for path in ("clothes/male_casualsuit02.npz", "skins/young_asian_male.webp"):
        whole = (broken / path).read_bytes()
        (broken / path).write_bytes(whole[: len(whole) // 2])
        messages.append(_complaint(broken))
        (broken / path).write_bytes(whole)
    np.savez(broken / "clothes/male_casualsuit02.npz", faces=np.zeros((1, 3), int))
    messages.append(_complaint(broken))
    assert all("\n" not in message for message in messages)
    assert len(set(messages)) == len(messages) == 6


def _complaint(folder: Path) -> str:
    with pytest.raises(D3keError) as caught:
        Wardrobe.load(folder)
    assert str(folder) in str(caught.value)
    return str(caught.value)


def _albedo(material: Material) -> NDArray[np.floating]:
    """The colour of a painted skin's arms and cheeks, linear RGB (3,)."""
    assert material.texture is not None
    body, where = parametric_body(), regions()
    first = body.faces["body"][:, 0]
    arms = body.uv[body.uv_faces["body"][where.arm_share[first] > 0.5, 0]]
    size = len(material.texture)
    texels = material.texture[
        ((1 - arms[:, 1]) * size).astype(int), (arms[:, 0] * size).astype(int)
    ]
    shade: NDArray[np.floating] = linear(texels[:, :3]).mean(axis=0) * np.array(material.tint)
    return shade
