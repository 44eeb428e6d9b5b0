"""What `LinguaPostprocessor` returns, refuses, and leaves alone."""

import asyncio
import copy
import inspect
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")

import llama_index.core
from llama_index.core import Settings
from llama_index.core.callbacks import CallbackManager
from llama_index.core.postprocessor.types import BaseNodePostprocessor
from llama_index.core.schema import (
    BaseNode,
    Document,
    ImageNode,
    IndexNode,
    MediaResource,
    MetadataMode,
    Node,
    NodeWithScore,
    QueryBundle,
    TextNode,
)
from pydantic import ValidationError

from lingua_core import BudgetError, InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.scorers import FixedScorer
from llamaindex_lingua import LinguaPostprocessor


def texts(nodes: Sequence[NodeWithScore]) -> list[str]:
    return [scored.node.get_content(MetadataMode.NONE) for scored in nodes]


def test_the_sentence_that_answers_is_kept(nodes: list[NodeWithScore], question: str) -> None:
    kept = LinguaPostprocessor(target_tokens=40).postprocess_nodes(nodes, QueryBundle(question))
    assert "340 megawatts in 1962" in texts(kept)[0]


def test_text_is_made_of_the_reported_spans(nodes: list[NodeWithScore], question: str) -> None:
    scorer = FixedScorer(lambda query, text: float(any(word in text for word in ("lake", "plaque", "Bees"))))
    postprocessor = LinguaPostprocessor(model=scorer, threshold=1.0, separator=" | ")
    kept = postprocessor.postprocess_nodes(nodes, query_str=question)
    sources = {scored.node_id: scored.text for scored in nodes}
    assert [len(scored.metadata["lingua"]["spans"]) for scored in kept] == [2, 1]
    for scored in kept:
        pieces = [sources[scored.node_id][start:end] for start, end in scored.metadata["lingua"]["spans"]]
        assert scored.text == " | ".join(pieces)


def test_ids_scores_relationships_and_metadata_survive(nodes: list[NodeWithScore], question: str) -> None:
    kept = LinguaPostprocessor(rate=0.9).postprocess_nodes(nodes, query_str=question)
    for before, after in zip(nodes, kept, strict=True):
        assert (after.node_id, after.score) == (before.node_id, before.score)
        assert after.node.relationships == before.node.relationships
        assert type(after.node) is type(before.node)
        assert {key: value for key, value in after.metadata.items() if key != "lingua"} == before.metadata
        assert after.node.start_char_idx == before.node.start_char_idx
        bookkeeping = after.metadata["lingua"]
        assert set(bookkeeping) == {"relevance", "spans", "origin_tokens", "compressed_tokens"}
        assert json.loads(json.dumps(bookkeeping)) == bookkeeping


def test_bookkeeping_is_excluded_from_prompts_and_embeddings(
    nodes: list[NodeWithScore], question: str
) -> None:
    once = LinguaPostprocessor(rate=0.9).postprocess_nodes(nodes, query_str=question)
    for scored in LinguaPostprocessor(rate=0.9).postprocess_nodes(once, query_str=question):
        assert scored.node.excluded_llm_metadata_keys == ["tags", "lingua"]
        assert scored.node.excluded_embed_metadata_keys == ["lingua"]
        for mode in (MetadataMode.LLM, MetadataMode.EMBED):
            assert "spans" not in scored.get_content(mode)


def test_inputs_stay_as_they_were_and_are_not_shared(nodes: list[NodeWithScore], question: str) -> None:
    before = copy.deepcopy(nodes)
    kept = LinguaPostprocessor(rate=0.9).postprocess_nodes(nodes, query_str=question)
    kept[0].metadata["tags"].append("changed")
    kept[0].node.relationships.clear()
    kept[0].node.excluded_llm_metadata_keys.clear()
    assert nodes == before


def test_nodes_of_which_nothing_is_kept_are_left_out(nodes: list[NodeWithScore], question: str) -> None:
    kept = LinguaPostprocessor(target_tokens=18).postprocess_nodes(nodes, query_str=question)
    assert [scored.node_id for scored in kept] == ["dam"]


