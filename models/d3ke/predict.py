"""Predict: clips in, motions in OpenSim's ground out, with the files that hold them."""

import os
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from d3ke import __version__
from d3ke.balance import SUSPECT_DEG
from d3ke.errors import D3keError
from d3ke.export import (
    LONGEST_GAP_S,
    Sampling,
    gap_warnings,
    mass_of,
    sampled,
    write_files,
)
from d3ke.files import content_hash
from d3ke.heard import Heard
from d3ke.network.checkpoint import load_weights
from d3ke.network.d3ke import D3KE
from d3ke.network.device import choose_device, one_thread
from d3ke.network.fused import LOOKS_HZ, FusedD3KE
from d3ke.network.inference import Regression, regress
from d3ke.network.landmark_network import LandmarkD3KE
from d3ke.neutral import Neutral, neutral_pose, spoken
from d3ke.outputs import (
    STD,
    check_writable,
    clear_left_behind,
    replacing_all,
    stem_of,
    with_suffixes,
)
from d3ke.place import Placement, place, standing_height, up_in_camera
from d3ke.posing import posed
from d3ke.predict_options import PredictOptions
from d3ke.prediction import Prediction
from d3ke.progress import Progress, Silent
from d3ke.quality import judge, poor_ones
from d3ke.refine import gravity_found, refined
from d3ke.report.overlay import write_overlay
from d3ke.report.page import write_prediction_page
from d3ke.result_key import is_done, key_of, weights_hash
from d3ke.skeleton.kinematics import SkeletalModel
from d3ke.skeleton.osim import OsimModel
from d3ke.vision.camera import Camera, camera_of
from d3ke.vision.person import PersonTrack, track_person
from d3ke.vision.sampled_video import SampledVideo
from d3ke.vision.tracking import Finder
from d3ke.vision.video import Video

WRITTEN = ("mot", "osim", "trc", STD)


class Scene(NamedTuple):
    """A clip, who was found in it, and the camera. pitch_deg: how far this looks down."""

    video: Video
    track: PersonTrack
    camera: Camera
    pitch_deg: float


class Seen(NamedTuple):
    """What a clip shows. rate_hz: the clip's own, which the frames looked at may be less than."""

    track: PersonTrack
    camera: Camera
    regression: Regression
    rate_hz: float


@dataclass(frozen=True)
class PredictResult:
    """What became of one clip.

    outputs: paths by format. frames: how many were looked at. seconds: from the first to the last.
    assumed: what was taken for granted, by topic. observed: coordinates that were measured rather
    than taken from a prior. quality: of the clip, as Judgements. skipped: it was done already.
    """

    clip: Path
    outputs: dict[str, Path]
    frames: int
    seconds: float
    assumed: dict[str, str]
    observed: tuple[str, ...]
    warnings: tuple[str, ...]
    quality: tuple[dict[str, Any], ...] = ()
    skipped: bool = False


def predict_clip(
    clip: str | os.PathLike[str],
    output: str | os.PathLike[str],
    options: PredictOptions | None = None,
    model: D3KE | None = None,
    progress: Progress | None = None,
    finder: Finder | None = None,
) -> PredictResult:
    """Predict a clip and write .npz, .mot, .osim and .trc: all or none of them.

    output: a .mot, beside which the others are put, or a folder. model, finder: the network and
    BlazePose, where many clips are predicted; by default they are loaded. With weights that tell
    how far off they are, NAME_std.sto too; NAME_overlay.mp4 and NAME.html where options say so.
    Raises D3keError for what cannot be read, seen or written.
    """
    clip, options, progress = Path(clip), options or PredictOptions(), progress or Silent()
    targets = _targets(clip, Path(output), options)
    for target in targets.values():
        check_writable(target)
    model = model or load_weights(options.weights)
    outdated = None if model.tells_std else targets.pop(STD)
    if options.resume and is_done(targets, key_of(clip, options.told(), model)):
        clear_left_behind(targets)  # killed after its last file and before its end
        return _result(clip, targets, Prediction.load(targets["npz"]), skipped=True)
    prediction = predict(clip, options, model, progress, finder)
    result = sampled(prediction, Sampling(options.rate_hz, options.filter_hz))
    with replacing_all(targets) as paths:
        prediction.save(paths["npz"])
        write_files({suffix: paths[suffix] for suffix in WRITTEN if suffix in paths}, result)
        if options.overlay:
            write_overlay(clip, prediction, paths["overlay"], progress)
        if options.report:
            write_prediction_page(paths["report"], prediction, clip, targets, progress)
    if outdated is not None:
        outdated.unlink(missing_ok=True)  # by other weights, of the .mot that was replaced
    return _result(clip, targets, prediction, skipped=False)


