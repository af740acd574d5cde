"""Pixels, where they came from, and the person in them."""
