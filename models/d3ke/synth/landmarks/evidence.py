"""Landmark evidence: a record beside what was truly there, ready for statistics."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.network.mirror import (
    LANDMARK_SWAP,
    coordinate_signs,
    mirror_landmarks,
    mirror_root,
    swap_of,
)
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.landmark_places import LandmarkPlaces
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.noise import SWAPPED, azimuth, ray_frame
from d3ke.synth.landmarks.observer import usual_box
from d3ke.synth.landmarks.occlusion import hidden_landmarks
from d3ke.synth.landmarks.records import LandmarkRecord

Floats = NDArray[np.float32]
Flags = NDArray[np.bool_]

FEET = ("ankle_angle", "mtp_angle")  # coordinates that are 0 where feet are level
ELSEWHERE = 0.25  # parts of the box: landmarks this far off on the median are somebody else's
APART_M = 0.12  # twins nearer to each other than this tell nothing of a swap
CROSSED = -0.3  # 1 where twins are as they should be, -1 where they are exchanged
DEPTH_TRUST = 0.5  # of metric depth, beside what the picture shows
SWAP_PROOF = {"arms": (13, 14, 15, 16), "legs": (25, 26, 27, 28)}


@dataclass(frozen=True, eq=False)
class LandmarkEvidence:
    """T frames of a record, and the truth in the camera, m. NaN where BlazePose saw nobody.

    image (T, 33, 2) over the focal length; visibility (T, 33); world (T, 33, 3) m;
    frames, level: (T, 33, 3, 4) the body of each landmark, as it is and with level feet;
    size (33, 3) its scales; points (T, 33, 3) where landmarks usually lie; centred (T, 33, 3),
    pelvis (T, 3, 3): in the ray frame; pelvis_in_camera (T, 3, 3); azimuth (T,) rad;
    hidden (T, 33) 0 to 1; box: the person's size over the focal length;
    elsewhere (T,): somebody else was taken for the person; swapped: for each group (T,), whether
    left was taken for right; apart: whether that could be told; q (T, K) rad; activity.
    """

    image: Floats
    visibility: Floats
    world: Floats
    frames: Floats
    level: Floats
    size: Floats
    points: Floats
    centred: Floats
    pelvis: Floats
    pelvis_in_camera: Floats
    azimuth: Floats
    hidden: Floats
    box: float
    elsewhere: Flags
    swapped: dict[str, Flags]
    apart: dict[str, Flags]
    q: Floats
    activity: str

    @property
    def usable(self) -> Flags:
        """Where a landmark's error is its own, (T, 33): the person is seen, left is left."""
        seen = np.isfinite(self.image).all(axis=(1, 2)) & ~self.elsewhere
        usable = np.repeat(seen[:, None], 33, axis=1)
        for name, group in SWAPPED.items():
            usable[:, list(group)] &= ~self.swapped[name][:, None]
        return usable

    def with_places(self, offsets_m: NDArray[np.float64]) -> "LandmarkEvidence":
        """The same with landmarks that usually lie elsewhere, (33, 3) in their bodies' frames."""
        places = (offsets_m * self.size).astype(np.float32)
        points = np.einsum("tpij,pj->tpi", self.frames[..., :3], places) + self.frames[..., 3]
        turn = self.pelvis @ np.swapaxes(self.pelvis_in_camera, 1, 2)
        centre = points[:, 23:25].mean(axis=1, keepdims=True)
        centred = (points - centre) @ np.swapaxes(turn, 1, 2)
        return replace(self, points=points, centred=centred.astype(np.float32))


def evidence(
    records: Iterable[LandmarkRecord], osim: OsimModel, places: LandmarkPlaces, mirror: bool = True
) -> Iterator[LandmarkEvidence]:
    """Evidence of records in which the person was seen, each also in a mirror where asked for."""
    skeleton = SkeletalModel(osim)
    for record in records:
        if record.seen.sum() < 2:
            continue
        yield _evidence(record, skeleton, places)
        if mirror:
            yield _evidence(mirrored(record, osim), skeleton, places)


