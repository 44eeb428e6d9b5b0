"""The HTML report: safe, complete, and true to the spans."""

import re
from collections.abc import Callable, Sequence
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import CompressionResult, Document, PromptCompressor
from lingua_core.report.compression_html import fragment, page
from lingua_core.report.source_text import MOST_TOOLTIPS

HOSTILE = (
    "<script>alert('x')</script> \"quoted\" & </style></title><!-- \x00\x1b[31m\x7f\x9b \ud800 \ufffe done."
)
VOID = {"meta", "br", "img", "link", "input", "hr"}


class Seen(HTMLParser):
    """What a browser would see: elements, texts of cards, marked text, tooltips."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.open: list[str] = []
        self.summary_depth = 0
        self.texts: list[str] = []
        self.marked: list[list[str]] = []
        self.everything: list[str] = []
        self._text_at: int | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes.extend(attrs)
        if tag in VOID:
            return
        self.open.append(tag)
        classes = (dict(attrs).get("class") or "").split()
        if tag == "div" and "text" in classes:
            self._text_at = len(self.open)
            self.texts.append("")
            self.marked.append([])
        if tag == "mark" and self._text_at:
            self.marked[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag
        if self._text_at is not None and len(self.open) < self._text_at:
            self._text_at = None

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.everything.append(data)
        if self._text_at and "summary" not in self.open:
            self.texts[-1] += data
            if "mark" in self.open:
                self.marked[-1][-1] += data


def seen(html: str) -> Seen:
    parser = Seen()
    parser.feed(html)
    parser.close()
    assert parser.open == [], "every element is closed"
    return parser


def compressed(
    documents: Sequence[str | Document], query: str | None = "Where is Rome?", *, rate: float = 0.5
) -> CompressionResult:
    return PromptCompressor("lexical").compress(documents, query, rate=rate)


def prose(sentences: int) -> str:
    return " ".join(
        f"Sentence number {i} tells of town {i % 7} and river {i % 11}." for i in range(sentences)
    )


def test_page_needs_no_script_and_no_other_file() -> None:
    html = page(compressed([prose(30)]))
    assert html.startswith("<!DOCTYPE html>")
    assert '<meta charset="utf-8">' in html
    parsed = seen(html)
    assert not {"script", "link", "img", "iframe"} & set(parsed.tags)
    assert not {"src", "href"} & {name for name, _ in parsed.attributes}
    assert "url(" not in html
    assert "@import" not in html


@pytest.mark.parametrize("view", [page, fragment])
def test_hostile_text_title_id_and_query_are_shown_and_never_become_markup(
    view: Callable[[CompressionResult], str],
) -> None:
    result = compressed(
        [Document(HOSTILE, id=HOSTILE, title=HOSTILE), "Rome lies on a river."], HOSTILE, rate=1.0
    )
    html = view(result)
    parsed = seen(html)
    assert "script" not in parsed.tags
    assert not any(name.startswith("on") for name, _ in parsed.attributes)
    assert "".join(parsed.everything).count("<script>alert('x')</script>") >= 4


@pytest.mark.parametrize("view", [page, fragment])
def test_report_encodes_to_utf8_and_holds_no_forbidden_character(
    view: Callable[[CompressionResult], str],
) -> None:
    html = view(compressed([Document(HOSTILE, id="\ud83d", title="\x00")], "\udfff?", rate=1.0))
    html.encode("utf-8")
    assert not re.search("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]", html)
    assert "\u2400" in html


def test_report_shows_every_source_text_whole_and_marks_exactly_what_was_kept() -> None:
    documents = [
        prose(40),
        "# Rome\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\nRome is a city.",
        "Nothing to see here.",
    ]
    result = compressed(documents, rate=0.3)
    assert result.dropped
    parsed = seen(page(result))
    shown = (*result.documents, *result.dropped)
    for document, text, marked in zip(shown, parsed.texts, parsed.marked, strict=False):
        assert text == document.source.text
        assert marked == [document.source.text[start:end] for start, end in document.spans]
    assert parsed.texts[len(shown)] == result.text


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.text(alphabet=st.sampled_from("ab.\n é中<&\"'#|`*-"), max_size=200), min_size=1, max_size=4),
    st.sampled_from([0.2, 0.6, 1.0]),
)
def test_any_text_is_shown_whole_and_marked_by_its_spans(texts: list[str], rate: float) -> None:
    result = compressed(texts, "a b", rate=rate)
    parsed = seen(page(result))
    for document, text, marked in zip(
        (*result.documents, *result.dropped), parsed.texts, parsed.marked, strict=False
    ):
        assert text == document.source.text
        assert marked == [document.source.text[start:end] for start, end in document.spans]


def test_header_tells_query_method_budget_counter_and_figures() -> None:
    result = PromptCompressor("lexical").compress([prose(50), prose(5)], "town 3?", target_tokens=60)
    text = "".join(seen(page(result)).everything)
    for expected in ("town 3?", "lexical", "at most 60 tokens", result.token_counter, f"{result.rate:.1%}"):
        assert expected in text
    assert f"{result.origin_tokens:,} → {result.compressed_tokens:,}" in text
    assert f"{len(result.documents)} of 2" in text


def test_notes_are_shown_with_the_document_that_they_concern() -> None:
    result = PromptCompressor("lexical").compress(["word " * 400], "word", target_tokens=20)
    assert any(note.document == 0 for note in result.notes)
    text = "".join(seen(page(result)).everything)
    for note in result.notes:
        assert f"Document 1: {note.message}" in text


def test_tooltips_carry_score_and_tokens() -> None:
    result = compressed(["Rome is a city. Dogs bark at night."])
    titles = [value for name, value in seen(page(result)).attributes if name == "title"]
    segment = result.documents[0].segments[0]
    assert f"sentence, score {segment.score:.3f}, {segment.tokens} tokens" in titles


def test_dropped_documents_are_collapsed() -> None:
    result = compressed(["Rome is a city.", "Dogs bark at night. " * 5], rate=0.2)
    assert [document.index for document in result.dropped] == [1]
    assert '<details class="card">' in page(result)
    assert "<details open" not in page(result)


def test_right_to_left_text_gets_its_own_direction() -> None:
    html = page(compressed([Document("روما مدينة قديمة. تقع على نهر.", title="روما")], "روما؟"))
    assert html.count('dir="auto"') >= 2
    assert "<bdi>روما</bdi>" in html


def test_long_documents_share_elements_instead_of_one_for_each_dropped_segment() -> None:
    text = "\n\n".join(prose(50) for _ in range(90))
    result = PromptCompressor("lexical").compress([text], "town 3", target_tokens=500)
    html = page(result)
    assert len(result.documents[0].segments) > MOST_TOOLTIPS
    assert len(html) < 1.5 * len(text)
    assert seen(html).texts[0] == text


def test_fragment_rules_apply_inside_the_fragment_only() -> None:
    html = fragment(compressed([prose(10)]))
    assert html.startswith('<div class="lingua-report fragment"><style>')
    css = re.search(r"<style>(.*?)</style>", html, re.DOTALL)
    assert css
    bare = re.sub(r"@media[^{]*\{", "", css.group(1))
    for selectors in re.findall(r"([^{}]+)\{", bare):
        for selector in selectors.split(","):
            assert ".lingua-report" in selector, selector
    assert not {"html", "body", "head", "title", "meta", "main"} & set(seen(html).tags)
    assert 'id="' not in html


def test_result_offers_the_report_to_callers_and_notebooks() -> None:
    result = compressed([prose(5)])
    assert result.to_html() == page(result)
    assert result._repr_html_() == fragment(result)


@pytest.mark.parametrize("documents", [[], [""], ["   \n"]])
def test_reports_without_any_text(documents: list[str]) -> None:
    result = compressed(documents, None)
    assert "No document was kept" in page(result) or result.documents
    seen(page(result))
    seen(fragment(result))


def test_report_says_if_nothing_was_kept() -> None:
    result = PromptCompressor("lexical").compress(["Dogs bark."], "zebra", threshold=1e9)
    text = "".join(seen(page(result)).everything)
    assert "nothing kept" in text
    assert "No document was kept" in text


def test_long_dropped_runs_fold_and_say_their_size() -> None:
    result = PromptCompressor("lexical").compress(
        [f"{prose(60)} Rome lies on the Tiber."], "Tiber", target_tokens=16
    )
    html = page(result)
    assert re.search(r'<details class="gap"><summary>\d+ pieces dropped: [\d,]+ tokens, score', html)
    assert seen(html).texts[0] == result.documents[0].source.text


@pytest.mark.parametrize("view", [page, fragment])
def test_dark_colours_are_there(view: Callable[[CompressionResult], str]) -> None:
    assert "@media (prefers-color-scheme: dark)" in view(compressed([prose(5)]))


def test_same_result_gives_the_same_page() -> None:
    assert page(compressed([prose(20)])) == page(compressed([prose(20)]))
