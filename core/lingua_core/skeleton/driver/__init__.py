"""The driver: a skeleton streams in, its points are written side by side, and shown in order."""
