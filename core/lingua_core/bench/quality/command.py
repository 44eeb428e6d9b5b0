"""`lingua bench quality`."""

import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lingua_core.bench.peer import INSTALL
from lingua_core.cli.ending import clean_endings, write_stdout
from lingua_core.errors import InputError

if TYPE_CHECKING:
    from lingua_core.bench.quality.measures import Row
    from lingua_core.bench.quality.methods import Method
    from lingua_core.bench.quality.questions import Question

__all__ = ["Measure", "Style", "quality"]


class Measure(StrEnum):
    """What `lingua bench quality` measures."""

    KEPT = "kept"
    RANKING = "ranking"
    THRESHOLD = "threshold"
    CALIBRATION = "calibration"


class Style(StrEnum):
    """How questions are changed."""

    UPPER = "upper"
    LOWER = "lower"
    TYPOS = "typos"
    KEYWORDS = "keywords"


def quality(
    data: Annotated[
        Path,
        typer.Argument(
            help="JSON lines with 'question', 'passages', and 'answers' or other labels (may be .gz)."
        ),
    ],
    measure: Annotated[
        Measure,
        typer.Option(
            help="kept: answers and evidence at each ratio. ranking: gold passages by relevance. "
            "threshold: the default without a budget. calibration: scores as probabilities."
        ),
    ] = Measure.KEPT,
    passages: Annotated[
        Path | None,
        typer.Option(help="Passages to hide the gold one among: JSON lines 'pid', 'title', 'text'."),
    ] = None,
    negatives: Annotated[
        Path | None, typer.Option(help="Hard negatives of each question: JSON lines 'id', 'neg'.")
    ] = None,
    documents: Annotated[int, typer.Option(min=2, help="Documents of each context, with negatives.")] = 20,
    distractors: Annotated[
        int,
        typer.Option(min=0, help="Passages to add from the questions' own file, the hardest for BM25."),
    ] = 0,
    same_title: Annotated[
        bool, typer.Option(help="Distractors of the gold passage's own document only.")
    ] = False,
    questions: Annotated[int, typer.Option(min=1, help="Size of the seeded sample.")] = 300,
    seed: Annotated[int, typer.Option(help="Of the sample, the shuffling and the typing errors.")] = 0,
    split: Annotated[str | None, typer.Option(help="Only records whose field 'split' is this.")] = None,
    held_out: Annotated[bool, typer.Option(help="Only records that training never sees.")] = False,
    unanswerable: Annotated[
        bool, typer.Option(help="Only records marked unanswerable, for --measure threshold.")
    ] = False,
    history: Annotated[
        int, typer.Option(min=0, help="Turns of the conversation to put before the question.")
    ] = 0,
    perturb: Annotated[Style | None, typer.Option(help="Type the questions in another style.")] = None,
    ratios: Annotated[str, typer.Option(help="Times smaller, comma-separated; for kept.")] = "4,8,16,32",
    thresholds: Annotated[str, typer.Option(help="Further thresholds, comma-separated; for threshold.")] = "",
    methods: Annotated[
        str,
        typer.Option(
            help="Comma-separated: random, lexical, sentence-embedding, embedding, extract, llmlingua, "
            "longllmlingua, selective-context, llamaindex-optimizer, langchain-filter; with --peer-python "
            "llmlingua-0.2.2, longllmlingua-0.2.2."
        ),
    ] = "random,lexical,extract",
    model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A model of yours for the method extract (see lingua train)."),
    ] = None,
    language_model: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="One of yours for the methods that keep words (see lingua train causal-lm)."
        ),
    ] = None,
    peer_python: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Python of an environment with llmlingua 0.2.2, which gets the same weights."
        ),
    ] = None,
    token_counter: Annotated[str | None, typer.Option(help="As in lingua compress.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """How much of what a reader needs survives compression."""
    with clean_endings():
        from lingua_core.bench.quality.contexts import with_listed_negatives, with_neighbours
        from lingua_core.bench.quality.perturbations import perturbed
        from lingua_core.bench.quality.questions import load_questions

        wanted = [name.strip() for name in methods.split(",")]
        _check_methods(wanted, peer_python)
        sizes, cutoffs = _ratios(ratios), _numbers("--thresholds", thresholds) if thresholds else []
        if (passages is None) != (negatives is None):
            raise InputError("Give both --passages and --negatives, or neither.")
        if unanswerable and measure is not Measure.THRESHOLD:
            raise InputError("Unanswerable questions have nothing to keep: add --measure threshold.")
        sample = load_questions(
            data,
            limit=questions,
            seed=seed,
            split=split,
            held_out=held_out,
            unanswerable=unanswerable,
            history=history,
        )
        if passages is not None and negatives is not None:
            sample = with_listed_negatives(
                sample, passages=passages, negatives=negatives, count=documents, seed=seed
            )
        if distractors:
            sample = with_neighbours(sample, data=data, count=distractors, same_title=same_title, seed=seed)
        if perturb is not None:
            sample = perturbed(sample, perturb, seed=seed)
        # Made before they run, so that a method that cannot be had is known before the others have run.
        with ExitStack() as stack:
            made = _made(wanted, token_counter, model, language_model, peer_python, stack)
            rows = _measured(sample, measure, made, sizes, cutoffs)
        if as_json:
            _write(rows, data, measure, len(sample))
        else:
            _show(rows, measure, f"{data.name}, {len(sample)} questions")


def _check_methods(wanted: Sequence[str], peer_python: Path | None) -> None:
    from lingua_core.bench.quality.beside_llmlingua import PEERS
    from lingua_core.bench.quality.methods import METHODS

    if unknown := [name for name in wanted if name not in (*METHODS, *PEERS)]:
        raise InputError(f"Unknown methods {unknown}; expected some of {', '.join((*METHODS, *PEERS))}.")
    if peer_python is None and (peers := [name for name in wanted if name in PEERS]):
        raise InputError(f"{peers} needs another environment: {INSTALL}")


def _made(
    wanted: Sequence[str],
    token_counter: str | None,
    model: Path | None,
    language_model: Path | None,
    peer_python: Path | None,
    stack: ExitStack,
) -> "dict[str, Method]":
    from lingua_core.bench.quality.beside_llmlingua import PEERS, LLMLinguaPeer, PeerMethod
    from lingua_core.bench.quality.methods import make_method
    from lingua_core.tokens import resolve_token_counter

    counter = resolve_token_counter(token_counter)
    made: dict[str, Method] = {}
    peer: LLMLinguaPeer | None = None
    for name in wanted:
        if name not in PEERS:
            made[name] = make_method(name, counter, model=model, language_model=language_model)
            continue
        assert peer_python is not None  # for the type checker: the methods were checked
        if peer is None:
            peer = stack.enter_context(LLMLinguaPeer(peer_python, counter, model=language_model))
        made[name] = PeerMethod(peer, PEERS[name])
    return made


def _measured(
    sample: "Sequence[Question]",
    measure: Measure,
    made: "Mapping[str, Method]",
    ratios: Sequence[float],
    thresholds: Sequence[float],
) -> "list[Row]":
    from lingua_core.bench.quality import measures
    from lingua_core.bench.quality.calibration import measure_calibration

    with _progress(len(sample) * len(made)) as advance:
        if measure is Measure.KEPT:
            kept = partial(measures.measure_kept, ratios=ratios, advance=advance)
            return [row for name, method in made.items() for row in kept(sample, method, name=name)]
        of_scores = {
            Measure.RANKING: partial(measures.measure_ranking, advance=advance),
            Measure.THRESHOLD: partial(measures.measure_thresholds, thresholds=thresholds, advance=advance),
            Measure.CALIBRATION: partial(measure_calibration, advance=advance),
        }[measure]
        scorers = {name: measures.scorer_method(name, method) for name, method in made.items()}
        return [row for name, method in scorers.items() for row in of_scores(sample, method, name=name)]


def _numbers(option: str, listed: str) -> list[float]:
    try:
        return [float(part) for part in listed.split(",")]
    except ValueError as error:
        raise InputError(f"{option} takes numbers with commas between, got {listed!r}.") from error


def _ratios(listed: str) -> list[float]:
    ratios = _numbers("--ratios", listed)
    if min(ratios) < 1:
        raise InputError(f"--ratios says how many times smaller, so each is at least 1; got {listed!r}.")
    return ratios


@contextmanager
def _progress(total: int) -> Generator[Callable[[], None]]:
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("questions", total=total)
        yield lambda: progress.advance(task)


def _write(rows: "Sequence[Row]", data: Path, measure: Measure, size: int) -> None:
    from lingua_core.bench.quality.tables import as_data

    report = {"data": data.name, "measure": measure.value, "questions": size, "rows": as_data(rows)}
    write_stdout(json.dumps(report, indent=2) + "\n")


def _show(rows: "Sequence[Row]", measure: Measure, subject: str) -> None:
    from rich.console import Console

    from lingua_core.bench.quality.tables import by_figure, by_setting

    title = f"{measure.value}: {subject}, % (± standard error)"
    table = (
        by_setting(rows, title) if measure in (Measure.KEPT, Measure.THRESHOLD) else by_figure(rows, title)
    )
    Console().print(table)
