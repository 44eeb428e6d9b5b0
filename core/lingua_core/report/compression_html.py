"""A compression as HTML: the statistics, and every document with what was kept and what was not.

Needs no script and no other file. Everything that came from outside is escaped.
"""

from collections.abc import Sequence

from lingua_core.report.escaping import escaped
from lingua_core.report.page import html_page
from lingua_core.report.source_text import marked_text
from lingua_core.report.style import SCOPE, report_style
from lingua_core.results import CompressedDocument, CompressionResult

__all__ = ["fragment", "page"]


def page(result: CompressionResult) -> str:
    """A self-contained HTML document."""
    return html_page(_page_title(result), _report(result))


def fragment(result: CompressionResult) -> str:
    """The report as one element for a notebook; its styles reach nothing outside it."""
    style = f"<style>{report_style(fragment=True)}</style>"
    return f'<div class="{SCOPE} fragment">{style}\n{_report(result)}</div>'


def _page_title(result: CompressionResult) -> str:
    query = " ".join((result.query or "").split())
    return f"{query[:80]} - Lingua" if query else "Compression report - Lingua"


def _report(result: CompressionResult) -> str:
    return "".join(
        [
            _header(result),
            _notes(result),
            _documents(result),
            _dropped(result.dropped),
            _removal_notes(result),
            _compressed_text(result),
        ]
    )


def _header(result: CompressionResult) -> str:
    if result.query:
        question = f'<h1 dir="auto">{escaped(result.query)}</h1>'
    else:
        question = '<h1 class="none">Without a question: what is most informative by itself</h1>'
    total = len(result.documents) + len(result.dropped)
    tiles = [
        ("Tokens", f"{result.origin_tokens:,} &rarr; {result.compressed_tokens:,}"),
        ("Smaller", _times(result)),
        ("Kept", f"{result.rate:.1%}"),
        ("Documents kept", f"{len(result.documents):,} of {total:,}"),
    ]
    figures = "".join(f'<div class="tile"><dt>{name}</dt><dd>{value}</dd></div>' for name, value in tiles)
    facts = (
        f"Method <bdi>{escaped(result.method)}</bdi>, budget <bdi>{escaped(_budget(result))}</bdi>, "
        f"tokens counted by <bdi>{escaped(result.token_counter)}</bdi>."
    )
    return (
        f'<header>\n<p class="eyebrow">Lingua compression report</p>\n{question}\n'
        f'<dl class="tiles">{figures}</dl>\n{_bar(result.compressed_tokens, result.origin_tokens)}\n'
        f'<p class="facts">{facts}</p>\n</header>\n'
    )


def _times(result: CompressionResult) -> str:
    if not result.compressed_tokens and result.origin_tokens:
        return "nothing kept"
    return f"{result.ratio:.1f}&times;"


def _budget(result: CompressionResult) -> str:
    budget = result.budget
    words = {
        "target_tokens": f"at most {budget.value:,.0f} tokens",
        "rate": f"{budget.value:.4g} of the tokens",
        "threshold": f"scores of at least {budget.value:.4g}",
    }
    return words[budget.kind] + (" (default)" if budget.is_default else "")


def _bar(part: int, whole: int) -> str:
    share = 100 * min(part, whole) / whole if whole else 100
    return f'<div class="bar" aria-hidden="true"><span style="width:{share:.2f}%"></span></div>'


def _notes(result: CompressionResult) -> str:
    if not result.notes:
        return ""
    names = {d.index: _name(d) for d in (*result.documents, *result.dropped)}
    items: list[str] = []
    for note in result.notes:
        about = f"<bdi>{escaped(names[note.document])}</bdi>: " if note.document in names else ""
        items.append(f'<li>{about}<span dir="auto">{escaped(note.message)}</span></li>')
    return f'<ul class="notes">{"".join(items)}</ul>\n'


def _documents(result: CompressionResult) -> str:
    if not result.documents:
        return '<p class="section">No document was kept.</p>\n'
    legend = (
        '<p class="legend">In the texts below, <mark>marked and underlined text</mark> was kept and '
        '<span class="sample">dimmed text</span> was dropped. Point at a piece to see its score.</p>\n'
    )
    cards = "".join(
        f'<article class="card"><div class="head">{_card_head(document)}</div>'
        f"{_bar(document.compressed_tokens, document.origin_tokens)}"
        f'<div class="text" dir="auto">{marked_text(document)}</div></article>\n'
        for document in result.documents
    )
    return f'{legend}<h2 class="section">Kept documents</h2>\n{cards}'


def _dropped(documents: Sequence[CompressedDocument]) -> str:
    if not documents:
        return ""
    cards = "".join(
        f'<details class="card"><summary class="head">{_card_head(document)}</summary>'
        f'<div class="text" dir="auto">{marked_text(document, fold=False)}</div></details>\n'
        for document in documents
    )
    return f'<h2 class="section">Dropped documents</h2>\n{cards}'


def _removal_notes(result: CompressionResult) -> str:
    """What the prompt says of what was removed, and the passages by their ids; nothing if it says nothing."""
    notes = [note for note in (*(d.removal_note for d in result.documents), result.removal_note) if note]
    if not notes:
        return ""
    names = {d.index: _name(d) for d in (*result.documents, *result.dropped)}
    said = "".join(f'<p dir="auto">{escaped(note)}</p>' for note in notes)
    parts = "".join(
        f'<li><bdi class="id">{part.id}</bdi> <bdi>{escaped(names[part.document])}</bdi>'
        f"{_under(part.heading)}, {part.tokens:,} tokens</li>"
        for part in result.removed
    )
    return (
        '<h2 class="section">What the prompt says was removed</h2>\n<article class="card">'
        f'<div class="text plain">{said}</div><details><summary class="head">'
        f"<h2>Removed passages</h2></summary><ul>{parts}</ul></details></article>\n"
    )


def _under(heading: str) -> str:
    return f": <bdi>{escaped(heading)}</bdi>" if heading else ""


def _compressed_text(result: CompressionResult) -> str:
    if not result.text:
        return ""
    return (
        '<h2 class="section">What the model reads</h2>\n<details class="card"><summary class="head">'
        f'<h2>Compressed text</h2><span class="figures"><b>{result.compressed_tokens:,}</b> tokens</span>'
        "</summary>"
        f'<div class="text plain" dir="auto">{escaped(result.text)}</div></details>\n'
    )


def _card_head(document: CompressedDocument) -> str:
    name = _name(document)
    also = f' <bdi class="id">{escaped(document.id)}</bdi>' if document.id and document.id != name else ""
    figures = (
        f"<b>{document.origin_tokens:,} &rarr; {document.compressed_tokens:,}</b> tokens, "
        f"score <b>{document.score:.3f}</b>"
    )
    return f'<h2><bdi>{escaped(name)}</bdi>{also}</h2><span class="figures">{figures}</span>'


def _name(document: CompressedDocument) -> str:
    """What people call it; every document has one."""
    for name in (document.title, document.id):
        if name and name.strip():
            return name
    return f"Document {document.index + 1}"
