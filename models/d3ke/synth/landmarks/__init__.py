"""Landmarks without pictures, and BlazePose's own errors."""
