"""Pictures of synthetic people: what is drawn, where and in which light."""

from typing import TypeAlias

import cv2
import moderngl
import numpy as np
import pytest
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.synth.pictures.environments import (
    about_y,
    environment,
)
from d3ke.synth.pictures.gl import GlRenderer, open_renderer
from d3ke.synth.pictures.gl_figures import coarse_triangles, geometry
from d3ke.synth.stage import Furniture, Material, Stage
from tests.synth_renderer import (
    RED,
    block_figure,
    plain_surroundings,
    renderer,
    still_bones,
    view_from,
)

Bytes: TypeAlias = NDArray[np.uint8]
Flags: TypeAlias = NDArray[np.bool_]

__all__ = ["renderer"]
MAN = (0.3, 1.8, 0.5)  # m


def test_projected_corners_bound_the_mask(renderer: GlRenderer) -> None:
    """The renderer's camera against OpenCV's projectPoints."""
    figure = block_figure(MAN, Material(None, RED))
    bones = still_bones((0.2, 0.0, -0.3))
    view = view_from((3.0, 1.4, 0.9), (0.0, 0.8, 0.1), bones, size=(160, 120))
    renderer.open(Stage((figure,), plain_surroundings()))
    mask = renderer.draw(view, masks=True).person
    assert mask is not None
    corners = (figure.parts[0].positions + np.array((0.2, 0.0, -0.3))).astype(np.float64)
    pixels = cv2.projectPoints(
        corners, cv2.Rodrigues(view.R)[0], view.t, view.camera_matrix, np.zeros(5)
    )[0][:, 0]
    rows, columns = np.nonzero(mask)
    found = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    wanted = np.array([*pixels.min(axis=0), *pixels.max(axis=0)])
    assert np.abs(found - wanted).max() <= 1.0  # px: half a pixel on each side


def test_a_persons_right_hand_is_on_the_left_of_a_picture_from_the_front(
    renderer: GlRenderer,
) -> None:
    figure = block_figure((0.2, 1.8, 0.2), Material(None, RED))
    renderer.open(Stage((figure,), plain_surroundings()))
    right = still_bones((0.0, 0.0, 0.5))
    mask = renderer.draw(view_from((3.0, 1.0, 0.0), (0.0, 1.0, 0.0), right), masks=True).person
    assert mask is not None
    assert np.nonzero(mask)[1].max() < 48
    assert np.nonzero(mask)[0].min() < 40  # the head is up


def test_furniture_hides_the_person_but_not_the_silhouette(renderer: GlRenderer) -> None:
    figure = block_figure(MAN, Material(None, RED))
    box = Furniture("box", (1.0, 0.0, 0.0), 0.0, (0.2, 1.2, 1.0))
    view = view_from((3.0, 1.0, 0.0), (0.0, 0.9, 0.0), still_bones())
    renderer.open(Stage((figure,), plain_surroundings()))
    free = renderer.draw(view, masks=True)
    renderer.open(Stage((figure,), plain_surroundings(furniture=(box,))))
    hidden = renderer.draw(view, masks=True)
    assert free.person is not None
    assert hidden.person is not None
    assert hidden.silhouette is not None
    assert hidden.person.sum() < 0.6 * free.person.sum()
    assert (hidden.silhouette == free.silhouette).all()


def test_other_people_are_in_the_picture_but_not_in_the_masks(renderer: GlRenderer) -> None:
    figure = block_figure(MAN, Material(None, RED))
    surroundings = plain_surroundings()
    view = view_from((4.0, 1.0, 0.0), (0.0, 0.9, 0.0), still_bones(), still_bones((0, 0, 1.0)))
    renderer.open(Stage((figure, figure), surroundings))
    both = renderer.draw(view, masks=True)
    renderer.open(Stage((figure,), surroundings))
    alone = renderer.draw(view._replace(bones=view.bones[:1]), masks=True)
    assert both.person is not None
    assert (both.person == alone.person).all()
    assert _red(both.rgb).sum() > 1.7 * _red(alone.rgb).sum()


def test_bones_carry_their_vertices(renderer: GlRenderer) -> None:
    """A bone's motion moves the figure as moving its rest vertices does."""
    view = view_from((3.0, 1.0, 0.0), (0.0, 0.9, 0.0), still_bones())
    turn = about_y(0.7).astype(np.float32)
    bones = still_bones()
    bones[2, :, :3], bones[2, :, 3] = turn, (0.1, 0.05, 0.3)
    figure = block_figure(MAN, Material(None, RED), bone=2)
    renderer.open(Stage((figure,), plain_surroundings()))
    skinned = renderer.draw(view._replace(bones=(bones,)), masks=True)
    part = figure.parts[0]
    moved = part.positions @ turn.T + np.array([0.1, 0.05, 0.3], np.float32)
    turned = type(part)(part.mesh, moved, part.normals @ turn.T, part.material)
    renderer.open(
        Stage((type(figure)((turned,), figure.soles, figure.sole_bodies),), plain_surroundings())
    )
    placed = renderer.draw(view, masks=True)
    assert skinned.person is not None
    assert placed.person is not None
    assert (skinned.person != placed.person).sum() <= 2  # pixels on an edge