def test_nodes_without_text_pass_through_in_their_places(nodes: list[NodeWithScore], question: str) -> None:
    image = NodeWithScore(node=ImageNode(id_="image", image_url="picture.png"), score=0.8)
    media = NodeWithScore(node=Node(id_="media", image_resource=MediaResource(path=Path("p.png"))), score=0.1)
    mixed = [image, nodes[0], nodes[1], media, nodes[2]]
    before = copy.deepcopy(mixed)
    kept = LinguaPostprocessor(rate=0.9).postprocess_nodes(mixed, query_str=question)
    assert [scored.node_id for scored in kept] == ["image", "dam", "choir", "media", "orchard"]
    assert kept[0] is image
    assert kept[3] is media
    assert mixed == before
    fewer = LinguaPostprocessor(target_tokens=18).postprocess_nodes(mixed, query_str=question)
    assert [scored.node_id for scored in fewer] == ["image", "dam", "media"]


class Table(BaseNode):
    """A node type of somebody's own, whose text is written from data and cannot be set."""

    rows: list[list[str]]

    @classmethod
    def get_type(cls) -> str:
        return "table"

    def get_content(self, metadata_mode: MetadataMode = MetadataMode.ALL) -> str:
        return "\n".join(" | ".join(row) for row in self.rows)

    async def aget_content_blocks(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def get_content_blocks(self, *args: Any, **kwargs: Any) -> Any:
        raise NotImplementedError

    def set_content(self, value: Any) -> None:
        raise NotImplementedError

    @property
    def hash(self) -> str:
        return "table"


async def test_node_types_that_are_no_text_pass_through(nodes: list[NodeWithScore], question: str) -> None:
    table = NodeWithScore(node=Table(id_="table", rows=[["turbine", "340 MW"], ["lake", "11"]]), score=0.7)
    postprocessor = LinguaPostprocessor(target_tokens=18)
    kept = postprocessor.postprocess_nodes([nodes[0], table], query_str=question)
    assert [scored.node_id for scored in kept] == ["dam", "table"]
    assert kept[1] is table
    assert await postprocessor.apostprocess_nodes([nodes[0], table], query_str=question) == kept


def test_an_image_with_a_caption_keeps_its_image(question: str) -> None:
    node = ImageNode(text="Pears ripen. The dam has turbines of 340 megawatts.", image="aGk=", id_="i")
    postprocessor = LinguaPostprocessor(
        model=FixedScorer(lambda query, text: float("dam" in text)), threshold=1.0
    )
    (kept,) = postprocessor.postprocess_nodes(
        [NodeWithScore(node=node)], QueryBundle(question, image_path="turbine.png")
    )
    assert texts([kept]) == ["The dam has turbines of 340 megawatts."]
    assert kept.node.image == "aGk="


@pytest.mark.parametrize("given", [["a text"], [TextNode(text="a node without a score")], [None]])
async def test_something_else_than_nodes_is_a_clear_error(given: list[Any], question: str) -> None:
    with pytest.raises(InputError, match=r"nodes\[0\] must be .*NodeWithScore, got"):
        LinguaPostprocessor().postprocess_nodes(given, query_str=question)
    with pytest.raises(ValueError, match="got"):
        await LinguaPostprocessor().apostprocess_nodes(given, query_str=question)


def test_order_relevance_sorts_the_text_nodes_around_the_others(
    nodes: list[NodeWithScore], question: str
) -> None:
    image = NodeWithScore(node=ImageNode(id_="image"))
    mixed = [nodes[2], image, nodes[1], nodes[0]]
    kept = LinguaPostprocessor(rate=0.9, order="relevance").postprocess_nodes(mixed, query_str=question)
    assert kept[1] is image
    text_nodes = [kept[0], *kept[2:]]
    relevance = [scored.metadata["lingua"]["relevance"] for scored in text_nodes]
    assert relevance == sorted(relevance, reverse=True)
    assert text_nodes[0].node_id == "dam"


@pytest.mark.parametrize(
    "node",
    [
        IndexNode(text="Pears ripen. The dam has turbines of 340 megawatts.", index_id="table", id_="n"),
        Document(text="Pears ripen. The dam has turbines of 340 megawatts.", id_="n"),
        Node(
            text_resource=MediaResource(text="Pears ripen. The dam has turbines of 340 megawatts."), id_="n"
        ),
    ],
    ids=lambda node: type(node).__name__,
)
def test_every_kind_of_text_node_is_compressed(node: TextNode, question: str) -> None:
    scorer = FixedScorer(lambda query, text: float("dam" in text))
    (kept,) = LinguaPostprocessor(model=scorer, threshold=1.0).postprocess_nodes(
        [NodeWithScore(node=node)], query_str=question
    )
    assert texts([kept]) == ["The dam has turbines of 340 megawatts."]
    assert type(kept.node) is type(node)
    assert getattr(kept.node, "index_id", None) == getattr(node, "index_id", None)


async def test_async_gives_the_same(nodes: list[NodeWithScore], question: str) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=40)
    expected = postprocessor.postprocess_nodes(nodes, query_str=question)
    assert await postprocessor.apostprocess_nodes(nodes, QueryBundle(question)) == expected
    several = await asyncio.gather(
        *[postprocessor.apostprocess_nodes(nodes, query_str=question) for _ in range(5)]
    )
    assert all(kept == expected for kept in several)


