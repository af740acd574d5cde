"""Synthetic people: from a seed to pictures with exact OpenSim labels.

A plan of a seed always gives the same labels, wherever and after whatever it is made.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from d3ke.dataset.sample import Sample
from d3ke.dataset.source import BOXES, Clip, Film
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.pictures.exposure import encode_jpeg, expose
from d3ke.synth.pictures.gl import open_renderer
from d3ke.synth.pictures.phones import crop_camera
from d3ke.synth.plans import ClipPlan, SynthConfig, plans
from d3ke.synth.stage import Renderer, View
from d3ke.synth.takes import Studio, Take
from d3ke.synth.views import filmed, padded, person_box, resized, view_of, whole_box

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

MOMENTS, MOMENT_STEP = 6, 6  # independent frames taken of one motion, this many frames apart
WINDOW = 1.15  # a film shows this many times the box of the whole clip


class SyntheticPeople:
    """Makes the clips of a configuration.

    Raises D3keError where nothing can be drawn, or a folder is missing or holds what is no use.
    """

    def __init__(self, config: SynthConfig, osim: OsimModel) -> None:
        self.config, self.osim = config, osim
        self.studio = Studio(config, osim)
        self._renderer: Renderer = open_renderer()

    def plans(self) -> list[ClipPlan]:
        """What the data set consists of."""
        return plans(self.config)

    def make(self, plan: ClipPlan) -> Clip:
        """The pictures and labels of a plan."""
        rng = plan.stream(self.config.seed)
        actor = self.studio.actor(plan.person)
        samples: list[Sample] = []
        motions = []
        while len(samples) < plan.frames:
            wanted = plan.frames - len(samples)
            if plan.kind == "clip":
                take = self.studio.take(actor, plan.split, wanted, self.config.rate_hz, rng)
                chosen = range(wanted)
            else:
                moments = min(MOMENTS, wanted)
                length = MOMENTS * MOMENT_STEP
                take = self.studio.take(actor, plan.split, length, self.config.rate_hz, rng)
                chosen = range(0, moments * MOMENT_STEP, MOMENT_STEP)
            motions.append(take.acted.motion)
            samples += self._samples(plan, take, len(motions) - 1, chosen, rng)
        info = _info(plan, take, self.config)
        info["activities"] = sorted({motion.activity for motion in motions})
        info["sources"] = sorted({motion.source for motion in motions})
        return Clip(samples, info)

    def film(self, plan: ClipPlan, longer_side: int, whole: bool = False) -> Film:
        """A plan's clip through one window about the person, or through the whole picture.

        longer_side: of the frames, px. The frames are drawn as they are asked for.
        """
        rng = plan.stream(self.config.seed)
        actor = self.studio.actor(plan.person)
        take = self.studio.take(actor, plan.split, plan.frames, self.config.rate_hz, rng)
        phone, acted = take.phone, take.acted
        if whole:
            scale = longer_side / max(phone.size)
            K, turn = resized(phone.camera_matrix, scale), np.eye(3)
            width, height = (round(side * scale / 2) * 2 for side in phone.size)
        else:
            K, turn = crop_camera(phone, 0, whole_box(take), longer_side, WINDOW)
            width = height = longer_side
        R, t = turn @ phone.R, phone.t @ turn.T
        inside = filmed(phone, K, (width, height), turn)
        views = (view_of(take, index, K, (width, height), turn) for index in range(plan.frames))
        return Film(
            frames=(padded(rgb, inside) for rgb in self._exposed(take, views, rng)),
            size=(width, height),
            rate_hz=self.config.rate_hz,
            camera_matrix=K,
            R=R,
            t=t,
            window_turn=turn,
            q=acted.q.numpy(),
            scales=actor.adult.scales.numpy(),
            root=_in_camera(acted.bodies[:, self._pelvis].numpy(), R, t),
            joints=acted.joints.numpy(),
            markers=acted.markers.numpy(),
            info=_info(plan, take, self.config) | {"activity": acted.motion.activity},
        )

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()

    @property
    def _pelvis(self) -> int:
        return self.osim.body_names.index("pelvis")

    def _exposed(
        self, take: Take, views: Iterator[View], rng: Generator
    ) -> Iterator[NDArray[np.uint8]]:
        """Pictures of views, as a phone would have taken them."""
        self._renderer.open(take.stage)
        for view in views:
            yield expose(self._renderer.draw(view).rgb, take.look, rng)

    def _samples(
        self, plan: ClipPlan, take: Take, part: int, chosen: range, rng: Generator
    ) -> Iterator[Sample]:
        """The chosen frames of a take, each through its own crop."""
        acted, phone, scales = take.acted, take.phone, take.actor.adult.scales.numpy()
        boxes = [person_box(take, index) for index in chosen]
        size = self.config.size
        crops = [
            crop_camera(phone, i, box, size, BOXES) for i, box in zip(chosen, boxes, strict=True)
        ]
        root = _in_camera(acted.bodies[:, self._pelvis].numpy(), phone.R, phone.t)
        views = (
            view_of(take, i, K, (size, size), turn)
            for i, (K, turn) in zip(chosen, crops, strict=True)
        )
        pictures = self._exposed(take, views, rng)
        for index, box, (K, turn), rgb in zip(chosen, boxes, crops, pictures, strict=True):
            R, t = phone.R[index], phone.t[index]
            yield Sample(
                key=f"{plan.subject}-{plan.kind}{part:02d}-0-{index:06d}",
                jpg=encode_jpeg(
                    padded(rgb, filmed(phone, K, (size, size), turn)), take.look.jpeg_quality
                ),
                q=acted.q[index].numpy(),
                q_mask=np.ones(acted.q.shape[1], bool),
                scales=scales,
                root=root[index],
                joints=(acted.joints[index].numpy() @ R.T + t).astype(np.float32),
                markers=(acted.markers[index].numpy() @ R.T + t).astype(np.float32),
                markers_mask=np.ones(acted.markers.shape[1], bool),
                camera_matrix=phone.camera_matrix,
                distortion=phone.distortion,
                R=R,
                t=t,
                crop_camera_matrix=K,
                crop_R=turn,
                box=box,
                time=index / self.config.rate_hz,
                frame=index,
            )


def _in_camera(frames: Floats, R: Doubles, t: Doubles) -> Floats:
    """Frames (T, 4, 4) in ground as the cameras R (T, 3, 3), t (T, 3) see them."""
    seen = frames.astype(np.float64)
    seen[:, :3, :3] = R @ frames[:, :3, :3]
    seen[:, :3, 3] = np.einsum("tij,tj->ti", R, frames[:, :3, 3]) + t
    turned: Floats = seen.astype(np.float32)
    return turned


def _info(plan: ClipPlan, take: Take, config: SynthConfig) -> dict[str, Any]:
    """What the manifest says of a plan."""
    adult = take.actor.adult
    return {
        "split": plan.split,
        "number": plan.number,
        "kind": plan.kind,
        "frames": plan.frames,
        "rate_hz": config.rate_hz,
        "subject": {
            "id": plan.subject,
            "sex": "female" if adult.woman else "male",
            "age_years": round(adult.age_years, 1),
            "height_m": round(adult.stature_m, 3),
            "mass_kg": round(adult.mass_kg, 1),
            "stratum": adult.stratum,
        },
    }
