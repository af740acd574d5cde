"""The page of a session: whole in one file, and it says what was found."""

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.omc.segments import Segment
from d3ke.omc.story import Curve, FilmStory, PersonStory, TakeStory, as_text, by_names
from d3ke.report.session_page import session_page, write_session_page

NASTY = "<script>alert(1)</script> & co"


@pytest.fixture(scope="module")
def person() -> PersonStory:
    jpeg = cv2.imencode(".jpg", np.full((16, 16, 3), 90, np.uint8))[1].tobytes()
    film = FilmStory(
        camera="cam0",
        video="walk_cam0.mp4",
        frames=171,
        filmed=180,
        offset_s=0.812,
        clock="offset 0.812 s",
        match=Curve((0.0, 0.8, 1.6), (0.1, 0.9, 0.1)),
        view="calibration file camera_cam0.json",
        fov_deg=62.0,
        mismatch=0.013,
        pictures=(as_text(jpeg),),
    )
    take = TakeStory(
        name="walk",
        activity=NASTY,
        way="inverse kinematics of 3 markers",
        seconds=6.0,
        residuals_mm=Curve((0.0, 3.0, 6.0), (5.0, 7.0, 6.0)),
        worst_mm=Curve((0.0, 3.0, 6.0), (9.0, 24.0, 12.0)),
        of_marker_mm={"RASI": 3.0, "LASI": 4.0, "C7": 25.0},
        trusted={"hip_flexion_r": 1.0, "wrist_flex_r": 0.0},
        films=(film,),
    )
    return PersonStory(
        name="ann",
        source="ann_day1",
        facts={"sex": "f", "height_m": 1.68},
        size="Scaled by OpenSim's ScaleTool.",
        scales={"pelvis": (1.01, 0.98, 1.03)},
        segments=(Segment("thigh", 0.41, 0.42, 0.02),),
        takes=(take,),
        left_out=("ann_day1, jump: no video.",),
        remarks=("walk.trc: 3 gaps.",),
    )


def test_a_story_comes_back_from_its_file(person: PersonStory, tmp_path: Path) -> None:
    person.save(tmp_path / "ann.story")
    assert PersonStory.load(tmp_path / "ann.story") == person
    (tmp_path / "other.story").write_text("{}")
    with pytest.raises(D3keError, match=r"other\.story: not a story of recordings"):
        PersonStory.load(tmp_path / "other.story")


def test_a_page_s_words_name_files_and_not_the_machine_s_folders() -> None:
    day, mapping = Path("/data/my lab/day 1"), Path("/mnt/markers.toml")
    words = f"{day / 'walk.trc'}: 3 gaps. {day}, jump: no video; {mapping}, names: no marker."
    assert by_names(words, (day, mapping)) == (
        "day 1/walk.trc: 3 gaps. day 1, jump: no video; markers.toml, names: no marker."
    )
    relative = Path("lab/day_1")
    words = f"{relative / 'a.trc'}: odd. {relative.absolute() / 'a.mp4'}: 1 of 2 lab/day_10 m/s."
    assert by_names(words, (relative,)) == "day_1/a.trc: odd. day_1/a.mp4: 1 of 2 lab/day_10 m/s."
    assert by_names("walk.trc: 3 gaps.", (Path(),)) == by_names("walk.trc: 3 gaps.", ())


def test_the_page_needs_no_other_file(person: PersonStory, tmp_path: Path) -> None:
    write_session_page(person, tmp_path / "ann.html")
    text = (tmp_path / "ann.html").read_text(encoding="utf-8")
    assert re.findall(r"""(?:src|href)=["'](?!data:|#)""", text) == []
    assert "<script" not in text
    assert base64.b64decode(re.findall(r"base64,([^\"]+)", text)[0])[:2] == b"\xff\xd8"
    assert text.count("<svg") == 4  # segments, residuals, markers, clocks


def test_the_page_says_what_was_found(person: PersonStory) -> None:
    text = session_page(person)
    rms = np.sqrt(np.mean(np.square([3.0, 4.0, 25.0])))
    for words in (
        "<b>171</b>frames",
        f"<b>{rms:.1f} mm</b>",
        "<b>50 %</b>of the labels are trusted",
        "1.68 m",
        "Hardly trusted: wrist_flex_r.",
        "ann_day1, jump: no video.",
        "walk.trc: 3 gaps.",
        "1.3 % of the person",
        "offset 0.812 s",
    ):
        assert words in text, words


def test_what_a_laboratory_wrote_is_shown_as_text(person: PersonStory) -> None:
    text = session_page(person)
    assert "&lt;script&gt;alert(1)" in text
    assert NASTY not in text


def test_the_same_story_gives_the_same_page(person: PersonStory) -> None:
    assert session_page(person) == session_page(person)
