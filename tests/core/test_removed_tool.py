"""The tool by which a model asks for what was removed."""

import json
import re

import pytest

from lingua_core import CompressionResult, Document, InputError, PromptCompressor
from lingua_core.removed import InMemoryStore, removed_tool
from lingua_core.scorers import FixedScorer

MANUAL = (
    "# Installing\n\nInstall it with pip. It needs Python 3.11.\n\n"
    "# Prices\n\nThe basic plan costs 10 dollars a month. Students pay half the price."
)
STORY = "The fox crossed the river at night and found nothing but snow on the other bank. " * 18


def dropped(store: InMemoryStore, *texts: str, name: str = "doc") -> CompressionResult:
    """Drops everything."""
    compressor = PromptCompressor(model=FixedScorer(lambda _, __: 0.0), removed_store=store)
    documents = [Document(text, id=f"{name}{i}") for i, text in enumerate(texts)]
    return compressor.compress(documents, "q", threshold=0.5)


@pytest.fixture
def store() -> InMemoryStore:
    return InMemoryStore()


def test_a_passage_comes_by_its_id_with_where_it_is_from(store: InMemoryStore) -> None:
    result = dropped(store, MANUAL)
    tool = removed_tool(store)
    prices = result.removed[1]
    expected = f"[{prices.id}, doc0: Prices]\n{prices.text.strip()}"
    assert tool(prices.id) == tool(id=f" ({prices.id}) ") == expected
    assert tool.call(json.dumps({"id": prices.id})) == tool.call({"id": prices.id, "query": None}) == expected


def test_the_schema_is_that_of_openais_function_tools(store: InMemoryStore) -> None:
    tool = removed_tool(store, name="fetch")
    schema = json.loads(json.dumps(tool.schema))
    assert schema["type"] == "function"
    assert schema["function"]["name"] == tool.name == tool.__name__ == "fetch"
    assert set(schema["function"]["parameters"]["properties"]) == {"id", "query", "offset"}


def test_a_long_passage_comes_in_pages_within_the_limit_that_are_all_of_it(store: InMemoryStore) -> None:
    result = dropped(store, STORY)
    tool = removed_tool(store, max_tokens=100)
    (counter,) = [PromptCompressor("lexical").token_counter]
    passage = result.removed[0]
    read, offset = "", 0
    while True:
        page = tool(passage.id, offset=offset).split("\n", 1)[1]
        rest = re.search(r"\n\[(\d+) more characters: offset=(\d+)\.\]\Z", page)
        piece = page[: rest.start()] if rest else page
        assert counter.count([piece])[0] <= 100
        read += piece
        if rest is None:
            break
        assert int(rest[1]) == len(passage.text.strip()) - int(rest[2])
        offset = int(rest[2])
    assert read == passage.text.strip()
    assert offset > 0


def test_a_query_lists_passages_with_ids_within_the_limit(store: InMemoryStore) -> None:
    result = dropped(store, MANUAL, STORY)
    listed = removed_tool(store)(query="What do students pay?")
    assert listed.startswith(f"[{result.removed[1].id}, doc0: Prices] ")
    texts = [f"A fox was seen in town {i}, and it ran away from the dogs of that town." for i in range(30)]
    dropped(store, *texts, name="town")
    tool = removed_tool(store, max_tokens=120)
    assert PromptCompressor("lexical").token_counter.count([tool(query="fox")])[0] <= 120


@pytest.mark.parametrize("id", ["r1", "r123456789", "Prices", "r" * 300, "\ud800", "' OR 1"])
def test_an_unknown_id_is_answered_with_those_that_there_are(store: InMemoryStore, id: str) -> None:
    result = dropped(store, MANUAL)
    answer = removed_tool(store)(id)
    assert answer.startswith("There is no removed passage with the id ")
    for part in result.removed:
        assert part.id in answer
    assert len(answer) < 300
    answer.encode("utf-8")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("{", "no JSON object"),
        ("[1]", "must be a JSON object"),
        ("{}", "Give an id or a query. Removed passages: r"),
        ('{"id": "", "query": "  "}', "Give an id or a query"),
        ('{"query": "zebra"}', "No removed passage has a word of 'zebra'. Removed passages: r"),
        ('{"id": "r1", "offset": "x"}', "offset must be a whole number"),
        ('{"id": 7}', "no removed passage with the id '7'"),
    ],
)
def test_what_a_model_gets_wrong_is_answered_and_not_raised(
    store: InMemoryStore, arguments: str, says: str
) -> None:
    dropped(store, MANUAL)
    assert says in removed_tool(store).call(arguments)


def test_an_offset_behind_the_end_is_answered(store: InMemoryStore) -> None:
    part = dropped(store, MANUAL).removed[0]
    assert "offset must be less" in removed_tool(store)(part.id, offset=10_000)
    assert removed_tool(store)(part.id, offset=-5) == removed_tool(store)(part.id)


def test_lone_surrogates_are_not_sent_to_a_model(store: InMemoryStore) -> None:
    part = dropped(store, "A lone \ud800 surrogate stands here, and words go on.").removed[0]
    tool = removed_tool(store)
    for answer in (tool(part.id), tool(query="surrogate"), tool(query="\udfff"), tool("r1")):
        answer.encode("utf-8")


def test_an_empty_store_says_that_there_is_nothing(store: InMemoryStore) -> None:
    assert "Nothing that was removed can be had any more." in removed_tool(store)("r123456789")


def test_a_tool_for_one_result_gives_and_names_nothing_of_others(store: InMemoryStore) -> None:
    mine = dropped(store, MANUAL, name="mine")
    other = dropped(store, "The secret plan of the others is to pay students twice.", name="other")
    tool = removed_tool(store, only=mine.removed)
    assert "half the price" in tool(mine.removed[1].id)
    for answer in (tool(other.removed[0].id), tool(query="secret students"), tool(), tool("r1")):
        assert "secret" not in answer.replace("'secret students'", "")
        assert "other" not in answer
        assert other.removed[0].id not in answer.replace(f"'{other.removed[0].id}'", "")


@pytest.mark.parametrize("options", [{"max_tokens": 10}, {"max_tokens": True}, {"token_counter": "no-such"}])
def test_options_that_cannot_be_used_are_refused(store: InMemoryStore, options: dict[str, int]) -> None:
    with pytest.raises(InputError):
        removed_tool(store, **options)  # what is refused
    with pytest.raises(InputError, match="must be a store"):
        removed_tool(None)  # what is refused
