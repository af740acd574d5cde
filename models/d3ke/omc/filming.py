"""Filming: a solved take and a camera's video of it become a recording with labels.

The clocks and the camera are found where they are not known, and seen to be right: landmarks of
the person in the video must lie on the skeleton as the camera shows it.
"""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from d3ke.errors import D3keError, OptionError
from d3ke.omc.landmark_points import landmark_points
from d3ke.omc.moving_points import Moved, Seen
from d3ke.omc.person import Footage, Person, Take
from d3ke.omc.recording import Flags, Recording
from d3ke.omc.reprojection import Alignment, errors_px, height_px
from d3ke.omc.resection import HEIGHT_M, Resection, resect
from d3ke.omc.solving import SolvedTake
from d3ke.omc.story import Curve, FilmStory, as_text
from d3ke.omc.sync import Trial, align, film_of, trusted
from d3ke.posing import posed
from d3ke.report.overlay import bones_of, draw_skeleton
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.pictures.exposure import encode_jpeg
from d3ke.vision.camera import Camera
from d3ke.vision.container import Image
from d3ke.vision.person import PersonTrack, follow, open_finder
from d3ke.vision.rules import start_of
from d3ke.vision.tracking import Finder, Tracker
from d3ke.vision.video import Frame, Reel, Video

RATE_HZ = 30.0  # of the frames that become samples
AUTO = "auto"
SHOWN, SHOWN_PX, SHOWN_QUALITY = 3, 480, 80  # pictures on a page, their longer side, as JPEG
MOST_KEPT = 8  # pictures in memory, of which those on a page are chosen
REELS = 2  # that stay open: the takes of a session may be parts of one video for each camera
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


class _Found(NamedTuple):
    """Clocks and camera. clock: in words; match: evidence by offset; remarks: what to know."""

    alignment: Alignment
    clock: str
    match: Curve = Curve((), ())
    remarks: tuple[str, ...] = ()


