"""Pictures: what cameras see, and the light, places and lenses that make it."""