async def test_no_nodes_give_no_nodes(question: str) -> None:
    assert LinguaPostprocessor().postprocess_nodes([], query_str=question) == []
    assert await LinguaPostprocessor().apostprocess_nodes([], query_str=question) == []


async def test_no_query_compresses_without_a_question(nodes: list[NodeWithScore]) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=60)
    kept = postprocessor.postprocess_nodes(nodes)
    assert kept
    assert sum(scored.metadata["lingua"]["compressed_tokens"] for scored in kept) <= 60
    assert await postprocessor.apostprocess_nodes(nodes) == kept
    assert postprocessor.postprocess_nodes(nodes, query_str="  ") == kept


class RecordingScorer(FixedScorer):
    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str | None] = []

    def score(self, tasks: Sequence) -> list:  # type: ignore[type-arg]
        self.titles = [passage.title for task in tasks for passage in task.passages]
        return super().score(tasks)


@pytest.mark.parametrize(
    ("title_key", "titles"),
    [("title", ["Dam", "Choir", "Orchard"]), ("tags", [None] * 3), (None, [None] * 3)],
)
def test_titles_come_from_the_metadata_key(
    nodes: list[NodeWithScore], title_key: str | None, titles: list[str | None]
) -> None:
    scorer = RecordingScorer()
    LinguaPostprocessor(model=scorer, title_key=title_key).postprocess_nodes(nodes)
    assert scorer.titles == titles


@pytest.fixture
def words_as_tokens() -> Iterator[None]:
    before = llama_index.core.global_tokenizer
    Settings.tokenizer = str.split
    yield
    llama_index.core.global_tokenizer = before


@pytest.mark.usefixtures("words_as_tokens")
def test_settings_tokenizer_counts_when_asked_for(nodes: list[NodeWithScore], question: str) -> None:
    postprocessor = LinguaPostprocessor(target_tokens=30, token_counter="settings")
    Settings.tokenizer = list
    kept = postprocessor.postprocess_nodes(nodes, query_str=question)
    assert 20 <= len("\n\n".join(texts(kept)).split()) <= 30
    assert kept[0].metadata["lingua"]["origin_tokens"] == len(nodes[0].text.split())
    assert LinguaPostprocessor.from_dict(postprocessor.to_dict()).token_counter == "settings"


