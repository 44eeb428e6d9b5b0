"""The whole way from collected answers to an aligned model or adapter."""

# torch and transformers are partly typed.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from lingua_core.errors import InputError
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.hugging_face import DType, HuggingFaceModel
from lingua_core.training.alignment.checkpoints import Trainables
from lingua_core.training.alignment.examples import Example, ExampleWriter
from lingua_core.training.alignment.loop import Progress, train
from lingua_core.training.alignment.lora import add_adapter
from lingua_core.training.alignment.measure import measure_answers
from lingua_core.training.alignment.options import AlignmentOptions
from lingua_core.training.alignment.packing import Excerpt, PackedRows, excerpts_of
from lingua_core.training.alignment.reading import Reader
from lingua_core.training.alignment.report import AlignmentReport, LearntTarget, write_report
from lingua_core.training.alignment.saving import save_adapter, save_model
from lingua_core.training.alignment.targets import Target, digest_of, split_targets
from lingua_core.training.alignment.teaching import Teaching
from lingua_core.training.causal_lm.evaluate import BitsPerByte
from lingua_core.training.whole_files import check_room

__all__ = ["align", "measure"]

_LONGEST_WINDOW = 1024
_BYTES = 4
_COPIES = 5
"""Of what is trained: the checkpoint's weights and two moments, the best weights, the result."""


def align(
    model: str | Path,
    targets: Sequence[Target],
    out: Path,
    options: AlignmentOptions,
    *,
    device: str = "auto",
    trust_remote_code: bool = False,
    report: Callable[[Progress], Any] = lambda progress: None,
) -> AlignmentReport:
    """Train a causal language model further on what target models wrote, and write the result to `out`.

    Checkpoints are kept in `out/training`, where the same call goes on after an interruption. Without LoRA
    `out` holds a model as transformers reads it, and the ONNX file where it can have one; with it, an adapter
    in peft's format. Beside it go `alignment.json` and `README.md`, the report and the model card.

    Args:
        model: A folder, or a name on the hub.
        targets: What to align to.
        out: Made if missing; another folder than the model's.
        options: How.
        device: As in `PromptCompressor`, but "auto" is a GPU where torch finds one.
        trust_remote_code: Whether to run code that comes with the model.
        report: Called before the first step and after each.

    Raises:
        InputError: If the targets are too small, log-probabilities are missing, there is no room in `out`, or
            `out/training` is of another run.
        ModelError: If the model cannot be loaded, memory runs out, or the loss is no number.
        OSError: If something cannot be written.
        MissingDependencyError: If a package of the extra "train" is missing.
    """
    if out.resolve() == Path(model).resolve():
        raise InputError(f"out must be another folder than the model's, got {str(out)!r} for both.")
    learnt, held_out = split_targets(targets, share=options.held_out, most=options.most_held_out)
    if options.kl and not any(answer.logprobs for target in learnt for answer in target.answers):
        raise InputError(
            f"kl={options.kl:g} needs answers with log-probabilities, and there are none. Collect them with "
            "`lingua train collect`, or leave kl out."
        )
    work = _Work(model, options, device, trust_remote_code)
    check_room(out, _COPIES * _BYTES * work.trained)
    excerpts, taught = work.excerpts(learnt)
    reader = Reader(work.model, kl=options.kl)
    rows = PackedRows(
        excerpts,
        {target.name: target.weight for target in learnt},
        passes=options.passes,
        window=work.window,
        seed=options.seed,
        packed=reader.packs,
    )
    held = work.writer.examples(held_out)
    outcome = train(
        work.model,
        reader,
        rows,
        options,
        folder=out / "training",
        run={"answers": digest_of(targets), "window": work.window, "model": str(model)},
        evaluate=lambda: measure_answers("held out", work.scorer, held),
        report=report,
    )
    problem = work.save(out)
    found = AlignmentReport(
        base=str(model),
        targets=[_learnt(target, held, taught[target.name]) for target in learnt],
        before=replace(outcome.evaluations[0].bits, name="before"),
        after=replace(outcome.best.bits, name="after"),
        history=[(evaluation.step, evaluation.bits.mean) for evaluation in outcome.evaluations],
        best_step=outcome.best.step,
        steps=outcome.steps,
        stopped_early=outcome.stopped_early,
        trained=work.trained,
        tokens=rows.valued_tokens(0, outcome.steps * options.rows),
        settings={**options.of_the_run(), "window": work.window},
        packed=reader.packs,
        not_exported=problem,
    )
    write_report(found, out, is_adapter=options.lora is not None)
    return found


