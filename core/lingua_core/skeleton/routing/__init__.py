"""Whether a question is answered by way of a skeleton, decided before anything is written."""

from lingua_core.skeleton.routing.base import AlwaysRouter, NeverRouter, Router
from lingua_core.skeleton.routing.embedded import EmbeddedRouter

__all__ = ["AlwaysRouter", "EmbeddedRouter", "NeverRouter", "Router"]
