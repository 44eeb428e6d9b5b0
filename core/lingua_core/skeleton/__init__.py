"""Skeleton-of-Thought (arXiv 2307.15337): an answer is planned, then its points are written at once."""
