"""Cameras and clocks of several trials, and clocks that somebody told."""

from dataclasses import replace

import pytest
from scipy.spatial.transform import Rotation

from d3ke.errors import D3keError
from d3ke.omc.film_cameras import Found, Shot, found_together
from d3ke.omc.given_clocks import held_against_motion
from d3ke.omc.reprojection import Alignment
from d3ke.omc.resection import ACCEPTED
from d3ke.omc.sync import Trial
from tests.omc_scenes import CAMERA, doing, marching, still, trial, turned_deg

SIZE = CAMERA.size


def founds(*shots: Shot) -> list[Found]:
    """Of shots that are all told."""
    several = found_together(shots, SIZE, ACCEPTED)
    assert not [str(one) for one in several if isinstance(one, D3keError)]
    return [one for one in several if isinstance(one, Found)]


def clocks(one: Trial, offset_s: float) -> Alignment:
    """Clocks that somebody told."""
    return replace(Alignment.still(one.seen.pixels.shape[1]), offset_s=offset_s)


# --- several trials of a camera


def test_clocks_and_camera_are_found_together() -> None:
    (found,) = founds(Shot(trial(doing(12), seed=12)))
    assert found.alignment.offset_s == pytest.approx(12.34, abs=0.005)
    camera = found.alignment.camera
    assert turned_deg(camera, CAMERA) < 0.5
    assert camera.K[0, 0] == pytest.approx(CAMERA.K[0, 0], rel=0.02)
    assert found.resection.reprojection < 0.02


@pytest.mark.slow
def test_one_camera_is_found_from_all_its_trials() -> None:
    """Who stays in one place does not tell it alone."""
    walk, place = trial(doing(10), seed=10), trial(doing(11, 0.0), offset_s=-3.21, seed=11)
    given = trial(doing(14, 0.0), offset_s=1.5, seed=14)
    found = founds(Shot(walk), Shot(place), Shot(given, (1.5, 0.0)))
    told = [one.alignment.offset_s for one in found]
    assert told == pytest.approx([12.34, -3.21, 1.5], abs=0.005)
    assert found[2].sync is None
    for one in found:
        assert one.alignment.camera is found[0].alignment.camera
        assert one.remarks == ()
    assert turned_deg(found[0].alignment.camera, CAMERA) < 0.5
    assert found[0].alignment.camera.K[0, 0] == pytest.approx(CAMERA.K[0, 0], rel=0.02)
    (alone,) = founds(Shot(place))
    assert turned_deg(alone.alignment.camera, CAMERA) > 0.5
    assert "walks about" in alone.remarks[0]


def test_one_trial_that_is_refused_does_not_spoil_the_others() -> None:
    walk, steps = trial(doing(12), seed=12), trial(marching, recorded=(20, 32), filmed=(23, 29))
    one, other = found_together([Shot(walk), Shot(steps)], SIZE, ACCEPTED)
    assert isinstance(one, Found)
    assert turned_deg(one.alignment.camera, CAMERA) < 0.5
    assert isinstance(other, D3keError)
    assert "repeats itself" in str(other)


@pytest.mark.slow
def test_a_camera_that_was_turned_between_trials_is_seen_and_told() -> None:
    turn = Rotation.from_euler("y", 1.5, degrees=True).as_matrix()
    turned = replace(CAMERA, R=turn @ CAMERA.R, t=turn @ CAMERA.t)
    first, second = trial(doing(10), seed=10), trial(doing(11), turned, seed=11)
    found = founds(Shot(first), Shot(second))
    assert turned_deg(found[0].alignment.camera, CAMERA) < 0.5
    assert turned_deg(found[1].alignment.camera, turned) < 0.5
    for one in found:
        assert "did not stand still between trials: landmarks lie" in one.remarks[0]


def test_what_metadata_say_of_the_lens_counts_where_the_person_stays_in_one_place() -> None:
    place = trial(doing(4, 0.0), seed=4)
    told = place._replace(seen=replace(place.seen, focal_px=1.03 * CAMERA.K[0, 0]))
    one, other = (founds(Shot(each))[0].resection for each in (place, told))
    off = [abs(each.camera.K[0, 0] / CAMERA.K[0, 0] - 1) for each in (one, other)]
    assert off[1] < 0.06 < off[0]
    assert other.focal_sd < one.focal_sd


# --- clocks that were given


@pytest.mark.parametrize("camera", [None, CAMERA])
def test_a_true_clock_that_was_given_is_taken_without_a_word(camera: object) -> None:
    known = CAMERA if camera is not None else None
    one = trial(doing(2), seed=2)
    assert held_against_motion(one, SIZE, clocks(one, 12.35), known) == ()


@pytest.mark.parametrize("travel_m", [1.5, 0.0])
def test_a_false_clock_that_was_given_is_refused_with_both(travel_m: float) -> None:
    one = trial(doing(2, travel_m), seed=2)
    message = (
        r"trial 2: offset 12\.440 s was given, motion says 12\.3\d+ s, to \d ms\. .*--sync auto"
    )
    with pytest.raises(D3keError, match=message) as told:
        held_against_motion(one, SIZE, clocks(one, 12.44), CAMERA)
    assert "\n" not in str(told.value)
    (found,) = found_together([Shot(one, (12.44, 0.0))], SIZE, ACCEPTED)
    assert isinstance(found, D3keError)
    assert "offset 12.440 s was given" in str(found)


def test_a_clock_is_held_against_motion_in_the_middle_of_the_video() -> None:
    """A drift makes an offset that is no error: 20 us a second over years of uptime are none."""
    one = trial(doing(2), seed=2)
    late = replace(one.seen, time=one.seen.time + 5000.0)
    far = one._replace(seen=late)
    given = replace(clocks(far, 12.34 - 5000 - 5008.66 * 1e-5), drift=1e-5)
    assert held_against_motion(far, SIZE, given, CAMERA) == ()


def test_a_clock_that_motion_contradicts_weakly_is_told() -> None:
    steps = trial(marching, recorded=(20, 32), filmed=(23, 29))
    (told,) = held_against_motion(steps, SIZE, clocks(steps, 12.84), CAMERA)
    assert told.startswith("trial 0: offset 12.840 s was given, motion says ")
    assert "but is unsure: the movement repeats itself" in told
    assert held_against_motion(steps, SIZE, clocks(steps, 13.34), CAMERA) == ()  # a stride on


def test_nothing_is_known_against_the_clock_of_who_stands_still() -> None:
    one = trial(still)
    assert held_against_motion(one, SIZE, clocks(one, 12.9), CAMERA) == ()


def test_a_clock_by_which_video_and_recording_have_nothing_in_common_is_refused() -> None:
    one = trial(doing(2), seed=2)
    with pytest.raises(D3keError, match=r"offset 90\.000 s was given, motion says 12\.34"):
        held_against_motion(one, SIZE, clocks(one, 90.0), CAMERA)
