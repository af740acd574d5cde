"""How often the truth lies within the 90 % intervals, and how wide these are.

Intervals are those of the .mot: after the usual filter, q +- 1.645 q_std; factors were found before
the fit to picture, floor and gravity (`refined`), which changes q and not q_std. Films of
synthetic people with BlazePose's own answers are made in FOLDER where they are not there; those who
calibrate and those who judge share no person, and no recorded motion; of these the landmark network
has learnt from some, performed by others. The cmbbe clips are development clips, balancing is
report only. `constant` is the width of an interval that is always the same and covers as much,
chosen on those who judge: a constant could not do better.

    python -m tests.benchmarks.uncertainty FOLDER [--clips 60] [--seeds 11 12] [--data FOLDER]
        [--weights NAME] [--landmarks RUN] [--calibrate OUT] [--csv FILE]

--landmarks: a run of d3ke train --only uncertainty, in place of the fusion's landmark network. The
    shipped one: --backbone landmarks --synthetic 77 --init landmarks --steps 400 --batch 32.
--calibrate: write both weights anew, with factors from the people of the first seed.
"""

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from d3ke.agreement import GROUPS, wrapped
from d3ke.export import FILTER_HZ, LONGEST_GAP_S
from d3ke.motion.motion import Motion
from d3ke.network.checkpoint import DEFAULT, load_weights, save_fusion, save_weights, story_of
from d3ke.network.fused import FusedD3KE
from d3ke.network.inference import Array, Regression, regress, values_at
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.network.uncertainty import NORMAL_90, SHARE
from d3ke.predict import Seen, in_ground
from d3ke.predict_options import PredictOptions
from d3ke.train_uncertainty import Errors, factors_of
from tests.benchmarks.accuracy import SETS
from tests.benchmarks.rendered_clips import write_clips
from tests.benchmarks.watched_clips import Watched, filmed, rendered, watched


class Judged(NamedTuple):
    """Of a clip's F frames: errors and standard deviations (F, K) rad, NaN where not known."""

    errors: Array
    std: Array


def judged(model: FusedD3KE, clip: Watched, *, alone: bool = False, refine: bool = False) -> Judged:
    """What a clip's .mot would say, and how far off it is.

    alone: of the landmark network. refine: fitted to picture, floor and gravity.
    """
    found = regress(model.landmarks, clip.track, clip.camera)
    if not alone:
        by_pictures = found._replace(q=clip.by_pictures)
        found = model.mixed(clip.track.time, found, clip.when, by_pictures)
    if refine:
        rate_hz = 1 / float(np.median(np.diff(clip.track.time)))
        seen = Seen(clip.track, clip.camera, found, rate_hz)
        fitted = in_ground(seen, model.osim, PredictOptions(refine=True))
        found = found._replace(q=fitted.q)
    return error_of(model, clip, found)


def error_of(model: FusedD3KE, clip: Watched, found: Regression) -> Judged:
    """How far off the .mot of a regression would be, and how far it says it is."""
    assert found.q_std is not None
    names = model.osim.coordinate_names
    flags = tuple(coordinate.rotational for coordinate in model.osim.coordinates)
    raw = Motion(clip.track.time, found.q, names, flags)
    motion = raw.resampled(raw.rate_hz, math.inf).lowpassed(FILTER_HZ)
    seen = clip.track.time[clip.track.seen]
    near = np.abs(motion.time[:, None] - seen).min(axis=1) <= LONGEST_GAP_S / 2
    truth = clip.truth.at(motion.time)
    true = np.full_like(motion.q, np.nan)
    for index, name in enumerate(names):
        if name in truth.names and found.observed[index]:
            true[:, index] = truth.column(name)
    error = wrapped(motion.q - true)
    std = values_at(motion.time, clip.track.time, found.q_std)
    return Judged(error[near], np.where(np.isfinite(error), std, np.nan)[near])


def errors_of(clips: Iterable[Judged]) -> Errors:
    """Scores of all frames, and whose they are: a clip shows one person."""
    parts = list(clips)
    scores = [np.abs(part.errors) / part.std for part in parts]
    people = [np.full(len(score), number) for number, score in enumerate(scores)]
    return Errors(np.concatenate(scores), np.concatenate(people))


def calibrate(model: FusedD3KE, clips: Sequence[Watched]) -> FusedD3KE:
    """The same networks with factors from these clips: of the landmarks alone, then of both."""
    head, names = model.landmarks.uncertainty, model.osim.coordinate_names
    if head is None:
        raise SystemExit("these weights have no head: d3ke train --only uncertainty gives them one")
    chosen = model.predicted.numpy()
    head.factor.copy_(torch.ones(len(chosen)))
    alone = factors_of(errors_of(judged(model, clip, alone=True) for clip in clips), names)
    head.factor.copy_(torch.from_numpy(alone[chosen]).half().float())  # as weights are kept
    shares = dict(zip(names, model.shares.tolist(), strict=True))
    shares = {name: share for name, share in shares.items() if share}
    ones = dict.fromkeys(names, 1.0)
    both = FusedD3KE(model.landmarks, model.pictures, shares, ones)
    factors = factors_of(errors_of(judged(both, clip) for clip in clips), names)
    widths = {names[index]: round(float(factors[index]), 3) for index in chosen}
    return FusedD3KE(model.landmarks, model.pictures, shares, widths)


