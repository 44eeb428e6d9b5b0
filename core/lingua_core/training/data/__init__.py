"""From question-answering sets to what the extractor learns from."""
