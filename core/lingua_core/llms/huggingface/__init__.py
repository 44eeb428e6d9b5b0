"""Local Hugging Face models that write many replies in one batch."""

from lingua_core.llms.huggingface.chat import HuggingFaceChat
from lingua_core.llms.huggingface.statistics import DecodingStatistics

__all__ = ["DecodingStatistics", "HuggingFaceChat"]
