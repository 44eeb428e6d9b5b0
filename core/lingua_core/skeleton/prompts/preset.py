"""The prompts of Skeleton-of-Thought: one preset holds all templates, and lays them out for caches.

Requests about one question begin alike: system, history, context, question; those for points go on alike
with the skeleton, and only their last part is their own. So servers and engines that keep the beginnings of
prompts read each of them once.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from lingua_core.errors import InputError
from lingua_core.llms.base import Message
from lingua_core.skeleton.parsing.sections import section_marker
from lingua_core.skeleton.prompts.templates import check_template, fill
from lingua_core.skeleton.types import Point, Skeleton

__all__ = ["SKELETON_SCHEMA", "PointPrompt", "SkeletonPrompt", "SkeletonPrompts"]

SKELETON_SCHEMA: Mapping[str, Any] = {
    "type": "object",
    "properties": {
        "points": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "point": {"type": "string"},
                    "depends_on": {"type": "array", "items": {"type": "integer"}},
                },
                "required": ["point", "depends_on"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["points"],
    "additionalProperties": False,
}
"""The JSON schema of a skeleton, within what strict structured output allows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonPrompt:
    """The request for a skeleton.

    Attributes:
        messages: The conversation; with `prefill`, the last message is the assistant's.
        prefill: How the reply was begun, or empty: the parser's `prefix`.
        json_schema: What the reply is held to, or None.
        prefix_key: The same for all requests about one question.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    json_schema: Mapping[str, Any] | None = field(default=None, hash=False)
    prefix_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PointPrompt:
    """The request for one or several points.

    Attributes:
        messages: The conversation; with `prefill`, the last message is the assistant's.
        prefill: How the reply was begun, or empty. It is no part of the point's text.
        points: What is written; several are told apart by `SectionSplitter`.
        prefix_key: The same for all requests about one question.
    """

    messages: tuple[Message, ...]
    prefill: str = ""
    points: tuple[Point, ...]
    prefix_key: str


def _places(*required: str, allowed: Sequence[str] = ()) -> tuple[frozenset[str], frozenset[str]]:
    return frozenset(required), frozenset(allowed)


@dataclass(frozen=True, slots=True, kw_only=True)
class SkeletonPrompts:
    """All templates of Skeleton-of-Thought; replace some with `dataclasses.replace`.

    Places are names in braces; braces that are meant are doubled. What users write is filled in as it is.

    Attributes:
        system: The system message; empty for none.
        context: What stands before the question if there is context. {context}
        documents: The same where the context is made of documents to cite. {context}
        question: The question; ends what all requests share. {question}
        skeleton_task: Asks for the skeleton.
        skeleton_limit: Added if the number of points is limited. {max_points}
        skeleton_dependencies: Added if points may need others.
        skeleton_json: Added if JSON is asked for, instead of `skeleton_form`.
        skeleton_form: Says what the lines look like, unless JSON is asked for.
        skeleton_examples: Examples of skeletons; empty for none.
        skeleton_prefill: How the reply is begun where a model allows it.
        plan: Shows the skeleton to whom writes a point. {skeleton}
        partial_plan: The same while the skeleton is still being written. {skeleton}
        parents: Shows what a point builds on. {parents}
        point_task: Asks for one point. {point_index}, {point}; may have {others}, {length}.
        points_task: Asks for several in one reply. {points}, {markers}; may have {others}, {length}.
        point_prefill: How the reply is begun where a model allows it; may have {point_index}, {point}.
        length: How long a point is, in words: fills {length}.
        direct_task: Added to the question when it is answered without a skeleton; may be empty.
        stitch: Asks for transitions and repeats. {question}, {skeleton}, {answer}

    Raises:
        InputError: If a template has an unknown place, lacks a required one, or cannot be read.
    """

    system: str
    context: str
    documents: str
    question: str
    skeleton_task: str
    skeleton_limit: str
    skeleton_dependencies: str
    skeleton_json: str
    skeleton_form: str
    skeleton_examples: str = ""
    skeleton_prefill: str = "1."
    plan: str
    partial_plan: str
    parents: str
    point_task: str
    points_task: str
    point_prefill: str = "{point_index}. {point}:"
    length: str
    direct_task: str = ""
    stitch: str

    _PLACES: ClassVar[Mapping[str, tuple[frozenset[str], frozenset[str]]]] = {
        "system": _places(),
        "context": _places("context"),
        "documents": _places("context"),
        "question": _places("question"),
        "skeleton_task": _places(),
        "skeleton_limit": _places("max_points"),
        "skeleton_dependencies": _places(),
        "skeleton_json": _places(),
        "skeleton_form": _places(),
        "skeleton_examples": _places(),
        "skeleton_prefill": _places(),
        "plan": _places("skeleton"),
        "partial_plan": _places("skeleton"),
        "parents": _places("parents"),
        "point_task": _places("point_index", "point", allowed=("others", "length")),
        "points_task": _places("points", "markers", allowed=("others", "length")),
        "point_prefill": _places(allowed=("point_index", "point")),
        "length": _places(),
        "direct_task": _places(),
        "stitch": _places("question", "skeleton", "answer"),
    }

    def __post_init__(self) -> None:
        for name, (required, allowed) in self._PLACES.items():
            check_template(name, getattr(self, name), required=required, allowed=allowed)

    def for_documents(self) -> "SkeletonPrompts":
        """The same prompts for contexts that are made of documents to cite."""
        return replace(self, context=self.documents)

    def skeleton_request(
        self,
        question: str,
        *,
        context: str = "",
        history: Sequence[Message] = (),
        prefill: bool = False,
        with_dependencies: bool = False,
        max_points: int | None = None,
        json_schema: bool = False,
    ) -> SkeletonPrompt:
        """Ask for a skeleton.

        Args:
            question: What is to be answered.
            context: What the answer is to rest on; empty for nothing.
            history: The conversation before; its last message is not the user's.
            prefill: Begin the reply for the model. Not together with `json_schema`, whose replies begin
                themselves.
            with_dependencies: Let points say which others they need.
            max_points: The most points to ask for.
            json_schema: Ask for JSON, and give its schema.

        Raises:
            InputError: If the question is blank, or the history cannot come before a question.
        """
        shared, key = self._shared(question, context, history)
        parts = [
            self.skeleton_task,
            self.skeleton_limit if max_points is not None else "",
            self.skeleton_dependencies if with_dependencies else "",
            self.skeleton_json if json_schema else self.skeleton_form,
            "" if json_schema or not self.skeleton_examples else "\n" + self.skeleton_examples,
        ]
        values = {"max_points": str(max_points)}
        begun = fill(self.skeleton_prefill, {}) if prefill and not json_schema else ""
        return SkeletonPrompt(
            messages=_closed(shared, "\n".join(fill(part, values) for part in parts if part), begun),
            prefill=begun,
            json_schema=SKELETON_SCHEMA if json_schema else None,
            prefix_key=key,
        )

    def point_request(
        self,
        question: str,
        skeleton: Skeleton,
        points: Sequence[Point],
        *,
        context: str = "",
        parents: Mapping[int, str] | None = None,
        history: Sequence[Message] = (),
        prefill: bool = False,
        length: str | None = None,
        is_partial: bool = False,
    ) -> PointPrompt:
        """Ask for the text of one point, or of several in one reply.

        Args:
            question: What is to be answered.
            skeleton: All points, or those known so far.
            points: Which of them to write.
            context: As for the skeleton, for the beginning to be shared; or what belongs to these points.
            parents: Texts of points that these build on, by index.
            history: The conversation before.
            prefill: Begin the reply for the model.
            length: How long each is to be, in words ("one sentence"); None for the preset's.
            is_partial: Whether further points may follow those of `skeleton`.

        Raises:
            InputError: If there is no point, one is not in the skeleton, the question is blank, or the
                history cannot come before a question.
        """
        indices = _checked(points, skeleton)
        shared, key = self._shared(question, context, history)
        plan = fill(self.partial_plan if is_partial else self.plan, {"skeleton": skeleton.to_text()})
        others = ", ".join(str(p.index) for p in skeleton.points if p.index not in indices)
        values = {"others": others or "-", "length": fill(self.length, {}) if length is None else length}
        parts = [plan]
        if parents:
            parts.append(fill(self.parents, {"parents": _written(skeleton, parents)}))
        if len(points) == 1:
            values |= {"point_index": str(points[0].index), "point": points[0].text}
            parts.append(fill(self.point_task, values))
            begun = fill(self.point_prefill, {k: values[k] for k in ("point_index", "point")})
        else:
            listed = "\n".join(f"{p.index}. {p.text}" for p in points)
            marks = ", ".join(section_marker(index) for index in indices)
            parts.append(fill(self.points_task, values | {"points": listed, "markers": marks}))
            begun = section_marker(indices[0])
        begun = begun.rstrip() if prefill else ""
        return PointPrompt(
            messages=_closed(shared, "\n\n".join(parts), begun),
            prefill=begun,
            points=tuple(points),
            prefix_key=key,
        )

    def direct_request(
        self, question: str, *, context: str = "", history: Sequence[Message] = ()
    ) -> tuple[Message, ...]:
        """Ask for the whole answer at once.

        Raises:
            InputError: If the question is blank, or the history cannot come before a question.
        """
        shared, _ = self._shared(question, context, history)
        return _closed(shared, fill(self.direct_task, {}), "")

    def stitch_request(self, question: str, skeleton: Skeleton, texts: Sequence[str]) -> tuple[Message, ...]:
        """Ask for transitions between the points' texts, and for sentences to leave out: see `parse_stitch`.

        Raises:
            InputError: If there is not one text for each point.
        """
        if len(texts) != len(skeleton.points):
            raise InputError(
                f"Got {len(texts)} texts for {len(skeleton.points)} points; one is needed for each."
            )
        answer = "\n\n".join(
            f"{section_marker(point.index)}\n{text}"
            for point, text in zip(skeleton.points, texts, strict=True)
        )
        values = {"question": question, "skeleton": skeleton.to_text(), "answer": answer}
        system = fill(self.system, {})
        return (*((Message("system", system),) if system else ()), Message("user", fill(self.stitch, values)))

    def _shared(
        self, question: str, context: str, history: Sequence[Message]
    ) -> tuple[tuple[Message, ...], str]:
        """What all requests about a question begin with, the last message to be continued; and its key."""
        if not question.strip():
            raise InputError(f"question must say something, got {question!r}.")
        if history and history[-1].role == "user":
            raise InputError(
                "history must end with a turn of the assistant; it ends with one of the user: "
                f"{history[-1].content!r:.60}. Pass that as the question."
            )
        system = fill(self.system, {})
        if history and history[0].role == "system":
            # Chat templates allow one system message, and want it first.
            system = "\n\n".join(part for part in (system, history[0].content) if part)
            history = history[1:]
        head = fill(self.context, {"context": context}) if context.strip() else ""
        head += fill(self.question, {"question": question})
        messages = (*((Message("system", system),) if system else ()), *history, Message("user", head))
        spelled = repr([(m.role, m.content) for m in messages]).encode("utf-8", "surrogatepass")
        return messages, hashlib.blake2b(spelled, digest_size=12).hexdigest()


def _closed(shared: tuple[Message, ...], tail: str, prefill: str) -> tuple[Message, ...]:
    *before, last = shared
    user = Message("user", f"{last.content}\n\n{tail}" if tail else last.content)
    return (*before, user, *((Message("assistant", prefill),) if prefill else ()))


def _checked(points: Sequence[Point], skeleton: Skeleton) -> list[int]:
    if not points:
        raise InputError("points is empty: say which points of the skeleton to write.")
    known = {point.index for point in skeleton.points}
    if unknown := [point.index for point in points if point.index not in known]:
        raise InputError(f"Points {unknown} are not in the skeleton, which has {sorted(known)}.")
    return [point.index for point in points]


def _written(skeleton: Skeleton, parents: Mapping[int, str]) -> str:
    titles = {point.index: point.text for point in skeleton.points}
    return "\n\n".join(f"{index}. {titles.get(index, '')}\n{parents[index]}" for index in sorted(parents))
