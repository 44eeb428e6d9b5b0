"""What is asked of the model: the prompts of Skeleton-of-Thought, as presets whose parts can be replaced."""

from lingua_core.skeleton.prompts.preset import SKELETON_SCHEMA, PointPrompt, SkeletonPrompt, SkeletonPrompts
from lingua_core.skeleton.prompts.presets import PRESETS, PresetName, get_prompts

__all__ = [
    "PRESETS",
    "SKELETON_SCHEMA",
    "PointPrompt",
    "PresetName",
    "SkeletonPrompt",
    "SkeletonPrompts",
    "get_prompts",
]
