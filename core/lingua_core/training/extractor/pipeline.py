"""The whole way from data to a folder that `PromptCompressor(model=...)` reads."""

# torch, transformers and onnx are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false, reportIndexIssue=false

import logging
import random
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, cast

import torch

from lingua_core.bench.json_lines import records_of
from lingua_core.errors import InputError
from lingua_core.models.extractor_settings import ExtractorSettings, SecondLook
from lingua_core.models.tokenization import load_tokenizer
from lingua_core.training.data.assembly import assemble, calibration_examples
from lingua_core.training.data.distractors import Distractors
from lingua_core.training.data.examples import Example, LabelledPassage
from lingua_core.training.data.sources import labelled
from lingua_core.training.extractor.calibration import FEWEST_EXAMPLES, calibrate
from lingua_core.training.extractor.export import export_extractor
from lingua_core.training.extractor.model import Extractor
from lingua_core.training.extractor.restore import restore_extractor
from lingua_core.training.extractor.train import Progress, TrainingOptions, train
from lingua_core.weights import EXTRACTOR

__all__ = ["SECOND_LOOK", "Material", "is_extractor", "read_examples", "train_extractor"]

_LOGGER = logging.getLogger(__name__)

SECOND_LOOK = SecondLook(segments=2, weight=24.0)
_CALIBRATION_SHARE = 0.1
_EVIDENCE = ("evidence", "evidence_sentences", "answer_spans", "gold")


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """What to train on.

    Attributes:
        examples: To learn from, with or without distractors of their own.
        distractors: Adds the rest.
        calibration: Examples as in use, with all their distractors, that are not learnt from; fewer than
            20 leave the calibration of the starting model as it is.
    """

    examples: Sequence[Example]
    distractors: Distractors
    calibration: Sequence[Example]

    @classmethod
    def shipped(cls, folder: Path, *, seed: int) -> "Material":
        """What the embedded extractor was trained on, from the folder of its data sets."""
        examples, distractors = assemble(folder, seed=seed)
        return cls(
            examples=examples, distractors=distractors, calibration=calibration_examples(folder, seed=seed)
        )

    @classmethod
    def own(cls, file: Path, *, seed: int) -> "Material":
        """A user's examples; passages of other examples are added as easy distractors."""
        examples = read_examples(file)
        held = [example for example in examples if _is_held(example)]
        if sum(bool(example.gold) for example in held) < FEWEST_EXAMPLES:
            held = []
        kept = [example for example in examples if not (held and _is_held(example))]
        # What is evidence for one question is none for another.
        pool = [LabelledPassage(text=p.text, title=p.title) for example in kept for p in example.passages]
        distractors = Distractors({}, pool, count=6, easy=2)
        wide = Distractors({}, pool, count=12, fill=True)
        rng = random.Random(seed)
        return cls(
            examples=kept,
            distractors=distractors,
            calibration=[wide.added_to(example, rng) for example in held],
        )


def read_examples(file: Path) -> list[Example]:
    """Examples of a user's JSON lines.

    Each line: `question`, `passages` (`text`, optionally `title`) and, as `[passage, start, end]` spans in
    characters, `evidence`; or `answer_spans`, or `gold`, a list of passages that are evidence as a whole.
    A question whose evidence is an empty list teaches what to drop. `answers`, a list of texts, is optional:
    passages that hold one are not added as distractors.

    Raises:
        InputError: If the file cannot be read, or a line is not like that; says which.
    """
    examples: list[Example] = []
    for number, record in enumerate(records_of(file), start=1):
        where = f"Example {number} of {str(file)!r}"
        _check_record(record, where)
        if "evidence" in record:
            record |= {"evidence_sentences": record["evidence"], "answer_spans": None, "gold": None}
        passages = labelled(record)
        if passages:
            examples.append(
                Example(
                    id=str(record.get("id", number)),
                    source=file.name,
                    question=record["question"],
                    passages=passages,
                    answers=tuple(record.get("answers") or ()),
                )
            )
    if not any(example.gold for example in examples):
        raise InputError(f"{str(file)!r} holds no example with evidence, so there is nothing to learn.")
    return examples


