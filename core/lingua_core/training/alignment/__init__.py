"""Teaching a small model to answer as a larger one does: from its answers, and from its distributions."""
