"""What a result depends on, as one hash, so that what is done can be left alone."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from d3ke import __version__
from d3ke.errors import D3keError
from d3ke.files import content_hash
from d3ke.network.d3ke import D3KE
from d3ke.prediction import read_meta


def key_of(clip: Path, options: Mapping[str, Any], model: D3KE) -> str:
    """The hash of clip, options, weights, skeleton and version."""
    parts = {
        "clip": content_hash(clip),
        "options": options,
        "weights": weights_hash(model),
        "skeleton": model.osim.sha256,
        "d3ke": __version__,
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def weights_hash(model: D3KE) -> str:
    """The hash of a network's config and weights, wherever it runs."""
    digest = hashlib.sha256(json.dumps(model.told(), sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def is_done(files: Mapping[str, Path], key: str) -> bool:
    """Whether all files are there, and the .npz was made from what the key says."""
    if not all(path.is_file() for path in files.values()):
        return False
    try:
        return bool(read_meta(files["npz"]).get("key") == key)
    except D3keError:
        return False  # what cannot be read is done again
