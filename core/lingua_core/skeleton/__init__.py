"""Skeleton-of-Thought (arXiv 2307.15337): an answer is planned, then its points are written at once."""

from lingua_core.skeleton.documents import ContextMode, ContextOptions, DocumentContexts
from lingua_core.skeleton.driver.contexts import ContextProvider, FixedContext
from lingua_core.skeleton.economy import Cost, Estimate, Lengths, Prices, Speeds
from lingua_core.skeleton.engine import SkeletonOfThought
from lingua_core.skeleton.types import (
    Accounting,
    AnswerDone,
    Call,
    Citation,
    Event,
    Expansion,
    ExpansionStatus,
    NoSkeleton,
    Point,
    PointDelta,
    Route,
    RouteChosen,
    RouteDecision,
    Skeleton,
    SkeletonAnswer,
    SkeletonReady,
    Timings,
)

__all__ = [
    "Accounting",
    "AnswerDone",
    "Call",
    "Citation",
    "ContextMode",
    "ContextOptions",
    "ContextProvider",
    "Cost",
    "DocumentContexts",
    "Estimate",
    "Event",
    "Expansion",
    "ExpansionStatus",
    "FixedContext",
    "Lengths",
    "NoSkeleton",
    "Point",
    "PointDelta",
    "Prices",
    "Route",
    "RouteChosen",
    "RouteDecision",
    "Skeleton",
    "SkeletonAnswer",
    "SkeletonOfThought",
    "SkeletonReady",
    "Speeds",
    "Timings",
]
