from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from llama_index.core.schema import NodeWithScore

TEXTS = {
    "dam": (
        "The dam above Orrin Valley holds back a lake of eleven square kilometres. Concrete was poured for "
        "four summers. The turbines reached 340 megawatts in 1962. Walkers may cross the crest until dusk. "
        "A plaque names the engineers."
    ),
    "choir": (
        "The choir rehearses on Thursdays in the old chapel. New singers need no audition. In 1962 it sang "
        "at the opening of the concert hall. Tea is served in the interval."
    ),
    "orchard": (
        "The orchard grows nineteen kinds of apple. Bees are kept along the southern hedge. Pickers start "
        "in September and finish before the first frost. Cider is pressed on site."
    ),
}
QUESTION = "What power did the turbines of the dam reach?"


@pytest.fixture
def question() -> str:
    return QUESTION


@pytest.fixture
def nodes() -> "list[NodeWithScore]":
    # Imported here, so that without the framework the test modules can skip with a reason.
    from llama_index.core.schema import NodeRelationship, NodeWithScore, RelatedNodeInfo, TextNode

    return [
        NodeWithScore(
            node=TextNode(
                id_=name,
                text=text,
                metadata={"title": name.title(), "tags": ["a", "b"]},
                relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=f"source-of-{name}")},
                start_char_idx=10,
                end_char_idx=10 + len(text),
                excluded_llm_metadata_keys=["tags"],
            ),
            score=score,
        )
        for (name, text), score in zip(TEXTS.items(), (0.9, 0.5, None), strict=True)
    ]
