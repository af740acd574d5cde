"""Optical motion capture into labels."""
