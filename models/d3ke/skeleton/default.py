"""The skeleton that ships with the package."""

from functools import cache
from pathlib import Path

from d3ke.skeleton.osim import OsimModel

ASSET = Path(__file__).parents[1] / "assets" / "fullbody.osim"


@cache
def default_model() -> OsimModel:
    """The full body of 22 bodies and 40 coordinates, assets/fullbody.osim."""
    return OsimModel.from_file(ASSET)
