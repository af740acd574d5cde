"""Filters: what passes, what does not, and what stays a gap."""

import numpy as np
import pytest
from scipy.signal import butter, freqz

from d3ke.motion import filters
from d3ke.motion.markers import MarkerData
from d3ke.motion.motion import Motion


def sine(frequency_hz: float, rate: float, seconds: float = 20.0) -> tuple[np.ndarray, np.ndarray]:
    time = np.arange(round(seconds * rate)) / rate
    return time, np.sin(2 * np.pi * frequency_hz * time)


@pytest.mark.parametrize("rate", [30.0, 60.0, 240.0])
@pytest.mark.parametrize("frequency_hz", [0.5, 3.0, 6.0, 10.0])
def test_the_filter_has_the_gain_of_a_fourth_order_butterworth(
    rate: float, frequency_hz: float
) -> None:
    time, wave = sine(frequency_hz, rate)
    inner = slice(len(time) // 4, -len(time) // 4)
    passed = filters.lowpass(wave, rate, 6.0)[inner]
    # Two second-order passes: 1 / (1 + (sqrt(2) - 1) (f / fc)^4), on the warped axis.
    ratio = np.tan(np.pi * frequency_hz / rate) / np.tan(np.pi * 6.0 / rate)
    gain = 1 / (1 + (np.sqrt(2) - 1) * ratio**4)
    np.testing.assert_allclose(passed, gain * wave[inner], atol=1e-6)  # and no lag


def test_the_cutoff_is_where_the_amplitude_is_0_707() -> None:
    _, wave = sine(6.0, 100.0)
    assert np.abs(filters.lowpass(wave, 100.0, 6.0)[500:1500]).max() == pytest.approx(
        np.sqrt(0.5), abs=0.01
    )
    # Without the correction the two passes would leave half.
    _, response = freqz(*butter(2, 6.0 / 50), worN=[6.0], fs=100.0)
    assert abs(response[0]) ** 2 == pytest.approx(0.5, abs=1e-6)


def test_constants_and_lines_pass_unchanged() -> None:
    time = np.arange(100) / 60
    line = np.stack([np.full(100, 3.0), 2 * time - 1], axis=1)
    np.testing.assert_allclose(filters.lowpass(line, 60.0, 6.0), line, atol=1e-9)


@pytest.mark.parametrize("length", [1, 2, 5, 9, 10, 30])
def test_short_segments_pass(length: int) -> None:
    assert np.isfinite(filters.lowpass(np.random.default_rng(0).normal(size=length), 60, 6)).all()


@pytest.mark.parametrize("cutoff_hz", [0.0, 15.0, 20.0])
def test_nothing_to_remove_leaves_all_as_it_is(cutoff_hz: float) -> None:
    noise = np.random.default_rng(1).normal(size=(50, 2))
    np.testing.assert_array_equal(filters.lowpass(noise, 30.0, cutoff_hz), noise)


def test_a_gap_stays_a_gap_and_nothing_rings_into_it() -> None:
    values = np.zeros((200, 3))
    values[:100, 0] = np.nan
    values[80:120, 1] = np.nan
    values[120:, 1] = 5.0
    values[50:, 2] = 1.0
    passed = filters.lowpass(values, 60.0, 6.0)
    np.testing.assert_array_equal(np.isnan(passed), np.isnan(values))
    np.testing.assert_allclose(
        passed[:, :2][~np.isnan(values[:, :2])], values[:, :2][~np.isnan(values[:, :2])], atol=1e-9
    )
    assert np.ptp(passed[:, 2]) > 1  # the step beside it does ring


def test_a_column_is_filtered_as_if_it_were_alone() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(90, 4, 3))
    values[rng.random(values.shape) < 0.05] = np.nan
    together = filters.lowpass(values, 60.0, 6.0)
    alone = np.stack([filters.lowpass(values[:, i], 60.0, 6.0) for i in range(4)], axis=1)
    np.testing.assert_allclose(together, alone, rtol=1e-12)


def test_a_cubic_is_resampled_exactly() -> None:
    time = np.sort(np.random.default_rng(3).uniform(0, 2, 60))
    grid = filters.uniform_grid(time, 100.0)

    def cubic(t: np.ndarray) -> np.ndarray:
        return np.stack([t**3 - t, 2 * t**2], axis=-1)

    found = filters.resample(time, cubic(time), grid, max_gap_s=1.0)
    np.testing.assert_allclose(found, cubic(grid), atol=1e-9)


def test_a_line_between_samples() -> None:
    found = filters.resample([0, 1, 2], [0.0, 1.0, 0.0], [0.5, 1.25], method="linear")
    np.testing.assert_allclose(found, [0.5, 0.75])


