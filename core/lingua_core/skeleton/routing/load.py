"""No skeletons while the endpoint is busy: they finish answers sooner by taking more of it at once."""

import math
from collections.abc import Callable

from lingua_core.errors import InputError
from lingua_core.skeleton.routing.base import Router
from lingua_core.skeleton.types import RouteDecision

__all__ = ["LoadAwareRouter"]


class LoadAwareRouter:
    """Answers directly while the load is above a limit, and leaves the rest to another router.

    Args:
        router: Decides while the endpoint has room.
        load: Says how busy it is, in any unit: running requests, a share of the capacity. Called for each
            question, from any thread.
        limit: The load above which there are no skeletons.

    Raises:
        InputError: If `load` cannot be called, or `limit` is no number.
    """

    def __init__(self, router: Router, *, load: Callable[[], float], limit: float) -> None:
        if not isinstance(router, Router):  # pyright: ignore[reportUnnecessaryIsInstance]  # untyped callers
            raise InputError(
                f"router must be an object with a method route, such as RuleRouter(); got {router!r:.80}."
            )
        if not callable(load):
            raise InputError(f"load must be a function that returns a number, got {load!r:.80}.")
        if isinstance(limit, bool | str) or not math.isfinite(limit):
            raise InputError(f"limit must be a finite number, got {limit!r:.80}.")
        self._router, self._load, self._limit = router, load, limit

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """The other router's decision, or a direct answer while the endpoint is busy.

        A load that cannot be told (the function fails, or returns no number) counts as busy, and the reason
        says so.
        """
        try:
            load = float(self._load())
        except Exception as error:
            reason = f"the endpoint's load could not be told: {error!r:.80}"
            return RouteDecision(use_skeleton=False, reason=reason)
        if not load <= self._limit:
            reason = f"the endpoint is busy: a load of {load:g}, with skeletons up to {self._limit:g}"
            return RouteDecision(use_skeleton=False, reason=reason)
        return self._router.route(question, has_documents=has_documents)
