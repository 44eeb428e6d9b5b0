"""Answers as tokens: the prompt as what is read before, the answer as what is learnt.

Where the tokenizer has a chat template, prompt and answer are written as it says. Without one they are
plain text, turn after turn with a blank line between: what is compressed later bears no marks of speakers
either.
"""

# transformers is partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from lingua_core.errors import InputError
from lingua_core.models.continuations import Ids
from lingua_core.training.alignment.answers import Answer
from lingua_core.training.alignment.targets import Target
from lingua_core.unicode import encodable

__all__ = ["Example", "ExampleWriter"]

_BLANK_LINE = "\n\n"
_AT_ONCE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An answer in the tokens of the model that learns.

    Attributes:
        target: Name of the target model.
        answer: What it is made of.
        prefix: Tokens of the prompt, without the beginning that the tokenizer puts before every text.
        ids: Tokens of the response, and those that end the turn. Shape (tokens,).
        ending: How many tokens at the end of `ids` are none of the response.
        bytes: Of the response.
    """

    target: str
    answer: Answer
    prefix: Ids
    ids: Ids
    ending: int
    bytes: int


class _Written(NamedTuple):
    """A text, and where in it the response is."""

    text: str
    start: int
    end: int


class ExampleWriter:
    """Makes examples with a tokenizer of transformers.

    Args:
        tokenizer: A fast one.
        start: What it puts before every text.
    """

    def __init__(self, tokenizer: Any, start: Ids) -> None:  # noqa: ANN401  # transformers'
        self._tokenizer = tokenizer
        self._start = start.tolist()
        self.has_template = bool(getattr(tokenizer, "chat_template", None))

    def examples(self, targets: Sequence[Target]) -> list[Example]:
        """An example of each answer, in their order.

        Raises:
            InputError: If the chat template refuses a prompt.
        """
        return [example for target in targets for example in self._of_target(target)]

    def _of_target(self, target: Target) -> Iterator[Example]:
        for first in range(0, len(target.answers), _AT_ONCE):
            answers = target.answers[first : first + _AT_ONCE]
            written = [self._write(answer) for answer in answers]
            rows: Any = self._tokenizer(
                [one.text for one in written],
                add_special_tokens=False,
                return_offsets_mapping=True,
                return_attention_mask=False,
                return_token_type_ids=False,
                truncation=False,
                # What a template writes are marks, to be read as such; in plain text there are none.
                split_special_tokens=not self.has_template,
                verbose=False,
            )
            for answer, one, ids, offsets in zip(
                answers, written, rows["input_ids"], rows["offset_mapping"], strict=True
            ):
                yield self._example(target.name, answer, one, ids, offsets)

    def _example(
        self, target: str, answer: Answer, written: _Written, ids: list[int], offsets: list[tuple[int, int]]
    ) -> Example:
        table = np.array(offsets, np.int64).reshape(-1, 2)
        # A token that ends inside the response is the response's, even if it begins before it.
        first = int(np.searchsorted(table[:, 1], written.start, side="right"))
        last = int(np.searchsorted(table[:, 0], written.end, side="left"))
        begun = len(self._start) if ids[: len(self._start)] == self._start else 0
        return Example(
            target=target,
            answer=answer,
            prefix=np.array(ids[min(begun, first) : first], np.int64),
            ids=np.array(ids[first:], np.int64),
            ending=max(0, len(ids) - max(last, first)),
            bytes=len(written.text[written.start : written.end].encode()),
        )

    def _write(self, answer: Answer) -> _Written:
        response = encodable(answer.response)
        if not self.has_template:
            before = "".join(encodable(turn.content).strip() + _BLANK_LINE for turn in answer.messages)
            response = response.strip()
            return _Written(before + response, len(before), len(before) + len(response))
        turns = [{"role": turn.role, "content": encodable(turn.content)} for turn in answer.messages]
        before = self._template(turns, answer, add_generation_prompt=True)
        whole = self._template([*turns, {"role": "assistant", "content": response}], answer)
        # Some templates write past turns otherwise than the one to come; then no ending is known.
        ending = ""
        if whole.startswith(before) and (at := whole.find(response.strip(), len(before))) >= 0:
            ending = whole[at + len(response.strip()) :]
            before = whole[:at]
        response = response.strip()
        return _Written(before + response + ending, len(before), len(before) + len(response))

    def _template(self, turns: list[dict[str, str]], answer: Answer, **options: bool) -> str:
        try:
            return self._tokenizer.apply_chat_template(turns, tokenize=False, **options)
        except Exception as error:  # templates raise what jinja raises
            raise InputError(
                f"The chat template refuses the prompt of answer {answer.id!r}: {error}. Its turns are "
                f"{', '.join(turn['role'] for turn in turns)}."
            ) from error
