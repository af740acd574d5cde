"""The page in a browser: video, skeleton and curves move as the prediction says."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from d3ke.prediction import Prediction
from d3ke.progress import Silent
from d3ke.report.overlay import Drawing
from d3ke.report.page import write_page
from d3ke.report.page_clip import clip_of_prediction
from d3ke.report.page_video import small_video
from d3ke.vision.video import Video
from tests.chromium import chromium
from tests.made_pages import SD_DEG, UNEVEN_S, degrees_of, grey_clip, squatting

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

STANDING, DEEP = 2, 58  # frames: before the squat, and at its deepest
LOST = slice(10, 20)  # frames of the other clip in which nobody is seen
OTHER = "<i>other</i>.mp4"
UNNAMED = """() => [...document.querySelectorAll("button, input, select, video, [role=img]")]
    .filter(e => !(e.getAttribute("aria-label") || e.textContent.trim() || e.closest("label")))
    .map(e => e.outerHTML)"""


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """Chromium without a window."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return squatting()


@pytest.fixture(scope="module")
def written(prediction: Prediction, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page of two clips: one with its video, one of half the length and without."""
    folder = tmp_path_factory.mktemp("page")
    video = Video(grey_clip(folder / "squat.mp4"))
    filmed = replace(
        clip_of_prediction(prediction, {"osim": "a.osim", "mot": "a.mot"}),
        video=small_video(video, Drawing(prediction), Silent()),
    )
    half = {
        name: getattr(prediction, name)[:30].copy() for name in ("time", "q", "markers", "joints")
    }
    for name in ("q", "markers", "joints"):
        half[name][LOST] = np.nan
    other = replace(prediction, **half, q_std=None, meta=prediction.meta | {"clip": OTHER})
    write_page(folder / "page.html", [filmed, clip_of_prediction(other, {})])
    return folder / "page.html"


class Heard:
    """What a page says to the console and asks for."""

    def __init__(self, page: "Page") -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("request", lambda request: self.asked.append(request.url))


@pytest.fixture
def shown(browser: "Browser", written: Path) -> Iterator[tuple["Page", Heard]]:
    """The page, loaded, as wide as a small screen; and what it said. Nothing may be said at all."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    heard = Heard(page)
    page.goto(written.as_uri())
    page.wait_for_function("() => document.getElementById('video').readyState >= 2")
    yield page, heard
    page.close()
    assert heard.said == []
    assert [url for url in heard.asked if not url.startswith(("file:", "blob:", "data:"))] == []


@pytest.fixture
def page(shown: tuple["Page", Heard]) -> "Page":
    return shown[0]


def go(page: "Page", frame: int) -> None:
    """Move the slider to a frame, as a person does."""
    page.locator("#slider").fill(str(frame))


def place(page: "Page", bone: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Where a bone ends on the picture of the skeleton, y up."""
    line = page.locator(f"#skeleton line[data-name={bone}]")
    return np.array(
        [
            float(line.get_attribute("x2") or "nan"),
            -float(line.get_attribute("y2") or "nan"),
        ]
    )


def value(page: "Page", title: str, side: str) -> str:
    plot = page.locator(".plot").filter(has=page.locator("b", has_text=re.compile(f"^{title}$")))
    return plot.locator(f".value.{side}").inner_text()


def test_the_page_loads_in_silence_and_asks_for_nothing(shown: tuple["Page", Heard]) -> None:
    page, heard = shown
    assert page.locator("#curves .plot").count() > 20
    assert page.locator("#skeleton line.bone").count() > 25
    assert [url.partition(":")[0] for url in heard.asked] == ["file", "blob"]


def test_scrubbing_moves_skeleton_and_curves_as_predicted(
    page: "Page", prediction: Prediction
) -> None:
    page.locator("[data-look=right]").click()
    hips, toes = (prediction.joint_names.index(name) for name in ("back", "mtp_r"))
    drops = []
    for frame in (STANDING, DEEP):
        go(page, frame)
        knee = degrees_of(prediction, "knee_angle_r")[frame]
        # a half on either side that holds 90 %
        assert value(page, "knee_angle", "r") == f"R {knee:.1f} ± {1.645 * SD_DEG:.1f}°"
        assert value(page, "pelvis_ty", "m") == f"{prediction.q[frame, 4]:.3f} m"
        drop = prediction.joints[frame, hips] - prediction.joints[frame, toes]
        drops.append((drop, place(page, "back") - place(page, "mtp_r")))
        # from the right of a person who looks along x, forward is to the right
        assert np.sign(drops[-1][0][0]) == np.sign(drops[-1][1][0])
    (stood, stood_seen), (sat, sat_seen) = drops
    assert sat[1] < 0.75 * stood[1]
    # perspective and a view from a little above take a few percent
    assert sat_seen[1] / stood_seen[1] == pytest.approx(sat[1] / stood[1], abs=0.05)


def test_left_and_right_are_where_a_viewer_sees_them(page: "Page") -> None:
    page.locator("[data-look=front]").click()
    assert place(page, "walker_knee_r")[0] < place(page, "walker_knee_l")[0]
    assert "r" in (page.locator("[data-name=walker_knee_r]").get_attribute("class") or "").split()
    page.locator("[data-look=top]").click()  # forward is to the right
    right, left = place(page, "walker_knee_r"), place(page, "walker_knee_l")
    assert right[1] < left[1] - 5 * abs(right[0] - left[0])


def test_the_cursor_and_the_video_are_at_the_frames_own_time(page: "Page") -> None:
    for frame in (8, 41, 59):
        go(page, frame)
        cursor = float(page.locator(".cursor").first.get_attribute("x1") or "nan")
        assert cursor == pytest.approx(1000 * UNEVEN_S[frame] / UNEVEN_S[-1], abs=0.1)
        page.wait_for_function("() => !document.getElementById('video').seeking")
        at = page.evaluate("document.getElementById('video').currentTime")
        assert UNEVEN_S[frame] <= at < UNEVEN_S[frame] + 0.03  # every frame lasts 33 ms or more
        assert page.locator("#now").inner_text() == f"{UNEVEN_S[frame]:.2f} s"


def test_a_click_on_a_curve_goes_to_that_time(page: "Page") -> None:
    chart = page.locator(".plot .chart svg").nth(3)
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    for frame in (41, 12):  # even shares would be frames 40 and 11
        part = UNEVEN_S[frame] / UNEVEN_S[-1]
        page.mouse.click(box["x"] + part * box["width"], box["y"] + 40)
        assert page.locator("#slider").input_value() == str(frame)


def test_keys_step_and_play_runs_to_the_end(page: "Page") -> None:
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowLeft")
    assert page.locator("#slider").input_value() == "57"
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    assert page.locator("#slider").input_value() == "1"
    go(page, 50)
    play = page.locator("#play")
    play.click()
    assert play.get_attribute("aria-label") == "Pause"
    page.wait_for_function("() => document.getElementById('slider').value === '59'")
    page.wait_for_function("() => document.getElementById('play').ariaLabel === 'Play'")


def test_a_drag_turns_the_skeleton_by_mouse_and_by_finger(
    browser: "Browser", written: Path
) -> None:
    context = browser.new_context(viewport={"width": 400, "height": 800}, has_touch=True)
    page = context.new_page()
    page.goto(written.as_uri())
    page.locator("[data-look=front]").click()
    box = page.locator("#skeleton").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    width = place(page, "walker_knee_l")[0] - place(page, "walker_knee_r")[0]
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 120 * np.pi / 2, y, steps=4)  # a quarter turn: from the side, knees meet
    page.mouse.up()
    turned = place(page, "walker_knee_l")[0] - place(page, "walker_knee_r")[0]
    assert abs(turned) < 0.25 * width
    touch = context.new_cdp_session(page)
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x - 60, "y": y}]),
        ("touchMove", [{"x": x - 120 * np.pi / 2, "y": y}]),
        ("touchEnd", []),
    ):
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    back = place(page, "walker_knee_l")[0] - place(page, "walker_knee_r")[0]
    assert back == pytest.approx(width, rel=0.1)
    context.close()


@pytest.mark.parametrize("width", [320, 400, 1280])
def test_nothing_is_wider_than_the_screen(browser: "Browser", written: Path, width: int) -> None:
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(written.as_uri())
    for details in page.locator("details").all():
        details.evaluate("element => { element.open = true; }")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_another_clip_is_chosen_from_the_list(page: "Page") -> None:
    assert page.locator("main i").count() == 0  # a name is text, whatever stands in it
    choice = page.get_by_role("button", name=OTHER)
    choice.click()
    assert choice.get_attribute("aria-pressed") == "true"
    assert page.locator("#slider").get_attribute("max") == "29"
    assert page.locator(".notes:visible h2").inner_text() == OTHER
    assert "±" not in value(page, "knee_angle", "r")
    assert page.locator("#no-video").is_visible()
    go(page, LOST.start)
    assert value(page, "knee_angle", "r") == ""
    assert page.locator("#skeleton line:visible").count() == 0
    curve = page.locator(".plot path.curve").first.get_attribute("d") or ""
    assert curve.count("M") == 2  # a gap, and no line across it
    go(page, LOST.stop)
    assert page.locator("#skeleton line:visible").count() > 25
    page.locator("#play").click()  # by a clock of its own
    page.wait_for_function("() => document.getElementById('slider').value === '29'")


def test_every_control_has_a_name(page: "Page") -> None:
    assert page.evaluate(UNNAMED) == []


def test_both_colours_of_paper_are_served(browser: "Browser", written: Path) -> None:
    papers = []
    for scheme in ("light", "dark"):
        page = browser.new_page(color_scheme=scheme)
        page.goto(written.as_uri())
        papers.append(page.evaluate("getComputedStyle(document.body).backgroundColor"))
        page.close()
    assert papers == ["rgb(255, 255, 255)", "rgb(17, 22, 28)"]
