"""Documents into prompts that ask for their compression, for `lingua train collect`."""

from collections.abc import Iterable, Iterator
from typing import Any

from lingua_core.documents import Document
from lingua_core.errors import InputError
from lingua_core.tokens import TokenCounter
from lingua_core.training.token_classifier.chunking import text_pieces
from lingua_core.training.token_classifier.instruction import INSTRUCTION, request_messages

__all__ = ["compression_requests"]


def compression_requests(
    documents: Iterable[Document],
    counter: TokenCounter,
    *,
    longest: int = 512,
    instruction: str = INSTRUCTION,
) -> Iterator[dict[str, Any]]:
    """One record for each piece of each document: `id`, `messages` and `max_tokens`, which is ample.

    The id is the document's with "#" and the piece's number, by which pieces of one document are known. Blank
    documents have no pieces.

    Args:
        documents: With ids that differ; one without is named by its number.
        counter: What tokens are.
        longest: The most tokens of a piece.
        instruction: What to do with a piece.

    Raises:
        InputError: If two documents have one id.
    """
    seen: set[str] = set()
    for number, document in enumerate(documents, start=1):
        name = document.id or f"document {number}"
        if name in seen:
            raise InputError(f"Two documents have the id {name!r}: their pieces could not be told apart.")
        seen.add(name)
        for piece, text in enumerate(text_pieces(document.text, counter, longest=longest), start=1):
            yield {
                "id": f"{name}#{piece}",
                "messages": request_messages(text, instruction=instruction),
                # A compression is shorter than its text, but the endpoint may count otherwise.
                "max_tokens": 2 * longest,
            }
