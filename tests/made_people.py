"""A source of clips that needs no drawing: standing skeletons, dots for joints, exact labels."""

import time
from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.dataset.augmentation import Aim, aimed
from d3ke.dataset.sample import Sample
from d3ke.dataset.source import BOXES, Clip, ClipSource, Film
from d3ke.errors import D3keError
from d3ke.skeleton.kinematics import SkeletalModel, SkeletalPose
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.plans import ClipPlan, SynthConfig, plans

K = np.array([[900.0, 0, 359.5], [0, 900, 639.5], [0, 0, 1]])
R = np.array([[0.0, 0, -1], [0, -1, 0], [-1, 0, 0]])  # before the person, 4 m away, 1 m high
T = np.array([0.0, 1.0, 4.0])
SIZE = (720, 1280)


class MadePeople:
    """As d3ke.synth.generator.SyntheticPeople. pause_s: how long each plan takes at least."""

    def __init__(self, config: SynthConfig, osim: OsimModel, pause_s: float = 0.0) -> None:
        self.config, self.osim, self.pause_s = config, osim, pause_s
        self.skeleton = SkeletalModel(osim)

    def plans(self) -> list[ClipPlan]:
        return plans(self.config)

    def make(self, plan: ClipPlan) -> Clip:
        time.sleep(self.pause_s)
        q, scales, pose = self._pose(plan)
        camera = (pose.joints.numpy() @ R.T + T), (pose.markers.numpy() @ R.T + T)
        roots = pose.bodies[:, 0].numpy()
        samples = [
            self._sample(plan, index, q[index], scales, roots[index], *(p[index] for p in camera))
            for index in range(plan.frames)
        ]
        return Clip(samples, info_of(plan, self.config))

    def film(self, plan: ClipPlan, longer_side: int, whole: bool = False) -> Film:
        q, scales, pose = self._pose(plan)
        count = plan.frames
        return Film(
            frames=(np.full((64, 36, 3), 5 * i % 250, np.uint8) for i in range(count)),
            size=(36, 64),
            rate_hz=self.config.rate_hz,
            camera_matrix=K,
            R=np.tile(R, (count, 1, 1)),
            t=np.tile(T, (count, 1)),
            window_turn=np.eye(3),
            q=q,
            scales=scales,
            root=pose.bodies[:, 0].numpy(),
            joints=pose.joints.numpy(),
            markers=pose.markers.numpy(),
            info=info_of(plan, self.config),
        )

    def close(self) -> None:
        """Nothing was opened."""

    def _pose(
        self, plan: ClipPlan
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], SkeletalPose]:
        rng = plan.stream(self.config.seed)
        scales = rng.uniform(0.9, 1.1, (len(self.osim.bodies), 3)).astype(np.float32)
        sway = rng.normal(0, 0.2, (2, len(self.osim.coordinates)))
        phase = np.linspace(0, 1, plan.frames)[:, None]
        q = (sway[0] * (1 - phase) + sway[1] * phase).astype(np.float32)
        q[:, self.osim.coordinate_names.index("pelvis_ty")] = 0.95
        with torch.inference_mode():
            return q, scales, self.skeleton(torch.from_numpy(q), torch.from_numpy(scales))

    def _sample(self, plan: ClipPlan, index: int, *known: Any) -> Sample:
        q, scales, root, joints, markers = known
        pixels = markers @ K.T
        pixels = pixels[:, :2] / pixels[:, 2:]
        low, high = pixels.min(axis=0) - 20, pixels.max(axis=0) + 20
        side = float((high - low).max())
        shift = ((low + high) / 2 - K[:2, 2]) / side
        camera = aimed(K, side, self.config.size, Aim((shift[0], shift[1]), 1 / BOXES))
        pelvis = np.eye(4)
        pelvis[:3, :3], pelvis[:3, 3] = R @ root[:3, :3], R @ root[:3, 3] + T
        return Sample(
            key=f"{plan.subject}-{plan.kind}00-0-{index:06d}",
            jpg=picture(joints @ camera.turn.T, camera.camera_matrix, self.config.size),
            q=q,
            q_mask=np.ones(len(q), bool),
            scales=scales,
            root=pelvis.astype(np.float32),
            joints=joints.astype(np.float32),
            markers=markers.astype(np.float32),
            markers_mask=np.ones(len(markers), bool),
            camera_matrix=K,
            distortion=np.zeros(5),
            R=R,
            t=T,
            crop_camera_matrix=camera.camera_matrix,
            crop_R=camera.turn,
            box=np.array([*low, *(high - low)], np.float32),
            time=index / self.config.rate_hz,
            frame=index,
        )


class SlowPeople(MadePeople):
    """Takes a tenth of a second for each plan, as drawing would."""

    def __init__(self, config: SynthConfig, osim: OsimModel) -> None:
        super().__init__(config, osim, pause_s=0.1)


class Sightless(MadePeople):
    """Has nothing to draw with."""

    def make(self, plan: ClipPlan) -> Clip:
        raise D3keError(
            "no EGL here: nothing can be drawn. Install libegl1, libgl1 and libgl1-mesa-dri."
        )

    def film(self, plan: ClipPlan, longer_side: int, whole: bool = False) -> Film:
        return super().film(plan, longer_side, whole)._replace(frames=self._unseen())

    def _unseen(self) -> Iterator[NDArray[np.uint8]]:
        yield from self.make(self.plans()[0]).samples  # type: ignore[misc]  # it raises


def made_source(config: SynthConfig, osim: OsimModel) -> ClipSource:
    return MadePeople(config, osim)


def slow_source(config: SynthConfig, osim: OsimModel) -> ClipSource:
    return SlowPeople(config, osim)


def blind_source(config: SynthConfig, osim: OsimModel) -> ClipSource:
    return Sightless(config, osim)


def info_of(plan: ClipPlan, config: SynthConfig) -> dict[str, Any]:
    return {
        "rate_hz": config.rate_hz,
        "activities": ["standing"],
        "sources": ["procedural", f"recorded_{plan.split}"],
        "subject": {"id": plan.subject, "sex": "female", "height_m": 1.7, "mass_kg": 65.0},
    }


def picture(joints: NDArray[np.float64], camera: NDArray[np.float64], size: int) -> bytes:
    """A grey picture with a white dot on each joint, as .jpg."""
    image = np.full((size, size, 3), 90, np.uint8)
    pixels = joints @ camera.T
    for x, y in np.round(16 * pixels[:, :2] / pixels[:, 2:]).astype(int):
        cv2.circle(image, (int(x), int(y)), 48, (255, 255, 255), cv2.FILLED, cv2.LINE_AA, 4)
    return cv2.imencode(".jpg", image)[1].tobytes()
