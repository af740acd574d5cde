"""What a frame costs from the file to its landmarks.

python -m tests.benchmarks.vision [CLIP...]. Without a clip: the walking clip of the examples,
and, where the data folder is, the balancing clip made 720 x 1280 px at 60 and at 30 frames/s.
Medians; needs a quiet machine.
"""

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from d3ke.vision.blazepose import LANDMARK_SIZE, LandmarkNetwork, PoseDetector, crop
from d3ke.vision.person import landmark_threads, track_person
from d3ke.vision.tracking import Finder
from d3ke.vision.video import Video
from tests.made_clips import write_clip

ROOT = Path(__file__).parents[2]
WALK = ROOT / "examples" / "walk_3s.mp4"
DATA = Path(os.environ.get("D3KE_DATA", ROOT.parent / "shared" / "data"))
BALANCING = DATA / "clips" / "pose2sim_balancing" / "video_cam1.mp4"
ROUNDS = 5
CALLS = 30


def main(clips: list[Path]) -> None:
    started = time.perf_counter()
    threads = landmark_threads()
    detector, network = PoseDetector(threads=threads), LandmarkNetwork(threads=threads)
    opened_ms = 1e3 * (time.perf_counter() - started)
    print(f"{os.cpu_count()} cores, {threads} threads; networks open in {opened_ms:.0f} ms")
    print(f"{'ms':42} decode  convert  detect  crop  landmarks  all/frame  all/landmarks")
    with tempfile.TemporaryDirectory() as folder:
        for clip in clips or list(_default_clips(Path(folder))):
            print(_row(clip, detector, network))


def _default_clips(folder: Path) -> Iterator[Path]:
    yield WALK
    if BALANCING.is_file():
        pictures = [frame.image for frame in Video(BALANCING)]
        for rate in (60, 30):
            yield write_clip(
                folder / f"720x1280_{rate}.mp4", pictures[:: 60 // rate], rate, size=(720, 1280)
            )


def _row(clip: Path, detector: PoseDetector, network: LandmarkNetwork) -> str:
    video = Video(clip)
    frames = sum(1 for _ in video)
    decode = _median(lambda: sum(1 for _ in video.frames(1e-3)), ROUNDS) / frames
    every = _median(lambda: sum(1 for _ in video), ROUNDS) / frames
    frame = next(iter(video))
    roi = Finder(detector, network).search(frame.image)[0].roi
    detect = _median(lambda: detector(frame.image), CALLS)
    cropped = _median(lambda: crop(frame.image, roi, LANDMARK_SIZE), CALLS)
    landmarks = _median(lambda: network(frame.image, roi), CALLS)
    tracked = len(track_person(video).time)
    whole = _median(lambda: track_person(video), ROUNDS)
    name = (
        f"{clip.name[-18:]} {video.size[0]}x{video.size[1]} {video.rate_hz:.4g}/s {frames} frames"
    )
    return (
        f"{name:42} {decode:6.2f}  {every - decode:7.2f}  {detect:6.2f}  {cropped:4.2f}  "
        f"{landmarks:9.2f}  {whole / frames:9.2f}  {whole / tracked:13.2f}"
    )


def _median(work: Callable[[], object], times: int) -> float:
    """Median time of a call, ms."""
    took = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        took.append(1e3 * (time.perf_counter() - started))
    return statistics.median(took)


if __name__ == "__main__":
    main([Path(argument) for argument in sys.argv[1:]])
