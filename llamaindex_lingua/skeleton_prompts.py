"""The core's templates as prompts of LlamaIndex, to be read and replaced by name."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from llama_index.core.prompts import BasePromptTemplate, PromptTemplate

from lingua_core.errors import InputError
from lingua_core.skeleton.prompts import SkeletonPrompts

__all__ = ["as_prompts", "updated"]

_FIELDS: Mapping[str, str] = {
    "system_prompt": "system",
    "context_prompt": "context",
    "documents_prompt": "documents",
    "question_prompt": "question",
    "skeleton_prompt": "skeleton_task",
    "skeleton_limit_prompt": "skeleton_limit",
    "skeleton_dependencies_prompt": "skeleton_dependencies",
    "skeleton_form_prompt": "skeleton_form",
    "skeleton_examples_prompt": "skeleton_examples",
    "plan_prompt": "plan",
    "partial_plan_prompt": "partial_plan",
    "parents_prompt": "parents",
    "point_prompt": "point_task",
    "points_prompt": "points_task",
    "length_prompt": "length",
    "direct_prompt": "direct_task",
    "stitch_prompt": "stitch",
}
"""Names of the prompts, and the templates of `SkeletonPrompts` that they are."""


def as_prompts(prompts: SkeletonPrompts) -> dict[str, BasePromptTemplate]:
    """The templates, by LlamaIndex's names."""
    return {name: PromptTemplate(getattr(prompts, field)) for name, field in _FIELDS.items()}


def updated(prompts: SkeletonPrompts, changes: Mapping[str, BasePromptTemplate]) -> SkeletonPrompts:
    """The templates with some replaced.

    Raises:
        InputError: If a name is unknown, something is no plain `PromptTemplate`, or a template lacks a place
            that it needs.
    """
    texts: dict[str, str] = {}
    for name, prompt in changes.items():
        if name not in _FIELDS:
            raise InputError(f"There is no prompt {name!r}; there are {', '.join(_FIELDS)}.")
        if not isinstance(prompt, PromptTemplate):
            raise InputError(
                f"{name} must be a PromptTemplate, got {type(prompt).__name__}: the messages around it are "
                "laid out so that all calls begin alike."
            )
        filled: Any = prompt
        if filled.kwargs or filled.template_var_mappings or filled.function_mappings:
            raise InputError(
                f"{name} has variables that are filled or mapped already; give a plain PromptTemplate."
            )
        texts[_FIELDS[name]] = prompt.template
    return replace(prompts, **texts) if texts else prompts
