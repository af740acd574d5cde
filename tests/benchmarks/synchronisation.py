"""How well the clocks and the camera of a filmed recording are found.

    python -m tests.benchmarks.synchronisation [--data FOLDER] [--sessions N] [--keep FOLDER]

Rendered people, of whom all is known: the clocks are moved apart by up to 30 s and 2e-4, video or
recording is cut at either end, and BlazePose's landmarks are all that is given of the video. Then
recordings are paired with videos of others, which must be refused. Then clocks are given, true and
false. Then the real clips of the data folder, whose truth is markerless.
"""

import argparse
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from d3ke.errors import D3keError
from d3ke.motion.names import to_names
from d3ke.motion.opensim_files import read_motion
from d3ke.omc.film_cameras import Found, Shot, found_together
from d3ke.omc.given_clocks import held_against_motion
from d3ke.omc.landmark_points import landmark_points
from d3ke.omc.moving_points import Moved, Seen
from d3ke.omc.recording import Recording
from d3ke.omc.reprojection import Alignment
from d3ke.omc.resection import ACCEPTED, NOT_AVERAGED, UNSURE_DEG, UNSURE_FOCAL
from d3ke.omc.sync import Aligned, Trial, align
from d3ke.skeleton import default_model
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera
from d3ke.vision.person import track_person
from d3ke.vision.video import Video
from tests.benchmarks.rendered_sessions import sessions

Array = NDArray[np.float64]

OMC_HZ = 100.0
BEGIN_S = 5.0  # of the laboratory's clock
MOST_OFFSET_S, DRIFT_SD = 30.0, 2e-4
CUT = 0.3  # of a session, at most
GIVEN_OFF_S = (0.0, 0.1, 0.3, 1.0)  # clocks that are given
CLIPS = {
    "cmbbe_jump": ("cam0", "cam1"),
    "cmbbe_squats": ("cam0", "cam1"),
    "cmbbe_jump_high_knees": ("cam0", "cam1"),
    "pose2sim_balancing": ("cam1", "cam2", "cam3", "cam4"),
}


class Case(NamedTuple):
    """A trial with its truth."""

    name: str
    trial: Trial
    camera: Camera
    offset_s: float
    drift: float


class Row(NamedTuple):
    """Errors of a case. told_ms: what was said of the clock; sure: the camera is determined."""

    clock_ms: float
    told_ms: float
    turn_deg: float
    focal: float
    place_m: float
    sure: bool


def rendered(recording: Recording, skeleton: SkeletalModel, number: int) -> Case:
    """A session with clocks that differ."""
    rng = np.random.default_rng(number)
    length_s = float(recording.time[-1])
    omc = np.arange(0, length_s, 1 / OMC_HZ)
    video, landmarks = recording.video_time, recording.landmarks
    q = CubicSpline(recording.time, recording.q)(omc)
    first, cut = rng.uniform(0, CUT / 2, 2) * length_s
    offset_s, drift = rng.uniform(-MOST_OFFSET_S, MOST_OFFSET_S), rng.normal(0, DRIFT_SD)
    if rng.random() < 0.5:
        kept = (omc >= first) & (omc <= length_s - cut)
        omc, q = omc[kept], q[kept]
    else:
        kept = (video >= first) & (video <= length_s - cut)
        video, landmarks = video[kept], landmarks[kept]
    points = landmark_points(skeleton, q, recording.scales)
    moved = Moved(omc + BEGIN_S, points.places, points.turns)
    seen = Seen.of((video + BEGIN_S - offset_s) / (1 + drift), landmarks, recording.view.size)
    trial = Trial(recording.subject, seen, moved, recording.facts["height_m"])
    return Case(recording.activity, trial, recording.view, float(offset_s), float(drift))


def real(data: Path) -> Iterator[Case]:
    """The clips; row i of the truth is said to belong to frame i."""
    for name, cameras in CLIPS.items():
        folder = data / "clips" / name
        osim = OsimModel.from_file(folder / "model.osim")
        motion = to_names(read_motion(folder / "truth.mot"), osim.coordinate_names)
        skeleton = SkeletalModel(osim, torch.float64)
        points = landmark_points(skeleton, np.nan_to_num(motion.q))
        for camera in cameras:
            video = Video(folder / f"video_{camera}.mp4")
            track = track_person(video, rate_hz=60.0)
            view = Camera.from_calibration(folder / f"camera_{camera}.json", video.size)
            seen = Seen.of(track.time, track.landmarks, video.size)
            trial = Trial(f"{name} {camera}", seen, Moved(motion.time, points.places, points.turns))
            yield Case(camera, trial, view, float(motion.time[0]), 0.0)


def row(case: Case, found: Aligned) -> Row:
    """How far off what was found is."""
    seen, moved = case.trial.seen, case.trial.moved
    shared = moved.covers((1 + case.drift) * seen.time + case.offset_s)
    middle = float(seen.time[shared].mean())
    alignment, sd = found.fit.alignment, found.fit.sd
    late = alignment.offset_s + alignment.drift * middle - case.offset_s - case.drift * middle
    camera, true = alignment.camera, case.camera
    cosine = np.clip((np.trace(camera.R.T @ true.R) - 1) / 2, -1, 1)
    place_m = np.linalg.norm(camera.R.T @ camera.t - true.R.T @ true.t)
    turn_deg = NOT_AVERAGED * np.degrees(sd.get("turn", 0))
    focal = NOT_AVERAGED * sd.get("focal", 0)
    return Row(
        1e3 * late,
        1e3 * found.sync.uncertainty_s,
        float(np.degrees(np.arccos(cosine))),
        float(camera.K[0, 0] / true.K[0, 0] - 1),
        float(place_m),
        bool(turn_deg < UNSURE_DEG and focal < UNSURE_FOCAL),
    )


