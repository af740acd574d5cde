"""Clothes, shoes, hair and skin."""
