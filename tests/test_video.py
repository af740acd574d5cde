"""Video: every frame, upright, at its own time, from whatever file, in flat memory."""

import json
import subprocess
import sys
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from d3ke.errors import D3keError
from d3ke.vision.container import Stamped
from d3ke.vision.stills import natural_key
from d3ke.vision.video import Reel, Video
from tests.made_clips import Image, pictures, turn_clip, write_clip

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"
LOSSY = 12  # grey levels of mean difference that H.264 makes of the test pictures at most


def shown_by_opencv(path: Path) -> Image:
    """The first frame as another program shows it, RGB."""
    capture = cv2.VideoCapture(str(path))
    capture.set(cv2.CAP_PROP_ORIENTATION_AUTO, 1)
    found, image = capture.read()
    assert found
    return np.asarray(image[..., ::-1], np.uint8)


def apart(first: Image, second: Image) -> float:
    return float(np.abs(first.astype(float) - second.astype(float)).mean())


def test_frames_come_in_order_and_whole(tmp_path: Path) -> None:
    made = pictures(12)
    frames = list(Video(write_clip(tmp_path / "clip.mp4", made)))
    assert [frame.index for frame in frames] == list(range(12))
    assert all(apart(frame.image, image) < LOSSY for frame, image in zip(frames, made, strict=True))