def told(case: Case, camera: Camera | None) -> Aligned | str:
    """What is found, or why it is refused."""
    try:
        found = align(case.trial, case.camera.size, camera)
    except D3keError as error:
        return f"refused: {str(error).partition(': ')[2]}"
    return f"refused: {found.doubt}" if found.doubt else found


def show(cases: Sequence[Case]) -> None:
    """A line for each case, without a camera, then with the true one."""
    head = f"{'':34}{'clock ms':>9}{'told ms':>8}{'turn deg':>9}{'focal %':>8}{'place m':>8}"
    print(f"{head}{'   camera known: clock ms':>26}")
    rows: list[Row] = []
    for case in cases:
        name = f"{case.trial.name} {case.name}"[:33]
        one, other = told(case, None), told(case, case.camera)
        known = other if isinstance(other, str) else f"{row(case, other).clock_ms:.1f}"
        if isinstance(one, str):
            print(f"{name:34}{one}", flush=True)
            if known != one:
                print(f"{'':34}with the camera: {known}", flush=True)
            continue
        found = row(case, one)
        rows.append(found)
        print(
            f"{name:34}{found.clock_ms:9.1f}{found.told_ms:8.1f}{found.turn_deg:9.2f}"
            f"{100 * found.focal:8.1f}{found.place_m:8.2f}{known:>26}"
            f"{'' if found.sure else '   camera not determined'}",
            flush=True,
        )
    clock = np.abs([one.clock_ms for one in rows])
    print(f"clock: median {np.median(clock):.1f} ms, {(clock <= 5).sum()} of {len(clock)} to 5 ms")
    sure = [one for one in rows if one.sure]
    if sure:
        turn = np.median([one.turn_deg for one in sure])
        focal = 100 * np.median(np.abs([one.focal for one in sure]))
        near = sum(one.turn_deg <= 0.5 and abs(one.focal) <= 0.02 for one in sure)
        print(
            f"cameras that are determined: median {turn:.2f} deg, {focal:.1f} % of the focal "
            f"length; {near} of {len(sure)} to 0.5 deg and 2 %"
        )


def mismatched(cases: Sequence[Case]) -> Iterator[Case]:
    """Every video with the next one's recording."""
    for one, other in zip(cases, [*cases[1:], cases[0]], strict=True):
        yield one._replace(trial=one.trial._replace(moved=other.trial.moved))


def show_given(cases: Sequence[Case]) -> None:
    """What becomes of clocks that somebody told, true ones and false ones."""
    for camera_known in (True, False):
        for off_s in GIVEN_OFF_S:
            told = Counter(given(case, off_s, camera_known) for case in cases)
            counts = ", ".join(f"{told[word]} {word}" for word in ("taken", "remarked", "refused"))
            print(f"camera {'known' if camera_known else 'unknown'}, {off_s:g} s off: {counts}")


def given(case: Case, off_s: float, camera_known: bool) -> str:
    """What becomes of a clock that is so far off in the middle of what both have."""
    still = Alignment.still(case.trial.seen.pixels.shape[1])
    clock = replace(still, offset_s=case.offset_s + off_s, drift=case.drift)
    camera = case.camera if camera_known else None
    try:
        remarks = held_against_motion(case.trial, case.camera.size, clock, camera)
    except D3keError:
        return "refused"
    return "remarked" if remarks else "taken"


def show_pooled(cases: Sequence[Case]) -> None:
    """One camera from all of its clips."""
    for camera in ("cam0", "cam1"):
        own = [case for case in cases if case.name == camera and "cmbbe" in case.trial.name]
        several = found_together([Shot(case.trial) for case in own], own[0].camera.size, ACCEPTED)
        told = [one for one in several if isinstance(one, Found)]
        for refused in (one for one in several if isinstance(one, D3keError)):
            print(refused)
        found = told[0]
        view, true = found.alignment.camera, own[0].camera
        cosine = np.clip((np.trace(view.R.T @ true.R) - 1) / 2, -1, 1)
        clocks = ", ".join(f"{1e3 * s.alignment.offset_s:.1f}" for s in told)
        print(
            f"{camera} of all cmbbe clips: turned by {np.degrees(np.arccos(cosine)):.2f} deg, "
            f"focal length {100 * (view.K[0, 0] / true.K[0, 0] - 1):.1f} %, landmarks "
            f"{100 * found.resection.reprojection:.2f} % of the height off; clocks {clocks} ms"
        )
        print("\n".join(f"    {warning}" for warning in found.remarks))


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    default = Path(__file__).parents[3] / "shared" / "data"
    parser.add_argument("--data", type=Path, default=default)
    parser.add_argument("--sessions", type=int, default=16)
    parser.add_argument("--keep", type=Path, help="Folder of what was rendered, to go on with.")
    words = parser.parse_args()
    skeleton = SkeletalModel(default_model(), torch.float64)
    with tempfile.TemporaryDirectory() as temporary:
        folder = words.keep or Path(temporary)
        found = list(sessions(folder, words.sessions, words.data))
    cases = [rendered(one, skeleton, number) for number, one in enumerate(found)]
    print(f"{len(cases)} rendered sessions, known truth")
    show(cases)
    wrong = list(mismatched(cases))
    pairs = [(case, camera) for case in wrong for camera in (None, case.camera)]
    refused = sum(isinstance(told(case, camera), str) for case, camera in pairs)
    print(f"\n{refused} of {len(pairs)} pairs of recordings and other videos refused")
    print("\nclocks that are given")
    show_given(cases)
    print("\nreal clips, markerless truth; clocks against the data's own row = frame")
    clips = list(real(words.data))
    show(clips)
    show_pooled(clips)


if __name__ == "__main__":
    main()
