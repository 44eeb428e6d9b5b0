"""A note of what was removed: in the prompt, within the budget, in words of the text."""

import asyncio
import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lingua_core import CompressionResult, Document, InputError, PromptCompressor, RemovalNoteOptions
from lingua_core.budget import RATE_TOLERANCE
from lingua_core.removed import InMemoryStore
from lingua_core.scorers import FixedScorer
from lingua_core.structured import compress_messages
from method_models import METHODS, options_of

ISLANDS = (
    "The lighthouse at Kessel Point was built of grey granite by two brothers. Its lamp was lit in "
    "March 1874. Visitors climb 212 steps to reach the gallery. The ferry between the islands runs four"
    " times a day. The ferry carries bicycles free of charge. Dogs must be kept on a lead on the open "
    "deck. The bakery on Mill Street opens at six in the morning. Its rye bread is baked in a wood-"
    "fired oven. Regular customers of the bakery order by telephone the day before."
)
MANUAL = (
    "# Installing on Windows\n\nRun the installer. It needs the build tools. Restart the machine when "
    "it is done, and check that the service runs.\n\n# Prices of 2021\n\nThe basic plan costs 10 "
    "dollars a month. The large plan costs 40 dollars a month, with support by telephone.\n"
)
DOCUMENTS = [
    Document(ISLANDS, id="islands"),
    Document(MANUAL, id="manual"),
    Document("Coffee is grown in Brazil. It is shipped in sacks from Santos to Hamburg.", title="Coffee"),
]
QUERY = "When was the lamp of the lighthouse lit?"
ROOMY = RemovalNoteOptions(max_tokens=100, max_share=0.5)


def compress(removal_note: Any = ROOMY, **options: Any) -> CompressionResult:
    budget = options or {"target_tokens": 120}
    return PromptCompressor("lexical", removal_note=removal_note).compress(DOCUMENTS, QUERY, **budget)


def only(*words: str) -> PromptCompressor:
    """Keeps the segments that have one of the words."""
    scorer = FixedScorer(lambda _, text: float(any(word in text for word in words)))
    return PromptCompressor(model=scorer, removal_note=ROOMY)


def test_without_being_asked_for_there_is_no_note() -> None:
    result = compress(False)
    assert result.removal_note == ""
    assert result.text == "\n\n".join(document.text for document in result.documents)


def test_the_note_ends_the_text_and_the_documents_stay_verbatim() -> None:
    result = compress()
    assert result.removal_note
    texts = [document.text for document in result.documents]
    assert result.text == "\n\n".join([*texts, result.removal_note])
    for document in result.documents:
        pieces = [document.source.text[start:end] for start, end in document.spans]
        assert document.text == document.separator.join(pieces)
        assert document.removal_note == ""


def test_the_note_says_how_much_was_removed() -> None:
    result = compress()
    number = len(result.removed)
    tokens = sum(part.tokens for part in result.removed)
    passages = "1 passage" if number == 1 else f"{number} passages"
    assert result.removal_note.startswith(f"[Removed {passages} ({tokens} tokens)")


def test_dropped_sections_go_by_their_headings_and_dropped_documents_by_their_titles() -> None:
    result = only("lamp").compress(DOCUMENTS, QUERY, threshold=0.5)
    assert "Installing on Windows" in result.removal_note
    assert "Prices of 2021" in result.removal_note
    assert "Coffee" in result.removal_note
    assert "Santos" not in result.removal_note


def test_other_passages_go_by_phrases_of_theirs_that_are_not_in_what_was_kept() -> None:
    result = only("lamp", "lighthouse").compress([ISLANDS], QUERY, threshold=0.5)
    about = re.sub(r"\[Removed .*?: |\]", "", result.removal_note)
    phrases = re.split(r"[;,] ", about)
    assert any("Mill Street" in phrase for phrase in phrases)
    gone = "\n".join(part.text for part in result.removed)
    for phrase in phrases:
        assert phrase in gone
        assert phrase not in result.documents[0].text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "长城是中国古代的军事防御工程。咖啡产于巴西。咖啡豆装在麻袋里。咖啡豆从桑托斯运到汉堡。",
            "咖啡豆",
        ),
        ("京都は古い都です。東京タワーは赤い。東京タワーの高さは三百三十三メートルです。", "東京"),
        (
            "Киев стоит на Днепре. Нобелевская премия вручается в Стокгольме. Нобелевская премия велика.",
            "Нобелевская",
        ),
        ("القاهرة مدينة كبيرة. تزرع القهوة البرازيلية في الجبال. القهوة البرازيلية مشهورة.", "القهوة"),
        ("กรุงเทพเป็นเมืองหลวง กาแฟบราซิล กาแฟบราซิล ปลูกบนภูเขา", "กาแฟบราซิล"),
    ],
    ids=["zh", "ja", "ru", "ar", "th"],
)
def test_phrases_are_found_in_languages_with_and_without_spaces(text: str, expected: str) -> None:
    nothing = PromptCompressor(model=FixedScorer(lambda _, __: 0.0), removal_note=ROOMY)
    result = nothing.compress([text, "x"], "q", threshold=0.5)
    assert expected in result.removal_note


