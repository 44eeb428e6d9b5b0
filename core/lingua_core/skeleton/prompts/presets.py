"""The presets: for chat models, with and without examples, and for models that continue text.

The procedure is that of arXiv 2307.15337: a skeleton of three to ten points of a few words, then each point
by itself, with the reply begun for the model where it allows that. The words are our own, and few: every
point's prompt pays for them.
"""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Literal

from lingua_core.errors import InputError
from lingua_core.skeleton.prompts.preset import SkeletonPrompts

__all__ = ["PRESETS", "PresetName", "get_prompts"]

PresetName = Literal["chat", "chat-few-shot", "completion", "completion-zero-shot"]

_EXAMPLES = """\
Two examples of such plans, for other questions:

Question: Why do cities plant trees along streets?
1. Cooler summers
2. Cleaner air
3. Less flooding
4. Quieter streets
5. Better health

Question: ¿Cómo preparo una entrevista de trabajo?
1. Investigar la empresa
2. Repasar el currículum
3. Practicar respuestas
4. Preparar preguntas propias"""

_CHAT = SkeletonPrompts(
    system="Answer accurately and to the point, in the language of the question.",
    context="Use this context, and nothing that contradicts it:\n\n{context}\n\n",
    documents=(
        "Answer from these documents alone, and cite them by number behind each statement, as [2].\n\n"
        "{context}\n\n"
    ),
    question="Question: {question}",
    skeleton_task=(
        "Do not answer yet. First plan the answer: 3 to 10 points that do not overlap and together answer "
        "the whole question, in the best order. Give each only its subject, in 3 to 6 words."
    ),
    skeleton_limit="Give at most {max_points} points.",
    skeleton_dependencies=(
        "Points are written at the same time, by different writers. If one can only be written once others "
        "are, such as a conclusion or a comparison, say so at the end of its line: (depends on: 1, 2). Most "
        "points need no others."
    ),
    skeleton_json=(
        'Reply with JSON alone: {{"points": [{{"point": "...", "depends_on": []}}]}}. "depends_on" holds the '
        "numbers, counted from 1, of points that must be written before this one; for most it is "
        "empty. Write "
        "the points in the language of the question."
    ),
    skeleton_form=(
        'Write one point per line, numbered "1.", "2.", and so on, with nothing before or after the list, in '
        "the language of the question."
    ),
    plan="Plan of the answer:\n{skeleton}",
    partial_plan="Plan of the answer (further points may follow):\n{skeleton}",
    parents="These points are written already. Build on them without repeating them:\n\n{parents}",
    point_task=(
        "Write point {point_index} ({point}) alone, in {length}; other writers cover the other points. Begin "
        "with the content itself: no number, title, introduction or conclusion. Write in the language of the "
        "question."
    ),
    points_task=(
        "Write only these points:\n{points}\nGive each {length}; other writers cover the other points. "
        "Before each text, put its marker on a line of its own: {markers}. Below the marker begin with the "
        "content itself: no number, title, introduction or conclusion. Write in the language of the question."
    ),
    length="1 to 3 sentences",
    stitch=(
        "Several writers have each written one point of an answer.\n\nQuestion: "
        "{question}\n\nPlan:\n{skeleton}"
        "\n\nTheir texts, each below its marker:\n\n{answer}\n\nMake it read as one answer, with as "
        "few changes "
        "as possible. Reply with JSON alone: "
        '{{"transitions": [{{"point": 2, "text": "..."}}], "remove": [{{"point": 3, "sentence": "..."}}]}}. '
        '"transitions" holds short sentences to put before a point where the step from the one before is '
        'abrupt. "remove" holds sentences, copied word for word, that only repeat what another point says. '
        "Leave either empty if nothing is needed. Write in the language of the texts."
    ),
)
_COMPLETION = replace(
    _CHAT,
    skeleton_task=(
        "Write only the skeleton of the answer, not the answer: a list of 3 to 10 points, each of 3 "
        "to 5 words "
        "and no more."
    ),
    skeleton_form="One numbered point per line, in the language of the question.",
    plan="Skeleton of the answer:\n{skeleton}",
    partial_plan="Skeleton of the answer, as far as it is known:\n{skeleton}",
    point_task=(
        "Continue point {point_index}, and no other, very briefly: {length}. Do not touch on points "
        "{others}. "
        'The point is "{point}". Write in the language of the question.'
    ),
    length="1 to 2 sentences",
)

PRESETS: Mapping[PresetName, SkeletonPrompts] = MappingProxyType(
    {
        "chat": _CHAT,
        "chat-few-shot": replace(_CHAT, skeleton_examples=_EXAMPLES),
        "completion": replace(_COMPLETION, skeleton_examples=_EXAMPLES),
        "completion-zero-shot": _COMPLETION,
    }
)
"""By name: "chat" for models that follow instructions; "completion" for weaker ones, best with prefill."""


def get_prompts(name: str = "chat") -> SkeletonPrompts:
    """The preset of this name.

    Raises:
        InputError: If there is none.
    """
    for known, prompts in PRESETS.items():
        if known == name:
            return prompts
    raise InputError(f"There are no prompts named {name!r}; there are {', '.join(PRESETS)}.")
