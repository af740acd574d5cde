"""Time series of coordinates and markers, and their files."""
