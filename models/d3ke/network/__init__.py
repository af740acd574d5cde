"""What learns: frame encoders, temporal networks, losses and checkpoints."""
