"""The page: whole in one file, it holds the prediction's numbers, and bad input is told."""

import base64
import json
import os
import re
from collections.abc import Mapping
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from statistics import NormalDist
from typing import Any

import av
import numpy as np
import pytest

from d3ke import predict as predicting
from d3ke.export import Sampling, sampled, write_files
from d3ke.network.checkpoint import load_weights
from d3ke.phases import stances
from d3ke.posing import posed
from d3ke.predict import predict_clip
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.progress import Silent
from d3ke.report.page import page
from d3ke.report.page_clip import clip_of_prediction
from d3ke.report.page_doubts import doubts_of
from d3ke.report.page_video import small_video
from d3ke.result_key import key_of
from d3ke.skeleton import default_model
from d3ke.skeleton.landmark_places import landmark_places
from d3ke.vision.video import Video
from tests.command import Command
from tests.made_pages import SD_DEG, UNEVEN_S, degrees_of, grey_clip, squatting
from tests.scenes import SKELETON, squat

NASTY = "<b>&.mp4"
WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"
MOST_BYTES_S = 1e6  # of a page, for each second of a clip


class Elements(HTMLParser):
    """The elements of a page: their names, attributes, and the text of those with an id."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, Mapping[str, str | None]]] = []
        self.texts: dict[str, str] = {}
        self._within: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        self._within = dict(attrs).get("id")

    def handle_endtag(self, tag: str) -> None:
        self._within = None

    def handle_data(self, data: str) -> None:
        if self._within:
            self.texts[self._within] = self.texts.get(self._within, "") + data


@pytest.fixture(scope="module")
def prediction() -> Prediction:
    return squatting(NASTY)


@pytest.fixture(scope="module")
def text(prediction: Prediction) -> str:
    shown = clip_of_prediction(prediction, {"osim": "a.osim", "mot": "a.mot", "npz": "a.npz"})
    return page([shown])


def numbers(data: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.frombuffer(base64.b64decode(data), "<f4")


def clip_in(text: str) -> dict[str, Any]:
    found = json.loads(Elements(text).texts["clip-0"])
    assert isinstance(found, dict)
    return found


def test_the_page_needs_no_other_file(text: str) -> None:
    found = Elements(text).found
    links = [v for _, attrs in found for k, v in attrs.items() if k in {"src", "href", "srcset"}]
    assert links == ["data:,"]  # no icon is asked for either
    assert re.findall(r"https?://(?!www\.w3\.org/2000/svg\")|@import|url\(", text) == []
    policy = next(a["content"] for _, a in found if a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")


def test_the_page_holds_the_numbers_of_the_prediction(prediction: Prediction, text: str) -> None:
    clip = clip_in(text)
    count, wide = prediction.q.shape
    assert clip["time"] == pytest.approx(UNEVEN_S.tolist(), abs=1e-6)
    values = numbers(clip["values"]).reshape(count, wide)
    at = prediction.coordinate_names.index("knee_angle_r")
    np.testing.assert_allclose(values[:, at], degrees_of(prediction, "knee_angle_r"), atol=1e-3)
    np.testing.assert_allclose(
        values[:, 4], prediction.q[:, 4], atol=1e-6
    )  # metres stay metres: pelvis_ty
    spread = numbers(clip["spread"]).reshape(count, wide)
    of_90_percent = NormalDist().inv_cdf(0.95) * SD_DEG
    assert spread[0, at] == pytest.approx(of_90_percent, abs=1e-4)
    assert np.isnan(spread[0, 0])
    points = numbers(clip["points"]).reshape(count, -1, 3)
    ends = {bone["name"]: bone["end"] for bone in clip["bones"]}
    knee = prediction.joints[:, prediction.joint_names.index("walker_knee_r")]
    np.testing.assert_allclose(points[:, ends["walker_knee_r"]], knee, atol=1e-6)
    sides = {bone["name"]: bone["side"] for bone in clip["bones"]}
    assert (sides["walker_knee_r"], sides["walker_knee_l"], sides["back"]) == ("r", "l", "m")


def test_left_and_right_share_a_plot_and_what_was_not_measured_stands_apart(text: str) -> None:
    groups = {group["title"]: group for group in clip_in(text)["groups"]}
    knees = next(p for p in groups["Legs"]["plots"] if p["title"] == "knee_angle")
    assert [line["side"] for line in knees["lines"]] == ["r", "l"]
    assert [p["title"] for p in groups["Pelvis in ground"]["plots"]][-1] == "pelvis_tz"
    apart = groups["Not measured"]
    assert not apart["measured"]
    assert {p["title"] for p in apart["plots"]} == {
        "mtp_angle",
        "neck_flexion",
        "neck_bending",
        "neck_rotation",
    }
    total = sum(len(p["lines"]) for group in groups.values() for p in group["plots"])
    assert total == len(default_model().coordinates)


def test_the_page_says_what_a_person_should_know(prediction: Prediction) -> None:
    quality = {"name": "light", "value": 0.4567, "unit": "", "verdict": "poor", "advice": "Film it"}
    told = replace(prediction, meta=prediction.meta | {"quality": [quality]})
    words = page([clip_of_prediction(told, {"osim": "a.osim", "mot": "a.mot"})])
    for expected in (
        "the person is only 90 px tall",
        "the camera is level (--pitch)",
        "File &gt; Open Model, <b>a.osim</b>",
        "Load Motion, <b>a.mot</b>",
        "neck_flexion, neck_bending",
        '<li class="poor"><b>light</b> 0.457, poor: Film it</li>',
    ):
        assert expected in words, expected


def test_the_persons_height_in_pixels_is_told_once(prediction: Prediction) -> None:
    """Among the qualities; the box is not as tall, and two figures of one thing confuse."""
    clip = clip_of_prediction(prediction, {})
    assert clip.facts["Picture"] == "{} x {} px".format(*prediction.image_size)


def test_names_of_files_are_shown_as_text(text: str) -> None:
    assert NASTY not in text
    assert "<h1>&lt;b&gt;&amp;.mp4</h1>" in text
    assert clip_in(text)["name"] == NASTY


def test_a_foot_stands_but_while_the_person_jumps() -> None:
    time, q = squat(5.0, lift_m=0.4)
    pose = posed(SKELETON, q)
    found = stances(time, pose.markers, default_model())
    height = q[:, 4] - q[0, 4]
    flight = time[height > 0.15]  # lower counts as the floor: errors of hips and knees
    for side in "rl":
        before, after = [stance for stance in found if stance.side == side]
        assert before.start_s == 0
        assert before.end_s == pytest.approx(flight[0], abs=0.15)
        assert after.start_s == pytest.approx(flight[-1], abs=0.15)
        assert after.end_s == time[-1]


def test_a_covered_arm_and_an_impossible_knee_are_told(prediction: Prediction) -> None:
    assert doubts_of(prediction) == []
    landmarks, q = prediction.landmarks.copy(), prediction.q.copy()
    places = [landmark_places().names.index(name) for name in ("elbow_r", "wrist_r")]
    landmarks[:30, places, 3] = 0.1
    q[:15, prediction.coordinate_names.index("knee_angle_l")] = np.radians(-40)
    covered, beyond = doubts_of(replace(prediction, landmarks=landmarks, q=q))
    assert covered.startswith("the right arm is covered in 50% of the frames")
    assert beyond == "beyond the range of its joint: knee_angle_l (25% of the frames)"


def test_the_video_is_small_at_its_own_times_and_the_same_again(tmp_path: Path) -> None:
    times_s = UNEVEN_S[:12]
    video = Video(grey_clip(tmp_path / "clip.mp4", times_s))
    data = small_video(video, None, Silent())
    (tmp_path / "small.mp4").write_bytes(data)
    with av.open(str(tmp_path / "small.mp4")) as file:
        stream = file.streams.video[0]
        assert (stream.width, stream.height) == (360, 640)
        times = [float(frame.time or 0) for frame in file.decode(video=0)]
    assert times == pytest.approx(times_s.tolist(), abs=1e-3)
    assert small_video(video, None, Silent()) == data


def test_a_page_of_a_real_clip_is_small_enough_to_send() -> None:
    data = small_video(Video(WALK), None, Silent())
    assert 4 / 3 * len(data) < MOST_BYTES_S * 3.0  # in base64


def test_predict_writes_the_page_with_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clip, model = grey_clip(tmp_path / "squat.mp4", UNEVEN_S[:3]), load_weights("landmarks")
    calls: list[str] = []
    options = PredictOptions(report=True, resume=True)

    def predicted(*_: object) -> Prediction:
        calls.append("predict")
        found = squatting()
        return replace(found, meta=found.meta | {"key": key_of(clip, options.told(), model)})

    monkeypatch.setattr(predicting, "predict", predicted)
    outputs = predict_clip(clip, tmp_path / "out.mot", options, model).outputs
    assert outputs["report"] == tmp_path / "out.html"
    words = outputs["report"].read_text(encoding="utf-8")
    assert "Load Motion, <b>out.mot</b>" in words
    assert base64.b64decode(Elements(words).texts["video-0"])[4:8] == b"ftyp"
    assert predict_clip(clip, tmp_path / "out.mot", options, model).skipped
    outputs["report"].unlink()
    assert not predict_clip(clip, tmp_path / "out.mot", options, model).skipped
    assert outputs["report"].is_file()
    assert calls == ["predict", "predict"]


@pytest.fixture
def written(tmp_path: Path) -> Path:
    """A folder with the files of a prediction, and its clip."""
    found = squatting()
    found.save(tmp_path / "squat.npz")
    files = {suffix: tmp_path / f"squat.{suffix}" for suffix in ("mot", "osim")}
    write_files(files, sampled(found, Sampling()))
    return tmp_path


def test_a_prediction_without_its_video_is_shown_without(d3ke: Command, written: Path) -> None:
    done = d3ke("view", written / "squat.npz", "-o", written / "new" / "page.html", "--json")
    assert done.status == 0
    assert done.json["clips"] == ["squat.mp4"]
    (warning,) = done.json["warnings"]
    assert "squat.mp4 is not beside squat.npz: --video FILE shows it here" in warning
    assert "--video FILE shows it here" in (written / "new" / "page.html").read_text("utf-8")


def test_a_folder_without_the_clip_is_told(d3ke: Command, written: Path) -> None:
    (written / "films").mkdir()
    target = written / "page.html"
    done = d3ke("view", written / "squat.npz", "-o", target, "--video", written / "films")
    assert done.status == 0
    (warning,) = done.warnings
    assert f"squat.mp4 is not in {written / 'films'}" in warning
    assert str(written) not in target.read_text("utf-8")  # a page names no folder of ours


def test_the_video_beside_is_found_and_another_refused(d3ke: Command, written: Path) -> None:
    grey_clip(written / "squat.mp4", UNEVEN_S[:3])
    target = written / "page.html"
    assert d3ke("view", written / "squat.npz", "-o", target).err == ""
    assert "video-0" in Elements(target.read_text("utf-8")).texts
    target.unlink()
    done = d3ke("view", written / "squat.npz", "-o", target, "--video", WALK)
    assert done.status == 1
    assert "walk_3s.mp4: 640 x 286 px, but squat.npz was predicted from 720 x 1280" in done.err
    assert not target.exists()


def test_a_motion_is_shown_on_its_model_beside_a_reference(d3ke: Command, written: Path) -> None:
    target = written / "page.html"
    done = d3ke(
        "view", written / "squat.mot", "-o", target, "--reference", written / "squat.npz", "--json"
    )
    assert done.status == 0, done.err
    clip, found = clip_in(target.read_text("utf-8")), squatting()
    count = len(clip["time"])
    column = next(
        line["column"]
        for group in clip["groups"]
        for plot in group["plots"]
        for line in plot["lines"]
        if (plot["title"], line["side"]) == ("knee_angle", "r")
    )
    curve = numbers(clip["values"]).reshape(count, -1)[:, column]
    beside = numbers(clip["reference"]).reshape(count, -1)[:, column]
    raw = np.interp(clip["time"], found.time, degrees_of(found, "knee_angle_r"))
    assert np.abs(curve - raw).max() < 2.0  # degrees: the .mot is low-passed
    assert np.nanmax(np.abs(beside - raw)) < 0.5  # degrees: read between frames
    points = numbers(clip["points"]).reshape(count, -1, 3)
    knee = next(bone["end"] for bone in clip["bones"] if bone["name"] == "walker_knee_r")
    true = found.joints[:, found.joint_names.index("walker_knee_r")]
    aside = [np.interp(clip["time"], found.time, axis) for axis in true.T]
    assert np.abs(points[:, knee] - np.stack(aside, axis=1)).max() < 0.02  # m: low-passed, too


def test_what_is_odd_of_a_reference_is_told(d3ke: Command, written: Path) -> None:
    odd = written / "odd.mot"
    lines = (written / "squat.mot").read_text("utf-8").splitlines(keepends=True)
    odd.write_text("".join(line for line in lines if not line.startswith("inDegrees")), "utf-8")
    done = d3ke(
        "view", written / "squat.mot", "-o", written / "p.html", "--reference", odd, "--json"
    )
    assert done.status == 0
    assert any("odd.mot" in warning for warning in done.json["warnings"])


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["alone.mot", "-o", "p.html"], 1, "alone.mot: no model alone.osim beside it"),
        (["other.npz", "-o", "p.html"], 1, "other.npz: not a prediction of d3ke"),
        (["note.txt", "-o", "p.html"], 1, "note.txt: neither a prediction nor a motion"),
        (["gone.npz", "-o", "p.html"], 1, "gone.npz: no such file"),
        (["squat.npz", "-o", "p.pdf"], 2, "p.pdf: a page is one file. Name a .html"),
        (["squat.npz", "-o", "-"], 2, "-: a page is one file. Name a .html"),
        (["squat.npz", "-o", "note.txt/p.html"], 1, "note.txt: cannot be made"),
        (["squat.npz", "squat.mot", "-o", "p.html", "--reference", "squat.mot"], 2, "one file"),
        (["squat.npz", "squat.mot", "-o", "p.html", "--video", "squat.mot"], 2, "folder of"),
        (["knees.mot", "-o", "p.html", "--model", "squat.osim"], 1, "has no coordinate of"),
        (["squat.npz", "-o", "p.html", "--model", "squat.osim"], 2, "a prediction holds its own"),
    ],
)
def test_bad_input_is_told_in_a_line(
    d3ke: Command,
    written: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    status: int,
    words: str,
) -> None:
    monkeypatch.chdir(written)
    Path("note.txt").write_text("no motion")
    os.link("squat.mot", "alone.mot")
    Path("knees.mot").write_text("nRows=1\nnColumns=2\nendheader\ntime\televation\n0\t1\n")
    np.savez("other.npz", a=1)
    done = d3ke("view", *arguments)
    assert done.status == status
    (line,) = done.errors
    assert words in line
    assert not Path("p.html").exists()


def test_a_bad_file_does_not_keep_the_others_off_the_page(d3ke: Command, written: Path) -> None:
    target = written / "page.html"
    done = d3ke("view", written / "squat.npz", written / "gone.npz", "-o", target)
    assert done.status == 1
    assert done.out == f"{target}\n"
    (line,) = done.errors
    assert "gone.npz: no such file" in line
