"""BML-MoVi as it was published, into markers, cameras and movements."""
