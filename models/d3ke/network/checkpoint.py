"""Weights on disk: safetensors for the numbers, JSON for what they are. Never pickles."""

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
from d3ke.network.building import network_of
from d3ke.network.config import D3KEConfig
from d3ke.network.d3ke import D3KE
from d3ke.skeleton import default_model
from d3ke.skeleton.osim import OsimModel

WEIGHTS = Path(__file__).parents[1] / "assets" / "weights"
DEFAULT = "landmarks"
SCHEMA = 1
STAGES = ("temporal", "frame", "")  # folders of a run, the last to be trained first
BEST = "best.safetensors"


def save_weights(path: Path, model: D3KE, story: Mapping[str, Any], *, half: bool = False) -> None:
    """Write PATH (.safetensors) and PATH.json beside it.

    story: what to tell of the weights: data, licence, training stages, figures. half: as fp16.
    """
    tensors = {
        name: _packed(value.detach().cpu(), half) for name, value in model.state_dict().items()
    }
    told = {"schema_version": SCHEMA, "config": model.config.to_dict(), **story}
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors))
    with replacing(path.with_suffix(".json")) as temporary:
        temporary.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")


def load_weights(source: str | Path = DEFAULT, osim: OsimModel | None = None) -> D3KE:
    """A network with its weights, ready to predict.

    source: the name of shipped weights, a .safetensors file, or a run's folder (its best weights).
    osim: the skeleton; by default the run's own, else the default one.
    Raises D3keError for anything that is no such file, or was trained for another skeleton.
    """
    path = _find(source)
    told = read_story(path)
    model = network_of(_config(path, told), osim or _skeleton_of(path))
    try:
        tensors = load(path.read_bytes())
    except (SafetensorError, OSError) as error:
        raise D3keError(
            f"{path}: not a safetensors file ({error}). Weights are never pickles."
        ) from error
    try:
        model.load_state_dict(
            {n: v.float() if v.is_floating_point() else v for n, v in tensors.items()}
        )
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
    return sorted(path.stem for path in WEIGHTS.glob("*.safetensors"))


def _packed(value: Tensor, half: bool) -> Tensor:
    kind = torch.float16 if half and value.is_floating_point() else value.dtype
    return value.to(kind).contiguous()


def _find(source: str | Path) -> Path:
    shipped = WEIGHTS / f"{source}.safetensors"
    path = Path(source)
    if path.is_dir():
        stages = [path / stage / BEST for stage in STAGES]
        path = next((best for best in stages if best.is_file()), path / BEST)
        if not path.is_file() and any((best.parent / "config.json").is_file() for best in stages):
            raise D3keError(f"{source}: no weights yet. Wait for the run's first validation.")
    elif not path.is_file() and shipped.is_file():
        return shipped
    if not path.is_file():
        known = ", ".join(shipped_weights()) or "none"
        raise D3keError(
            f"{source}: no such weights. Pass a run's folder, a .safetensors file, or one of the "
            f"names that come with d3ke: {known}."
        )
    return path


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
