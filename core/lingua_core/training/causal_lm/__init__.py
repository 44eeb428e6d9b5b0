"""Training of a small causal language model from scratch, and what its weights become."""
