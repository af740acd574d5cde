"""What BlazePose and a network for pictures say of clips, kept, for they take the time."""

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.motion.motion import Motion
from d3ke.motion.names import common
from d3ke.network.fused import LOOKS_HZ
from d3ke.network.image_inference import looked_at
from d3ke.network.image_network import ImageD3KE
from d3ke.network.inference import Array
from d3ke.recordings import load_motion
from d3ke.vision.camera import Camera, camera_of
from d3ke.vision.person import PersonTrack, track_person
from d3ke.vision.video import Video

TRACK = [field.name for field in fields(PersonTrack)]


class Watched(NamedTuple):
    """A clip, what is true of it, its person's track, and what pictures say at times `when` (G,).

    by_pictures: (G, K) rad.
    """

    name: str
    truth: Motion
    track: PersonTrack
    camera: Camera
    when: Array
    by_pictures: Array


def rendered(folder: Path) -> list[tuple[str, Path, Path]]:
    """Name, video and truth of the clips of tests.benchmarks.rendered_clips."""
    clips = sorted(folder.glob("*.mp4"))
    return [(clip.stem, clip, clip.with_suffix(".mot")) for clip in clips]


def filmed(data: Path, *recordings: str) -> list[tuple[str, Path, Path]]:
    """The same of every camera of real recordings of the data folder."""
    return [
        (f"{recording}_{clip.stem}", clip, clip.parent / "truth.mot")
        for recording in recordings
        for clip in sorted((data / "clips" / recording).glob("video_cam*.mp4"))
    ]


def watched(
    clips: list[tuple[str, Path, Path]], pictures: ImageD3KE, kept: Path
) -> Iterator[Watched]:
    """Each clip in which somebody is seen; what is in the folder `kept` is not looked at again."""
    kept.mkdir(parents=True, exist_ok=True)
    for name, clip, truth in clips:
        path = kept / f"{name}.npz"
        if not path.exists():
            try:
                _watch(clip, pictures, path)
            except D3keError:
                continue  # nobody found: nothing is said, and nothing can be wrong
        with np.load(path) as stored:
            parts: dict[str, Any] = {key: stored[key] for key in stored.files}
        track = {key: parts[key] for key in TRACK}
        track["size"] = (int(track["size"][0]), int(track["size"][1]))
        if track["seen"].sum() < 2:
            continue
        yield Watched(
            name,
            common(load_motion(truth, lambda warning: None)[0]),
            PersonTrack(**track),
            Camera(parts["K"], track["size"], "assumed", parts["distortion"]),
            parts["when"],
            parts["by_pictures"],
        )


def _watch(clip: Path, pictures: ImageD3KE, path: Path) -> None:
    video = Video(clip)
    camera, track = camera_of(video), track_person(video)
    when, said = looked_at(pictures, video, track, camera, rate_hz=LOOKS_HZ)
    arrays: dict[str, Any] = {key: np.asarray(getattr(track, key)) for key in TRACK}
    arrays |= {"when": when, "by_pictures": said.q, "K": camera.K, "distortion": camera.distortion}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)
