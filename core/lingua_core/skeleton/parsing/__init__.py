"""From what a model wrote to points: pure functions and incremental readers, total over all texts."""

from lingua_core.skeleton.parsing.dependencies import infer_dependencies, is_conclusion
from lingua_core.skeleton.parsing.parser import SkeletonParser, parse_skeleton

__all__ = [
    "SkeletonParser",
    "infer_dependencies",
    "is_conclusion",
    "parse_skeleton",
]
