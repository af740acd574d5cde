"""View: predictions and motions as a page."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from d3ke.errors import D3keError, OptionError
from d3ke.evaluate import evaluate
from d3ke.heard import Heard
from d3ke.motion.motion import Motion
from d3ke.motion.names import family_of, to_names
from d3ke.motion.opensim_files import read_motion
from d3ke.outputs import check_writable, with_suffixes
from d3ke.prediction import Prediction
from d3ke.progress import Progress, Silent
from d3ke.report.overlay import Drawing
from d3ke.report.page import write_page
from d3ke.report.page_clip import PageClip, Reference, clip_of_motion, clip_of_prediction
from d3ke.report.page_video import small_video
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.video import SUFFIXES as VIDEOS
from d3ke.vision.video import Video

PREDICTIONS, MOTIONS = ".npz", {".mot", ".sto"}


@dataclass(frozen=True)
class ViewOptions:
    """What goes beside what is viewed.

    video: the clip, or a folder with the clips; by default looked for beside each file. model: of
    motions; by default the .osim of the same name. reference: a motion to draw beside the curves.
    """

    video: Path | None = None
    model: Path | None = None
    reference: Path | None = None


class View(NamedTuple):
    """A page. clips: their names. failures: the files that are not on it, and why."""

    output: Path
    clips: tuple[str, ...]
    warnings: tuple[str, ...]
    failures: tuple[tuple[Path, D3keError], ...]


def view(
    files: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    options: ViewOptions | None = None,
    progress: Progress | None = None,
) -> View:
    """Write one page of predictions (.npz of `d3ke predict`) and motions (.mot, .sto).

    A file that cannot be shown is left out and told. Raises D3keError where none can be shown or
    the page not be written, OptionError for options that do not fit several files.
    """
    options, progress = options or ViewOptions(), progress or Silent()
    paths, target = [Path(file) for file in files], Path(output)
    _check(paths, options)
    check_writable(target)
    clips: list[PageClip] = []
    warnings: list[str] = []
    failures: list[tuple[Path, D3keError]] = []
    for path in paths:
        heard = Heard(path, progress)
        try:
            clips.append(_clip(path, options, heard))
        except D3keError as error:
            failures.append((path, error))
        warnings += heard.warnings
    if not clips:
        raise failures[0][1]
    target.parent.mkdir(parents=True, exist_ok=True)
    write_page(target, clips)
    return View(target, tuple(clip.name for clip in clips), tuple(warnings), tuple(failures))


def _check(paths: list[Path], options: ViewOptions) -> None:
    if options.model is not None and all(path.suffix.lower() == PREDICTIONS for path in paths):
        raise OptionError(f"--model {options.model}: for motions; a prediction holds its own.")
    if len(paths) > 1 and options.reference is not None:
        raise OptionError("--reference goes with one file. View them one by one.")
    if len(paths) > 1 and options.video is not None and not options.video.is_dir():
        raise OptionError(f"--video {options.video}: several files need the folder of their clips.")


def _clip(path: Path, options: ViewOptions, heard: Heard) -> PageClip:
    suffix = path.suffix.lower()
    if suffix == PREDICTIONS:
        prediction = Prediction.load(path)
        clip = clip_of_prediction(prediction, _files_beside(path))
        video = _video_of(path, [str(prediction.meta.get("clip", ""))], options)
        clip = _filmed(clip, path, video, Drawing(prediction), options, heard)
    elif suffix in MOTIONS:
        osim = OsimModel.from_file(_model_of(path, options))
        rotational = {c.name: c.rotational for c in osim.coordinates}
        motion = read_motion(path, rotational, heard.warn)
        clip = clip_of_motion(path.name, motion, osim, {"osim": osim.name, "mot": path.name})
        video = _video_of(path, [path.stem + suffix for suffix in VIDEOS], options)
        clip = _filmed(clip, path, video, None, options, heard)
    else:
        raise D3keError(
            f"{path}: neither a prediction nor a motion. Pass the .npz of `d3ke predict`, or a "
            ".mot beside its .osim."
        )
    if options.reference is not None:
        clip = replace(clip, reference=_beside(clip.motion, options.reference, heard))
    return clip


def _files_beside(path: Path) -> dict[str, str]:
    """The files of a prediction that lie beside its .npz, names by format."""
    files = with_suffixes(path.with_suffix(""), ("mot", "osim", "trc", "npz"))
    return {suffix: file.name for suffix, file in files.items() if file.is_file()}


def _model_of(path: Path, options: ViewOptions) -> Path:
    model = options.model or path.with_suffix(".osim")
    if options.model is None and not model.is_file():
        raise D3keError(f"{path}: no model {model.name} beside it. Pass one: --model FILE.")
    return model


def _video_of(path: Path, names: Sequence[str], options: ViewOptions) -> Path | None:
    """The clip: what was given, or of one of these names in the folder given or beside the file."""
    if options.video is not None and not options.video.is_dir():
        return options.video
    folder = options.video or path.parent
    there = (folder / name for name in names if name)
    # a folder that does not hold the clip may be it: a folder of pictures
    return next((clip for clip in there if clip.exists()), options.video)


def _filmed(
    clip: PageClip,
    path: Path,
    video: Path | None,
    drawing: Drawing | None,
    options: ViewOptions,
    heard: Heard,
) -> PageClip:
    """The clip with its video, or with the reason why there is none."""
    if video is None:
        reason = f"{clip.name} is not beside {path.name}: --video FILE shows it here"
        if drawing is None:
            return replace(clip, no_video="no video beside the motion: --video FILE shows it here")
        heard.warn(f"no video: {reason}")
        return replace(clip, no_video=reason)
    try:
        opened = Video(video)
        if drawing is not None and opened.size != drawing.camera.size:
            raise D3keError(
                f"{video}: {_pixels(opened.size)}, but {path.name} was predicted from "
                f"{_pixels(drawing.camera.size)}. Pass its own clip."
            )
        return replace(clip, video=small_video(opened, drawing, heard))
    except D3keError as error:
        if video == options.video and not video.is_dir():
            raise
        reason = f"no video: {error}"
        if video == options.video:
            reason = f"no video: {clip.name} is not in {video}, which is no clip of pictures either"
        heard.warn(reason)
        return replace(clip, no_video=reason.replace(str(video), video.name))


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]} px"


def _beside(motion: Motion, path: Path, heard: Heard) -> Reference:
    """A reference under the names of a motion, at its times, at the lag that fits best."""
    found = evaluate(motion, path)
    for warning in found.warnings:
        heard.warn(warning)
    lag_s = found.best.lag_s
    late = replace(found.reference, time=found.reference.time + lag_s)
    return Reference(
        to_names(late.at(motion.time), motion.names, family_of(motion.names, motion)),
        f"{path.name}: {found.best.mean_mae_deg:.1f} degrees apart on average, at a lag of "
        f"{lag_s:.2f} s",
    )
