"""Landmark errors: the statistics of BlazePose on rendered people, from records to a noise."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from d3ke.errors import D3keError
from d3ke.skeleton.osim import OsimModel
from d3ke.synth.landmarks.doubts_fit import fit_swaps, fit_visibility
from d3ke.synth.landmarks.evidence import LandmarkEvidence, evidence
from d3ke.synth.landmarks.noise import LandmarkNoise
from d3ke.synth.landmarks.places_fit import (
    fit_image_noise,
    fit_places,
    fitted_places,
    image_errors,
)
from d3ke.synth.landmarks.records import LandmarkRecord
from d3ke.synth.landmarks.world_fit import fit_world

LEAST_CLIPS, ENOUGH_CLIPS = 20, 600  # more tell little more, and fill the memory


def fit_noise(
    records: Iterable[LandmarkRecord], osim: OsimModel, start: LandmarkNoise
) -> tuple[LandmarkNoise, list[LandmarkEvidence]]:
    """The statistics of the records' errors, and the evidence for them.

    start: tells which body each landmark lies on, and the bones. Every record counts as it is and
    in a mirror, so that left and right err alike. Raises D3keError for too few records.
    """
    clips = list(evidence(records, osim, start.places))
    if len(clips) < 2 * LEAST_CLIPS:
        raise D3keError(
            f"landmark errors: {len(clips) // 2} records with a person are too few. "
            f"Prepare {LEAST_CLIPS} or more."
        )
    places = fit_places(clips, start.places)
    share = places.flat_feet / 2
    errors = image_errors(clips, places.own_m, share, places.view_bias)
    image = fit_image_noise(clips, errors)
    fitted = fitted_places(start.places, places, image)
    clips = [clip.with_places(fitted.offsets_m) for clip in clips]
    rng = np.random.default_rng(0)
    # not `fitted`'s: that lacks what `spread` adds to it
    strays = places.clip_sd_m * rng.normal(size=(len(clips), 33, 3))
    strayed = [
        clip.with_places(fitted.offsets_m + stray)
        for clip, stray in zip(clips, strays, strict=True)
    ]
    world = fit_world(clips, strayed, start.world, image.spread)
    noise = replace(
        start,
        places=fitted,
        world=world.regression,
        spread=image.spread,
        turn_deg=world.turn_deg,
        world_scale_sd=world.scale_sd,
        flat_feet=places.flat_feet,
        hidden_gain=image.hidden_gain,
        slow_frames=image.memory,
        world_slow_frames=world.memory,
        view_bias=places.view_bias,
        visibility=fit_visibility(clips),
        swaps=fit_swaps(clips),
    )
    return noise, clips