class _Kept:
    """Some of the frames that go by, evenly spread however many come. images: by their place."""

    def __init__(self) -> None:
        self.images: dict[int, Image] = {}
        self._step = 1

    def passing(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """The frames again."""
        for place, frame in enumerate(frames):
            if place % self._step == 0:
                self.images[place] = frame.image
            if len(self.images) > MOST_KEPT:
                self._step *= 2
                self.images = {n: image for n, image in self.images.items() if n % self._step == 0}
            yield frame


class Filming:
    """Makes recordings of the videos of solved takes."""

    def __init__(self, osim: OsimModel, options: FilmingOptions) -> None:
        self.options = options
        self.skeleton = SkeletalModel(osim, torch.float64)
        self._reel = lru_cache(maxsize=REELS)(lambda path: Reel(Video(path)))

    def film(self, person: Person, take: Take, solved: SolvedTake, footage: Footage) -> Filmed:
        """A camera's recording of a take.

        Raises D3keError: a video that cannot be read or shows nobody, clocks that motion does not
        tell, a camera that does not fit.
        """
        reel, kept = self._reel(footage.video), _Kept()
        video = reel.video
        track = self._tracked(reel, footage.numbers, kept)
        if footage.rate_hz is not None:
            track = replace(track, time=track.frames / footage.rate_hz)
        known = np.isfinite(solved.q).all(axis=1)
        points = landmark_points(self.skeleton, np.nan_to_num(solved.q), solved.scales)
        points.places[~known] = np.nan
        trial = Trial(
            str(footage.video),
            Seen.of(track.time, track.landmarks, video.size, points.numbers),
            Moved(solved.time, points.places, points.turns),
            person.height_m or HEIGHT_M,
        )
        found = self._found(trial, video.size, footage)
        view, alignment = found.alignment.camera, found.alignment
        mismatch = _mismatch(trial, alignment)
        remarks = (*_lost(footage, track), *found.remarks, *self._judged(footage, mismatch))
        video_time = alignment.omc_time(track.time)
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
            video_time=video_time,
            landmarks=track.landmarks,
            view=view,
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
            view=view.source,
            fov_deg=view.fov_deg,
            mismatch=mismatch,
            pictures=tuple(self._pictures(recording, labelled, kept.images)),
        )
        return Filmed(recording, story, remarks)

    @cached_property
    def _finder(self) -> Finder:
        return open_finder()

    def _tracked(self, reel: Reel, numbers: NDArray[np.int64] | None, kept: _Kept) -> PersonTrack:
        """The person in the frames that count."""
        video = reel.video
        tracker = Tracker(self._finder, *start_of("largest", video, self._finder))
        frames = video.frames(RATE_HZ) if numbers is None else reel.chosen(numbers.tolist())
        track = follow(kept.passing(frames), video.size, tracker).track
        if not track.seen.any():
            raise D3keError(
                f"{video.path}: nobody is seen in {len(track.time)} frames. Is it the right video?"
            )
        return track

    def _found(self, trial: Trial, size: tuple[int, int], footage: Footage) -> _Found:
        """Clocks and camera, as they are known or else from motion."""
        still = Alignment.still(trial.seen.pixels.shape[1])
        clock = footage.clock
        if self.options.offset_s is not None:
            clock = (self.options.offset_s, 0.0)
        if clock is None:
            return self._from_motion(trial, size, footage.view, still)
        offset_s, drift = clock
        alignment = replace(still, offset_s=offset_s, drift=drift)
        told = f"offset {offset_s:.3f} s, given"
        if footage.view is not None:
            return _Found(replace(alignment, camera=footage.view), told)
        found = self._resected(trial, size, alignment)
        return _Found(_seen_by(found, alignment), told, remarks=found.warnings)

    def _from_motion(
        self, trial: Trial, size: tuple[int, int], view: Camera | None, still: Alignment
    ) -> _Found:
        """The clocks from motion, and the camera where it is not known."""
        if view is None:
            filmed = film_of([trial], size, accept_above=self.options.largest_mismatch)
            sync, alignment = filmed.syncs[0], _seen_by(filmed.resection, still)
            remarks = filmed.resection.warnings
        else:
            aligned = trusted(trial, align(trial, size, view))
            sync, remarks = aligned.sync, ()
            alignment = replace(aligned.fit.alignment, camera=view)
        alignment = replace(alignment, offset_s=sync.offset_s, drift=sync.drift)
        told = f"offset {round(sync.offset_s, 3) + 0.0:.3f} s, found from motion ({sync.reason})"
        if sync.drift:
            told += f", drift {1e6 * sync.drift:.0f} us a second"
        step = -(-len(sync.offsets_s) // MOST_POINTS)
        match = Curve(
            tuple(sync.offsets_s[::step].round(3).tolist()),
            tuple(np.nan_to_num(sync.gains[::step]).round(3).tolist()),
        )
        return _Found(alignment, told, match, remarks)

    def _resected(self, trial: Trial, size: tuple[int, int], alignment: Alignment) -> Resection:
        """The camera that saw the take's points, the clocks being known."""
        time = alignment.omc_time(trial.seen.time)
        rows = np.flatnonzero(trial.moved.covers(time))
        seen = trial.seen.part(rows)
        now = trial.moved.at(time[rows])
        return resect(
            now.places,
            seen.pixels,
            seen.weights,
            size,
            rate_hz=seen.rate_hz,
            turns=now.turns,
            height_m=trial.height_m,
            accept_above=self.options.largest_mismatch,
            what=trial.name,
        )

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
            draw_skeleton(image, recording.view.project(points), depth, bones)
            shrink = SHOWN_PX / max(image.shape[:2])
            size = (round(image.shape[1] * shrink), round(image.shape[0] * shrink))
            small = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
            yield as_text(encode_jpeg(small, SHOWN_QUALITY))


def _seen_by(found: Resection, alignment: Alignment) -> Alignment:
    """The clocks with the camera that was found, and where it saw landmarks on their bodies."""
    return replace(alignment, camera=found.camera, shifts=found.shifts)


def _lost(footage: Footage, track: PersonTrack) -> tuple[str, ...]:
    """What should be known where frames that count could not be read."""
    found = len(track.frames)
    if footage.numbers is None or found == len(footage.numbers):
        return ()
    return (
        f"{footage.video}: {found} of {len(footage.numbers)} frames could be read. Copy it again.",
    )


def _mismatch(trial: Trial, alignment: Alignment) -> float:
    """The median distance of landmarks from the skeleton, as a part of the person's height."""
    errors = errors_px(trial.seen, trial.moved, alignment)
    known = np.isfinite(errors)
    if not known.any():
        return math.inf
    points = trial.moved.at(alignment.omc_time(trial.seen.time)).places[known]
    height = height_px(alignment.camera, points, trial.height_m)
    return float(np.median(errors[known] / height))