def test_holes_in_the_stamps_are_gaps_too() -> None:
    time = np.concatenate([np.arange(30), np.arange(60, 90)]) / 30
    found = filters.resample(time, np.ones(60), np.arange(90) / 30, max_gap_s=0.5)
    assert np.isnan(found[30:60]).all()
    assert (found[[*range(30), *range(60, 90)]] == 1).all()


def test_a_slow_series_has_no_gaps() -> None:
    found = filters.resample(np.arange(5) * 1.0, np.arange(5.0), np.arange(0, 4.1, 0.5))
    np.testing.assert_allclose(found, np.arange(0, 4.1, 0.5), atol=1e-12)


def test_there_is_nothing_outside_the_samples() -> None:
    found = filters.resample([0, 1, 2, 3], [1.0, 1, 1, 1], [-0.1, 0, 3, 3.1])
    np.testing.assert_array_equal(np.isnan(found), [True, False, False, True])


def test_a_column_of_gaps_stays_one() -> None:
    values = np.stack([np.arange(4.0), np.full(4, np.nan)], axis=1)
    found = filters.resample(np.arange(4.0), values, [0.5, 1.5])
    np.testing.assert_allclose(found[:, 0], [0.5, 1.5], atol=1e-12)
    assert np.isnan(found[:, 1]).all()


@pytest.mark.parametrize(
    ("time", "rate"),
    [
        (np.arange(300) * 1001 / 30000, 30000 / 1001),
        (np.round(np.arange(301) / 60, 3), 60.0),  # stamps in whole milliseconds
        (np.delete(np.arange(90), slice(20, 30)) / 30, 30.0),  # a hole
        (np.array([1.0]), 0.0),
    ],
)
def test_the_rate_is_that_of_the_steps(time: np.ndarray, rate: float) -> None:
    assert filters.rate_hz(time) == pytest.approx(rate, rel=1e-6)


def test_a_grid_ends_with_the_last_sample() -> None:
    time = np.round(np.arange(61) / 60, 8)
    grid = filters.uniform_grid(time, 60.0)
    np.testing.assert_allclose(grid, np.arange(61) / 60, atol=1e-12)
    assert filters.uniform_grid(time, 50.0)[-1] == pytest.approx(1.0)


def turning() -> Motion:
    time = np.arange(90) / 30
    angle = 2 * np.pi * time / 1.5
    wrapped = (angle + np.pi) % (2 * np.pi) - np.pi
    return Motion(
        time, np.stack([wrapped, time], axis=1), ("pelvis_rotation", "pelvis_tx"), (True, False)
    )


def test_a_turning_person_is_resampled_without_jumps() -> None:
    motion = turning().resampled(100.0)
    expected = 2 * np.pi * motion.time / 1.5
    np.testing.assert_allclose(motion.column("pelvis_rotation"), expected, atol=1e-9)
    np.testing.assert_allclose(motion.column("pelvis_tx"), motion.time, atol=1e-9)
    smooth = motion.lowpassed(6.0).column("pelvis_rotation")
    np.testing.assert_allclose(smooth, expected, atol=1e-6)


def test_uneven_time_must_be_resampled_before_filtering() -> None:
    uneven = Motion(np.array([0, 0.1, 0.3, 0.4]), np.zeros((4, 1)), ("a",), (True,))
    with pytest.raises(ValueError, match="resample"):
        uneven.lowpassed(6.0)
    markers = MarkerData(uneven.time, np.zeros((4, 1, 3)), ("a",))
    with pytest.raises(ValueError, match="resample"):
        markers.lowpassed(1.0)
    assert markers.resampled(20.0).lowpassed(1.0).xyz.shape == (9, 1, 3)


def test_shapes_must_belong_together() -> None:
    with pytest.raises(ValueError, match="q is"):
        Motion(np.arange(3.0), np.zeros((3, 2)), ("a",), (True,))
    with pytest.raises(ValueError, match="does not rise"):
        Motion(np.zeros(2), np.zeros((2, 1)), ("a",), (True,))


def test_short_gaps_are_bridged_and_long_ones_stay() -> None:
    time = np.arange(100) / 50
    values = np.sin(3 * time)
    values[10:15] = np.nan  # 0.12 s between the neighbours
    values[40:60] = np.nan  # 0.42 s
    filled = filters.resample(time, values, time, max_gap_s=0.2)
    np.testing.assert_allclose(filled[10:15], np.sin(3 * time[10:15]), atol=1e-4)
    assert np.isnan(filled[40:60]).all()
    finer = filters.resample(time, values, np.arange(396) / 200)
    hole = (np.arange(396) / 200 > 0.78 + 1e-9) & (np.arange(396) / 200 < 1.2 - 1e-9)
    np.testing.assert_array_equal(np.isnan(finer), hole)
