"""Prompts that say themselves what may be compressed, with `<llmlingua>` tags.

```
Answer from these notes.
<llmlingua, rate=0.4>…to 40 % of its tokens…</llmlingua>
<llmlingua>…within the budget of the call…</llmlingua>
<llmlingua, compress=False>…left as it is…</llmlingua>
```

The tags are those of llmlingua's `structured_compress_prompt`. Commas between attributes may be left
out, values may be quoted, and text outside of tags stays. Everything else that has angle brackets
(`a < b`, `<b>`, `</s>`, `<llmlingua2>`) is text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, NoReturn

from lingua_core.budget import choose_budget
from lingua_core.compression import PromptCompressor
from lingua_core.documents import Span
from lingua_core.errors import BudgetError, InputError
from lingua_core.results import CompressedDocument, CompressionResult, Note
from lingua_core.structured.parts import (
    CompressedPart,
    Counted,
    Part,
    Structure,
    check_compressor,
    compress_parts,
    placed_notes,
)

__all__ = ["TaggedPart", "TaggedResult", "TaggedSection", "compress_tagged", "parse_tagged"]

_TAG = re.compile(r"<(/?)llmlingua(?![\w.:-])")
_REST = re.compile(r"([^<>]*)>")
_ATTRIBUTE = re.compile(r"""\s*(?:,\s*)?([^\s,=]+)\s*=\s*("[^"]*"|'[^']*'|[^\s,"'=]+)(?=[\s,]|$)""")
_NUMBER = re.compile(r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
_TRUTH = {"True": True, "true": True, "False": False, "false": False}
_EXPECTED = "Expected <llmlingua>, or <llmlingua, rate=0.4, compress=True> with either attribute or both"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedSection:
    """A stretch of a prompt between tags.

    Attributes:
        span: Its character span in the prompt, without tags.
        tagged: Whether it stood inside a tag.
        rate: The tag's rate, or None.
        compress: Whether it may be compressed: False outside of tags and for `compress=False`.
    """

    span: Span
    tagged: bool
    rate: float | None = None
    compress: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedPart:
    """A section of the prompt after compression.

    Attributes:
        text: What stands in the result: the pieces that `spans` name, joined by the compressor's
            separator; the white space at the section's ends stays even where nothing else does.
        section: Where it comes from.
        spans: What was kept: sorted, disjoint character spans into the prompt.
        document: The compressor's verdict on the section; None if it was not compressed.
        result: The compression that it was in; sections without a rate share one. None if it was not
            compressed: outside of tags, `compress=False`, blank, or the prompt fits `target_tokens` as
            it is.
    """

    text: str
    section: TaggedSection
    spans: tuple[Span, ...]
    document: CompressedDocument | None
    result: CompressionResult | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaggedResult(Counted):
    """A tagged prompt after compression; tokens are those of the whole text, without the tags.

    Attributes:
        text: The prompt without tags: the texts of `parts`, one behind the other.
        parts: Every section of the prompt, in order.
    """

    text: str
    parts: tuple[TaggedPart, ...]


def parse_tagged(prompt: str) -> tuple[TaggedSection, ...]:
    """Cut a prompt at its tags.

    The sections are in order and disjoint, and all of the prompt except the tags is in one of them.
    Tagged sections may be empty, others are not.

    Raises:
        InputError: If a tag is not closed, nested, or malformed; the message says where.
    """
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        raise InputError(
            f"prompt must be a str, got {type(prompt).__name__}: {prompt!r:.80}. "
            "Join several texts, or compress them one by one."
        )
    return tuple(_sections(prompt))


def compress_tagged(
    prompt: str,
    compressor: PromptCompressor,
    query: str | None = None,
    *,
    rate: float | None = None,
    target_tokens: int | None = None,
    threshold: float | None = None,
) -> TaggedResult:
    """Compress the tagged parts of a prompt; everything else stays, the tags go.

    Parts whose tag has a rate are compressed to it, each by itself. The others share the budget of the
    call, and what matters least goes first, wherever it stands: of a part, all may go. Give at most one
    of `rate`, `target_tokens` and `threshold`; with none, the compressor's default applies.

    Args:
        prompt: Text with tags; see the module's description.
        compressor: Compresses; every number of tokens is its counter's.
        query: The question; None keeps what is most informative by itself.
        rate: The fraction of the tokens of all parts without a rate of their own to keep together,
            0 < rate <= 1.
        target_tokens: The most tokens that the whole text may have, uncompressed parts included.
        threshold: Keep what scores at least this, in parts without a rate.

    Raises:
        InputError: If a tag is malformed (the message says where), or an argument cannot be used.
        ProtectedOverBudgetError: If the uncompressed parts alone exceed `target_tokens`, or what may not
            be cut exceeds what is left of it.
    """
    check_compressor(compressor)
    sections = parse_tagged(prompt)
    texts = [prompt[start:end] for start, end in (section.span for section in sections)]
    chosen = [i for i, section in enumerate(sections) if section.compress]
    counter = compressor.token_counter

    def whole(new: Sequence[str]) -> str:
        placed = list(texts)
        for i, text in zip(chosen, new, strict=True):
            placed[i] = text
        return "".join(placed)

    found, notes = compress_parts(
        [Part(text=texts[i], rate=sections[i].rate) for i in chosen],
        compressor,
        query,
        structure=Structure(
            tokens=lambda new: counter.count([whole(new)])[0], bounded="the whole text without its tags"
        ),
        target_tokens=target_tokens,
        rate=rate,
        threshold=threshold,
    )
    if not any(section.tagged for section in sections) and prompt.strip():
        message = "The prompt has no <llmlingua> tag, so nothing of it was compressed."
        notes = (Note(code="no_tags", message=message), *notes)
    text = whole([part.text for part in found])
    origin, compressed = counter.count(["".join(texts), text])
    done = dict(zip(chosen, found, strict=True))
    return TaggedResult(
        text=text,
        parts=tuple(_part(prompt, section, done.get(i)) for i, section in enumerate(sections)),
        origin_tokens=origin,
        compressed_tokens=compressed,
        token_counter=counter.name,
        notes=placed_notes(notes, chosen),
    )


def _part(prompt: str, section: TaggedSection, done: CompressedPart | None) -> TaggedPart:
    start, end = section.span
    if done is None or done.result is None:
        spans = (section.span,) if start < end else ()
        return TaggedPart(text=prompt[start:end], section=section, spans=spans, document=None, result=None)
    return TaggedPart(
        text=done.text,
        section=section,
        spans=tuple(Span(start + a, start + b) for a, b in done.spans),
        document=done.document,
        result=done.result,
    )


class _Opening(NamedTuple):
    """An opening tag, from `start` to the offset behind its `>`."""

    start: int
    end: int
    rate: float | None
    compress: bool


def _sections(prompt: str) -> Iterator[TaggedSection]:
    at = 0
    opening: _Opening | None = None
    for match in _TAG.finditer(prompt):
        start, closes = match.start(), bool(match[1])
        if closes and opening is None:
            _fail(prompt, start, "</llmlingua> closes a tag that was never opened. Remove it, or open one")
        if not closes and opening is not None:
            _fail(
                prompt,
                start,
                f"<llmlingua> inside the <llmlingua> of {_place(prompt, opening.start)}; tags cannot be "
                "nested. Close the outer one first",
            )
        if opening is not None:
            yield TaggedSection(
                span=Span(opening.end, start), tagged=True, rate=opening.rate, compress=opening.compress
            )
            at, opening = _end_of_closing(prompt, match), None
        else:
            if at < start:
                yield TaggedSection(span=Span(at, start), tagged=False)
            opening = _opening(prompt, match)
            at = opening.end
    if opening is not None:
        _fail(prompt, opening.start, "<llmlingua> is never closed. Put </llmlingua> where the part ends")
    if at < len(prompt):
        yield TaggedSection(span=Span(at, len(prompt)), tagged=False)


def _end_of_closing(prompt: str, match: re.Match[str]) -> int:
    rest = _REST.match(prompt, match.end())
    if rest is None or rest[1].strip():
        _fail(prompt, match.start(), "a closing tag must be </llmlingua>, with nothing else before the '>'")
    return rest.end()


def _opening(prompt: str, match: re.Match[str]) -> _Opening:
    rest = _REST.match(prompt, match.end())
    if rest is None:
        _fail(prompt, match.start(), f"the tag <llmlingua has no '>' that ends it. {_EXPECTED}")
    start, written = match.start(), rest[1]
    values: dict[str, str] = {}
    at = 0
    while written[at:].strip():
        attribute = _ATTRIBUTE.match(written, at)
        here = match.end() + at + len(written[at:]) - len(written[at:].lstrip())
        if attribute is None:
            _fail(prompt, here, f"cannot read {written[at:].strip()!r:.60} in a tag. {_EXPECTED}")
        name, value = attribute[1], attribute[2]
        here = match.end() + attribute.start(1)
        if name not in ("rate", "compress"):
            _fail(prompt, here, f"unknown attribute {name!r:.60} in a tag. {_EXPECTED}")
        if name in values:
            _fail(prompt, here, f"attribute {name!r} is given twice in one tag. {_EXPECTED}")
        values[name] = value[1:-1] if value[0] in "\"'" else value
        at = attribute.end()
    return _Opening(
        start=start,
        end=rest.end(),
        rate=_rate(prompt, start, values.get("rate")),
        compress=_compress(prompt, start, values.get("compress")),
    )


def _rate(prompt: str, start: int, value: str | None) -> float | None:
    if value is None:
        return None
    if not _NUMBER.fullmatch(value):
        _fail(prompt, start, f"rate must be a number, 0 < rate <= 1, got {value!r:.60}. {_EXPECTED}")
    try:
        return choose_budget(rate=float(value)).value
    except BudgetError as error:
        raise BudgetError(f"{_place(prompt, start).capitalize()}: {error}") from error


def _compress(prompt: str, start: int, value: str | None) -> bool:
    if value is None:
        return True
    if value not in _TRUTH:
        _fail(prompt, start, f"compress must be True or False, got {value!r:.60}. {_EXPECTED}")
    return _TRUTH[value]


def _place(prompt: str, offset: int) -> str:
    return f"line {prompt.count(chr(10), 0, offset) + 1}, character offset {offset}"


def _fail(prompt: str, offset: int, message: str) -> NoReturn:
    raise InputError(f"{_place(prompt, offset).capitalize()}: {message}.")
