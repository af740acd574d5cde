"""Fitting a whole clip at once: a chain of postures, and what all of them share."""
