"""What every way into the compressor guarantees: the core and both adapters, with every kind of method.

An implementation is seen through a `Harness`, which builds it, feeds it neutral `Item`s, and reads the
`Item`s that come back. A new adapter needs one more harness and one more `Test...` class.
"""

import asyncio
import copy
import importlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import pytest

from lingua_core import Document, PromptCompressor
from method_models import METHODS, options_of

QUESTION = "Which year did the observatory open, and who paid for it?"
RIVER = (
    "The river rises in the northern hills. It is not navigable above the weir. Salmon return every "
    "autumn, and herons wait for them. In 1931 a flood carried away two bridges."
)
OBSERVATORY = (
    "The observatory opened in 1908. A brewer paid for its telescope. Clear nights are rare in winter! "
    "Guests may look at the moon on Fridays. The dome turns on iron wheels."
)


@dataclass
class Item:
    """A document as every implementation knows it."""

    text: str
    id: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)


ITEMS = [
    Item(RIVER, "river", {"title": "River", "nested": {"pages": [1, 2]}}),
    Item(OBSERVATORY, "observatory", {"year": 1908}),
    Item("Bread is baked at dawn. Nobody minds the smell.", "bread"),
]


class Harness(Protocol):
    """How the contract sees an implementation."""

    def build(self, **options: Any) -> Any: ...
    def inputs(self, items: Sequence[Item]) -> list[Any]: ...
    def run(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]: ...
    def arun(self, built: Any, inputs: Sequence[Any], query: str | None) -> Awaitable[list[Item]]: ...


class CompressorContract:
    """The guarantees; a subclass provides the fixture `harness`."""

    @pytest.fixture(params=METHODS)
    def make(
        self,
        request: pytest.FixtureRequest,
        tmp_path_factory: pytest.TempPathFactory,
        harness: Harness,
    ) -> Callable[..., Any]:
        fixed = options_of(request.param, tmp_path_factory.mktemp)
        if "model" in fixed:
            # Pieces are told apart by their separator below.
            fixed |= {"separator": "\n"}
        return lambda **options: harness.build(**fixed, **options)

    async def test_sync_and_async_agree(self, harness: Harness, make: Callable[..., Any]) -> None:
        built = make(target_tokens=30)
        inputs = harness.inputs(ITEMS)
        expected = harness.run(built, inputs, QUESTION)
        assert expected
        assert await harness.arun(built, inputs, QUESTION) == expected
        assert (
            await asyncio.gather(*[harness.arun(built, inputs, QUESTION) for _ in range(3)]) == [expected] * 3
        )

    def test_calls_do_not_influence_each_other(self, harness: Harness, make: Callable[..., Any]) -> None:
        built = make(rate=0.5)
        fresh = [harness.run(make(rate=0.5), harness.inputs([item]), QUESTION) for item in ITEMS]
        assert [harness.run(built, harness.inputs([item]), QUESTION) for item in ITEMS] == fresh

    async def test_nothing_gives_nothing(self, harness: Harness, make: Callable[..., Any]) -> None:
        assert harness.run(make(), [], QUESTION) == []
        assert await harness.arun(make(target_tokens=5), [], QUESTION) == []

    @pytest.mark.parametrize("query", [QUESTION, ""])
    async def test_inputs_are_not_changed(
        self, harness: Harness, make: Callable[..., Any], query: str
    ) -> None:
        inputs = harness.inputs(ITEMS)
        before = copy.deepcopy(inputs)
        for item in harness.run(make(rate=0.6), inputs, query):
            item.metadata["changed"] = True
        await harness.arun(make(rate=0.6), inputs, query)
        assert inputs == before

    @pytest.mark.parametrize("query", [QUESTION, " "])
    def test_ids_metadata_and_order_survive(
        self, harness: Harness, make: Callable[..., Any], query: str
    ) -> None:
        kept = harness.run(make(rate=0.9), harness.inputs(ITEMS), query)
        ids = [item.id for item in kept]
        assert ids == [item.id for item in ITEMS if item.id in ids]
        assert len(ids) >= 2
        given = {item.id: item for item in ITEMS}
        for item in kept:
            assert item.metadata.items() >= given[item.id].metadata.items()

    @pytest.mark.parametrize("target", [12, 25, 40])
    @pytest.mark.parametrize("counter", [len, lambda text: len(text.split())], ids=["characters", "words"])
    def test_the_budget_holds_by_the_given_counter(
        self, harness: Harness, make: Callable[..., Any], target: int, counter: Callable[[str], int]
    ) -> None:
        built = make(target_tokens=target, token_counter=counter)
        kept = harness.run(built, harness.inputs(ITEMS), QUESTION)
        assert kept
        assert counter("\n\n".join(item.text for item in kept)) <= target

    @pytest.mark.parametrize("query", [QUESTION, ""])
    def test_kept_text_is_verbatim(self, harness: Harness, make: Callable[..., Any], query: str) -> None:
        given = {item.id: item.text for item in ITEMS}
        for item in harness.run(make(target_tokens=40), harness.inputs(ITEMS), query):
            assert item.text
            assert all(piece in given[item.id] for piece in item.text.split("\n"))

    @pytest.mark.parametrize(
        ("text", "query"),
        [
            (
                "天文台は1908年に開館した。醸造家が望遠鏡の費用を払った。冬は晴れた夜が少ない。",
                "開館はいつ？",
            ),
            ("افتتح المرصد عام 1908. دفع صانع ثمن التلسكوب. الليالي الصافية نادرة؟ نعم.", "متى افتتح؟"),
            ("The dome 🔭 opened 👩‍🚀. Stars ✨ were seen. 🎉🎉 Everyone danced 💃🏽.", "🔭?"),
            (
                "A lone \ud83d surrogate is here. Another \udc00 follows. The last one is clean.",
                "surrogate \udfff",
            ),
            (
                "A NUL \x00 byte is here. The second sentence has none. \x00\x00 The third has two.",
                "NUL \x00",
            ),
            (
                "e\u0301cole ouverte. Zero\u200bwidth space. \u202eRight to left\u202c override.",
                "e\u0301cole",
            ),
        ],
        ids=["japanese", "arabic", "emoji", "surrogate", "nul", "combining"],
    )
    async def test_unicode_goes_through(
        self, harness: Harness, make: Callable[..., Any], text: str, query: str
    ) -> None:
        inputs = harness.inputs([Item(text, "u")])
        (item,) = harness.run(make(rate=1.0), inputs, query)
        assert item.text == text
        built = make(rate=0.6)
        (item,) = harness.run(built, inputs, query)
        assert all(piece in text for piece in item.text.split("\n"))
        assert await harness.arun(built, inputs, query) == [item]


