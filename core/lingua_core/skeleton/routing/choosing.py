"""From what a user writes for a router to the router."""

from typing import Any, Literal, get_args

from lingua_core.errors import InputError
from lingua_core.llms.base import LLM
from lingua_core.skeleton.routing.base import AlwaysRouter, NeverRouter, Router
from lingua_core.skeleton.routing.embedded import EmbeddedRouter
from lingua_core.skeleton.routing.prompted import LLMRouter
from lingua_core.skeleton.routing.rules import RuleRouter

__all__ = ["RouterName", "auto_router", "choose_router"]

RouterName = Literal["auto", "llm", "always", "never"]


def auto_router(*, threshold: float | None = None, max_tokens: int | None = None) -> Router:
    """What "auto" stands for: the embedded router, behind the rules that need no model.

    Args:
        threshold: Of the embedded router; None for its own.
        max_tokens: The most tokens that answers may have.
    """
    return RuleRouter(max_tokens=max_tokens, otherwise=EmbeddedRouter(threshold))


def choose_router(spec: RouterName | Router, llm: LLM, *, max_tokens: int | None = None) -> Router:
    """The router that a choice stands for.

    Args:
        spec: "auto" for what works without a model call; "llm" to ask `llm`; "always"; "never"; or a router.
        llm: The model that writes the answers.
        max_tokens: The most tokens that answers may have.

    Raises:
        InputError: If it is none of these.
    """
    given: Any = spec
    match given:
        case "auto":
            return auto_router(max_tokens=max_tokens)
        case "llm":
            return LLMRouter(llm)
        case "always":
            return AlwaysRouter()
        case "never":
            return NeverRouter()
        case _ if isinstance(given, Router) and not isinstance(given, type):
            return given
        case _:
            names = ", ".join(map(repr, get_args(RouterName)))
            raise InputError(
                f"router must be one of {names}, or an object with a method "
                f"route(question, *, has_documents) that returns a RouteDecision; got {given!r:.80}."
            )