def measure(
    model: str | Path,
    targets: Sequence[Target],
    *,
    adapter: Path | None = None,
    name: str = "bits per byte",
    device: str = "auto",
    trust_remote_code: bool = False,
) -> BitsPerByte:
    """Bits per byte of all answers of targets: best on answers that no alignment has seen.

    Args:
        model: A folder, or a name on the hub.
        targets: Whose answers.
        adapter: The folder of an adapter for the model; None for none.
        name: Of the result.
        device: As in `align`.
        trust_remote_code: Whether to run code that comes with the model.

    Raises:
        ModelError: If the model cannot be loaded.
    """
    loaded = HuggingFaceModel(
        model,
        kind="causal-lm",
        device=_device(device),
        dtype="float32",
        adapter=adapter,
        trust_remote_code=trust_remote_code,
    )
    parts = loaded.load()
    scorer = CausalLM((parts.model, parts.tokenizer))
    examples = ExampleWriter(parts.tokenizer, scorer.start).examples(targets)
    return measure_answers(name, scorer, examples)


class _Work:
    """The model under training, and what is made with its tokenizer."""

    def __init__(
        self, source: str | Path, options: AlignmentOptions, device: str, trust_remote_code: bool
    ) -> None:
        self._options = options
        place = _device(device)
        # Weights that stay as they are need no more bits than they were saved with.
        dtype: DType = "auto" if options.lora is not None and place != "cpu" else "float32"
        loaded = HuggingFaceModel(
            source, kind="causal-lm", device=place, dtype=dtype, trust_remote_code=trust_remote_code
        ).load()
        self.model: Any = loaded.model
        self.tokenizer: Any = loaded.tokenizer
        self.scorer = CausalLM((self.model, self.tokenizer))
        self.window = min(options.window or _LONGEST_WINDOW, self.scorer.window)
        self.writer = ExampleWriter(self.tokenizer, self.scorer.start)
        self._adapted: Any = None
        if options.lora is not None:
            with torch.random.fork_rng(devices=[loaded.device] if loaded.device.type == "cuda" else []):
                torch.manual_seed(options.seed)
                self._adapted = add_adapter(self.model, options.lora)
        if options.low_memory:
            enable = getattr(self.model, "activation_checkpointing_enable", None)  # its name since 5.23
            (enable or self.model.gradient_checkpointing_enable)({"use_reentrant": False})
        self.trained = Trainables(self.model).size

    def excerpts(self, targets: Sequence[Target]) -> tuple[list[Excerpt], dict[str, int]]:
        """What there is to learn, and how many answers of each target teach distributions."""
        options = self._options
        teaching = Teaching(self.tokenizer, self.scorer.start) if options.kl else None
        found: list[Excerpt] = []
        taught = {target.name: 0 for target in targets}
        for example in self.writer.examples(targets):
            told = teaching.of(example) if teaching is not None else None
            taught[example.target] += told is not None
            found += excerpts_of(
                example,
                start=self.scorer.start,
                window=self.window,
                learn_prompts=options.learn_prompts,
                teaching=told,
            )
        return found, taught

    def save(self, out: Path) -> str | None:
        """Write the result; returns why it has no ONNX file."""
        if self._adapted is not None:
            save_adapter(self._adapted, out)
            return "an adapter has none; `lingua train merge-adapter` makes a model with one."
        return save_model(self.model, self.tokenizer, out, start=self.scorer.start)


def _device(name: str) -> str:
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name


def _learnt(target: Target, held: Sequence[Example], taught: int) -> LearntTarget:
    return LearntTarget(
        name=target.name,
        weight=target.weight,
        learnt=len(target.answers),
        held_out=sum(example.target == target.name for example in held),
        empty=target.empty,
        taught=taught,
    )
