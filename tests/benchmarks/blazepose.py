"""How BlazePose does on rendered people: found, sure, and how far off; beside real clips.

Errors are of the places where its landmarks usually lie on the bodies (fitted to the same
records), in per cent of the person's longer side in the picture.

    python -m tests.benchmarks.blazepose RECORDS [--data FOLDER] [--csv FOLDER]
"""

import argparse
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import ks_2samp

from d3ke.errors import D3keError
from d3ke.skeleton import default_model
from d3ke.synth.landmarks.errors import ENOUGH_CLIPS, fit_noise
from d3ke.synth.landmarks.evidence import LandmarkEvidence
from d3ke.synth.landmarks.noise import VIEWS, LandmarkNoise, landmark_noise
from d3ke.synth.landmarks.places_fit import image_errors, sector
from d3ke.synth.landmarks.records import read_records
from d3ke.vision.person import track_person
from d3ke.vision.video import Video

Array = NDArray[np.float64]
Floats = NDArray[np.float32]

REAL = "clips/*/video_*.mp4"
GROUPS = {
    "head": range(11),
    "trunk": (11, 12, 23, 24),
    "arms": range(13, 23),
    "legs": range(25, 33),
}
FACING = ("towards", "oblique right", "right", "back right", "away", "back left", "left",
          "oblique left")  # fmt: skip
BENDS_DEG = (-10, 10, 30, 60, 90, 180)
JOINTS = {
    "knee": ((24, 26, 28), (23, 25, 27)),
    "hip": ((12, 24, 26), (11, 23, 25)),
    "elbow": ((12, 14, 16), (11, 13, 15)),
    "ankle": ((26, 28, 32), (25, 27, 31)),
}
STRAIGHT_DEG = {"knee": 0.0, "hip": 0.0, "elbow": 0.0, "ankle": 90.0}  # bend of a right angle


class Scores(NamedTuple):
    """Of every clip: presence (T,), visibility (T, 33), and whether the person was found (T,)."""

    presence: list[Floats]
    visibility: list[Floats]
    found: list[NDArray[np.bool_]]


def record_scores(folder: Path) -> Scores:
    """What BlazePose thought of its own work on rendered clips."""
    records = list(read_records(folder))
    return Scores(
        [record.presence[record.seen] for record in records],
        [record.landmarks[record.seen, :, 3] for record in records],
        [record.seen for record in records],
    )


def real_scores(data: Path) -> Scores:
    """The same on the real clips of the data folder."""
    scores = Scores([], [], [])
    for path in sorted(data.glob(REAL)):
        track = track_person(Video(path))
        scores.presence.append(track.presence[track.seen])
        scores.visibility.append(track.landmarks[track.seen, :, 3])
        scores.found.append(track.seen)
    if not scores.found:
        raise D3keError(f"{data}: no {REAL}. Pass --data.")
    return scores


def scores_table(rendered: Scores, real: Scores) -> pd.DataFrame:
    """Quantiles of both and the Kolmogorov-Smirnov distance: of frames, and of clips' medians.

    Frames of a clip are no independent draws, so that a p-value is given for the medians only.
    """
    rows: dict[str, dict[str, float]] = {}
    kinds = {"presence": (rendered.presence, real.presence, np.asarray)} | {
        f"visibility {name}": (rendered.visibility, real.visibility, _columns(group))
        for name, group in GROUPS.items()
    }
    for name, (ours, theirs, taken) in kinds.items():
        one, other = ([taken(clip) for clip in clips if len(clip)] for clips in (ours, theirs))
        row: dict[str, float] = {}
        for where, clips in (("rendered", one), ("real", other)):
            values = np.concatenate([clip.ravel() for clip in clips])
            row |= {f"{where} p{p}": float(np.percentile(values, p)) for p in (5, 25, 50)}
        frames = ks_2samp(*(np.concatenate([c.ravel() for c in clips]) for clips in (one, other)))
        medians = ks_2samp(*([float(np.median(c)) for c in clips] for clips in (one, other)))
        row |= {"KS frames": float(frames.statistic), "KS clips": float(medians.statistic)}
        rows[name] = row | {"p clips": float(medians.pvalue)}
    return pd.DataFrame(rows).T


