"""What a router is, and the two that need not think."""

from typing import Protocol, runtime_checkable

from lingua_core.skeleton.types import RouteDecision

__all__ = ["AlwaysRouter", "NeverRouter", "Router"]


@runtime_checkable
class Router(Protocol):
    """Decides whether a question is answered by way of a skeleton. Several threads may call at once."""

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """The decision for a question, asked with or without documents to answer from."""
        ...


class AlwaysRouter:
    """Every question by way of a skeleton."""

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """Yes."""
        return RouteDecision(use_skeleton=True, reason="a skeleton was asked for always")


class NeverRouter:
    """Every question directly."""

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """No."""
        return RouteDecision(use_skeleton=False, reason="a skeleton was asked for never")