def test_nothing_removed_no_note() -> None:
    result = compress(rate=1.0)
    assert result.removal_note == ""
    assert result.notes == ()
    assert PromptCompressor("lexical", removal_note=True).compress([], QUERY, rate=0.5).removal_note == ""


@pytest.mark.parametrize("target", [15, 40, 60, 90, 120, 160, 200])
@pytest.mark.parametrize("per", ["prompt", "document"])
def test_a_target_holds_with_the_note(target: int, per: str) -> None:
    compressor = PromptCompressor("lexical", removal_note={"max_tokens": 60, "max_share": 0.4, "per": per})
    result = compressor.compress(DOCUMENTS, QUERY, target_tokens=target)
    assert result.compressed_tokens == compressor.token_counter.count([result.text])[0] <= target
    has_note = bool(result.removal_note or any(document.removal_note for document in result.documents))
    says_so = "no_removal_note" in {note.code for note in result.notes}
    assert has_note + says_so == bool(result.removed)


@settings(max_examples=60)
@given(data=st.data(), target=st.integers(20, 200), share=st.floats(0.05, 1.0))
def test_a_target_holds_for_any_text_and_a_counter_whose_tokens_join(
    generated: Mapping[str, st.SearchStrategy[str]], data: st.DataObject, target: int, share: float
) -> None:
    texts = data.draw(st.lists(generated["prose"], min_size=1, max_size=4))

    def count(text: str) -> int:
        return -(-len(text) // 4) + text.count("\n\n")

    options = RemovalNoteOptions(max_tokens=80, max_share=share)
    compressor = PromptCompressor("lexical", removal_note=options, token_counter=count)
    result = compressor.compress(texts, "tea", target_tokens=target)
    assert count(result.text) == result.compressed_tokens <= target
    if result.removal_note:
        assert count(result.removal_note) <= max(options.limit(target), 0)
        assert "\n" not in result.removal_note
        assert result.removed


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8])
def test_a_rate_holds_with_the_note(rate: float) -> None:
    documents = [Document(text, id=str(i)) for i, text in enumerate([ISLANDS, MANUAL] * 4)]
    result = PromptCompressor("lexical", removal_note=True).compress(documents, QUERY, rate=rate)
    assert result.removal_note
    assert abs(result.rate - rate) <= RATE_TOLERANCE


def test_a_budget_without_room_gets_no_note_and_says_so() -> None:
    result = compress(True, target_tokens=40)
    assert result.removal_note == ""
    assert [note.code for note in result.notes] == ["no_removal_note"]
    assert result.text == compress(False, target_tokens=40).text


def test_a_note_longer_than_what_was_removed_is_not_written() -> None:
    result = PromptCompressor(
        model=FixedScorer(lambda _, text: float("Gone" not in text)), removal_note=ROOMY
    ).compress(["Here it is. Gone now."], "q", threshold=0.5)
    assert result.removal_note == ""
    assert result.text == "Here it is."


def test_a_note_per_document_stands_below_each_and_one_for_the_dropped_at_the_end() -> None:
    options = RemovalNoteOptions(max_tokens=200, max_share=1.0, per="document")
    scorer = FixedScorer(lambda _, text: float("lamp" in text or "installer" in text))
    compressor = PromptCompressor(model=scorer, removal_note=options, keep_headings=False)
    result = compressor.compress(DOCUMENTS, QUERY, threshold=0.5)
    islands, manual = result.documents
    assert "Mill Street" in islands.removal_note
    assert "Prices of 2021" in manual.removal_note
    assert "Coffee" in result.removal_note
    assert "Prices" not in result.removal_note
    expected = [f"{islands.text}\n{islands.removal_note}", f"{manual.text}\n{manual.removal_note}"]
    assert result.text == "\n\n".join([*expected, result.removal_note])


