"""Our inverse kinematics against OpenSim's InverseKinematicsTool, on every recording with a model.

    python -m tests.benchmarks.inverse_kinematics [--data FOLDER]

Same model, markers, tasks and weights (those of the recording's own set-up where there is one, else
1), one thread, processor time. The tool as it comes (accuracy 1e-5) gives the errors and times; as
it stops early where markers tell little, the coordinates are compared with those of the tool at
accuracy 1e-8 too, on the first frames of each recording. Ours is the median of three calls after a
first one, which loads libraries. Compared are the rotations that markers tell
(d3ke.omc.trust.determined). At last, the motions that came with the recordings, and how well both
fit the markers.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.motion.markers import MarkerData
from d3ke.motion.opensim_files import read_markers, read_motion
from d3ke.omc.inverse_kinematics import inverse_kinematics
from d3ke.omc.opensim_ik import opensim_inverse_kinematics
from d3ke.omc.solved import Solved, solved
from d3ke.omc.trust import determined
from d3ke.posing import coordinates_of
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

RESULTS = Path(__file__).parent / "results"
RECORDINGS = ("markers", "markers_2", "static")
STRICT, STRICT_FRAMES = 1e-8, 100
ROUNDS = 3
SAME, SAME_M2 = 0.05, 1e-5  # of the objective, and beside it (3 mm): the same minimum


class Trial(NamedTuple):
    """A recording, its model, and what the tool is asked to do with both."""

    name: str
    osim: OsimModel
    markers: MarkerData
    weights: dict[str, float]
    coordinate_weights: dict[str, float]
    motion: Path | None


def files_of(folder: Path) -> dict[str, Path]:
    """The files of a recording by their role; those of other folders too."""
    words = json.loads((folder / "trial.json").read_text(encoding="utf-8"))
    own = {role: folder / entry["file"] for role, entry in words["files"].items()}
    return own | {
        role: folder / place
        for role, place in words["shared_files"].items()
        if role.startswith("model")
    }


def tasks_of(files: dict[str, Path]) -> tuple[dict[str, float], dict[str, float]]:
    """Weights of markers and of coordinates in a recording's set-up; none where it has none."""
    found: tuple[dict[str, float], dict[str, float]] = ({}, {})
    path = files.get("tasks") or files.get("setup_ik")
    if path is None or "setup_scale" in files:  # those tasks are for scaling
        return found
    text = path.read_text(encoding="utf-8")
    # the set alone: one of the files closes a document that it never opens
    inside = text[text.index("<IKTaskSet") : text.index("</IKTaskSet>")] + "</IKTaskSet>"
    tags = ("IKMarkerTask", "IKCoordinateTask")
    for tag, weights in zip(tags, found, strict=True):
        for task in ElementTree.fromstring(inside).iter(tag):
            if task.findtext("apply", "true").strip() == "true":
                weights[task.get("name", "")] = float(task.findtext("weight", "0"))
    return found


def trials(data: Path) -> list[Trial]:
    """Every recording that has a model; refused models are printed."""
    found = []
    for folder in sorted(path.parent for path in (data / "omc").glob("*/trial.json")):
        files = files_of(folder)
        if "model_scaled" not in files:
            continue
        try:
            osim = OsimModel.from_file(files["model_scaled"])
        except D3keError as error:
            print(f"{folder.name}: refused: {error}")
            continue
        given, pulls = tasks_of(files)
        pulls = {name: pulls[name] for name in osim.coordinate_names if name in pulls}
        for role in RECORDINGS:
            if role not in files:
                continue
            markers = read_markers(files[role])
            followed = given or dict.fromkeys(markers.names, 1.0)
            weights = {name: followed.get(name, 0.0) for name in osim.marker_names}
            name = folder.name if role == "markers" else f"{folder.name} {role}"
            motion = files.get("ik") if role == "markers" else None
            found.append(Trial(name, osim, markers, weights, pulls, motion))
    return found


def compared(trial: Trial) -> dict[str, object]:
    """The row of a trial."""
    osim, markers = trial.osim, trial.markers
    asked = (trial.weights, trial.coordinate_weights)
    ours = inverse_kinematics(osim, markers, *asked)
    ours_ms = [
        _milliseconds(lambda: inverse_kinematics(osim, markers, *asked)) for _ in range(ROUNDS)
    ]
    answers: list[Solved] = []
    theirs_ms = _milliseconds(
        lambda: answers.append(opensim_inverse_kinematics(osim, markers, *asked))
    )
    theirs = answers[0]
    first = slice(min(STRICT_FRAMES, len(markers.time)))
    some = replace(markers, time=markers.time[first], xyz=markers.xyz[first])
    strict = opensim_inverse_kinematics(osim, some, *asked, accuracy=STRICT)
    costs, their_costs = costs_m2(trial, ours), costs_m2(trial, theirs)
    same = np.abs(costs - their_costs) <= SAME * costs + SAME_M2
    strict_same = np.abs(costs[first] - costs_m2(trial, strict)) <= SAME * costs[first] + SAME_M2
    chosen, untold = _chosen(trial, ours)
    rms = rms_deg(ours.motion.q[same], theirs.motion.q[same])[chosen]
    strict_rms = rms_deg(ours.motion.q[first][strict_same], strict.motion.q[strict_same])[chosen]
    frames, ms = len(markers.time), statistics.median(ours_ms)
    return {
        "trial": trial.name,
        "frames": frames,
        "coordinates": int(chosen.sum()),
        "median deg": np.median(rms),
        "worst deg": rms.max(),
        "worst": np.array(osim.coordinate_names)[chosen][rms.argmax()],
        "median deg, strict": np.median(strict_rms),
        "worst deg, strict": strict_rms.max(),
        "markers mm": rms_mm(ours),
        "tool's mm": rms_mm(theirs),
        "frames tool stuck": int((their_costs > costs)[~same].sum()),
        "frames we stuck": int((costs > their_costs)[~same].sum()),
        "ms": ms / frames,
        "tool's ms": theirs_ms / frames,
        "ratio": theirs_ms / ms,
        "left out": " ".join(untold),
    }


