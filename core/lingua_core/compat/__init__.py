"""Other packages' interfaces on this one's methods."""