def predict(
    clip: str | os.PathLike[str],
    options: PredictOptions | None = None,
    model: D3KE | None = None,
    progress: Progress | None = None,
    finder: Finder | None = None,
) -> Prediction:
    """Predict a clip and write nothing.

    Raises D3keError for what cannot be read or seen.
    """
    clip, options = Path(clip), options or PredictOptions()
    device = choose_device(options.device)
    model = model or load_weights(options.weights)
    heard = Heard(clip, progress or Silent())
    video = SampledVideo(clip)
    camera = camera_of(video, options.fov_deg, options.calibration)
    track = track_person(
        video,
        options.person,
        landmark_model=options.landmark_model,
        progress=heard,
        finder=finder,
    )
    quality = judge(video, track, video.samples)
    for warning in [*video.warnings, *poor_ones(quality)]:
        heard.warn(warning)
    scene = Scene(video, track, camera, options.pitch_deg or 0.0)
    regression = _regressed(model, scene, (device, options.precision), heard)
    seen = Seen(track, camera, regression, video.rate_hz)
    try:
        if options.neutral is not None:
            neutral, words = _neutral_of(seen, model, options, heard)
            seen = seen._replace(regression=regression._replace(q=neutral.off(regression.q)))
        prediction = in_ground(seen, model.osim, options)
    except D3keError as error:
        raise D3keError(f"{clip}: {error}") from error
    if options.neutral is not None:
        prediction.meta["neutral"] = neutral.told(prediction.coordinate_names)
        prediction.meta["assumed"]["neutral"] = words
    for warning in [*gap_warnings(prediction), *_tilt_warnings(prediction, options)]:
        heard.warn(warning)
    for topic, what in prediction.meta["assumed"].items():
        heard.note(f"assumed {topic.replace('_', ' ')}: {what}")
    prediction.meta.update(
        clip=clip.name,
        key=key_of(clip, options.told(), model),
        weights=weights_hash(model),
        options=options.told(),
        quality=[asdict(one) for one in quality],
        warnings=heard.warnings,
    )
    return prediction


def _regressed(model: D3KE, scene: Scene, how: tuple[str, str], progress: Progress) -> Regression:
    """What a network says of the person of a track. how: device, precision of a backbone."""
    if isinstance(model, LandmarkD3KE):
        down = -up_in_camera(scene.pitch_deg)
        return regress(model, scene.track, scene.camera, down, how[0])
    # here, for torchvision takes a second to load, and landmarks do without it
    from d3ke.network.image_inference import computing, looked_at, regress_images
    from d3ke.network.image_network import ImageD3KE

    seen = scene.video, scene.track, scene.camera, computing(*how), progress
    if isinstance(model, FusedD3KE):
        by_landmarks = _regressed(model.landmarks, scene, how, progress)
        with one_thread():
            by_pictures = looked_at(model.pictures, *seen, rate_hz=LOOKS_HZ)
        return model.mixed(scene.track.time, by_landmarks, *by_pictures)
    assert isinstance(model, ImageD3KE)
    return regress_images(model, *seen)


def _neutral_of(
    seen: Seen, model: D3KE, options: PredictOptions, progress: Progress
) -> tuple[Neutral, str]:
    """What a neutral pose shows to be errors, and that in words."""
    plain = replace(options, neutral=None, refine=False)
    if not isinstance(options.neutral, Path):
        neutral = neutral_pose(in_ground(seen, model.osim, plain), options.neutral)
        return neutral, spoken(neutral)
    if not isinstance(options.person, str):
        plain = replace(plain, person="largest")  # a box of this clip, not of the other one
    neutral, warnings = _standing(options.neutral, content_hash(options.neutral), plain, model)
    for warning in warnings:
        progress.warn(f"{options.neutral}: {warning}")
    return neutral, spoken(neutral, options.neutral)


@lru_cache(maxsize=1)
def _standing(
    clip: Path, holds: str, options: PredictOptions, model: D3KE
) -> tuple[Neutral, tuple[str, ...]]:
    """What a clip of a person who stands shows to be errors, and its warnings.

    Many clips of the person follow each other, and this one is the same for all. holds: its hash.
    """
    standing = predict(clip, options, model)
    try:
        return neutral_pose(standing), tuple(standing.meta["warnings"])
    except D3keError as error:
        raise D3keError(f"{clip}: {error}") from error