def given(trial: Trial) -> dict[str, object] | None:
    """How far the motion that came with a recording is from ours, and both from the markers.

    One that fits the markers worse than ours, by their weights, was found for another model, other
    markers or in another way.
    """
    if trial.motion is None:
        return None
    osim = trial.osim
    ours = inverse_kinematics(osim, trial.markers, trial.weights, trial.coordinate_weights)
    turns = {coordinate.name: coordinate.rotational for coordinate in osim.coordinates}
    motion = read_motion(trial.motion, turns).at(trial.markers.time)
    chosen, _ = _chosen(trial, ours)
    names = [
        name
        for name, one in zip(osim.coordinate_names, chosen, strict=True)
        if one and name in motion.names
    ]
    rms = rms_deg(ours.motion.select(names).q, motion.select(names).q)
    worst = names[int(rms.argmax())]
    q = coordinates_of(motion, osim)
    chosen_markers = [osim.marker_names.index(name) for name in ours.markers.names]
    skeleton = SkeletalModel(osim, torch.float64)
    places = skeleton(torch.from_numpy(q)).markers[:, chosen_markers].numpy()
    recorded = trial.markers.select(ours.markers.names)
    theirs = solved(osim, recorded, q, places, ours.converged)
    return {
        "trial": trial.name,
        "coordinates": len(names),
        "median deg": np.median(rms),
        "worst deg": rms.max(),
        "worst": worst,
        "our fit mm": fit_mm(trial, ours),
        "its fit mm": fit_mm(trial, theirs),
    }


def costs_m2(trial: Trial, answer: Solved) -> Array:
    """What the tool minimises, at an answer: (T,) m2."""
    weights = np.array([trial.weights[name] for name in answer.markers.names])
    square = np.nan_to_num(answer.errors**2)
    total = (square * weights).sum(axis=1)
    cost: Array = total / (np.isfinite(answer.errors) * weights).sum(axis=1)
    for name, weight in trial.coordinate_weights.items():
        place = trial.osim.coordinate_names.index(name)
        off = answer.motion.q[:, place] - trial.osim.coordinates[place].default
        cost += weight * off**2
    return cost


def fit_mm(trial: Trial, answer: Solved) -> float:
    """The RMS distance of the markers that are followed, by their weights."""
    with np.errstate(invalid="ignore"):  # frames without markers
        costs = costs_m2(trial._replace(coordinate_weights={}), answer)
    return 1e3 * float(np.sqrt(np.nanmean(costs)))


def rms_deg(one: Array, other: Array) -> Array:
    """The RMS difference of each angle over time, whole turns apart being the same, (K,)."""
    apart = np.degrees((one - other + np.pi) % (2 * np.pi) - np.pi)
    return np.asarray(np.sqrt(np.nanmean(apart**2, axis=0)))


def rms_mm(answer: Solved) -> float:
    """The RMS distance of all markers, followed or not."""
    return 1e3 * float(np.sqrt(np.nanmean(answer.errors**2)))


def _chosen(trial: Trial, ours: Solved) -> tuple[Flags, list[str]]:
    """The rotations that are compared, (K,), and the names of those that no marker tells."""
    osim = trial.osim
    followed = [name for name in ours.markers.names if trial.weights[name] > 0]
    size = np.ones((len(osim.bodies), 3))
    told = determined(SkeletalModel(osim, torch.float64), ours.motion.q, size, followed)
    dependent = {coupler.dependent for coupler in osim.couplers}
    free = [c.rotational and not c.locked and c.name not in dependent for c in osim.coordinates]
    untold = [c.name for c, a, b in zip(osim.coordinates, free, told, strict=True) if a and not b]
    return np.array(free) & told, untold


def _milliseconds(work: Callable[[], object]) -> float:
    start = time.process_time()
    work()
    return 1e3 * (time.process_time() - start)


def main(data: Path) -> None:
    """Print the tables and keep them among the results."""
    torch.set_num_threads(1)
    found = trials(data)
    rows = []
    for trial in found:
        rows.append(compared(trial))
        print(f"{trial.name}: {rows[-1]['ratio']:.1f} times faster", flush=True)
    table = pd.DataFrame(rows)
    table.to_csv(RESULTS / "inverse_kinematics.csv", index=False, float_format="%.4g")
    shown = table.drop(columns="left out").round(4)
    left_out = [f"  {row['trial']}: {row['left out'] or 'nothing'}" for row in rows]
    came = pd.DataFrame([row for trial in found if (row := given(trial))])
    parts = (
        "python -m tests.benchmarks.inverse_kinematics",
        shown.to_string(index=False),
        f"median ratio {table['ratio'].median():.1f}, least {table['ratio'].min():.1f}; worst "
        f"coordinate {table['worst deg, strict'].max():.4f} deg off the strict tool",
        "Left out, as the markers tell them to no better than 10 deg:",
        "\n".join(left_out),
        "Against the motions that came with the recordings, and how far markers lie off, RMS, by\n"
        "weights; one that fits worse than ours is no answer for this model and these markers:",
        came.round(3).to_string(index=False),
    )
    text = "\n\n".join(parts) + "\n"
    (RESULTS / "inverse_kinematics.txt").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default, help="The data folder.")
    main(parser.parse_args().data)
