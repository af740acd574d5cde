"""Filmed people: solved recordings and their videos become pictures with labels."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.dataset.sample import Sample
from d3ke.dataset.source import BOXES, Clip, Film
from d3ke.errors import D3keError
from d3ke.network.crops import boxes_within, crops_of, cut_out, edges_about
from d3ke.omc.recording import Array, Flags, Recording
from d3ke.posing import in_parts
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.pictures.exposure import encode_jpeg
from d3ke.synth.plans import SPLITS, ClipPlan
from d3ke.vision.container import Image
from d3ke.vision.video import Reel, Video

LEAST_FRAMES = 9  # of a clip: the shortest window that a temporal network takes
LEAST_INSIDE = 0.5  # of a person's markers, which the camera must have filmed
SKIN = 0.03  # of the longer side: skin, hair and shoes reach beyond markers and joints
REELS = 2  # that stay open: recordings may be parts of one video for each camera
JPEG_QUALITY = 88  # 384 px in 20 to 30 KB


@dataclass(frozen=True)
class FilmedConfig:
    """What pictures are made from. folder: of solved recordings; split_of: each subject's."""

    folder: Path
    split_of: tuple[tuple[str, str], ...]
    size: int = 384


class Labels(NamedTuple):
    """What is known of F frames of a recording, in the camera, m.

    q (F, K), q_mask (F, K), markers_mask (F, M); bodies (F, N, 4, 4), joints (F, J, 3),
    markers (F, M, 3); boxes (F, 4) x, y, width, height, px; inside: (F,) which part of joints and
    markers the camera filmed.
    """

    q: Array
    q_mask: Flags
    markers_mask: Flags
    bodies: Array
    joints: Array
    markers: Array
    boxes: Array
    inside: Array


class Part(NamedTuple):
    """Frames of a recording: one after the other (kind clip), or those on their own (frames)."""

    path: Path
    kind: str
    rows: NDArray[np.int64]


