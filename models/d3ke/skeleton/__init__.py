"""What an OpenSim model says and how it moves."""
