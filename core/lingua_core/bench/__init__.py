"""Measuring Lingua beside its peers and physical floors, in one run on one machine."""
