"""Films that need no renderer: pictures of the walking clip, with a truth that is made up."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.dataset.source import Film
from d3ke.skeleton import default_model
from d3ke.synth.landmarks.records import LandmarkRecord
from d3ke.synth.plans import ClipPlan
from d3ke.vision.video import Video

WALK = Path(__file__).parents[1] / "examples" / "walk_3s.mp4"
FOCAL_PX = 600.0
SIZE = (640, 286)


def camera_matrix() -> NDArray[np.float64]:
    return np.array([[FOCAL_PX, 0, 319.5], [0, FOCAL_PX, 142.5], [0, 0, 1]])


def truth(frames: int, seed: int) -> dict[str, Any]:
    """Coordinates, scales and a pelvis 4 m before a level camera, all smooth."""
    osim = default_model()
    rng = np.random.default_rng(seed)
    phase = rng.uniform(0, 2 * np.pi, len(osim.coordinates))
    time = np.arange(frames)[:, None] / 30
    root = np.tile(np.eye(4, dtype=np.float32), (frames, 1, 1))
    root[:, :3, :3] = [[0, 0, -1], [0, -1, 0], [-1, 0, 0]]  # faces the camera
    root[:, :3, 3] = [0, 0, 4]
    return {
        "q": (0.3 * np.sin(2 * np.pi * time + phase) + 0.05 * time).astype(np.float32),
        "scales": np.ones((len(osim.bodies), 3), np.float32),
        "root": root,
    }


class FakeFilms:
    """Two people for training and one held out, each the first frames of the walking clip."""

    def plans(self) -> list[ClipPlan]:
        return [ClipPlan(*name, "clip", 4) for name in (("train", 0), ("train", 1), ("valid", 0))]

    def film(self, plan: ClipPlan) -> Film:
        def images() -> Iterator[NDArray[np.uint8]]:
            for frame in Video(WALK):
                if frame.index == plan.frames:
                    return
                yield frame.image

        return Film(
            frames=images(),
            size=SIZE,
            rate_hz=30.0,
            camera_matrix=camera_matrix(),
            R=np.tile(np.diag([1.0, -1.0, -1.0]), (plan.frames, 1, 1)),
            t=np.zeros((plan.frames, 3)),
            window_turn=np.eye(3),
            joints=np.zeros((plan.frames, 0, 3), np.float32),
            markers=np.zeros((plan.frames, 0, 3), np.float32),
            info={"split": plan.split, "activity": "walk"},
            **truth(plan.frames, plan.number),
        )


def made_record(frames: int, seed: int, gap: slice = slice(0, 0)) -> LandmarkRecord:
    """A record whose landmarks are random points about the picture's middle."""
    rng = np.random.default_rng(seed)
    landmarks = np.zeros((frames, 33, 7), np.float32)
    landmarks[..., :2] = rng.uniform(60, 220, (1, 33, 2)) + np.arange(frames)[:, None, None]
    landmarks[..., 3] = rng.uniform(0.5, 1, (frames, 33))
    landmarks[..., 4:] = rng.normal(0, 0.4, (1, 33, 3))
    seen = np.ones(frames, bool)
    seen[gap] = False
    landmarks[~seen] = np.nan
    return LandmarkRecord(
        time=np.arange(frames) / 30,
        landmarks=landmarks,
        presence=seen.astype(np.float32),
        seen=seen,
        camera_matrix=camera_matrix(),
        size=SIZE,
        down=np.tile(np.array([0, 0.96, 0.28], np.float32), (frames, 1)),
        level=np.array([0, 1, 0], np.float32),
        info={"split": "train", "activity": "walk"},
        **truth(frames, seed),
    )
