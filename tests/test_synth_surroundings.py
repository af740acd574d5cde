"""Surroundings of synthetic people: panoramas, furniture, rooms, what stands in the way."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.synth.pictures.environments import (
    BRIGHTEST,
    NAMES,
    about_y,
    directions_of,
    environment,
    light_of,
    radiance,
)
from d3ke.synth.pictures.furniture import SHAPES, furniture_mesh
from d3ke.synth.pictures.gl import GlRenderer
from d3ke.synth.pictures.surroundings import draw_surroundings
from d3ke.synth.stage import Furniture, Material, Stage
from tests.synth_renderer import RED, block_figure, renderer, still_bones, view_from

__all__ = ["renderer"]
MAN = (0.3, 1.8, 0.5)  # m


@pytest.mark.parametrize("name", NAMES)
def test_every_panorama_reads_and_lights(name: str) -> None:
    found = environment(name)
    assert found.pixels.shape == (512, 1024, 3)
    assert np.isfinite(found.pixels).all()
    assert 0 <= found.pixels.min() <= found.pixels.max() <= BRIGHTEST
    assert np.linalg.norm(found.sun) == pytest.approx(1, abs=1e-5)
    assert found.sun[1] > 0
    assert found.level > 0


def test_an_unknown_panorama_is_named() -> None:
    with pytest.raises(D3keError, match="nowhere: no such panorama"):
        environment("nowhere")


def test_ambient_light_is_the_integral_over_the_sky() -> None:
    """Against the integral that the harmonics stand for, on a sky without a sun."""
    directions, areas = directions_of(64, 128)
    sky = 1 + 0.4 * directions[..., :1] + 0.5 * directions[..., 1:2] * np.array([1, 0.5, 0.2])
    found = light_of("made", sky.astype(np.float32))
    for normal in np.array([[1, 0, 0], [0, 1, 0], [0, 0, -1], [0.6, -0.8, 0]], np.float32):
        facing = np.maximum(directions @ normal, 0) * areas / np.pi
        wanted = (sky * facing[..., None]).sum(axis=(0, 1))
        assert radiance(found.ambient, normal) == pytest.approx(wanted, rel=0.02)
        turned = radiance(found.turned_ambient(1.1), about_y(1.1) @ normal)
        assert turned == pytest.approx(radiance(found.ambient, normal), rel=1e-4)


@pytest.mark.parametrize("kind", sorted(SHAPES))
def test_furniture_is_closed_stands_on_the_floor_and_has_its_height(kind: str) -> None:
    thing = Furniture(kind, (1.0, 0.0, -2.0), 0.5, (0.5, 0.45, 0.6), steps=3)  # type: ignore[arg-type]
    solid = furniture_mesh(thing)
    corners = solid.positions[solid.triangles]
    outward = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert ((outward * solid.normals[solid.triangles[:, 0]]).sum(axis=1) > 0).all()
    assert outward.sum(axis=0) == pytest.approx(np.zeros(3), abs=1e-5)  # a closed surface
    assert solid.positions[:, 1].min() == pytest.approx(0, abs=1e-6)
    if kind in ("stairs", "box", "beam"):
        assert solid.positions[:, 1].max() == pytest.approx(0.45, abs=1e-6)


def test_a_chairs_back_is_behind_and_its_heading_turns_it() -> None:
    for heading in (0.0, 0.8):
        solid = furniture_mesh(Furniture("chair", (0, 0, 0), heading, (0.5, 0.45, 0.5)))
        high = solid.positions[solid.positions[:, 1] > 0.5]
        behind = np.array([-np.cos(heading), 0, np.sin(heading)])  # about y, right-handed
        assert (high @ behind > 0.15).all()


def test_surroundings_follow_the_seed_and_leave_the_person_free() -> None:
    path = np.linspace((0, 0.95, 0), (1.5, 0.95, 0), 20).astype(np.float32)
    eye = np.array([3.0, 1.4, 2.0])
    for seed in range(60):
        first, again = (
            draw_surroundings(np.random.default_rng(seed), (), path, eye) for _ in range(2)
        )
        assert first.furniture == again.furniture
        assert first.sun_colour == again.sun_colour
        assert len(first.furniture) == len(first.furniture_materials)
        for thing in first.furniture:
            gap = np.linalg.norm(path[:, [0, 2]] - np.array(thing.place)[[0, 2]], axis=1).min()
            assert gap > min(thing.size[0], thing.size[2]) / 2 + 0.3
        if first.walls is not None:
            half, middle = np.array(first.room) / 2, np.array(first.room_middle)
            for spot in (*path, eye):
                assert (np.abs(spot - middle)[[0, 2]] < half[[0, 2]]).all()
            assert eye[1] < first.room[1]


def test_some_things_hide_a_part_of_the_person_but_never_all(renderer: GlRenderer) -> None:
    figure, path = block_figure(MAN, Material(None, RED)), np.full((2, 3), (0, 0.95, 0), np.float32)
    hidden = []
    for seed in range(80):
        rng = np.random.default_rng(seed)
        eye = np.array([rng.uniform(2.2, 5), rng.uniform(0.4, 2.2), rng.uniform(-1, 1)])
        renderer.open(Stage((figure,), draw_surroundings(rng, (), path, eye)))
        view = view_from(tuple(eye), (0.0, 0.9, 0.0), still_bones(), size=(64, 64))
        picture = renderer.draw(view, masks=True)
        assert picture.person is not None
        assert picture.silhouette is not None
        hidden.append(1 - picture.person.sum() / picture.silhouette.sum())
    assert np.mean(np.array(hidden) > 0.03) > 0.04
    assert max(hidden) < 0.6


def test_own_photographs_are_used_and_an_empty_folder_is_named(tmp_path: Path) -> None:
    path, eye = np.zeros((4, 3), np.float32), np.array([3.0, 1.4, 0.0])
    with pytest.raises(D3keError, match="no photographs"):
        draw_surroundings(np.random.default_rng(0), (), path, eye, tmp_path)
    folder = tmp_path / "own"
    folder.mkdir()
    cv2.imwrite(str(folder / "wall.png"), np.full((40, 60, 3), (10, 20, 200), np.uint8))
    drawn = [
        draw_surroundings(np.random.default_rng(seed), (), path, eye, folder) for seed in range(40)
    ]
    photographs = [s.backdrop for s in drawn if s.backdrop is not None]
    own = sum(bool((photograph == (200, 20, 10)).all()) for photograph in photographs)
    assert 8 <= own < len(photographs) <= 30  # beside those that ship


def test_a_file_that_is_no_photograph_is_named(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"not a picture")
    path, eye = np.zeros((4, 3), np.float32), np.array([3.0, 1.4, 0.0])
    with pytest.raises(D3keError, match=r"broken\.jpg: not a picture"):
        for seed in range(40):
            draw_surroundings(np.random.default_rng(seed), (), path, eye, tmp_path)