def train_extractor(
    material: Material,
    target: Path,
    options: TrainingOptions,
    *,
    start: Path | None = None,
    second_look: SecondLook | None = SECOND_LOOK,
    early_exit: bool = False,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> ExtractorSettings:
    """Train, calibrate, and write the model to `target`.

    A checkpoint in `target/training` is taken up again; it is removed when all is written.

    Args:
        material: What to train on.
        target: Folder for `lower.onnx`, `upper.onnx`, `tokenizer.json`, `extractor.json`.
        options: How.
        start: Folder of an extractor to train further, or of a published BERT-style encoder; None for the
            embedded extractor.
        second_look: How passages are looked at again; None for never.
        early_exit: Whether windows that look irrelevant may leave in the middle of the model.
        report: Called after each step.

    Raises:
        InputError: If `start` holds no model, or there are too few examples to calibrate it; before
            anything is trained.
    """
    if not is_extractor(start) and len(material.calibration) < FEWEST_EXAMPLES:
        raise InputError(
            f"Calibration needs at least {FEWEST_EXAMPLES} held-out examples, got "
            f"{len(material.calibration)}. Give more examples, or train the embedded extractor further "
            "(leave out --start)."
        )
    torch.manual_seed(options.seed)
    folder = start if start is not None else EXTRACTOR.folder
    tokenizer = folder / "tokenizer.json"
    model = restore_extractor(folder) if is_extractor(start) else Extractor.start(folder)
    trained = train(
        model,
        material.examples,
        material.distractors,
        load_tokenizer(tokenizer),
        options,
        folder=target / "training",
        report=report,
    )
    export_extractor(trained, tokenizer, target)
    if len(material.calibration) >= FEWEST_EXAMPLES:
        settings = calibrate(target, material.calibration, second_look=second_look, early_exit=early_exit)
    else:
        _LOGGER.warning(
            "Fewer than %d examples could be held out: calibration is that of the model trained further.",
            FEWEST_EXAMPLES,
        )
        settings = ExtractorSettings.load(folder)
        settings.save(target)
    shutil.rmtree(target / "training")
    return settings


def is_extractor(start: Path | None) -> bool:
    """Whether training starts from an extractor, with heads that have learnt already."""
    return start is None or (start / "lower.onnx").is_file()


def _is_held(example: Example) -> bool:
    digest = sha256(example.question.encode(errors="replace")).digest()
    return int.from_bytes(digest[:4], "big") / 2**32 < _CALIBRATION_SHARE


def _check_record(record: object, where: str) -> None:
    if not isinstance(record, dict):
        raise InputError(f"{where} is no JSON object: {record!r:.200}.")
    values = cast("dict[str, Any]", record)
    question, passages = values.get("question"), values.get("passages")
    if not isinstance(question, str) or not isinstance(passages, list):
        raise InputError(f"{where} needs 'question' (text) and 'passages' (a list); got {values!r:.200}.")
    texts = [_text(passage, where) for passage in cast("list[object]", passages)]
    named = [key for key in _EVIDENCE if key in values]
    if not named:
        raise InputError(f"{where} says nothing about evidence: give 'evidence' spans, or 'gold'.")
    for key in (*named, "answers"):
        if not isinstance(values.get(key), list | None):
            raise InputError(f"{where} needs a list as {key!r}; got {values[key]!r:.200}.")
    if any(not isinstance(answer, str) for answer in values.get("answers") or ()):
        raise InputError(f"{where} needs texts as 'answers'; got {values['answers']!r:.200}.")
    for key in named:
        for given in values[key] or ():
            _check_place(given, texts, key, where)


def _text(passage: object, where: str) -> str:
    values = cast("dict[str, Any]", passage) if isinstance(passage, dict) else {}
    text = values.get("text")
    if not isinstance(text, str) or not isinstance(values.get("title"), str | None):
        raise InputError(f"{where} needs 'text' and perhaps 'title' in each passage; got {passage!r:.200}.")
    return text


def _check_place(given: object, texts: list[str], key: str, where: str) -> None:
    """What points at evidence: a passage, or a span inside one."""
    place = [given] if key == "gold" else given
    if not isinstance(place, list) or any(type(number) is not int for number in cast("list[Any]", place)):
        place = []
    numbers = cast("list[int]", place)
    if key == "gold":
        inside = len(numbers) == 1 and 0 <= numbers[0] < len(texts)
    else:
        inside = len(numbers) == 3 and 0 <= numbers[0] < len(texts)
        inside = inside and 0 <= numbers[1] < numbers[2] <= len(texts[numbers[0]])
    if not inside:
        expected = "passage" if key == "gold" else "[passage, start, end]"
        raise InputError(f"{where}: {given!r} in {key!r} is no {expected} inside its {len(texts)} passages.")
