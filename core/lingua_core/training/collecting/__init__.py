"""Collecting a model's replies to many prompts, to train another on: resumable, within a cap on costs.

`collect` and `acollect` take any prompts and any `LLM`, and write what a function makes of a reply.
"""

from lingua_core.training.collecting.options import CollectingOptions, Ending, Outcome, Progress
from lingua_core.training.collecting.prompts import Prompt, PromptFile, distinct, read_prompts
from lingua_core.training.collecting.record import CollectedResponse, collected_responses, response_record
from lingua_core.training.collecting.run import acollect, collect
from lingua_core.training.collecting.spending import Estimate, Prices, Spending, Tokens, estimate
from lingua_core.training.collecting.store import Earlier, Failure, failures_path, read_earlier

__all__ = [
    "CollectedResponse",
    "CollectingOptions",
    "Earlier",
    "Ending",
    "Estimate",
    "Failure",
    "Outcome",
    "Prices",
    "Progress",
    "Prompt",
    "PromptFile",
    "Spending",
    "Tokens",
    "acollect",
    "collect",
    "collected_responses",
    "distinct",
    "estimate",
    "failures_path",
    "read_earlier",
    "read_prompts",
    "response_record",
]
