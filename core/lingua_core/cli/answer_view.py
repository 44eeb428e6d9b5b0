"""An answer in the terminal while it is written, and what it took."""

import json
from collections.abc import Iterable
from pathlib import Path

from lingua_core.cli.ending import say, write_stdout
from lingua_core.cli.html_file import write_html
from lingua_core.cli.showing import styled, warn
from lingua_core.errors import AnswerError
from lingua_core.report.escaping import visible
from lingua_core.skeleton.documents.citing import cited_numbers
from lingua_core.skeleton.types import (
    AnswerDone,
    Call,
    Citation,
    Event,
    PointDelta,
    SkeletonAnswer,
    SkeletonReady,
)
from lingua_core.unicode import encodable

__all__ = ["show_answer", "show_calls", "write_timeline"]

_BAR = 40
_NAME = 26


def show_answer(
    events: Iterable[Event], *, as_json: bool = False, show_skeleton: bool = False, quiet: bool = False
) -> SkeletonAnswer:
    """Print an answer as its events come, and the statistics at its end.

    Args:
        events: Of a `SkeletonOfThought.stream`.
        as_json: Print one JSON object at the end instead of the text.
        show_skeleton: Print the skeleton to stderr.
        quiet: No statistics and notes.

    Raises:
        AnswerError: If there is no text at all.
    """
    answer: SkeletonAnswer | None = None
    try:
        for event in events:
            if isinstance(event, PointDelta) and not as_json:
                write_stdout(visible(event.text))
            elif isinstance(event, SkeletonReady) and show_skeleton:
                say(visible(event.skeleton.to_text()) + "\n")
            elif isinstance(event, AnswerDone):
                answer = event.answer
    except AnswerError as error:
        if error.answer is None or not error.answer.text:
            raise
        answer = error.answer
        warn([str(error)], label="error")
    if answer is None:
        raise AnswerError("The stream of events ended without an answer.")
    if as_json:
        write_stdout(_json(answer))
    elif not answer.text.endswith("\n"):
        write_stdout("\n")
    if not as_json:
        _show_sources(answer)
    if not quiet:
        _show_statistics(answer)
    return answer


def write_timeline(target: Path, answer: SkeletonAnswer, question: str, *, quiet: bool) -> None:
    """Write the picture of an answer's calls."""
    from lingua_core.report.timeline_html import timeline_page

    write_html(target, timeline_page(answer, question), option="--timeline")
    if not quiet:
        say(f"The timeline is in {target}")


def show_calls(answer: SkeletonAnswer) -> None:
    """The calls as bars, on stderr: when each waited and wrote."""
    span = answer.timings.total or 1.0
    for call in sorted(answer.timings.calls, key=lambda call: call.started):
        styled(f"{_name(call, answer):<{_NAME}}", f" {_bar(call, span)} {call.ended:5.1f} s", style="bold")


def _name(call: Call, answer: SkeletonAnswer) -> str:
    titles = (
        {f"point {p.index}": f"{p.index}. {p.text}" for p in answer.skeleton.points}
        if answer.skeleton
        else {}
    )
    name = visible(titles.get(call.tag, call.tag))
    return name if len(name) <= _NAME else name[: _NAME - 1] + "\N{HORIZONTAL ELLIPSIS}"


def _bar(call: Call, span: float) -> str:
    start, end = round(_BAR * call.started / span), round(_BAR * call.ended / span)
    writing = end if call.first_token is None else round(_BAR * call.first_token / span)
    waits = "\N{LIGHT SHADE}" * (writing - start)
    writes = "\N{FULL BLOCK}" * max(end - writing, 1)
    return f"{' ' * start}{waits}{writes}"[:_BAR].ljust(_BAR)


def _show_sources(answer: SkeletonAnswer) -> None:
    """The documents that the text cites: without them its numbers say nothing."""
    if not answer.citations:
        return
    cited = set(cited_numbers(answer.text))
    lines = [_source(citation) for citation in answer.citations if citation.number in cited]
    say("\n" + ("\n".join(lines) if lines else "No document is cited."))


def _source(citation: Citation) -> str:
    names = [name for name in (citation.title, citation.id) if name]
    return visible(f"[{citation.number}] {' - '.join(dict.fromkeys(names))}".rstrip())


def _show_statistics(answer: SkeletonAnswer) -> None:
    timings, usage = answer.timings, answer.usage
    about = "about " if usage.estimated else ""
    plan = f"{len(answer.expansions)} points in parallel" if answer.route == "skeleton" else "directly"
    first = f", first text after {timings.first_token:.1f} s" if timings.first_token is not None else ""
    styled(f"answered in {timings.total:.1f} s", f", {plan}{first}", style="bold green")
    styled(
        "",
        f"{about}{usage.prompt_tokens:,} tokens read, {usage.completion_tokens:,} written, in "
        f"{usage.calls:,} call{'s' * (usage.calls != 1)}",
    )
    if answer.accounting is not None:
        read, ratio = answer.accounting.context_tokens, answer.accounting.ratio
        styled(
            "",
            f"{read:,} tokens of {len(answer.citations):,} documents read; all prompts are {ratio:.2f} "
            "times that of one call with all documents",
        )
    decision = answer.decision
    probability = f" ({decision.probability:.2f})" if decision.probability is not None else ""
    if decision.reason:
        verdict = "skeleton" if decision.use_skeleton else "direct"
        styled("", f"route: {verdict}{probability}, {visible(decision.reason)}")
    warn([visible(note) for note in answer.notes], label="note")


def _json(answer: SkeletonAnswer) -> str:
    data = answer.to_dict()
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, default=str)
    return (text if encodable(text) == text else json.dumps(data, allow_nan=False, default=str)) + "\n"
