"""How networks learn: one loop, and a stage for each thing that is trained."""
