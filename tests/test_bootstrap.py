"""Intervals over people: how often they cover, and what a draw is."""

import numpy as np
import pytest

from d3ke.bootstrap import Bootstrap


def test_intervals_cover_the_mean_of_people_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    covered = 0
    for trial in range(200):
        people = np.repeat(np.arange(40), 5)
        person = rng.normal(3, 1, 40)  # a person's frames differ little: they are no 200 votes
        values = (person[people] + rng.normal(0, 0.1, 200))[:, None]
        bootstrap = Bootstrap(people, draws=400, seed=trial)
        low, high = bootstrap.interval(bootstrap.drawn(values))
        covered += bool(low[0] <= 3 <= high[0])
        assert (
            high[0] - low[0] > 0.35
        )  # 4 standard errors of 40 people are 0.63, of 200 frames 0.28
    assert 180 <= covered <= 198  # of 200: 95 % less what 40 people cost, +- 3 standard errors


def test_draws_are_means_over_frames_of_drawn_people() -> None:
    people = np.array([7, 7, 7, 2, 2, 9])
    values = np.array([[1.0], [2.0], [np.nan], [4.0], [5.0], [60.0]])
    bootstrap = Bootstrap(people, draws=50, seed=0)
    assert bootstrap.means(values)[0] == pytest.approx(72 / 5)
    rng = np.random.default_rng(0)
    frames = {2: [4.0, 5.0], 7: [1.0, 2.0], 9: [60.0]}
    for times, mean in zip(
        rng.multinomial(3, [1 / 3] * 3, size=50), bootstrap.drawn(values)[:, 0], strict=True
    ):
        drawn = [
            v for person, count in zip(frames.values(), times, strict=True) for v in person * count
        ]
        assert mean == pytest.approx(np.mean(drawn))


def test_one_person_has_no_interval() -> None:
    bootstrap = Bootstrap(np.zeros(5, int))
    assert np.isnan(bootstrap.interval(bootstrap.drawn(np.arange(5.0)[:, None]))).all()
