"""Bodies: adults of every build, and the skeleton in each."""
