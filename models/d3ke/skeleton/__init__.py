"""What an OpenSim model says and how it moves."""

from d3ke.skeleton.default import default_model

__all__ = ["default_model"]