def _columns(group: Sequence[int] | range) -> Callable[[Floats], Floats]:
    return lambda values: values[:, list(group)]


def landmark_table(
    noise: LandmarkNoise, clips: Sequence[LandmarkEvidence], errors: Sequence[Array]
) -> pd.DataFrame:
    """Each landmark's errors over all frames, and what they are made of."""
    every = 100 * np.concatenate(errors)  # (F, 33, 2)
    size = np.linalg.norm(every, axis=2)
    hidden = np.concatenate([clip.hidden for clip in clips])
    return pd.DataFrame(
        {
            "median %": np.nanmedian(size, axis=0),
            "p90 %": np.nanpercentile(size, 90, axis=0),
            "right %": np.nanmedian(every[..., 0], axis=0),
            "low %": np.nanmedian(every[..., 1], axis=0),
            "hidden %": 100 * (hidden > 0.5).mean(axis=0),
            "median hidden %": [
                np.nanmedian(size[hidden[:, p] > 0.5, p]) if (hidden[:, p] > 0.5).any() else np.nan
                for p in range(33)
            ],
            "jitter %": 100 * noise.places.jitter_of_box,
            "slow %": 100 * noise.places.slow_error_of_box,
            "clip sd mm": 1000 * np.linalg.norm(noise.places.clip_sd_m, axis=1),
            "visibility seen": _sigmoid(noise.visibility.seen),
            "visibility hidden": _sigmoid(noise.visibility.hidden),
        },
        index=list(noise.places.names),
    )


def _sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)))


def view_table(clips: Sequence[LandmarkEvidence], errors: Sequence[Array]) -> pd.DataFrame:
    """Errors of groups of landmarks and swaps by where the person faces."""
    views = np.concatenate([sector(clip.azimuth) for clip in clips])
    size = 100 * np.linalg.norm(np.concatenate(errors), axis=2)
    table = {"frames": np.bincount(views, minlength=VIEWS).astype(float)}
    for name, group in GROUPS.items():
        table[f"{name} %"] = _by(views, VIEWS, size[:, list(group)])
    for name in ("arms", "legs"):
        taken = np.concatenate([clip.swapped[name] for clip in clips])
        apart = np.concatenate([clip.apart[name] for clip in clips])
        counts = np.bincount(views, apart, VIEWS)
        table[f"{name} swapped %"] = 100 * np.bincount(views, taken, VIEWS) / np.maximum(counts, 1)
    return pd.DataFrame(table, index=list(FACING))


def activity_table(clips: Sequence[LandmarkEvidence], errors: Sequence[Array]) -> pd.DataFrame:
    """The same by what people do."""
    names = sorted({clip.activity for clip in clips})
    of_frame = np.concatenate([np.full(len(c.azimuth), names.index(c.activity)) for c in clips])
    size = 100 * np.linalg.norm(np.concatenate(errors), axis=2)
    seen = np.concatenate([np.isfinite(clip.image[:, 0, 0]) for clip in clips])
    elsewhere = np.concatenate([clip.elsewhere for clip in clips])
    table = {
        "frames": np.bincount(of_frame, minlength=len(names)).astype(float),
        "found %": [100 * seen[of_frame == i].mean() for i in range(len(names))],
        "somebody else %": [100 * elsewhere[of_frame == i].mean() for i in range(len(names))],
    }
    for name, group in GROUPS.items():
        table[f"{name} %"] = list(_by(of_frame, len(names), size[:, list(group)]))
    return pd.DataFrame(table, index=names)


def _by(bins: NDArray[np.int64], count: int, values: Array) -> Array:
    return np.array(
        [np.nanmedian(values[bins == i]) if (bins == i).any() else np.nan for i in range(count)]
    )


