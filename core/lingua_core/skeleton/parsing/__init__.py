"""From what a model wrote to points: pure functions and incremental readers, total over all texts."""

from lingua_core.skeleton.parsing.dependencies import infer_dependencies, is_conclusion
from lingua_core.skeleton.parsing.echoes import EchoStripper, strip_echo
from lingua_core.skeleton.parsing.parser import SkeletonParser, parse_skeleton
from lingua_core.skeleton.parsing.sections import SectionsEnd, SectionSplitter, section_marker
from lingua_core.skeleton.parsing.stitching import Removal, StitchPlan, apply_stitch, parse_stitch

__all__ = [
    "EchoStripper",
    "Removal",
    "SectionSplitter",
    "SectionsEnd",
    "SkeletonParser",
    "StitchPlan",
    "apply_stitch",
    "infer_dependencies",
    "is_conclusion",
    "parse_skeleton",
    "parse_stitch",
    "section_marker",
    "strip_echo",
]
