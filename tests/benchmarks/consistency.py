"""Truth-free checks on real clips: the same movement, shown otherwise, gives the same angles.

Each clip is predicted as it is and as variants: mirrored, re-encoded, rescaled, with every second
frame, with a variable frame rate. The table gives the mean absolute difference over the lower
limb and trunk coordinates and the largest of a coordinate, in degrees, after the default filter.
Then the views of the same movement against each other.

    python -m tests.benchmarks.consistency [--data FOLDER] [--weights NAME]
"""

import argparse
import itertools
import tempfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from d3ke.motion.filters import lowpass
from d3ke.network.checkpoint import DEFAULT, load_weights
from d3ke.network.d3ke import D3KE
from d3ke.network.mirror import coordinate_signs, swap_of
from d3ke.predict import predict
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.vision.video import Frame, Video

CLIPS = (
    "sports2d_walk/walk_3s.mp4",
    "cmbbe_squats/video_cam0.mp4",
    "cmbbe_jump/video_cam1.mp4",
    "cmbbe_jump_high_knees/video_cam0.mp4",
    "pose2sim_balancing/video_cam1.mp4",
)
VIEWS = ("pose2sim_balancing", "cmbbe_squats", "cmbbe_jump", "cmbbe_jump_high_knees")
COMPARED = ("hip_", "knee_", "ankle_", "lumbar_")
CUTOFF_HZ = 6.0
TICKS = 90_000  # of the variants' time base, per second

Array = NDArray[np.float64]
Frames = Iterable[Frame]


def mirrored(frames: Frames) -> Iterator[Frame]:
    """Left and right exchanged."""
    for frame in frames:
        yield frame._replace(image=np.ascontiguousarray(frame.image[:, ::-1]))


def rescaled(frames: Frames) -> Iterator[Frame]:
    """Three quarters of the size."""
    for frame in frames:
        height, width = frame.image.shape[:2]
        size = (2 * round(0.375 * width), 2 * round(0.375 * height))
        image = cv2.resize(frame.image, size, interpolation=cv2.INTER_AREA)
        yield frame._replace(image=np.asarray(image, dtype=np.uint8))


def every_second(frames: Frames) -> Iterator[Frame]:
    """Half the frame rate."""
    for number, frame in enumerate(frames):
        if number % 2 == 0:
            yield frame


def uneven(frames: Frames) -> Iterator[Frame]:
    """A quarter of the frames missing, the time stamps kept."""
    kept = np.random.default_rng(0)
    for number, frame in enumerate(frames):
        if number < 2 or kept.random() > 0.25:
            yield frame


def unchanged(frames: Frames) -> Iterator[Frame]:
    """The same frames, encoded again."""
    yield from frames


VARIANTS: tuple[Callable[[Frames], Iterator[Frame]], ...] = (
    mirrored,
    unchanged,
    rescaled,
    every_second,
    uneven,
)


def write(frames: Iterable[Frame], path: Path, crf: int = 26) -> None:
    """Encode frames as H.264 with their own time stamps."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=60, options={"crf": str(crf)})
        stream.pix_fmt, stream.time_base = "yuv420p", Fraction(1, TICKS)
        for frame in frames:
            height, width = (side - side % 2 for side in frame.image.shape[:2])
            if not stream.codec_context.is_open:
                stream.width, stream.height = width, height
            picture = av.VideoFrame.from_ndarray(frame.image[:height, :width], format="rgb24")
            picture.pts, picture.time_base = round(frame.time * TICKS), Fraction(1, TICKS)
            container.mux(stream.encode(picture))
        container.mux(stream.encode())


def angles(prediction: Prediction, grid: Array) -> Array:
    """Filtered angles of the compared coordinates on a grid, (G, C), deg."""
    columns = compared(prediction)
    known = np.isfinite(prediction.q).all(axis=1)
    time, q = prediction.time[known], np.degrees(prediction.q[known])
    on_grid = np.stack([np.interp(grid, time, q[:, column]) for column in columns], axis=1)
    return np.asarray(lowpass(on_grid, 1 / (grid[1] - grid[0]), CUTOFF_HZ))


def compared(prediction: Prediction) -> list[int]:
    """Indices of the coordinates that are compared."""
    names = prediction.coordinate_names
    return [index for index, name in enumerate(names) if name.startswith(COMPARED)]


def turned_round(values: Array, names: tuple[str, ...]) -> Array:
    """The angles that a mirrored clip should give."""
    turned: Array = values[:, swap_of(names)] * coordinate_signs(names).numpy()
    return turned


def compare(clip: Path, model: D3KE, folder: Path) -> Iterator[tuple[str, float, str, float]]:
    """Rows of variant, mean difference, worst coordinate and its difference; deg."""
    options = PredictOptions()
    plain = predict(clip, options, model)
    names = tuple(plain.coordinate_names[index] for index in compared(plain))
    for variant in VARIANTS:
        path = folder / f"{variant.__name__}.mp4"
        write(variant(Video(clip)), path)
        other = predict(path, options, model)
        end = min(plain.time[-1], other.time[-1])
        grid = np.arange(0, end, 1 / 30)
        one, two = angles(plain, grid), angles(other, grid)
        if variant is mirrored:
            two = turned_round(two, names)
        difference = np.abs(one - two).mean(axis=0)
        worst = int(difference.argmax())
        yield variant.__name__, float(difference.mean()), names[worst], float(difference[worst])


def compare_views(folder: Path, model: D3KE) -> Iterator[tuple[str, float]]:
    """Pairs of views of one movement and their mean difference, deg."""
    views = {
        clip.stem.removeprefix("video_"): predict(clip, PredictOptions(), model)
        for clip in sorted(folder.glob("video_cam*.mp4"))
    }
    for (one, first), (two, second) in itertools.combinations(views.items(), 2):
        grid = np.arange(0, min(first.time[-1], second.time[-1]), 1 / 30)
        difference = np.abs(angles(first, grid) - angles(second, grid)).mean()
        yield f"{one} - {two}", float(difference)


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT)
    arguments = parser.parse_args()
    model = load_weights(arguments.weights)
    print(f"{'clip':40} {'variant':14} {'mean deg':>8}   worst coordinate")
    for clip in CLIPS:
        with tempfile.TemporaryDirectory() as folder:
            for name, mean, worst, value in compare(
                arguments.data / "clips" / clip, model, Path(folder)
            ):
                print(f"{clip:40} {name:14} {mean:8.2f}   {worst} {value:.2f}", flush=True)
    print(f"\n{'movement':40} {'views':14} {'mean deg':>8}")
    for movement in VIEWS:
        for pair, mean in compare_views(arguments.data / "clips" / movement, model):
            print(f"{movement:40} {pair:14} {mean:8.2f}", flush=True)


if __name__ == "__main__":
    main()
