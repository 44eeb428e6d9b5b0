"""What goes into a compression: documents, and character spans of them."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, NamedTuple

from lingua_core.errors import InputError

__all__ = ["Document", "Span", "as_documents"]


class Span(NamedTuple):
    """A half-open range of character offsets: `text[start:end]` is what it names."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Document:
    """A retrieved text, with all that has to survive its compression.

    Attributes:
        text: The content. Spans in results are character offsets into it.
        id: The caller's identifier; carried through untouched.
        title: Used when scoring (a title often names what the sentences only call "it"); never
            part of a compressed text.
        metadata: Carried through untouched. The mapping is copied (shallowly) on construction.
        score: The retriever's score, if any; carried through untouched.

    Raises:
        InputError: If `text`, `id` or `title` is not a string, or `metadata` not a mapping.
    """

    text: str
    _: KW_ONLY
    id: str | None = None
    title: str | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    score: float | None = None

    def __post_init__(self) -> None:
        for name, value, optional in (
            ("text", self.text, False),
            ("id", self.id, True),
            ("title", self.title, True),
        ):
            if not (isinstance(value, str) or (optional and value is None)):
                raise InputError(
                    f"Document.{name} must be a str, got {type(value).__name__}: {value!r:.80}. "
                    "Convert it before building the Document."
                )
        if not isinstance(self.metadata, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
            raise InputError(
                f"Document.metadata must be a mapping, got {type(self.metadata).__name__}: "
                f"{self.metadata!r:.80}."
            )
        object.__setattr__(self, "metadata", dict(self.metadata))


def as_documents(documents: Sequence[str | Document]) -> tuple[Document, ...]:
    """Turn the caller's sequence of texts and documents into documents.

    Raises:
        InputError: If `documents` is a single text or document, or holds anything else than
            `str` and `Document`.
    """
    if isinstance(documents, (Mapping, Set)):
        raise InputError(
            f"documents must be a sequence of str or Document, got a {type(documents).__name__}, whose "
            "order or texts would be a guess. Make a list of texts or Documents."
        )
    if isinstance(documents, (str, bytes, Document)):
        raise InputError(
            f"documents must be a sequence of str or Document, got a single {type(documents).__name__}. "
            "Wrap it in a list: [document]."
        )
    try:
        given = list(documents)
    except TypeError as error:
        raise InputError(
            f"documents must be a sequence of str or Document, got {type(documents).__name__}."
        ) from error
    return tuple(_as_document(document, index) for index, document in enumerate(given))


def _as_document(document: str | Document, index: int) -> Document:
    if isinstance(document, Document):
        return document
    if isinstance(document, str):  # pyright: ignore[reportUnnecessaryIsInstance]  # callers may be untyped
        return Document(document)
    raise InputError(
        f"documents[{index}] must be a str or a lingua_core.Document, got {type(document).__name__}. "
        "Framework objects go through the adapters: langchain_lingua.LinguaCompressor, "
        "llamaindex_lingua.LinguaPostprocessor."
    )
