"""A session's takes and the videos of them, whose cameras are not known, become recordings."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from d3ke.omc.filming import FilmingOptions
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.recording import Recording
from d3ke.omc.solved_session import Recorded, SessionSolver, SolveJob, SolveTask
from d3ke.omc.solving import SolvedTake, Solver
from d3ke.omc.watching import Watched, Watcher
from d3ke.vision.person import PersonTrack
from tests.omc_scenes import CAMERA, OMC_HZ, OSIM, Movement, doing, trial, turned_deg

MOVEMENTS: dict[str, Movement] = {"walk": doing(10), "place": doing(11, 0.0)}
CLOCKS = {"walk": 12.34, "place": -3.21}


def solve(_: Solver, take: Take) -> SolvedTake:
    """A take's motion, which is known."""
    time = np.arange(20.0, 32.0, 1 / OMC_HZ)
    q = MOVEMENTS[take.name](time)
    every = np.ones((len(time), len(OSIM.markers)), np.bool_)
    scales = np.ones((len(OSIM.bodies), 3))
    return SolvedTake(
        time, q, np.ones(q.shape, np.bool_), every, scales, (), np.empty((len(time), 0)), "", ()
    )


def test_videos_of_one_camera_are_watched_once_and_tell_it_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watched: Counter[str] = Counter()

    def watch(_: Watcher, who: Person, take: Take, solved: SolvedTake, what: Footage) -> Watched:
        watched[take.name] += 1
        one = trial(MOVEMENTS[take.name], offset_s=CLOCKS[take.name], seed=len(watched))
        time = one.seen.time
        none = np.full((len(time), 33, 7), np.nan, np.float32)
        boxes, every = np.zeros((len(time), 4), np.float32), np.ones(len(time))
        frames = np.arange(len(time))
        track = PersonTrack(
            time, frames, none, every.astype(np.float32), boxes, every > 0, CAMERA.size
        )
        return Watched(who, take, solved, what, track, one, {}, CAMERA.size)

    monkeypatch.setattr(Watcher, "watch", watch)
    monkeypatch.setattr(Solver, "solve", solve)
    footage = (Footage("cam0", tmp_path / "film.mp4"),)
    takes = [Take(name, name, None, None, footage) for name in MOVEMENTS]
    recorded = Recorded(Person("ann"), iter(takes), "here", (), ())
    task = SolveTask(tmp_path, tmp_path, OSIM.xml, FilmingOptions(), lambda _: recorded)
    outcome = SessionSolver(task, OSIM)(SolveJob("ann", "ann", None), lambda _: None)
    assert (outcome.recordings, outcome.left_out, outcome.remarks) == (2, (), ())
    assert watched == {"walk": 1, "place": 1}
    views = [Recording.load(tmp_path / f"ann-ann-{name}-cam0.npz").view for name in MOVEMENTS]
    assert (views[0].R == views[1].R).all()
    assert turned_deg(views[1], CAMERA) < 0.5
