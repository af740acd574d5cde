"""Rendered sessions: people filmed by cameras that stand still, and what BlazePose saw."""

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from d3ke.dataset.source import Film
from d3ke.omc.recording import Recording
from d3ke.skeleton import default_model
from d3ke.synth.generator import SyntheticPeople
from d3ke.synth.plans import ClipPlan, SynthConfig
from d3ke.vision.camera import Camera
from d3ke.vision.person import PersonTrack, follow, open_finder
from d3ke.vision.rules import largest
from d3ke.vision.tracking import Tracker
from d3ke.vision.video import Frame

Array = NDArray[np.float64]

LENGTHS_S = (8, 15, 30)  # of the sessions, in turn
LONGER_SIDE_PX = 720
RATE_HZ = 30.0
LEAST_SEEN = 0.8  # of the frames; a session of somebody hidden is none
SEED = 77


def sessions(folder: Path, number: int, data: Path) -> Iterator[Recording]:
    """So many sessions; those that the folder holds are not rendered again."""
    folder.mkdir(parents=True, exist_ok=True)
    people, finder = None, None
    found = 0
    for index in count():
        path, skipped = folder / f"{index:03d}.npz", folder / f"{index:03d}.skipped"
        if skipped.exists():
            continue
        if not path.exists():
            people = people or SyntheticPeople(config(data), default_model())
            finder = finder or open_finder()
            frames = round(LENGTHS_S[index % len(LENGTHS_S)] * RATE_HZ)
            film = people.film(ClipPlan("test", index, "clip", frames), LONGER_SIDE_PX, whole=True)
            if not np.ptp(film.R, axis=0).max() == np.ptp(film.t, axis=0).max() == 0:
                skipped.touch()
                continue
            shown = (Frame(i, i / RATE_HZ, image) for i, image in enumerate(film.frames))
            track = follow(shown, film.size, Tracker(finder, largest)).track
            if track.seen.mean() < LEAST_SEEN:
                skipped.touch()
                continue
            recorded(film, track, index).save(path)
        yield Recording.load(path)
        found += 1
        if found == number:
            return


def config(data: Path) -> SynthConfig:
    """What is rendered."""
    return SynthConfig(
        frames=0,
        seed=SEED,
        motions=data / "motions",
        wardrobe=data / "body" / "makehuman",
        rate_hz=RATE_HZ,
    )


def recorded(film: Film, track: PersonTrack, index: int) -> Recording:
    """A film's truth and what BlazePose saw, both by the same clock."""
    every = np.ones(film.q.shape, bool)
    view = Camera(film.camera_matrix, film.size, "rendered", R=film.R[0], t=film.t[0])
    return Recording(
        subject=f"test{index:03d}",
        trial=film.info["activity"].replace(" ", "_").replace("-", "_"),
        camera="cam",
        facts=film.info["subject"],
        activity=film.info["activity"],
        time=track.time,
        q=film.q.astype(np.float64),
        q_mask=every,
        markers_mask=np.ones(film.markers.shape[:2], bool),
        scales=film.scales.astype(np.float64),
        video=Path("rendered"),
        frames=track.frames,
        video_time=track.time,
        landmarks=track.landmarks,
        view=view,
    )
