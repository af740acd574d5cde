"""What temporal networks see of a split, and how figures are made of columns of errors."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from d3ke.answer_errors import Figures, nested
from d3ke.dataset.reading import DataSet, FrameDataset, WindowDataset
from d3ke.prepare import PrepareOptions, prepare_synthetic
from d3ke.split_answers import windows_about
from d3ke.synth.plans import SynthConfig
from tests.made_people import made_source

CONFIG = SynthConfig(frames=240, seed=5, size=64, clip_frames=9, lone_frames=4)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> DataSet:
    output: Path = tmp_path_factory.mktemp("prepared") / "data"
    prepare_synthetic(output, CONFIG, PrepareOptions(workers=1), open_source=made_source)
    return DataSet.open(output)


def test_windows_are_those_that_networks_are_trained_on(data: DataSet) -> None:
    frames = FrameDataset(data, "test", kind="clip")
    numbers = torch.arange(len(frames))
    trained = WindowDataset(data, "test", window=9, stride=1)
    assert len(trained) == len(frames)
    places = windows_about(frames, numbers, numbers, 9)
    for number in numbers.tolist():
        shown = torch.stack([torch.from_numpy(frames.sample(n).q) for n in places[number].tolist()])
        assert torch.equal(shown, trained[number].q)


def test_a_broken_frame_is_stood_in_for_by_the_one_before(data: DataSet) -> None:
    frames = FrameDataset(data, "test", kind="clip")
    first = frames.clips[0]["frames"]
    there = [n for n in range(len(frames)) if n not in {0, 3, first}]
    numbers = torch.tensor(there)
    for centre in there:
        end = first if centre < first else len(frames)
        own = [n for n in there if n < end and (n >= first) == (centre >= first)]
        expected = [
            max((n for n in own if n <= wanted), default=own[0])
            for wanted in range(centre - 4, centre + 5)
        ]
        places = windows_about(frames, numbers, torch.tensor([centre]), 9)
        assert numbers[places[0]].tolist() == expected


def test_groups_that_a_skeleton_lacks_have_no_figure() -> None:
    figures = Figures(["knee_angle_r", "hand_flex"])
    values = figures.of(np.arange(11.0))
    tree = nested(figures.known, values.tolist())["mae_deg"]
    assert tree["groups"]["lower_limb"] == 9
    assert math.isnan(tree["groups"]["trunk"])
    assert tree["all"] == 9.5
    assert tree["coordinates"] == {"knee_angle_r": 9.0, "hand_flex": 10.0}