def save(model: FusedD3KE, source: str, people: int, folder: Path) -> None:
    """Write landmarks.safetensors and fused.json with the factors of a calibrated fusion."""
    about = {"share": SHARE, "on": "rendered people, after the filter", "people": people}
    told = {k: v for k, v in story_of(source).items() if k not in ("schema_version", "config")}
    folder.mkdir(parents=True, exist_ok=True)
    told |= {"what": "landmarks", "calibrated": about}
    save_weights(folder / "landmarks.safetensors", model.landmarks, told, bits=16)
    fused = story_of(DEFAULT)
    parts, names = fused["fusion"], model.osim.coordinate_names
    assert model.widths is not None
    widths = dict(zip(names, model.widths.tolist(), strict=True))
    told = {k: v for k, v in fused.items() if k not in ("schema_version", "fusion")}
    save_fusion(
        folder / "fused.json",
        parts["landmarks"],
        parts["pictures"],
        parts["shares"],
        told | {"calibrated": about},
        {name: widths[name] for name in model.landmarks.config.bounds},
    )


def table(clips: Sequence[Judged], names: Sequence[str]) -> pd.DataFrame:
    """Of each coordinate, left and right as one: coverage, and mean widths in degrees."""
    errors, std = (np.concatenate(part) for part in zip(*clips, strict=True))
    rows = {}
    for base in dict.fromkeys(name.removesuffix("_r").removesuffix("_l") for name in names):
        both = [i for i, n in enumerate(names) if n in (base, f"{base}_r", f"{base}_l")]
        size, half = np.abs(errors[:, both]).ravel(), NORMAL_90 * std[:, both].ravel()
        known = np.isfinite(size) & np.isfinite(half)
        if not known.any():
            continue
        size, half = size[known], half[known]
        covered = float((size <= half).mean())
        constant = float(np.quantile(size, covered))
        rows[base] = {
            "covered %": 100 * covered,
            "width deg": 2 * math.degrees(half.mean()),
            "constant deg": 2 * math.degrees(constant),
            "error deg": math.degrees(size.mean()),
        }
    return with_groups(pd.DataFrame(rows).T)


def with_groups(rows: pd.DataFrame) -> pd.DataFrame:
    """The same with means over groups of coordinates and over all."""
    means = {
        f"mean {group}": rows.loc[[n for n in rows.index if n in names or f"{n}_r" in names]].mean()
        for group, names in GROUPS.items()
    }
    found = pd.concat([rows, pd.DataFrame(means | {"mean all": rows.mean()}).T])
    found["narrower %"] = 100 * (1 - found["width deg"] / found["constant deg"])
    return found


def films(folder: Path, split: str, seed: int, clips: int, data: Path) -> Path:
    """The folder of a split's films, made where clips are missing."""
    there = folder / split
    if len(rendered(there)) < clips:
        write_clips(there, data, split, clips, seed)
    return there


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("folder", type=Path)
    parser.add_argument("--clips", type=int, default=60, help="Of those who calibrate, and judge.")
    parser.add_argument("--seeds", type=int, nargs=2, default=(11, 12))
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--weights", default=DEFAULT, help="A fusion.")
    parser.add_argument("--landmarks", help="A run in place of its landmark network.")
    parser.add_argument("--calibrate", type=Path, metavar="OUT")
    parser.add_argument("--csv", type=Path)
    return parser.parse_args()


def network(weights: str, landmarks: str | None) -> FusedD3KE:
    """The fusion that is judged."""
    model = load_weights(weights)
    if not isinstance(model, FusedD3KE):
        raise SystemExit(f"--weights {weights}: name a fusion")
    if landmarks is not None:
        other = load_weights(landmarks)
        assert isinstance(other, LandmarkD3KE)
        shares = dict(zip(model.osim.coordinate_names, model.shares.tolist(), strict=True))
        shares = {name: share for name, share in shares.items() if share}
        model = FusedD3KE(other, model.pictures, shares)
    return model


def sets(given: argparse.Namespace, model: FusedD3KE) -> Iterator[tuple[str, list[Watched]]]:
    """What is judged, by name."""
    judges = films(given.folder, "test", given.seeds[1], given.clips, given.data)
    unseen = rendered(judges)[: given.clips]
    yield "unseen synthetic people", list(watched(unseen, model.pictures, judges / "kept"))
    for title, recordings in SETS.items():
        clips = filmed(given.data, *recordings)
        yield title, list(watched(clips, model.pictures, given.folder / "kept"))


def main() -> None:
    """Calibrate where asked to; print the tables, and write them where asked to."""
    given = arguments()
    model = network(given.weights, given.landmarks)
    if given.calibrate:
        folder = films(given.folder, "valid", given.seeds[0], given.clips, given.data)
        shown = rendered(folder)[: given.clips]
        known = list(watched(shown, model.pictures, folder / "kept"))
        model = calibrate(model, known)
        save(model, given.landmarks or "landmarks", len(known), given.calibrate)
    tables = {}
    names = model.osim.coordinate_names
    for title, clips in sets(given, model):
        ways = {"refined": {"refine": True}, "fused": {}, "landmarks": {"alone": True}}
        for what, way in ways.items():
            found = [judged(model, clip, **way) for clip in clips]
            tables[title, what] = table(found, names)
            frames = sum(len(clip.errors) for clip in found)
            print(f"\n## {title}, {what}: {len(clips)} clips, {frames} frames\n")
            print(tables[title, what].round(1).to_string())
    if given.csv:
        pd.concat(tables, names=["clips", "weights", "coordinate"]).round(2).to_csv(given.csv)


if __name__ == "__main__":
    main()
