"""LLMLingua-2's recipe (arXiv 2403.12968, section 3): from extractive summaries to a token classifier."""