def test_the_sun_casts_a_shadow_where_it_must_fall(renderer: GlRenderer) -> None:
    figure = block_figure((0.4, 1.8, 0.4), Material(None, RED))
    surroundings = plain_surroundings(sun_colour=(3.0, 3.0, 3.0))
    sun = np.array([0.0, 1.0, 1.0]) / np.sqrt(2)
    lit = type(surroundings)(**{**vars(surroundings), "sun": tuple(sun)})
    view = view_from((0.01, 8.0, 0.0), (0.0, 0.0, 0.0), still_bones(), fov_deg=60)
    renderer.open(Stage((figure,), lit))
    rgb = renderer.draw(view).rgb.mean(axis=2)
    pixel = view.camera_matrix @ (view.R @ [0.0, 0.0, -1.3] + view.t)
    shadow = rgb[round(pixel[1] / pixel[2]), round(pixel[0] / pixel[2])]
    pixel = view.camera_matrix @ (view.R @ [0.0, 0.0, 1.3] + view.t)
    assert shadow < 0.7 * rgb[round(pixel[1] / pixel[2]), round(pixel[0] / pixel[2])]


def test_feet_darken_the_floor_where_there_is_no_sun(renderer: GlRenderer) -> None:
    figure = block_figure((0.4, 0.5, 0.4), Material(None, RED))
    renderer.open(Stage((figure,), plain_surroundings()))
    view = view_from((2.0, 2.5, 0.0), (0.3, 0.0, 0.0), still_bones())
    near = renderer.draw(view).rgb
    far = renderer.draw(view._replace(bones=(still_bones((0.0, 0.0, 40.0)),))).rgb
    pixel = view.camera_matrix @ (view.R @ [0.3, 0.0, 0.0] + view.t)
    column, row = (round(value / pixel[2]) for value in pixel[:2])
    assert near[row, column].mean() < 0.93 * far[row, column].mean()


def test_the_backdrop_turns_with_the_camera(renderer: GlRenderer) -> None:
    """The panorama's pixel of a direction is where that direction is seen."""
    figure = block_figure((0.01, 0.01, 0.01), Material(None, RED))
    renderer.open(Stage((figure,), plain_surroundings(environment="city")))
    eye = (0.0, 1.5, 0.0)
    target = np.array([np.cos(0.4), 1.85, np.sin(0.4)])
    middle = renderer.draw(view_from(eye, tuple(target), still_bones())).rgb[48, 48]
    aside = target + np.array((0.2, 0.1, -0.25))
    view = view_from(eye, tuple(aside), still_bones())
    pixel = view.camera_matrix @ (view.R @ target + view.t)
    column, row = (round(value / pixel[2]) for value in pixel[:2])
    shown = renderer.draw(view).rgb[row, column]
    assert np.abs(shown.astype(int) - middle).max() <= 6  # grey levels: half a pixel of the sky


def test_the_light_comes_from_where_the_backdrop_is_bright(renderer: GlRenderer) -> None:
    """However the panorama is turned, its brightest place is towards the sun."""
    figure = block_figure((0.05, 0.05, 0.05), Material(None, RED))
    for turn in (0.0, 1.3, -2.4):
        surroundings = plain_surroundings(environment="park")
        turned = type(surroundings)(**{**vars(surroundings), "turn": turn, "exposure": 0.05})
        renderer.open(Stage((figure,), turned))
        sun = about_y(turn) @ environment("park").sun
        view = view_from(
            (0, 1.5, 0), (float(sun[0]), 1.5 + float(sun[1]), float(sun[2])), still_bones()
        )
        shown = renderer.draw(view).rgb.mean(axis=2)
        assert shown[40:56, 40:56].mean() > 3 * shown.mean()


def test_a_hole_in_a_texture_is_a_hole(renderer: GlRenderer) -> None:
    texture = np.full((8, 8, 4), 255, np.uint8)
    texture[:, 4:, 3] = 0
    view = view_from((3.0, 1.0, 0.0), (0.0, 0.9, 0.0), still_bones())
    areas = []
    for cut in (False, True):
        renderer.open(
            Stage((block_figure(MAN, Material(texture, RED, cut=cut)),), plain_surroundings())
        )
        mask = renderer.draw(view, masks=True).person
        assert mask is not None
        areas.append(mask.sum())
    assert areas[1] < 0.8 * areas[0]


