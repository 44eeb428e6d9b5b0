from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from langchain_core.documents import Document

LIGHTHOUSE = (
    "The lighthouse at Kessel Point was built of grey granite. Its lamp was lit for the first time on "
    "3 March 1874. Visitors climb 212 steps to reach the gallery. A small museum at its foot shows "
    "photographs of the keepers and their families. The café sells soup in winter."
)
FERRY = (
    "The ferry between the islands runs four times a day. Bicycles travel free of charge. In 1874 the "
    "crossing took two hours by sail. Dogs must be kept on a lead on the open deck."
)
BAKERY = (
    "The bakery on Mill Street opens at six in the morning. Its rye bread is baked in a wood-fired oven. "
    "Regular customers order by telephone the day before. Nobody knows who owned the shop first."
)

QUESTION = "When was the lighthouse lamp first lit?"


@pytest.fixture
def question() -> str:
    return QUESTION


@pytest.fixture
def documents() -> "list[Document]":
    # Imported here, so that without the framework the test modules can skip with a reason.
    from langchain_core.documents import Document

    return [
        Document(
            LIGHTHOUSE, id="light", metadata={"title": "Kessel Point", "page": 4, "tags": ["sea", "stone"]}
        ),
        Document(FERRY, id="ferry", metadata={"source": "timetable"}),
        Document(BAKERY, metadata={"title": 7}),
    ]
