"""Evaluations as JSON: errors, groups, planes and joints, without NaN."""

import math
from collections.abc import Mapping
from typing import Any

from d3ke.agreement import Comparison, Errors
from d3ke.planes import joint_of, plane_of
from d3ke.statistics import band


def in_degrees(errors: Errors) -> dict[str, Any]:
    """The figures of a coordinate, as columns."""
    return {
        "frames": errors.frames,
        "mae_deg": errors.mae,
        "rmse_deg": errors.rmse,
        "bias_deg": errors.bias,
        "unbiased_rmse_deg": errors.unbiased_rmse,
        "rom_error_deg": errors.rom,
        "r": errors.r,
        "cmc": errors.cmc,
        "limits_low_deg": errors.limits[0],
        "limits_high_deg": errors.limits[1],
    }


def errors_json(errors: Errors, unit: str) -> dict[str, Any]:
    """The figures of a coordinate in deg or mm."""
    values = {key.replace("_deg", f"_{unit}"): value for key, value in in_degrees(errors).items()}
    return {key: number(value) for key, value in values.items()}


def turn_json(name: str, errors: Errors) -> dict[str, Any]:
    """The figures of a rotation: what it is, and in which band its RMSE lies, among them."""
    return {
        **errors_json(errors, "deg"),
        "band": band(errors.rmse),
        "plane": plane_of(name),
        "joint": joint_of(name),
    }


def comparison_json(found: Comparison) -> dict[str, Any]:
    """All of a comparison: means, groups, planes, joints and coordinates."""
    return {
        "frames": found.frames,
        "mean_mae_deg": found.mean_mae_deg,
        "groups": means_json(found.groups),
        "planes": means_json(found.planes),
        "joints": means_json(found.joints),
        "coordinates": {
            name: turn_json(name, errors) for name, errors in found.coordinates.items()
        },
    }


def baseline_json(found: Comparison) -> dict[str, Any]:
    """What a constant posture scores."""
    return {
        "mean_mae_deg": found.mean_mae_deg,
        "groups": means_json(found.groups),
        "planes": means_json(found.planes),
        "joints": means_json(found.joints),
    }


def means_json(means: Mapping[str, float]) -> dict[str, float | None]:
    """Means by name, without NaN."""
    return {name: number(value) for name, value in means.items()}


def number(value: float) -> float | None:
    """JSON has no NaN."""
    return None if math.isnan(value) else value
