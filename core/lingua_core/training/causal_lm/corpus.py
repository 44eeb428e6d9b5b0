"""The texts that the shipped language model learns from, and which of them are held out.

Only sets whose licence allows training a model under MIT are named here. Sets that questions are asked
about in measurements are left out, their passages too.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.training.causal_lm.questions import question_texts
from lingua_core.training.data.splits import document_name, held_out

__all__ = ["CORPUS", "UNSEEN", "Text", "TextSource", "is_held_out", "own_texts", "read_corpus", "texts_of"]

Record = Mapping[str, Any]

_HELD_OUT_SHARE = 0.02
_MEASURED_ARTICLES = ("squadshifts_new_wiki", "selqa_dev_test")


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A document, or a passage with questions.

    Attributes:
        source: The data set.
        document: What `is_held_out` decides by: texts of one name are on one side.
        text: Its text.
    """

    source: str
    document: str
    text: str

    @property
    def held_out(self) -> bool:
        """Whether it is kept for measuring."""
        return is_held_out(self.document)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextSource:
    """A data set.

    Attributes:
        name: Unique.
        file: Below the folder of the data sets.
        licence: Of the texts.
        texts: From its records to texts.
        weight: How often its texts come in one pass over everything.
    """

    name: str
    file: str
    licence: str
    texts: "Callable[[str, Iterable[Record]], Iterator[Text]]"
    weight: float = 1.0


def is_held_out(document: str) -> bool:
    """Whether a document is kept for measuring: about 2 % are, by a hash of the name."""
    digest = sha256(f"lm {document.strip().casefold()}".encode(errors="replace")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < _HELD_OUT_SHARE


def read_corpus(folder: Path, sources: "Iterable[TextSource]") -> Iterator[Text]:
    """All texts of the sources, in the order of their files.

    Raises:
        InputError: If a file is missing, before anything is read.
    """
    chosen = list(sources)
    if missing := [source.file for source in chosen if not (folder / source.file).is_file()]:
        raise InputError(f"{str(folder)!r} holds no {', '.join(missing)}. Pass the folder of the data sets.")
    for source in chosen:
        yield from texts_of(source, folder)


def texts_of(source: TextSource, folder: Path) -> Iterator[Text]:
    """The texts of one source."""
    return source.texts(source.name, records_of(folder / source.file))


def own_texts(file: Path) -> list[Text]:
    """The texts of a user's JSON lines: `text`, and optionally `id`, by which texts are held out.

    Raises:
        InputError: If the file cannot be read, or a line has no text; says which.
    """
    found: list[Text] = []
    for number, record in enumerate(records_of(file), start=1):
        text: object = record.get("text") if isinstance(record, dict) else None  # pyright: ignore[reportUnnecessaryIsInstance]  # any JSON
        if not isinstance(text, str):
            raise InputError(f"Line {number} of {str(file)!r} needs 'text'; got {record!r:.200}.")
        if text.strip():
            name = str(record.get("id") or text[:200])
            found.append(Text(source=file.name, document=name, text=text.strip()))
    if not any(not text.held_out for text in found):
        raise InputError(f"{str(file)!r} holds no text to learn from.")
    return found


def _documents(name: str, records: Iterable[Record]) -> Iterator[Text]:
    for record in records:
        if text := record["text"].strip():
            yield Text(source=name, document=str(record["id"]), text=text)


def _articles(name: str, records: Iterable[Record]) -> Iterator[Text]:
    """Encyclopedic passages, named by their article, as the questions about them are."""
    for record in records:
        origin, _, title = str(record["id"]).partition(":")
        if origin not in _MEASURED_ARTICLES and (text := record["text"].strip()):
            yield Text(source=name, document=title, text=text)


def _questions(name: str, records: Iterable[Record], *, split: str = "") -> Iterator[Text]:
    """Passages with the questions about them, of the documents that no other measurement holds out."""
    # SQuAD's own splits are by article, so nothing of its train split is held out elsewhere.
    everything = name.startswith("squad11")
    kept = (
        record
        for record in records
        if (not split or record["split"] == split) and (everything or not held_out(document_name(record)))
    )
    for document, text in question_texts(kept):
        yield Text(source=name, document=document, text=text)


def _dev_questions(name: str, records: Iterable[Record]) -> Iterator[Text]:
    return _questions(name, records, split="dev")


def _text(name: str, licence: str, weight: float = 1.0) -> TextSource:
    return TextSource(
        name=name, file=f"text/{name}.jsonl.gz", licence=licence, texts=_documents, weight=weight
    )


CORPUS = (
    TextSource(
        name="wikipedia_passages",
        file="text/wikipedia_passages.jsonl.gz",
        licence="CC BY-SA 3.0 and 4.0",
        texts=_articles,
        weight=1.5,
    ),
    _text("openstax", "CC BY 4.0"),
    _text("tech_docs", "public domain, CC0, MIT, Apache-2.0, CC BY-SA 4.0", 0.7),
    _text("us_gov_public_domain", "public domain, CC0"),
    _text("law_public_domain", "public domain", 0.6),
    _text("books_public_domain", "public domain, CC0", 0.8),
    _text("changelog_podcasts", "CC BY-SA 4.0", 0.6),
    _text("news_open", "CC BY, CC BY-SA, MIT"),
    _text("science_fulltext_ccby", "CC BY 4.0"),
    _text("lfrqa_longform_answers", "Apache-2.0"),
    _text("qmsum_meetings_train", "MIT", 0.6),
    _text("ethereum_core_meetings", "CC0", 0.5),
    _text("speeches_masc", "public domain, open"),
    _text("cia_factbook", "public domain"),
    _text("task_dialogues", "CC BY-SA 4.0"),
    TextSource(
        name="squad11_train",
        file="qa/squad11_train.jsonl.gz",
        licence="CC BY-SA 4.0",
        texts=_questions,
        weight=0.8,
    ),
    TextSource(
        name="qed_nq", file="qa/qed_nq.jsonl.gz", licence="CC BY-SA 3.0", texts=_questions, weight=1.5
    ),
    TextSource(name="medquad", file="qa/medquad.jsonl.gz", licence="CC BY 4.0", texts=_questions, weight=0.7),
    TextSource(name="doc2dial_val", file="qa/doc2dial_val.jsonl.gz", licence="CC BY 3.0", texts=_questions),
    TextSource(name="tatqa_text", file="qa/tatqa_text.jsonl.gz", licence="CC BY 4.0", texts=_dev_questions),
)
"""What the shipped model learns from; 2 % of the documents of each are held out."""

UNSEEN = (
    _text("covidqa_articles", "CC BY"),
    _text("squality_stories", "public domain"),
    _text("pubmedqa_abstracts", "MIT"),
)
"""Domains that are never learnt from: how the model does on text of another kind."""
