"""Whether a question is answered by way of a skeleton, decided before anything is written."""

from lingua_core.skeleton.routing.base import AlwaysRouter, NeverRouter, Router
from lingua_core.skeleton.routing.choosing import RouterName, auto_router, choose_router
from lingua_core.skeleton.routing.embedded import EmbeddedRouter
from lingua_core.skeleton.routing.load import LoadAwareRouter
from lingua_core.skeleton.routing.prompted import LLMRouter
from lingua_core.skeleton.routing.rules import RuleRouter

__all__ = [
    "AlwaysRouter",
    "EmbeddedRouter",
    "LLMRouter",
    "LoadAwareRouter",
    "NeverRouter",
    "Router",
    "RouterName",
    "RuleRouter",
    "auto_router",
    "choose_router",
]
