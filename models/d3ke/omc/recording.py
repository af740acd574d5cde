"""Recording: a trial of one person through one camera, solved: all that labels follow from."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.network.inference import values_at
from d3ke.vision.camera import Camera

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

ARRAYS = (
    "time", "q", "q_mask", "markers_mask", "scales", "frames", "video_time", "landmarks",
    "camera_matrix", "distortion", "R", "t",
)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Recording:
    """A trial of S moments as marker recordings have it, and the V frames that its video has of it.

    subject, trial, camera: who does what, seen by which camera, words without blanks or dashes.
    facts: of the subject, for the manifest; activity: what is done.
    time: (S,) s of the recording; q: (S, K) rad or m in the coordinates of the data set's skeleton,
    NaN where unknown; q_mask: (S, K) which are trusted; markers_mask: (S, M) likewise, of the
    skeleton's markers; scales: (N, 3).
    video: the file; frames: (V,) their numbers in it; video_time: (V,) s of the recording, the two
    clocks being put together; landmarks: (V, 33, 7) of BlazePose, NaN where it saw nobody.
    view: the camera in the recording's ground.
    """

    subject: str
    trial: str
    camera: str
    facts: Mapping[str, Any]
    activity: str
    time: Array
    q: Array
    q_mask: Flags
    markers_mask: Flags
    scales: Array
    video: Path
    frames: NDArray[np.int64]
    video_time: Array
    landmarks: NDArray[np.float32]
    view: Camera

    @property
    def name(self) -> str:
        """Its name among the recordings of a data set."""
        return f"{self.subject}-{self.trial}-{self.camera}"

    @property
    def rate_hz(self) -> float:
        """Frames a second, of those taken from the video that are nearest to each other.

        Where most frames were left out, it is still the rate of those that follow each other; 0 of
        a single frame.
        """
        steps = np.diff(self.frames)
        if not len(steps):
            return 0.0
        return float(1 / np.median(np.diff(self.video_time)[steps == steps.min()]))

    def at_frames(self) -> tuple[Array, Flags, Flags]:
        """Coordinates (V, K) at the video's frames, and which of them, and of markers, are trusted.

        Returns q (V, K), q_mask (V, K), markers_mask (V, M).
        A frame is as trusted as the worse of the two moments about it, and unknown, NaN, outside of
        the recording or beside a gap.
        """
        now = np.clip(self.video_time, self.time[0], self.time[-1])
        after = np.clip(np.searchsorted(self.time, now), 1, len(self.time) - 1)
        both = np.stack([np.where(self.time[after] == now, after, after - 1), after])
        q = values_at(now, self.time, np.nan_to_num(self.q))
        outside = now != self.video_time
        q[np.isnan(self.q[both]).any(axis=(0, 2)) | outside] = np.nan
        return q, self.q_mask[both].all(axis=0), self.markers_mask[both].all(axis=0)

    def save(self, path: Path) -> None:
        """Write it as .npz. Raises D3keError where that cannot be."""
        of_camera = {
            "camera_matrix": self.view.K, "distortion": self.view.distortion,
            "R": self.view.R, "t": self.view.t,
        }  # fmt: skip
        arrays = {name: of_camera.get(name, getattr(self, name, None)) for name in ARRAYS}
        words = {
            "subject": self.subject,
            "trial": self.trial,
            "camera": self.camera,
            "facts": dict(self.facts),
            "activity": self.activity,
            "video": str(self.video),
            "size": list(self.view.size),
            "source": self.view.source,
        }
        with replacing(path) as temporary, temporary.open("wb") as file:
            np.savez(file, words=np.array(json.dumps(words)), **arrays)  # type: ignore[arg-type]

    @staticmethod
    def load(path: Path) -> "Recording":
        """A recording that `save` wrote."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in ARRAYS}
                words = json.loads(str(file["words"]))
        except (OSError, ValueError, KeyError) as error:
            raise D3keError(f"{path}: not a solved recording. Prepare anew.") from error
        view = Camera(
            arrays.pop("camera_matrix"),
            tuple(words.pop("size")),
            words.pop("source"),
            arrays.pop("distortion"),
            arrays.pop("R"),
            arrays.pop("t"),
        )
        return Recording(**words | {"video": Path(words["video"])}, **arrays, view=view)
