"""Motions: what people do, and feet that stand on what is under them."""