class FilmedPeople:
    """Makes the clips of solved recordings: a plan for each run of frames without a gap.

    Frames that are in no run long enough for a clip are independent ones: a plan for those of each
    recording.
    """

    def __init__(self, config: FilmedConfig, osim: OsimModel) -> None:
        self.config, self.osim = config, osim
        self.skeleton = SkeletalModel(osim, torch.float64)
        self.paths = sorted(config.folder.glob("*.npz"))
        # the runs of a recording follow each other: only the last one is kept
        self._solved = lru_cache(maxsize=1)(self._posed)
        self._reel = lru_cache(maxsize=REELS)(lambda path: Reel(Video(path)))

    def plans(self) -> list[ClipPlan]:
        """What the data set consists of."""
        split_of = dict(self.config.split_of)
        found = [
            ClipPlan(split_of[self._solved(one.path)[0].subject], place, one.kind, len(one.rows))
            for place, one in enumerate(self._parts)
        ]
        return sorted(found, key=lambda plan: (SPLITS.index(plan.split), plan.number))

    def make(self, plan: ClipPlan) -> Clip:
        """The pictures and labels of a plan."""
        path, _, rows = self._parts[plan.number]
        recording, labels = self._solved(path)
        samples = list(self._samples(recording, labels, rows, self._clip(plan.number)))
        return Clip(samples, self._info(recording, plan, self._trials[path]))

    def film(self, plan: ClipPlan, longer_side: int, whole: bool = False) -> Film:
        """Raises D3keError: the lab has the video and the files that OpenSim opens."""
        raise D3keError("a recording is a film already: open the lab's own files.")

    def close(self) -> None:
        """Nothing to free."""

    def labels(self, recording: Recording) -> Labels:
        """What is known of all frames of a recording; NaN where nothing is."""
        q, q_mask, markers_mask = recording.at_frames()
        scales = torch.from_numpy(np.asarray(recording.scales, np.float64))
        view, R, t = recording.view, recording.view.R, recording.view.t
        parts = []
        with torch.inference_mode():
            for frames in in_parts(len(q)):
                pose = self.skeleton(torch.from_numpy(q[frames]), scales)
                parts.append([part.numpy() for part in pose])
        bodies, joints, markers = (np.concatenate(part) for part in zip(*parts, strict=True))
        pixels = view.project(np.concatenate([joints, markers], axis=1))
        inside = ((pixels >= 0) & (pixels <= np.array(view.size) - 1)).all(axis=2)
        bodies[..., :3, 3] = bodies[..., :3, 3] @ R.T + t
        bodies[..., :3, :3] = R @ bodies[..., :3, :3]
        return Labels(
            q,
            q_mask,
            markers_mask,
            bodies,
            joints=joints @ R.T + t,
            markers=markers @ R.T + t,
            boxes=boxes_within(edges_about(pixels, view.size, SKIN)),
            inside=inside.mean(axis=1),
        )

    def _posed(self, path: Path) -> tuple[Recording, Labels]:
        recording = Recording.load(path)
        return recording, self.labels(recording)

    @cached_property
    def _parts(self) -> list[Part]:
        """The frames that have labels, of all recordings in order."""
        found = []
        for path in self.paths:
            recording, labels = self._solved(path)
            usable = usable_frames(labels)
            several = [
                np.arange(first, last)
                for first, last in runs(usable, recording.video_time, recording.rate_hz)
            ]
            found += [Part(path, "clip", rows) for rows in several]
            alone = np.setdiff1d(np.flatnonzero(usable), np.concatenate([[], *several]))
            if len(alone):
                found.append(Part(path, "frames", alone))
        return found

    def _clip(self, number: int) -> str:
        """What to call a part: as its recording, and by its place where that has several."""
        path = self._parts[number].path
        same = [place for place, other in enumerate(self._parts) if other.path == path]
        return self._trials[path] + (f"_part{same.index(number) + 1}" if len(same) > 1 else "")

    @cached_property
    def _trials(self) -> dict[Path, str]:
        """What to call recordings: by trial; by session, too, where a subject has several."""
        said = {}
        for path in self.paths:
            recording = Recording.load(path)
            said[path] = recording.subject, path.name.partition("-")[0], recording.trial
        count = Counter(subject for subject, _ in {(one[0], one[1]) for one in said.values()})
        return {
            path: f"{session}_{trial}" if count[subject] > 1 else trial
            for path, (subject, session, trial) in said.items()
        }

    def _samples(
        self, recording: Recording, labels: Labels, rows: NDArray[np.int64], clip: str
    ) -> Iterator[Sample]:
        view = recording.view
        crops = crops_of(view, labels.boxes[rows], self.config.size, BOXES)
        root = self.osim.body_names.index(self.osim.joints[0].child.body)
        pictures = self._pictures(recording, recording.frames[rows])
        for place, (frame, image) in enumerate(zip(rows, pictures, strict=True)):
            seen = recording.landmarks[frame]
            yield Sample(
                key=f"{recording.subject}-{clip}-{recording.camera}-{place:06d}",
                jpg=encode_jpeg(cut_out(image, view, crops, place), JPEG_QUALITY),
                q=labels.q[frame].astype(np.float32),
                q_mask=labels.q_mask[frame],
                scales=recording.scales.astype(np.float32),
                root=labels.bodies[frame, root].astype(np.float32),
                joints=labels.joints[frame].astype(np.float32),
                markers=labels.markers[frame].astype(np.float32),
                markers_mask=labels.markers_mask[frame],
                camera_matrix=view.K,
                distortion=view.distortion,
                R=view.R,
                t=view.t,
                crop_camera_matrix=crops.camera_matrix(place),
                crop_R=crops.turns[place],
                box=labels.boxes[frame].astype(np.float32),
                time=float(recording.video_time[frame]),
                frame=int(recording.frames[frame]),
                landmarks=seen if np.isfinite(seen).all() else None,
            )

    def _pictures(self, recording: Recording, numbers: NDArray[np.int64]) -> Iterator[Image]:
        found = 0
        for frame in self._reel(recording.video).chosen(numbers.tolist()):
            found += 1
            yield frame.image
        if found != len(numbers):
            raise D3keError(f"{recording.video}: lost frames since it was solved. Prepare anew.")

    def _info(self, recording: Recording, plan: ClipPlan, trial: str) -> dict[str, Any]:
        return {
            "split": plan.split,
            "kind": plan.kind,
            "frames": plan.frames,
            "rate_hz": round(recording.rate_hz, 3),
            "activities": [recording.activity],
            "sources": [f"{recording.subject}/{trial}"],
            "subject": {"id": recording.subject, **recording.facts},
        }


def usable_frames(labels: Labels) -> Flags:
    """Frames with labels and a person of whom the camera filmed enough, (F,)."""
    known = np.isfinite(labels.q).all(axis=1) & np.isfinite(labels.boxes).all(axis=1)
    usable: Flags = known & (labels.inside >= LEAST_INSIDE)
    return usable


def runs(usable: Flags, time: Array, rate_hz: float) -> list[tuple[int, int]]:
    """Frames first to last (past it) that follow each other at about a rate and are all usable."""
    edges = [0, *(np.flatnonzero(np.diff(time) * rate_hz > 1.5) + 1).tolist(), len(time)]
    found = []
    for first, last in pairwise(edges):
        padded = np.concatenate([[False], usable[first:last], [False]])
        changes = np.flatnonzero(np.diff(padded)) + first
        found += [(a, b) for a, b in changes.reshape(-1, 2).tolist() if b - a >= LEAST_FRAMES]
    return found
