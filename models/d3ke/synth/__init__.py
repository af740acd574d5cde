"""Synthetic people with exact OpenSim labels."""
