"""Plans of synthetic data sets: how many frames, who is in which split."""

import numpy as np
import pytest

from d3ke.synth.plans import PEOPLE, SPLITS, ClipPlan, SynthConfig, clips_only, endless, plans


@pytest.mark.parametrize("frames", [1, 7, 64, 200, 1000, 20_000])
def test_the_frames_of_the_plans_sum_to_the_wish(frames: int) -> None:
    assert sum(plan.frames for plan in plans(SynthConfig(frames))) == frames


def test_a_large_set_holds_out_a_tenth_for_each_purpose() -> None:
    held = dict.fromkeys(SPLITS, 0)
    for plan in plans(SynthConfig(20_000)):
        held[plan.split] += plan.frames
    assert held == {"train": 16_000, "valid": 2000, "test": 2000}


def test_half_of_the_frames_lie_in_clips() -> None:
    chosen = plans(SynthConfig(20_000))
    in_clips = sum(plan.frames for plan in chosen if plan.kind == "clip")
    assert in_clips / 20_000 == pytest.approx(0.5, abs=0.02)  # two clips of 128


def test_nobody_is_in_two_plans() -> None:
    people = [plan.person for plan in plans(SynthConfig(20_000))]
    assert len(set(people)) == len(people)


def test_an_endless_stream_never_reaches_the_people_of_another_split() -> None:
    for place, split in enumerate(SPLITS):
        for number in (0, PEOPLE - 1, PEOPLE, 5 * PEOPLE + 3):
            assert ClipPlan(split, number, "frames", 8).person // PEOPLE == place


def test_clips_only_skips_independent_frames() -> None:
    config = SynthConfig(0, clip_frames=100)
    chosen = clips_only(config, "valid", 20)
    assert len(chosen) == 20
    assert {(plan.kind, plan.frames, plan.split) for plan in chosen} == {("clip", 100, "valid")}


def test_a_plan_is_the_same_wherever_the_stream_is_entered() -> None:
    config = SynthConfig(0)
    later = next(endless(config, "train", 5))
    assert later == [plan for plan, _ in zip(endless(config, "train"), range(6), strict=False)][5]


def test_each_plan_of_each_seed_has_random_numbers_of_its_own() -> None:
    drawn = {
        float(ClipPlan(split, number, "clip", 8).stream(seed).random())
        for split in SPLITS
        for number in range(5)
        for seed in range(3)
    }
    assert len(drawn) == 45
    first = ClipPlan("train", 0, "clip", 8)
    assert np.array_equal(first.stream(3).random(4), first.stream(3).random(4))