def bend_table(clips: Sequence[LandmarkEvidence]) -> pd.DataFrame:
    """What metric landmarks read of a joint's bend, less what it is, by bend and view, deg.

    The bend of three points: 0 is a straight limb, for the ankle a foot square to the shank.
    """
    rows = []
    for joint, sides in JOINTS.items():
        read, true, view = _bends(clips, sides, STRAIGHT_DEG[joint])
        aspect = np.select(
            [np.isin(view, (7, 0, 1)), np.isin(view, (3, 4, 5))], ["towards", "away"], "side"
        )
        slope, intercept = np.polyfit(true, read, 1)
        row: dict[str, object] = {"joint": joint, "read": f"{slope:.2f} true + {intercept:.0f}"}
        for low, high in pairwise(BENDS_DEG):
            for name in ("towards", "side", "away"):
                chosen = (true >= low) & (true < high) & (aspect == name)
                if chosen.sum() > 100:
                    row[f"{max(low, 0)}-{high} {name}"] = np.median((read - true)[chosen])
        rows.append(row)
    return pd.DataFrame(rows).set_index("joint")


def _bends(
    clips: Sequence[LandmarkEvidence], sides: Sequence[tuple[int, int, int]], straight_deg: float
) -> tuple[Array, Array, NDArray[np.int64]]:
    read, true, view = [], [], []
    for clip in clips:
        for points in sides:
            usable = clip.usable[:, list(points)].all(axis=1)
            read.append(_bend(clip.world[usable], points) - straight_deg)
            true.append(_bend(clip.points[usable], points) - straight_deg)
            view.append(sector(clip.azimuth[usable]))
    return np.concatenate(read), np.concatenate(true), np.concatenate(view)


def _bend(points: NDArray[np.float32], three: tuple[int, int, int]) -> Array:
    upper = points[:, three[1]] - points[:, three[0]]
    lower = points[:, three[2]] - points[:, three[1]]
    length = np.linalg.norm(upper, axis=1) * np.linalg.norm(lower, axis=1)
    cosine = np.clip((upper * lower).sum(axis=1) / length, -1, 1)
    return np.asarray(np.degrees(np.arccos(cosine)), dtype=np.float64)


def tables(folder: Path, data: Path | None) -> Iterator[tuple[str, pd.DataFrame]]:
    """Every table with its name, which is also that of its file."""
    rendered = record_scores(folder)
    found = np.concatenate(rendered.found)
    rows = {"rendered": {"clips": len(rendered.found), "frames": len(found),
                         "found %": 100 * found.mean()}}  # fmt: skip
    if data is not None:
        real = real_scores(data)
        of_real = np.concatenate(real.found)
        rows["real"] = {"clips": len(real.found), "frames": len(of_real),
                        "found %": 100 * of_real.mean()}  # fmt: skip
        yield "scores", scores_table(rendered, real)
    yield "found", pd.DataFrame(rows).T
    records = read_records(folder, most=ENOUGH_CLIPS)
    noise, clips = fit_noise(records, default_model(), landmark_noise())
    clips = clips[::2]  # without the mirrored ones
    share = noise.flat_feet / 2
    errors = image_errors(clips, noise.places.offsets_m, share, np.zeros((VIEWS, 33, 2)))
    yield "landmarks", landmark_table(noise, clips, errors)
    yield "views", view_table(clips, errors)
    yield "activities", activity_table(clips, errors)
    yield "bends", bend_table(clips)


def main() -> None:
    """Print the tables, and write them as CSV where asked to."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("records", type=Path)
    parser.add_argument("--data", type=Path, help="The data folder, for its real clips.")
    parser.add_argument("--csv", type=Path, help="A folder for the tables.")
    arguments = parser.parse_args()
    for name, table in tables(arguments.records, arguments.data):
        print(f"\n## {name}\n\n{table.round(2).to_string()}")
        if arguments.csv:
            arguments.csv.mkdir(parents=True, exist_ok=True)
            table.round(3).to_csv(arguments.csv / f"blazepose_{name}.csv")


if __name__ == "__main__":
    main()
