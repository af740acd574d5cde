"""Weights on disk: safetensors for the numbers, JSON for what they are. Never pickles.

- as float32, float16, or 8-bit whole numbers with a step for each output channel
- a fusion is a JSON file that names the weights of its two networks
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from d3ke.errors import D3keError
from d3ke.files import replacing
from d3ke.network.building import fused, network_of
from d3ke.network.config import D3KEConfig
from d3ke.network.d3ke import D3KE
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel

WEIGHTS = Path(__file__).parents[1] / "assets" / "weights"
DEFAULT = "fused"
SCHEMA = 1
FUSION = ".json"
STAGES = ("temporal", "frame", "")  # folders of a run, the last to be trained first
BEST = "best.safetensors"
COARSE = "uncertainty."  # whose numbers are exact enough in 8 bits
STEP = ".step"  # behind the name of 8-bit weights: what a step of theirs is worth


def save_weights(path: Path, model: D3KE, story: Mapping[str, Any], *, bits: int = 32) -> None:
    """Write PATH (.safetensors) and PATH.json beside it.

    story: what to tell of the weights: data, licence, training stages, figures. bits: 32, 16, or 8
    for matrices and kernels (the rest is kept in 16). Those of a head that tells sizes of errors
    are kept in 8 with 16, too.
    """
    tensors: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        coarse = bits < 32 and name.startswith(COARSE)
        tensors |= _packed(name, value.detach().cpu(), 8 if coarse else bits)
    told = {"schema_version": SCHEMA, "config": model.config.to_dict(), **story}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors))
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def load_weights(source: str | Path = DEFAULT, osim: OsimModel | None = None) -> D3KE:
    """A network with its weights, ready to predict.

    source: the name of shipped weights, a .safetensors file, a run's folder (its best weights), or
    a fusion's .json. osim: the skeleton; by default the run's own, else the default one.
    Raises D3keError for anything that is no such file, or was trained for another skeleton.
    """
    path = _find(source)
    told = read_story(path)
    if path.suffix == FUSION:
        return _fusion(path, told, osim)
    model = network_of(_config(path, told), osim or _skeleton_of(path))
    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise D3keError(
            f"{path}: not a safetensors file ({error}). Weights are never pickles."
        ) from error
    try:
        model.load_state_dict(_unpacked(tensors))
    except RuntimeError as error:
        raise D3keError(
            f"{path}: these weights don't fit the network that {path.stem}.json describes. "
            "Keep the two files of one run together."
        ) from error
    return model.eval()


def read_story(path: Path) -> dict[str, Any]:
    """What the JSON beside a weights file tells."""
    beside = path.with_suffix(".json")
    try:
        told = json.loads(beside.read_text(encoding="utf-8"))
    except OSError as error:
        raise D3keError(
            f"{beside}: not found. Weights come with a JSON file beside them."
        ) from error
    except ValueError as error:
        raise D3keError(
            f"{beside}: not JSON. Copy it again from where the weights came."
        ) from error
    if not isinstance(told, dict) or told.get("schema_version") != SCHEMA:
        raise D3keError(f"{beside}: not a description of d3ke weights of schema {SCHEMA}.")
    return told


def story_of(source: str | Path) -> dict[str, Any]:
    """What is told of weights, by the same names as load_weights takes. Raises D3keError."""
    return read_story(_find(source))


def shipped_weights() -> list[str]:
    """Names of the weights inside the package."""
    return sorted({path.stem for path in WEIGHTS.glob("*.json")})


def save_fusion(
    path: Path,
    landmarks: str,
    pictures: str,
    shares: Mapping[str, float],
    story: Mapping[str, Any],
    widths: Mapping[str, float] | None = None,
) -> None:
    """Write a fusion (.json) of two networks, each named as load_weights takes it.

    shares, widths: see FusedD3KE. Paths are relative to the file.
    """
    parts: dict[str, Any] = {
        "landmarks": landmarks, "pictures": pictures, "shares": dict(shares)
    }  # fmt: skip
    if widths:
        parts["widths"] = dict(widths)
    told = {"schema_version": SCHEMA, "fusion": parts, **story}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def _fusion(path: Path, told: Mapping[str, Any], osim: OsimModel | None) -> D3KE:
    try:
        parts = told["fusion"]
        names, shares = (parts["landmarks"], parts["pictures"]), dict(parts["shares"])
        widths = dict(parts.get("widths", {}))
    except (KeyError, TypeError) as error:
        raise D3keError(
            f"{path}: no fusion of two networks ({error}). Under `fusion` give landmarks, pictures "
            "and shares."
        ) from error
    beside = [path.parent / name for name in names]
    found = [own if own.exists() else name for own, name in zip(beside, names, strict=True)]
    landmarks, pictures = (load_weights(source, osim) for source in found)
    try:
        return fused(landmarks, pictures, shares, widths).eval()
    except D3keError as error:
        raise D3keError(f"{path}: {error}") from error


def _packed(name: str, value: Tensor, bits: int) -> dict[str, Tensor]:
    """A tensor as a file holds it, by name."""
    value = value.contiguous()
    if bits == 32 or not value.is_floating_point():
        return {name: value}
    if bits == 16 or value.dim() < 2:
        return {name: value.half()}
    step = value.abs().amax(dim=tuple(range(1, value.dim())), keepdim=True) / 127
    step = step.clamp(min=torch.finfo(step.dtype).tiny)  # in 32 bits: in 16, small ones are coarse
    return {name: (value / step).round().to(torch.int8), name + STEP: step}


def _unpacked(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a file as 32-bit numbers."""
    found = {}
    for name, value in tensors.items():
        if name + STEP in tensors:
            found[name] = value.float() * tensors[name + STEP]
        elif not name.endswith(STEP):
            found[name] = value.float() if value.is_floating_point() else value
    return found


def _find(source: str | Path) -> Path:
    shipped = _shipped(source)
    path = Path(source)
    if path.is_dir():
        stages = [path / stage / BEST for stage in STAGES]
        path = next((best for best in stages if best.is_file()), path / BEST)
        if not path.is_file() and shipped is not None:
            return shipped  # a folder of that name, which is no run, is in the way
        if not path.is_file() and any((best.parent / "config.json").is_file() for best in stages):
            raise D3keError(f"{source}: no weights yet. Wait for the run's first validation.")
    elif not path.is_file() and shipped is not None:
        return shipped
    if not path.is_file():
        known = ", ".join(shipped_weights()) or "none"
        raise D3keError(
            f"{source}: no such weights. Pass a run's folder, a .safetensors file, or one of the "
            f"names that come with d3ke: {known}."
        )
    return path


def _shipped(name: str | Path) -> Path | None:
    """The file of weights inside the package."""
    if str(name) not in shipped_weights():
        return None
    alone = WEIGHTS / f"{name}.safetensors"
    return alone if alone.is_file() else WEIGHTS / f"{name}{FUSION}"


def _config(path: Path, told: Mapping[str, Any]) -> D3KEConfig:
    try:
        return D3KEConfig(**told["config"])
    except (KeyError, TypeError) as error:
        raise D3keError(
            f"{path.with_suffix('.json')}: no valid network config ({error})."
        ) from error


def _skeleton_of(path: Path) -> OsimModel:
    """The .osim beside a run's weights, else the default skeleton."""
    own = path.parent / "skeleton.osim"
    return OsimModel.from_file(own) if own.is_file() else default_model()
