"""Answers over documents: what each call is written from, under one budget, and where it comes from."""

from lingua_core.skeleton.documents.contexts import DocumentContexts
from lingua_core.skeleton.documents.options import ContextMode, ContextOptions

__all__ = ["ContextMode", "ContextOptions", "DocumentContexts"]
