"""Human kinematics from one camera, as OpenSim files: the core package of the d3ke command."""

__version__ = "0.1.0"