def test_an_impossible_budget_is_the_cores_error(nodes: list[NodeWithScore], question: str) -> None:
    postprocessor = LinguaPostprocessor(
        target_tokens=3, always_keep=["Concrete", "audition", "Bees", "Cider"]
    )
    with pytest.raises(ProtectedOverBudgetError, match="always_keep"):
        postprocessor.postprocess_nodes(nodes, query_str=question)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"rate": 3}, BudgetError, r"must be in \(0, 1\], got 3"),
        ({"rate": "0.5"}, BudgetError, "finite number, got '0.5'"),
        ({"rate": 0.5, "target_tokens": 9}, BudgetError, "at most one of"),
        ({"method": "magic"}, InputError, "Unknown method 'magic'"),
        ({"order": "random"}, InputError, "order must be"),
        ({"instruction": 5}, InputError, "instruction must be a str"),
        ({"model": 5}, InputError, "model must be None, a folder"),
        ({"token_counter": 5}, InputError, "token_counter must be"),
        ({"always_keep": ["("]}, InputError, "no valid regular expression"),
        ({"rates": 0.5}, ValidationError, "rates"),
        ({"separator": 5}, ValidationError, "separator"),
    ],
)
def test_options_are_checked_at_construction(
    options: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message) as caught:
        LinguaPostprocessor(**options)
    assert isinstance(caught.value, ValueError)
    if error is not ValidationError:
        assert not isinstance(caught.value, ValidationError)
        assert "validation error" not in str(caught.value)


def test_options_cannot_be_changed_but_copied() -> None:
    postprocessor = LinguaPostprocessor(rate=0.5)
    with pytest.raises(ValidationError, match="frozen"):
        postprocessor.rate = 0.2  # type: ignore[misc]
    copied = postprocessor.model_copy(update={"rate": 0.2, "method": "lexical"})
    assert (copied.rate, copied.method, postprocessor.rate) == (0.2, "lexical", 0.5)


def test_query_engines_may_set_the_callback_manager() -> None:
    postprocessor = LinguaPostprocessor()
    manager = CallbackManager()
    postprocessor.callback_manager = manager
    assert postprocessor.callback_manager is manager


@pytest.mark.parametrize(
    "options",
    [{}, {"method": "lexical", "rate": 0.4, "protect": ["numbers"], "separator": " ", "title_key": None}],
)
def test_a_configuration_survives_to_dict_and_json(
    nodes: list[NodeWithScore], question: str, options: dict[str, object]
) -> None:
    postprocessor = LinguaPostprocessor(**options)
    data = postprocessor.to_dict()
    assert data["class_name"] == LinguaPostprocessor.class_name() == "LinguaPostprocessor"
    for revived in (
        LinguaPostprocessor.from_dict(data),
        LinguaPostprocessor.from_json(postprocessor.to_json()),
    ):
        assert json.loads(revived.to_json()) == json.loads(postprocessor.to_json())
        assert revived.postprocess_nodes(nodes, query_str=question) == postprocessor.postprocess_nodes(
            nodes, query_str=question
        )


def test_every_option_of_the_core_is_an_option_here() -> None:
    options = {
        name
        for function in (PromptCompressor.__init__, PromptCompressor.compress)
        for name in inspect.signature(function).parameters
    } - {"self", "documents", "query"}
    own = set(LinguaPostprocessor.model_fields) - set(BaseNodePostprocessor.model_fields)
    assert own == options | {"title_key"}


def test_without_llama_index_core_the_error_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['llama_index'] = sys.modules['llama_index.core'] = None\n"
        "try:\n    import llamaindex_lingua\n"
        "except ImportError as error:\n    print(type(error).__name__, error)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parent
    )
    assert run.stdout.startswith("MissingDependencyError")
    assert 'pip install "lingua-rag[llamaindex]"' in run.stdout


def test_an_earlier_entry_is_kept() -> None:
    node = TextNode(text="Granite was used.", metadata={"lingua": {"spans": [[5, 9]]}})
    (kept,) = LinguaPostprocessor(rate=1.0).postprocess_nodes(
        [NodeWithScore(node=node)], query_str="granite?"
    )
    assert kept.node.metadata["lingua"]["previous"] == {"spans": [[5, 9]]}
    assert node.metadata == {"lingua": {"spans": [[5, 9]]}}