def test_a_reel_reads_on_where_it_was_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parts in their order are decoded once and not beyond; what lies behind is read anew."""
    video = Video(write_clip(tmp_path / "clip.avi", pictures(30), codec="mpeg4"))
    whole, stamps = list(video), video.stamps
    passes: list[int] = []
    decoded: list[int] = []

    def counted() -> Iterator[Stamped]:
        passes.append(0)
        for stamped in stamps():
            decoded.append(0)
            yield stamped

    monkeypatch.setattr(video, "stamps", counted)
    reel = Reel(video)
    for numbers, asked, read in (
        ([2, 5], 1, 6),
        ([6, 8, 9], 1, 10),
        ([], 1, 10),
        ([9, 20], 2, 10 + 21),
        ([28, 99], 2, 10 + 30),
        ([0], 3, 10 + 30 + 1),
    ):
        frames = list(reel.chosen(numbers))
        assert [frame.index for frame in frames] == [n for n in numbers if n < 30]
        for frame in frames:
            assert frame.time == whole[frame.index].time
            assert np.array_equal(frame.image, whole[frame.index].image)
        assert (len(passes), len(decoded)) == (asked, read)


def test_time_is_the_stamp_minus_the_firsts(tmp_path: Path) -> None:
    times = [5.0, 5.04, 5.05, 5.2, 5.21, 5.9]
    video = Video(write_clip(tmp_path / "clip.mkv", pictures(6), times=times))
    found = [frame.time for frame in video]
    assert found == pytest.approx([time - 5.0 for time in times], abs=1e-3)  # .mkv counts in ms
    assert any("unevenly" in warning for warning in video.warnings)


def test_variable_rate_keeps_the_stamps_of_the_file(data_dir: Path) -> None:
    folder = data_dir / "clips" / "sports2d_walk"
    stamps = json.loads((folder / "clip.json").read_text())["videos"]["walk_3s_vfr"]["pts_s"]
    video = Video(folder / "walk_3s_vfr.mp4")
    found = [frame.time for frame in video]
    assert found == pytest.approx(stamps, abs=1e-5)  # written with five decimals
    assert any("0.233 s apart" in warning for warning in video.warnings)


@pytest.mark.parametrize("rate", [24, 25, 29.97, 50, 59.94, 60, 120, 240])
@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".ts"])
def test_the_rate_is_that_of_the_frames(tmp_path: Path, rate: float, suffix: str) -> None:
    video = Video(write_clip(tmp_path / f"clip{suffix}", pictures(12, (64, 48)), rate))
    # 1 %: .mkv and the clip's own stamps are rounded.
    assert video.rate_hz == pytest.approx(rate, rel=0.01)
    assert video.duration_s == pytest.approx(12 / rate, abs=2e-3)  # .mkv rounds stamps to 1 ms


@pytest.mark.parametrize(
    ("rate", "sampled"),
    [
        (24, 24),
        (29.97, 29.97),
        (31, 31),
        (33, 33),
        (40, 40),
        (44, 44),
        (50, 25),
        (60, 30),
        (100, 25),
        (120, 30),
        (240, 30),
    ],
)
def test_sampling_takes_every_so_manieth_frame(tmp_path: Path, rate: float, sampled: float) -> None:
    video = Video(write_clip(tmp_path / "clip.mp4", pictures(20, (64, 48)), rate))
    numbers = [frame.index for frame in video.frames(30.0)]
    assert set(np.diff(numbers)) == {round(rate / sampled)}


def test_where_a_clip_turns_faster_it_is_still_sampled_evenly(tmp_path: Path) -> None:
    times = [*np.arange(20) / 30, *(20 / 30 + np.arange(40) / 60)]
    video = Video(write_clip(tmp_path / "clip.mp4", pictures(60, (64, 48)), times=times))
    sampled = [frame.time for frame in video.frames(30.0)]
    assert np.diff(sampled) == pytest.approx(1 / 30, abs=1e-3)


@pytest.mark.parametrize("clockwise", [90, 180, 270])
def test_rotation_metadata_is_applied_as_other_programs_do(tmp_path: Path, clockwise: int) -> None:
    path = turn_clip(write_clip(tmp_path / "clip.mp4", pictures(3)), clockwise)
    video = Video(path)
    image = next(iter(video)).image
    assert image.shape == (video.size[1], video.size[0], 3)
    assert video.size == ((160, 120) if clockwise == 180 else (120, 160))
    assert apart(image, shown_by_opencv(path)) < 3  # grey levels: other rounding of YUV to RGB


def test_the_turned_walking_clip_is_the_upright_one(data_dir: Path) -> None:
    turned = Video(data_dir / "clips" / "sports2d_walk" / "walk_3s_rot90.mp4")
    upright = Video(WALK)
    assert turned.size == upright.size
    for first, second in zip(turned, upright, strict=True):
        assert first.time == pytest.approx(second.time, abs=1e-4)
        # Encoded twice; upside down or mirrored they would be 50 apart.
        assert apart(first.image, second.image) < 8


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("clip.mp4", "libx264", "yuv444p"),
        ("clip.mov", "mjpeg", "yuvj420p"),
        ("clip.webm", "libvpx-vp9", "yuv420p"),
        ("clip.mkv", "ffv1", "gray"),
        ("clip.mkv", "ffv1", "bgr0"),
        ("clip.ts", "libx264", "yuv420p"),
        ("clip.mp4", "libx264", "yuv420p10le"),
    ],
)
def test_any_container_and_pixel_format(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = write_clip(tmp_path / name, pictures(5, (162, 120)), codec=codec, pixels=pixels)
    frames = list(Video(path))
    assert len(frames) == 5
    assert all(frame.image.shape == (120, 162, 3) for frame in frames)
    assert all(frame.image.dtype == np.uint8 for frame in frames)


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=30)
        stream.width, stream.height, stream.pix_fmt = 120, 90, "yuv420p"
        stream.codec_context.sample_aspect_ratio = Fraction(4, 3)
        for image in pictures(3, (120, 90)):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        file.mux(stream.encode(None))
    video = Video(path)
    assert video.size == (160, 90)
    assert next(iter(video)).image.shape == (90, 160, 3)


def test_metadata_gives_focal_length_and_slow_motion(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    write_clip(
        path,
        pictures(3, (400, 300)),
        options={"movflags": "use_metadata_tags"},
        tags={
            "com.apple.quicktime.camera.focal_length.35mm_equivalent": "26",
            "com.android.capture.fps": "240.0",
        },
    )
    video = Video(path)
    # 26 mm on the 43.27-mm diagonal of film, 500 px on that of the picture.
    assert video.focal_px == pytest.approx(26 / 43.27 * 500)
    assert any("8 times too long" in warning for warning in video.warnings)
    assert Video(WALK).focal_px is None


def test_a_cut_off_file_gives_what_is_there_and_a_warning(tmp_path: Path) -> None:
    whole = write_clip(tmp_path / "whole.mp4", pictures(60), options={"movflags": "faststart"})
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole.read_bytes()[: whole.stat().st_size * 7 // 10])
    video = Video(cut)
    assert 2 <= len(list(video)) < 60
    assert any("cut off" in warning for warning in video.warnings)


def test_damage_in_the_middle_is_passed_over_and_told(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "clip.mp4", pictures(60))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 300] = np.random.default_rng(0).bytes(300)
    path.write_bytes(data)
    video = Video(path)
    assert len(list(video)) > 30
    assert any("damaged" in warning for warning in video.warnings)


def test_missing_time_stamps_are_filled_and_told(tmp_path: Path) -> None:
    video = Video(write_clip(tmp_path / "clip.h264", pictures(10), format="h264"))
    times = [frame.time for frame in video]
    assert np.diff(times) == pytest.approx(1 / video.rate_hz)
    assert any("no usable time stamp" in warning for warning in video.warnings)


def test_a_folder_of_pictures_is_a_clip_in_natural_order(tmp_path: Path) -> None:
    for index, image in enumerate(pictures(12, (64, 48))):
        cv2.imwrite(str(tmp_path / f"frame_{index}.png"), image[..., ::-1])
    (tmp_path / "notes.txt").write_text("not a picture")
    frames = list(Video(tmp_path, rate_hz=50))
    assert [frame.time for frame in frames] == pytest.approx([i / 50 for i in range(12)])
    assert all(
        np.array_equal(frame.image, image)
        for frame, image in zip(frames, pictures(12, (64, 48)), strict=True)
    )
    assert "30 frames/s" in Video(tmp_path).warnings[0]


def test_natural_order_counts() -> None:
    names = ["b2.png", "a10.png", "a9.png", "a10b.png", "A1.png"]
    ordered = sorted(map(Path, names), key=natural_key)
    assert [path.name for path in ordered] == ["A1.png", "a9.png", "a10.png", "a10b.png", "b2.png"]


def test_a_folder_of_two_sizes_is_refused(tmp_path: Path) -> None:
    for index, size in enumerate([(64, 48), (32, 24)]):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pictures(1, size)[0])
    with pytest.raises(D3keError, match=r"1\.png: is 32 x 24 px"):
        list(Video(tmp_path))


def test_a_damaged_picture_is_named(tmp_path: Path) -> None:
    for index in range(3):
        cv2.imwrite(str(tmp_path / f"{index}.png"), pictures(1)[0])
    (tmp_path / "1.png").write_bytes(b"")
    with pytest.raises(D3keError, match=r"1\.png: not a picture"):
        list(Video(tmp_path))


def bad_input(folder: Path) -> dict[str, Path]:
    """Files that are no clip, by what is wrong with them."""
    files = {
        "no such file": folder / "missing.mp4",
        "an empty file": folder / "empty.mp4",
        "not a video": folder / "text.mp4",
        "not a video, or cut": folder / "junk.mp4",
        "cut off before": folder / "no_index.mp4",
        "no video stream": folder / "text.txt",
        "no video": folder / "sound.wav",
        "a single picture": write_clip(folder / "one.mp4", pictures(1)),
        "without pictures": folder / "nothing",
        "or cut off": folder / "list.m3u8",
    }
    files["an empty file"].touch()
    files["not a video"].write_text("hello\n" * 100)
    files["no video stream"].write_text("ffmpeg would film this text\n" * 100)
    files["not a video, or cut"].write_bytes(np.random.default_rng(0).bytes(20000))
    whole = write_clip(folder / "whole.mp4", pictures(30)).read_bytes()
    files["cut off before"].write_bytes(whole[: len(whole) // 2])
    files["without pictures"].mkdir()
    files["or cut off"].write_text("#EXTM3U\n#EXTINF:2,\nhttp://127.0.0.1:9/clip.ts\n")
    with av.open(str(files["no video"]), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), layout="mono")
        sound.sample_rate = 8000
        file.mux(stream.encode(sound))
    return files


def test_what_is_no_clip_is_refused_in_one_line(tmp_path: Path) -> None:
    for problem, path in bad_input(tmp_path).items():
        with pytest.raises(D3keError, match=problem) as refusal:
            list(Video(path))
        message = str(refusal.value)
        assert message.startswith(str(path))
        assert "\n" not in message


def test_a_colon_in_a_name_is_no_protocol(tmp_path: Path) -> None:
    (tmp_path / "http:").mkdir()
    path = tmp_path / "http:" / "a:b.mp4"
    path.write_bytes(write_clip(tmp_path / "clip.mp4", pictures(3)).read_bytes())
    assert len(list(Video(path))) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no resource module")
def test_memory_does_not_grow_with_the_clip(tmp_path: Path) -> None:
    program = (
        "import resource, sys; from d3ke.vision.ahead import ahead\n"
        "from d3ke.vision.video import Reel, Video\n"
        "assert sum(1 for _ in ahead(Video(sys.argv[1]).frames())) == int(sys.argv[2])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    peaks = []
    for count in (100, 1500):
        made = (image for _ in range(count // 50) for image in pictures(50, (320, 240)))
        path = write_clip(tmp_path / f"{count}.mp4", made)
        command = [sys.executable, "-c", program, str(path), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
    # 1,400 more pictures of 230 kB would be 320 MB.
    assert peaks[1] - peaks[0] < 30_000  # kB; allocators differ from run to run