def mirrored(record: LandmarkRecord, osim: OsimModel) -> LandmarkRecord:
    """What the mirrored film would have given."""
    names = osim.coordinate_names
    landmarks = record.landmarks[:, list(LANDMARK_SWAP)].copy()
    landmarks[..., 0] = 2 * record.camera_matrix[0, 2] - landmarks[..., 0]
    world = torch.from_numpy(record.landmarks[..., [0, 1, 3, 4, 5, 6]])
    landmarks[..., 4:] = mirror_landmarks(world)[..., 3:].numpy()
    root = torch.from_numpy(record.root).clone()
    root[:, :3, :3] = mirror_root(root[:, :3, :3])
    root[:, 0, 3] *= -1
    flip = np.array([-1, 1, 1], np.float32)
    return replace(
        record,
        landmarks=landmarks,
        q=record.q[:, swap_of(names)] * coordinate_signs(names).numpy(),
        root=root.numpy(),
        scales=record.scales[swap_of(osim.body_names)],
        down=record.down * flip,
        level=record.level * flip,
    )


def _evidence(
    record: LandmarkRecord, skeleton: SkeletalModel, places: LandmarkPlaces
) -> LandmarkEvidence:
    names, bodies = skeleton.osim.coordinate_names, skeleton.osim.body_names
    index = places.body_index(bodies)
    q, root = torch.from_numpy(record.q), torch.from_numpy(record.root)
    scales = torch.from_numpy(record.scales)
    square = q.clone()
    square[:, [i for i, name in enumerate(names) if name.startswith(FEET)]] = 0
    frames, level = skeleton.bodies(q, scales, root), skeleton.bodies(square, scales, root)
    offsets = torch.tensor(places.offsets_m, dtype=torch.float32)
    points = skeleton.stations(frames, torch.tensor(index), offsets, scales)
    centred, pelvis = ray_frame(points, frames[:, bodies.index("pelvis"), :3, :3])
    K = record.camera_matrix
    image = ((record.landmarks[..., :2] - K[:2, 2]) / np.diag(K)[:2]).astype(np.float32)
    flat = points[..., :2] / points[..., 2:]
    box = float(usual_box(flat[None]))
    off = np.linalg.norm(image - flat.numpy(), axis=2)
    with np.errstate(invalid="ignore"):
        elsewhere = np.median(off, axis=1) > ELSEWHERE * box
    world = record.landmarks[..., 4:]
    swaps = {
        name: _swapped(image, world, points.numpy(), centred.numpy(), proof)
        for name, proof in SWAP_PROOF.items()
    }
    return LandmarkEvidence(
        image=image,
        visibility=record.landmarks[..., 3],
        world=world,
        frames=frames[:, index, :3].numpy(),
        level=level[:, index, :3].numpy(),
        size=record.scales[index],
        points=points.numpy(),
        centred=centred.numpy(),
        pelvis=pelvis.numpy(),
        pelvis_in_camera=record.root[:, :3, :3],
        azimuth=azimuth(pelvis).numpy(),
        hidden=hidden_landmarks(points[None])[0].numpy(),
        box=box,
        elsewhere=elsewhere,
        swapped={name: taken & ~elsewhere for name, (taken, _) in swaps.items()},
        apart={name: apart & ~elsewhere for name, (_, apart) in swaps.items()},
        q=record.q,
        activity=str(record.info.get("activity", "")),
    )


def _swapped(
    image: Floats, world: Floats, points: Floats, centred: Floats, proof: tuple[int, ...]
) -> tuple[Flags, Flags]:
    """Where left is seen where right is, and where that can be told, each (T,).

    Along the line between true twins: sideways and up by the picture, in depth by the metric
    landmarks, which are less sure.
    """
    left, right = list(proof[0::2]), list(proof[1::2])
    depth = points[:, [*left, *right], 2:].mean(axis=1, keepdims=True)
    trust = np.array([1, 1, DEPTH_TRUST], np.float32)
    seen = np.concatenate([image * depth, world[..., 2:]], axis=2)
    true = np.concatenate([points[..., :2] / points[..., 2:] * depth, centred[..., 2:]], axis=2)
    found, line = (trust * (part[:, left] - part[:, right]) for part in (seen, true))
    length2 = (line**2).sum(axis=(1, 2))
    with np.errstate(invalid="ignore"):
        agreement = (found * line).sum(axis=(1, 2)) / np.maximum(length2, 1e-6)
        apart = (np.sqrt(length2 / len(left)) > APART_M) & np.isfinite(agreement)
        return apart & (agreement < CROSSED), apart
