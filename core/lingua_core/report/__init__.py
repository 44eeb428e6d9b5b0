"""HTML views of results."""