def test_motion_blur_spreads_what_moves_and_only_that(renderer: GlRenderer) -> None:
    figure = block_figure((0.1, 1.8, 0.1), Material(None, RED))
    view = view_from((3.0, 1.0, 0.0), (0.0, 0.9, 0.0), still_bones())
    renderer.open(Stage((figure,), plain_surroundings()))
    sharp, still = renderer.draw(view), renderer.draw(view._replace(before=view.bones))
    blurred = renderer.draw(view._replace(before=(still_bones((0.0, 0.0, 0.3)),)))
    empty = renderer.draw(view._replace(bones=(still_bones((0.0, 0.0, 40.0)),)))
    assert (sharp.rgb == still.rgb).all()
    widths = [
        (np.abs(picture.rgb[30:60].astype(int) - empty.rgb[30:60]).max(axis=2) > 10).sum(axis=1)
        for picture in (sharp, blurred)
    ]
    moved = 0.3 / 3 * view.camera_matrix[0, 0]  # px
    assert widths[1].mean() - widths[0].mean() == pytest.approx(0.75 * moved, abs=0.25 * moved)
    assert (
        np.abs(blurred.rgb[:8].astype(int) - sharp.rgb[:8]).max() <= 8
    )  # grey levels: the sky, at other places of a pixel


def test_the_same_view_gives_the_same_bytes_whatever_was_drawn_before(
    renderer: GlRenderer,
) -> None:
    figure = block_figure(MAN, Material(None, RED))
    stage = Stage((figure,), plain_surroundings(sun_colour=(1.0, 1.0, 1.0)))
    view = view_from((3.0, 1.0, 0.5), (0.0, 0.9, 0.0), still_bones())
    renderer.open(stage)
    first = renderer.draw(view).rgb
    renderer.open(Stage((figure, figure), plain_surroundings(environment="park")))
    renderer.draw(view_from((2.0, 1.0, 0.5), (0.0, 0.9, 0.0), still_bones(), still_bones()))
    renderer.open(stage)
    assert (renderer.draw(view).rgb == first).all()
    other = open_renderer()
    other.open(stage)
    assert (other.draw(view).rgb == first).all()
    other.close()


def test_edges_have_shades_between(renderer: GlRenderer) -> None:
    """No staircase: where a slanted edge begins, most pixels are a part red."""
    figure = block_figure(MAN, Material(None, RED))
    renderer.open(Stage((figure,), plain_surroundings()))
    view = view_from((2.0, 2.4, 0.0), (0.0, 0.9, 0.0), still_bones())
    rows = renderer.draw(view).rgb[45:75].astype(int)
    redness = np.maximum(rows[..., 0] - rows[..., 2], 0)
    inside = redness[:, 48]
    first = redness[np.arange(30), (redness > 0.1 * inside[:, None]).argmax(axis=1)]
    assert (first < 0.85 * inside).mean() > 0.5


def test_rooms_have_walls_on_every_side(renderer: GlRenderer) -> None:
    """From inside, no pixel shows what is outside: a green wall is all there is."""
    green = Material(None, (0.05, 0.5, 0.05))
    figure = block_figure((0.05, 0.05, 0.05), Material(None, RED))
    renderer.open(Stage((figure,), plain_surroundings(walls=green)))
    for heading in np.linspace(0, 2 * np.pi, 5):
        target = (float(np.cos(heading)), 1.5, float(np.sin(heading)))
        view = view_from((0.0, 1.5, 0.0), target, still_bones(), fov_deg=20)
        rgb = renderer.draw(view).rgb.astype(int)
        assert (rgb[..., 1] > rgb[..., 0] + 20).all()


def test_without_egl_one_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(*_: object, **__: object) -> None:
        raise ImportError("libEGL.so.1: cannot open shared object file")

    monkeypatch.setattr(moderngl, "create_context", missing)
    with pytest.raises(D3keError, match="apt-get install libegl1") as raised:
        open_renderer()
    assert "\n" not in str(raised.value)


def test_coarse_shadows_use_few_of_the_same_triangles() -> None:
    places = np.stack(np.meshgrid(np.arange(60), np.arange(60)), axis=-1).reshape(-1, 2) / 100
    positions = np.insert(places, 2, 0.0, axis=1).astype(np.float32)
    index = np.arange(3600).reshape(60, 60)
    quads = [index[:-1, :-1], index[1:, :-1], index[1:, 1:]]
    triangles = np.stack([q.ravel() for q in quads], axis=1).astype(np.int32)
    coarse = coarse_triangles(positions, triangles, 0.05)
    assert len(coarse) < 0.1 * len(triangles)
    assert np.ptp(positions[coarse.ravel()], axis=0)[:2] == pytest.approx([0.55, 0.55], abs=0.06)


def test_hidden_vertices_are_not_skinned() -> None:
    figure = block_figure(MAN, Material(None, RED))
    part = figure.parts[0]
    shown = part.mesh.triangles[:2]
    some = type(part)(part.mesh, part.positions, part.normals, part.material, shown)
    shape = geometry(type(figure)((part, some), figure.soles, figure.sole_bodies))
    assert len(shape.vertices) == 24 + len(np.unique(shown))
    assert shape.parts[1].first == 36
    assert (shape.vertices[shape.triangles[12:], :3] == part.positions[shown]).all()


def _red(rgb: Bytes) -> Flags:
    """Where a picture is red."""
    red: Flags = rgb[..., 0].astype(int) > rgb[..., 2].astype(int) + 30
    return red