@one_thread()
def in_ground(seen: Seen, osim: OsimModel, options: PredictOptions) -> Prediction:
    """What was seen, placed in ground, with what had to be assumed.

    Raises D3keError where too little of the person is seen.
    """
    track, camera, skeleton = seen.track, seen.camera, SkeletalModel(osim)
    placement = place(
        seen.regression, track, camera, skeleton, options.height_m, options.pitch_deg or 0.0
    )
    if options.refine:
        known = options.pitch_deg is not None
        placement = refined(placement, seen.regression.observed, track, camera, skeleton, known)
    pose = posed(skeleton, placement.q, placement.scales)
    mass_ratio = (placement.height_m / _base_height(skeleton)) ** 2
    scaled = osim.scaled(placement.scales, mass_of(osim, mass_ratio))
    unknown, q_std = _out_of_sight(track), seen.regression.q_std
    q_std = None if q_std is None else np.where(unknown[:, None], np.nan, q_std)
    for values in (placement.q, pose.markers, pose.joints):
        values[unknown] = np.nan
    return Prediction(
        time=track.time,
        q=placement.q,
        q_std=q_std,
        observed=seen.regression.observed,
        scales=placement.scales,
        markers=pose.markers,
        joints=pose.joints,
        coordinate_names=osim.coordinate_names,
        body_names=osim.body_names,
        joint_names=osim.joint_names,
        marker_names=osim.marker_names,
        ground_from_camera=placement.ground_from_camera,
        camera_matrix=camera.K,
        camera_distortion=camera.distortion,
        image_size=np.array(camera.size, np.int64),
        landmarks=track.landmarks,
        boxes=track.boxes,
        osim=scaled.xml,
        meta={
            "d3ke": __version__,
            "rate_hz": seen.rate_hz,
            "camera": camera.source,
            "skeleton": osim.sha256,
            "height_m": placement.height_m,
            "mass_ratio": mass_ratio,
            "floor": placement.floor._asdict(),
            "tilt": placement.tilt and placement.tilt._asdict(),
            "assumed": _assumed(options, camera, placement, len(track.time))
            | {"mass": f"{sum(body.mass_kg for body in scaled.bodies):.0f} kg, from the height"},
        },
    )


def _base_height(skeleton: SkeletalModel) -> float:
    """The standing height of the model in its own size, metres."""
    return standing_height(skeleton, np.ones((len(skeleton.osim.bodies), 3)))


def _out_of_sight(track: PersonTrack) -> NDArray[np.bool_]:
    """Frames too far in time from those with the person to know the motion, (T,)."""
    seen = np.flatnonzero(track.seen)
    after = np.searchsorted(seen, np.arange(len(track.time)))
    before = np.clip(np.searchsorted(seen, np.arange(len(track.time)), "right") - 1, 0, None)
    outside = (after == len(seen)) | (np.arange(len(track.time)) < seen[0])
    span = track.time[seen[np.minimum(after, len(seen) - 1)]] - track.time[seen[before]]
    unknown: NDArray[np.bool_] = outside | (span > LONGEST_GAP_S)
    return unknown


def _assumed(
    options: PredictOptions, camera: Camera, placement: Placement, frames: int
) -> dict[str, str]:
    """What was taken for granted, by topic: what a person could have said but did not."""
    floor = placement.floor
    assumed = {}
    if camera.source.endswith("assumed"):
        assumed["focal_length"] = f"{camera.K[0, 0]:.0f} px: {camera.source} (--fov, --calibration)"
    if options.pitch_deg is None:
        assumed["gravity"] = "the camera is level (--pitch)"
    if options.refine and options.pitch_deg is None and placement.tilt:
        assumed["gravity"] = gravity_found(placement)
    if options.height_m is None:
        assumed["height"] = f"{placement.height_m:.2f} m, as predicted (--height)"
    stands = f"where feet stand in {floor.frames} of {frames} frames"
    lowest = "at the lowest points of the feet, which never stand still"
    assumed["floor"] = f"flat, {stands if floor.frames else lowest}"
    return assumed


def _tilt_warnings(prediction: Prediction, options: PredictOptions) -> list[str]:
    """That a person who stands is out of balance, so that the camera must be tilted."""
    tilt = prediction.meta["tilt"]
    if tilt is None or tilt["off_deg"] <= SUSPECT_DEG:
        return []
    taken = "level" if options.pitch_deg is None else f"pitched {options.pitch_deg:g} deg"
    pitch, roll = round(tilt["pitch_deg"]), round(tilt["roll_deg"])
    return [
        f"the person stands out of balance by {tilt['off_deg']:.0f} deg if the camera is {taken}: "
        f"it seems to look {'up' if pitch < 0 else 'down'} by {abs(pitch)} deg (--pitch {pitch}), "
        f"turned {'left' if roll < 0 else 'right'} by {abs(roll)} deg (keep it upright)"
    ]


def _targets(clip: Path, output: Path, options: PredictOptions) -> dict[str, Path]:
    stem = stem_of(output, clip.absolute().stem)
    # the .npz last: where it lies with the right key, all the others do
    targets = with_suffixes(stem, WRITTEN)
    if options.overlay:
        targets["overlay"] = stem.with_name(f"{stem.name}_overlay.mp4")
    if options.report:
        targets |= {"report": stem.with_name(f"{stem.name}.html")}
    return targets | with_suffixes(stem, ("npz",))


def _result(
    clip: Path, targets: dict[str, Path], prediction: Prediction, skipped: bool
) -> PredictResult:
    names, observed = prediction.coordinate_names, prediction.observed
    return PredictResult(
        clip=clip,
        outputs={n: targets[n] for n in (*WRITTEN, "npz", "overlay", "report") if n in targets},
        frames=len(prediction.time),
        seconds=float(np.ptp(prediction.time)),
        assumed=dict(prediction.meta["assumed"]),
        observed=tuple(name for name, seen in zip(names, observed, strict=True) if seen),
        warnings=tuple(prediction.meta["warnings"]),
        quality=tuple(prediction.meta.get("quality", ())),
        skipped=skipped,
    )