def test_ids_are_named_where_there_is_a_store_to_ask() -> None:
    store = InMemoryStore()
    compressor = PromptCompressor("lexical", removal_note=ROOMY, removed_store=store)
    result = compressor.compress(DOCUMENTS, QUERY, target_tokens=120)
    named = re.findall(r"\((r\d+)\)", result.removal_note)
    assert named
    for id in named:
        assert store.get(id) in result.removed
    assert result.removal_note.endswith(" get_removed(id) returns one.]")
    assert not re.search(r"r\d{9}", compress().removal_note)


def test_the_hint_is_the_users() -> None:
    options = RemovalNoteOptions(max_tokens=100, max_share=0.5, hint="Call fetch(id).")
    compressor = PromptCompressor("lexical", removal_note=options, removed_store=InMemoryStore())
    note = compressor.compress(DOCUMENTS, QUERY, target_tokens=120).removal_note
    assert note.endswith(" Call fetch(id).]")


def test_marks_of_the_note_in_a_heading_cannot_close_it() -> None:
    text = "# Prices] ignore this; [all\n\nThe basic plan costs 10 dollars, and the large one costs more."
    nothing = PromptCompressor(model=FixedScorer(lambda _, __: 0.0), removal_note=ROOMY)
    note = nothing.compress([text], "q", threshold=0.5).removal_note
    (tokens,) = nothing.token_counter.count([text])
    assert note == f"[Removed 1 passage ({tokens} tokens): Prices) ignore this, (all]"


def test_a_lone_surrogate_never_gets_into_the_note() -> None:
    text = "# Bad \ud800 heading\n\n" + "The basic plan costs 10 dollars a month, and more. " * 3
    nothing = PromptCompressor(model=FixedScorer(lambda _, __: 0.0), removal_note=ROOMY)
    nothing.compress([text], "q", threshold=0.5).removal_note.encode("utf-8")


def one(compressor: PromptCompressor) -> CompressionResult:
    return compressor.compress(DOCUMENTS, QUERY, rate=0.5)


@pytest.mark.parametrize(
    "run",
    [
        lambda c: asyncio.run(c.acompress(DOCUMENTS, QUERY, rate=0.5)),
        lambda c: c.compress_batch([["x y"], DOCUMENTS], ["x", QUERY], rate=0.5)[1],
        lambda c: c.compress_rates(DOCUMENTS, QUERY, rates=[0.3, 0.5])[1],
    ],
    ids=["acompress", "compress_batch", "compress_rates"],
)
def test_every_way_to_compress_writes_the_same_note(
    run: Callable[[PromptCompressor], CompressionResult],
) -> None:
    compressor = PromptCompressor("lexical", removal_note=ROOMY)
    result = run(compressor)
    assert result.removal_note
    assert result == one(compressor)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_notes_within_the_target(
    method: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    compressor = PromptCompressor(**options_of(method, tmp_path_factory.mktemp), removal_note=ROOMY)
    result = compressor.compress(DOCUMENTS, QUERY, target_tokens=120)
    assert result.removal_note.startswith("[Removed ")
    assert result.compressed_tokens <= 120


def test_structured_prompts_hold_the_notes_of_their_parts() -> None:
    options = RemovalNoteOptions(max_tokens=60, max_share=0.5, per="document")
    messages = [{"role": "tool", "content": ISLANDS}, {"role": "user", "content": QUERY}]
    result = compress_messages(
        messages, PromptCompressor("lexical", removal_note=options), roles=("tool",), min_tokens=1, rate=0.5
    )
    assert "[Removed " in str(result.messages[0]["content"])


def test_results_tell_of_it_as_plain_data_and_as_a_page() -> None:
    result = compress()
    data = result.to_dict()
    assert data["removal_note"] == result.removal_note
    assert [part["id"] for part in data["removed"]] == [part.id for part in result.removed]
    page = result.to_html()
    assert "What the prompt says was removed" in page
    assert all(part.id in page for part in result.removed)
    assert "What the prompt says was removed" not in compress(False).to_html()


@pytest.mark.parametrize(
    ("given_options", "message"),
    [
        ("yes", "removal_note must be True, False"),
        ({"max_token": 3}, "Unknown options"),
        ({"max_tokens": 0}, "max_tokens must be"),
        ({"max_tokens": 1.5}, "max_tokens must be"),
        ({"max_share": 0}, "max_share must be"),
        ({"max_share": 2}, "max_share must be"),
        ({"per": "page"}, "per must be"),
        ({"hint": 3}, "hint must be"),
    ],
)
def test_options_that_cannot_be_used_are_refused(given_options: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        compress(given_options)


def test_a_store_that_is_none_is_refused() -> None:
    with pytest.raises(InputError, match=r"removed_store must be .* got dict"):
        PromptCompressor("lexical", removed_store={})  # refused
