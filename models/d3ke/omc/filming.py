"""Filming: a solved take and a camera's video of it become a recording with labels.

The clocks and the camera are found where they are not known, and seen to be right: landmarks of
the person in the video must lie on the skeleton as the camera shows it.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from d3ke.errors import D3keError, OptionError
from d3ke.omc.film_cameras import Shot, found_together
from d3ke.omc.given_clocks import held_against_motion
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.recording import Flags, Recording
from d3ke.omc.reprojection import Alignment
from d3ke.omc.solving import SolvedTake
from d3ke.omc.story import Curve, FilmStory, as_text
from d3ke.omc.sync import Sync, align, error_of, trusted
from d3ke.omc.watching import Watched, Watcher
from d3ke.posing import posed
from d3ke.report.overlay import bones_of, draw_skeleton
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.pictures.exposure import encode_jpeg
from d3ke.vision.camera import Camera
from d3ke.vision.container import Image
from d3ke.vision.person import PersonTrack

AUTO = "auto"
SHOWN, SHOWN_QUALITY = 3, 80  # pictures on a page, as JPEG
MOST_POINTS = 600  # of a curve on a page
DOUBTFUL_MISMATCH = 0.02  # of the person's height: more is told


@dataclass(frozen=True)
class FilmingOptions:
    """How videos are put beside recordings.

    offset_s: between the clocks, None to find it. largest_mismatch: of landmarks and skeleton, as a
    part of the person's height.
    """

    offset_s: float | None = None
    largest_mismatch: float = 0.04


def offset_of(word: str) -> float | None:
    """What --sync says: seconds, or None for auto. Raises OptionError for other words."""
    if word == AUTO:
        return None
    try:
        offset = float(word)
    except ValueError:
        offset = math.nan
    if not math.isfinite(offset):
        raise OptionError(f"--sync {word}: give seconds, such as 1.25, or {AUTO}.")
    return offset


class Filmed(NamedTuple):
    """A recording, what is told of it, and what should be known."""

    recording: Recording
    story: FilmStory
    remarks: tuple[str, ...]


class _Clocked(NamedTuple):
    """Clocks and camera. clock: in words; match: evidence by offset; remarks: what to know."""

    alignment: Alignment
    clock: str
    match: Curve = Curve((), ())
    remarks: tuple[str, ...] = ()


class Filming:
    """Makes recordings of the videos of solved takes."""

    def __init__(self, osim: OsimModel, options: FilmingOptions) -> None:
        self.options = options
        self.skeleton = SkeletalModel(osim, torch.float64)
        self._watcher = Watcher(self.skeleton)

    def watch(self, person: Person, take: Take, solved: SolvedTake, footage: Footage) -> Watched:
        """A camera's video of a take: the person is followed through it.

        Raises D3keError: a video that cannot be read or shows nobody.
        """
        return self._watcher.watch(person, take, solved, footage)

    def film(self, watched: Watched) -> Filmed:
        """The recording of a video.

        Raises D3keError: clocks that motion does not tell, a camera that does not fit.
        """
        if watched.footage.view is None:
            (filmed,) = self.film_together([watched])
            if isinstance(filmed, D3keError):
                raise filmed
            return filmed
        return self._filmed(watched, self._seen_by(watched, watched.footage.view))

    def film_together(self, watched: Sequence[Watched]) -> list[Filmed | D3keError]:
        """The recordings of videos that a camera took of which nothing is known, or why not.

        One that stands still is told by all of its videos together, which are of one size.
        """
        shots = [Shot(one.trial, self._clock(one.footage)) for one in watched]
        most = self.options.largest_mismatch
        filmed: list[Filmed | D3keError] = []
        for one, found in zip(watched, found_together(shots, watched[0].size, most), strict=True):
            try:
                if isinstance(found, D3keError):
                    raise found
                clocked = _told(found.alignment, found.sync)._replace(remarks=found.remarks)
                filmed.append(self._filmed(one, clocked))
            except D3keError as error:
                filmed.append(error)
        return filmed

    def _clock(self, footage: Footage) -> tuple[float, float] | None:
        """Offset and drift that were given."""
        given = self.options.offset_s
        return footage.clock if given is None else (given, 0.0)

    def _seen_by(self, watched: Watched, view: Camera) -> _Clocked:
        """The clocks of a video whose camera is known."""
        trial, size, clock = watched.trial, watched.size, self._clock(watched.footage)
        if clock is None:
            sync, fit, _ = trusted(trial, align(trial, size, view))
            return _told(fit.alignment, sync)
        still = Alignment.still(trial.seen.pixels.shape[1])
        given = replace(still, offset_s=clock[0], drift=clock[1], camera=view)
        # frames that the recording's own clock triggers have their times from it
        triggered = watched.footage.rate_hz is not None
        remarks = () if triggered else held_against_motion(trial, size, given, view)
        return _told(given, None)._replace(remarks=remarks)

    def _filmed(self, watched: Watched, found: _Clocked) -> Filmed:
        """A recording and its story. Raises D3keError where the camera looks elsewhere."""
        person, take, solved, footage = watched[:4]
        track, alignment = watched.track, found.alignment
        mismatch = error_of(watched.trial, alignment)
        remarks = (*_lost(footage, track), *found.remarks, *self._judged(footage, mismatch))
        recording = Recording(
            subject=person.name,
            trial=take.name,
            camera=footage.camera,
            facts=person.facts,
            activity=take.activity,
            time=solved.time,
            q=solved.q,
            q_mask=solved.q_mask,
            markers_mask=solved.markers_mask,
            scales=solved.scales,
            video=footage.video,
            frames=track.frames,
            video_time=alignment.omc_time(track.time),
            landmarks=track.landmarks,
            view=alignment.camera,
        )
        labelled = np.asarray(np.isfinite(recording.at_frames()[0]).all(axis=1), np.bool_)
        story = FilmStory(
            camera=footage.camera,
            video=footage.video.name,
            frames=int(labelled.sum()),
            filmed=len(track.time),
            offset_s=alignment.offset_s,
            clock=found.clock,
            match=found.match,
            view=alignment.camera.source,
            fov_deg=alignment.camera.fov_deg,
            mismatch=mismatch,
            pictures=tuple(self._pictures(recording, labelled, watched.images)),
        )
        return Filmed(recording, story, remarks)

    def _judged(self, footage: Footage, mismatch: float) -> tuple[str, ...]:
        """What should be known of a camera. Raises D3keError where it looks elsewhere."""
        told = f"{footage.video}: landmarks lie {mismatch:.1%} of the person's height off"
        if not mismatch <= self.options.largest_mismatch:
            raise D3keError(
                f"{told} the skeleton as the camera shows it. Is it the right camera, person and "
                "clock? If so, raise --mismatch."
            )
        return (f"{told}: look at its page",) if mismatch > DOUBTFUL_MISMATCH else ()

    def _pictures(
        self, recording: Recording, labelled: Flags, images: Mapping[int, Image]
    ) -> Iterator[str]:
        """Frames with the skeleton drawn on the person, as JPEG for a page. images: by row."""
        rows = [row for row in images if labelled[row]]
        if not rows:
            return
        chosen = np.linspace(0, len(rows) - 1, SHOWN + 2)[1:-1].astype(int)
        q, _, _ = recording.at_frames()
        bones = bones_of(self.skeleton.osim)
        for row in sorted({rows[place] for place in chosen.tolist()}):
            found = posed(self.skeleton, q[row : row + 1], recording.scales)
            points = np.concatenate([found.joints[0], found.markers[0]]).astype(np.float64)
            image = np.ascontiguousarray(images[row]).copy()
            depth = (points @ recording.view.R.T + recording.view.t)[:, 2]
            shrink = image.shape[1] / recording.view.size[0]
            draw_skeleton(image, shrink * recording.view.project(points), depth, bones)
            yield as_text(encode_jpeg(image, SHOWN_QUALITY))


def _told(alignment: Alignment, sync: Sync | None) -> _Clocked:
    """Clocks in words. sync: None where they were given."""
    if sync is None:
        return _Clocked(alignment, f"offset {alignment.offset_s:.3f} s, given")
    told = f"offset {round(sync.offset_s, 3) + 0.0:.3f} s, found from motion ({sync.reason})"
    if sync.drift:
        told += f", drift {1e6 * sync.drift:.0f} us a second"
    step = -(-len(sync.offsets_s) // MOST_POINTS)
    match = Curve(
        tuple(sync.offsets_s[::step].round(3).tolist()),
        tuple(np.nan_to_num(sync.gains[::step]).round(3).tolist()),
    )
    return _Clocked(alignment, told, match)


def _lost(footage: Footage, track: PersonTrack) -> tuple[str, ...]:
    """What should be known where frames that count could not be read."""
    found = len(track.frames)
    if footage.numbers is None or found == len(footage.numbers):
        return ()
    return (
        f"{footage.video}: {found} of {len(footage.numbers)} frames could be read. Copy it again.",
    )
