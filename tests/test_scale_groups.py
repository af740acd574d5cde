"""Body scales that are one number of a network: groups, their file, and the map to bodies."""

import json
from collections import Counter
from pathlib import Path

import pytest
import torch

from d3ke.errors import D3keError
from d3ke.network.scale_groups import ScaleGroup, ScaleMap, read_scale_groups, symmetric_groups
from d3ke.skeleton.default import default_model

BODIES = ("pelvis", "femur_r", "femur_l", "skull")
THIGH = ScaleGroup("thigh", 1.0, 0.2, {"femur_r.y": 1.25, "femur_l.y": 0.8})
HIPS = ScaleGroup("hips", 1.2, 0.4, {"pelvis.x": 1.0})


def test_every_axis_of_every_body_is_in_one_symmetric_group() -> None:
    names = default_model().body_names
    counted = Counter(axis for group in symmetric_groups(names) for axis in group.axes)
    assert counted == Counter(f"{body}.{axis}" for body in names for axis in "xyz")


def test_symmetric_groups_join_left_and_right() -> None:
    groups = symmetric_groups(BODIES, average=1.1, reach=0.3)
    assert len(groups) == 9  # pelvis, femora, skull
    assert ScaleGroup("femur_r.y", 1.1, 0.3, {"femur_r.y": 1.0, "femur_l.y": 1.0}) in groups
    assert len({group.name for group in groups}) == 9
    scales = ScaleMap(groups, BODIES).scales(torch.rand(5, 9))
    assert torch.equal(scales[:, 1], scales[:, 2])


def test_a_scale_is_the_group_s_over_the_template_s() -> None:
    scales = ScaleMap((THIGH, HIPS), BODIES).scales(torch.tensor([[0.5, -1.0], [0.0, 0.25]]))
    assert scales.shape == (2, 4, 3)
    torch.testing.assert_close(scales[:, 1, 1], torch.tensor([1.1 / 1.25, 1 / 1.25]))
    torch.testing.assert_close(scales[:, 2, 1], torch.tensor([1.1 / 0.8, 1 / 0.8]))
    torch.testing.assert_close(scales[:, 0, 0], torch.tensor([0.8, 1.3]))


def test_axes_in_no_group_keep_1() -> None:
    moved = ScaleMap((THIGH, HIPS), BODIES).scales(torch.ones(2)) != 1
    assert moved.nonzero().tolist() == [[0, 0], [1, 1], [2, 1]]
    assert torch.equal(ScaleMap((), BODIES).scales(torch.ones(7, 0)), torch.ones(7, 4, 3))


def test_a_group_learns_from_all_its_axes() -> None:
    v = torch.zeros(2, requires_grad=True)
    ScaleMap((THIGH, HIPS), BODIES).scales(v).sum().backward()
    torch.testing.assert_close(v.grad, torch.tensor([0.2 / 1.25 + 0.2 / 0.8, 0.4]))


def test_a_map_is_not_in_the_state_dict() -> None:
    assert not ScaleMap((THIGH, HIPS), BODIES).state_dict()


def test_groups_survive_json(tmp_path: Path) -> None:
    path = tmp_path / "scales.json"
    path.write_text(json.dumps([THIGH.to_dict(), HIPS.to_dict()]), encoding="utf-8")
    assert read_scale_groups(path) == (THIGH, HIPS)


def test_a_list_of_axes_has_templates_of_1() -> None:
    stored = {"name": "hips", "average": 1.2, "reach": 0.4, "axes": ["pelvis.x"]}
    assert ScaleGroup.from_dict(stored) == HIPS


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "the file is empty"),
        ("[{", "no JSON"),
        ("{}", "not a list of scale groups"),
        ("[1]", "not a list of scale groups"),
        ('[{"name": "a", "average": 1, "reach": 0.1}]', "scale group a has the fields"),
        ('[{"name": "a", "average": "1", "reach": 0.1, "axes": ["b.x"]}]', "'1' is not a number"),
        ('[{"name": "a", "average": 1, "reach": 1.5, "axes": ["b.x"]}]', "0 <= reach < average"),
        ('[{"name": "a", "average": NaN, "reach": 0.1, "axes": ["b.x"]}]', "0 <= reach < average"),
        ('[{"name": "a", "average": 1, "reach": 0.1, "axes": []}]', "has no axes"),
        ('[{"name": "a", "average": 1, "reach": 0.1, "axes": "b.x"}]', "axes are neither"),
        ('[{"name": "a", "average": 1, "reach": 0.1, "axes": ["b.x", "b.x"]}]', "each once"),
        ('[{"name": "a", "average": 1, "reach": 0.1, "axes": {"b.x": 0}}]', "template of b.x is 0"),
    ],
)
def test_a_bad_file_is_told_in_one_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "scales.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(D3keError, match=told) as raised:
        read_scale_groups(path)
    assert str(raised.value).startswith(f"{path}: ")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("axis", ["tail.x", "pelvis.w", "pelvis", ""])
def test_an_axis_that_the_skeleton_lacks_is_named(axis: str) -> None:
    group = ScaleGroup("odd", 1.0, 0.1, {axis: 1.0})
    with pytest.raises(D3keError, match=f"scale group odd: the skeleton has no {axis}"):
        ScaleMap((group,), BODIES)


def test_an_axis_in_two_groups_is_named() -> None:
    again = ScaleGroup("again", 1.0, 0.1, {"pelvis.x": 1.0})
    with pytest.raises(D3keError, match=r"groups hips and again both scale pelvis\.x"):
        ScaleMap((HIPS, again), BODIES)
