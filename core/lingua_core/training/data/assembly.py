"""All training examples of the shipped extractor, from the folder that holds its data sets."""

import random
from collections.abc import Sequence
from pathlib import Path

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.segmentation import TextSegmenter
from lingua_core.training.data.distractors import Distractors
from lingua_core.training.data.examples import Example
from lingua_core.training.data.multihop import SOURCE as MULTIHOP
from lingua_core.training.data.multihop import SingleHop, compose
from lingua_core.training.data.sources import SOURCES, Source, single_passage

__all__ = ["MULTIHOP_EXAMPLES", "assemble", "calibration_examples", "read_source"]

MULTIHOP_EXAMPLES = 8500
_SEGMENTER = TextSegmenter(language="en")


def assemble(folder: Path, *, seed: int = 0) -> tuple[list[Example], Distractors]:
    """Examples of every source and composed multi-hop ones, and the distractors to mix in.

    Args:
        folder: Holds `{name}.jsonl.gz` of every source, `passages_wiki.jsonl.gz` and
            `hard_negatives.jsonl.gz`.
        seed: Of every choice.

    Raises:
        InputError: If a file is missing.
    """
    files = [folder / f"{name}.jsonl.gz" for name in ("passages_wiki", "hard_negatives")]
    wanted = [*files, *(source.file(folder) for source in SOURCES)]
    if missing := [file.name for file in wanted if not file.is_file()]:
        raise InputError(f"{str(folder)!r} holds no {', '.join(missing)}. Pass the folder of the data sets.")
    by_source = {source.name: read_source(source, folder, seed=seed) for source in SOURCES}
    single = [e for source in SOURCES if source.composed for e in by_source[source.name]]
    hops = [hop for example in single if (hop := _hop(example)) is not None]
    examples = list(compose(hops, limit=MULTIHOP_EXAMPLES, seed=seed))
    for source in SOURCES:
        examples += _sample(by_source[source.name], source.limit, seed)
    composed = [source.name for source in SOURCES if source.composed]
    distractors = Distractors.from_files(*files, sets=composed)
    searched = [e.question for e in examples if e.source in (*composed, MULTIHOP)]
    return examples, distractors.with_nearest(searched)


def calibration_examples(folder: Path, *, seed: int = 0, limit: int = 400, count: int = 20) -> list[Example]:
    """Questions of SQuAD's dev split among `count` passages each, as a search engine would return them.

    Args:
        folder: Holds `squad11_dev.jsonl.gz` beside the files that `assemble` needs.
        seed: Of the sample and the distractors.
        limit: How many.
        count: Passages of each.
    """
    source = Source(name="squad11_dev", licence="CC BY-SA 4.0", examples=single_passage)
    examples = _sample(read_source(source, folder, seed=seed), limit, seed)
    files = [folder / f"{name}.jsonl.gz" for name in ("passages_wiki", "hard_negatives")]
    distractors = Distractors.from_files(*files, sets=[source.name], count=count, easy=0, fill=True)
    rng = random.Random(f"{seed} calibration")
    return [distractors.added_to(example, rng) for example in examples]


def read_source(source: Source, folder: Path, *, seed: int = 0) -> list[Example]:
    """All examples of a source."""
    return list(source.examples(records_of(source.file(folder)), random.Random(f"{seed} {source.name}")))


def _sample(examples: Sequence[Example], limit: int | None, seed: int) -> list[Example]:
    if limit is None or limit >= len(examples):
        return list(examples)
    return random.Random(seed).sample(list(examples), limit)


def _hop(example: Example) -> SingleHop | None:
    """A question about one passage, with the sentence that holds its answer as the evidence."""
    passage = example.passages[0]
    if not example.answers or not passage.evidence:
        return None
    start, end = passage.evidence[0]
    sentence = next((s for s in _SEGMENTER.segment(passage.text) if s.start <= start < s.end), None)
    if sentence is None:
        return None
    return SingleHop(
        id=example.id,
        question=example.question,
        title=passage.title or "",
        text=passage.text,
        answer=example.answers[0],
        evidence=(sentence.start, max(sentence.end, end)),
    )
