"""Data sets: pictures of people with their OpenSim labels, in shards."""