class CoreHarness:
    def build(self, **options: Any) -> Any:
        budget = {name: options.pop(name) for name in ("target_tokens", "rate") if name in options}
        return PromptCompressor(**options), budget

    def inputs(self, items: Sequence[Item]) -> list[Any]:
        return [Document(item.text, id=item.id, metadata=copy.deepcopy(item.metadata)) for item in items]

    def run(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        compressor, budget = built
        return self._items(compressor.compress(inputs, query, **budget))

    async def arun(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        compressor, budget = built
        return self._items(await compressor.acompress(inputs, query, **budget))

    def _items(self, result: Any) -> list[Item]:
        # The core carries the caller's own mapping through; only the adapters owe a copy of it.
        return [Item(d.text, d.id, dict(d.metadata)) for d in result.documents]


class LangChainHarness:
    def build(self, **options: Any) -> Any:
        from langchain_lingua import LinguaCompressor

        return LinguaCompressor(**options)

    def inputs(self, items: Sequence[Item]) -> list[Any]:
        from langchain_core.documents import Document

        return [
            Document(page_content=item.text, id=item.id, metadata=copy.deepcopy(item.metadata))
            for item in items
        ]

    def run(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        return self._items(built.compress_documents(inputs, query))

    async def arun(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        return self._items(await built.acompress_documents(inputs, query))

    def _items(self, documents: Sequence[Any]) -> list[Item]:
        return [Item(d.page_content, d.id, d.metadata) for d in documents]


class LlamaIndexHarness:
    def build(self, **options: Any) -> Any:
        from llamaindex_lingua import LinguaPostprocessor

        return LinguaPostprocessor(**options)

    def inputs(self, items: Sequence[Item]) -> list[Any]:
        from llama_index.core.schema import NodeWithScore, TextNode

        return [
            NodeWithScore(node=TextNode(text=i.text, id_=i.id, metadata=copy.deepcopy(i.metadata)), score=0.5)
            for i in items
        ]

    def run(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        return self._items(built.postprocess_nodes(inputs, query_str=query))

    async def arun(self, built: Any, inputs: Sequence[Any], query: str | None) -> list[Item]:
        return self._items(await built.apostprocess_nodes(inputs, query_str=query))

    def _items(self, nodes: Sequence[Any]) -> list[Item]:
        return [Item(n.node.get_content(), n.node_id, n.metadata) for n in nodes]


class TestCore(CompressorContract):
    @pytest.fixture
    def harness(self) -> Harness:
        return CoreHarness()


class TestLangChain(CompressorContract):
    @pytest.fixture
    def harness(self) -> Harness:
        pytest.importorskip("langchain_core", reason="needs the extra: lingua-rag[langchain]")
        return LangChainHarness()


class TestLlamaIndex(CompressorContract):
    @pytest.fixture
    def harness(self) -> Harness:
        pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")
        return LlamaIndexHarness()


@pytest.mark.parametrize(
    ("package", "name"),
    [("langchain_lingua", "LinguaCompressor"), ("llamaindex_lingua", "LinguaPostprocessor")],
)
def test_adapters_have_a_json_schema_of_their_plain_options(package: str, name: str) -> None:
    pytest.importorskip("langchain_core" if package == "langchain_lingua" else "llama_index.core")
    schema = getattr(importlib.import_module(package), name).model_json_schema()
    assert {"method", "target_tokens", "rate", "threshold", "protect", "token_counter"} <= set(
        schema["properties"]
    )
