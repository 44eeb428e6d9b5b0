"""What an alignment came to: for programs as JSON, for people as a model card."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lingua_core.training.causal_lm.evaluate import BitsPerByte, table

__all__ = ["AlignmentReport", "LearntTarget", "write_report"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LearntTarget:
    """How much of a target was used.

    Attributes:
        name: Of the target.
        weight: How often its answers came in a pass.
        learnt: Answers that were learnt.
        held_out: Answers that were evaluated on.
        empty: Records without a response, which were left out.
        taught: Answers of which distributions were learnt too.
    """

    name: str
    weight: float
    learnt: int
    held_out: int
    empty: int
    taught: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignmentReport:
    """What an alignment came to.

    Attributes:
        base: The model that was aligned.
        targets: What it was aligned to.
        before: Bits per byte of the held-out answers, with the model as it was.
        after: The same with the weights that were kept.
        history: Steps, and the bits per byte of all held-out answers after them.
        best_step: The step whose weights were kept; 0 if no training made the model better.
        steps: That were done.
        stopped_early: Whether that was before all steps, for lack of progress.
        trained: Numbers that were trained.
        tokens: That one step after another foretold.
        settings: What was asked for.
        packed: Whether answers shared rows.
        not_exported: Why there is no ONNX file; None if there is.
    """

    base: str
    targets: Sequence[LearntTarget]
    before: BitsPerByte
    after: BitsPerByte
    history: Sequence[tuple[int, float]]
    best_step: int
    steps: int
    stopped_early: bool
    trained: int
    tokens: int
    settings: Mapping[str, int | float | str]
    packed: bool
    not_exported: str | None

    @property
    def notes(self) -> list[str]:
        """What a reader has to know beside the figures."""
        found: list[str] = []
        if not self.best_step:
            found.append("No step made the model better on the held-out answers: it is what it was before.")
        if self.stopped_early:
            found.append(f"Stopped after step {self.steps:,}: what is held out had stopped to get better.")
        found += [
            f"{target.name}: {target.empty:,} records without a response were left out."
            for target in self.targets
            if target.empty
        ]
        if not self.packed:
            found.append("This model does not keep packed answers apart, so each had a row of its own.")
        if self.not_exported:
            found.append(f"No ONNX file: {self.not_exported}")
        return found

    def table(self) -> str:
        """Bits per byte before and after, as Markdown."""
        return table([self.before, self.after])

    def to_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "base": self.base,
            "targets": [
                {name: getattr(target, name) for name in LearntTarget.__dataclass_fields__}
                for target in self.targets
            ],
            "bits_per_byte": {
                result.name: {"all": result.mean, **result.domains} for result in (self.before, self.after)
            },
            "held_out_bytes": dict(self.before.bytes),
            "history": [{"step": step, "bits_per_byte": bits} for step, bits in self.history],
            "best_step": self.best_step,
            "steps": self.steps,
            "stopped_early": self.stopped_early,
            "trained_parameters": self.trained,
            "tokens": self.tokens,
            "settings": dict(self.settings),
            "notes": self.notes,
        }


def write_report(report: AlignmentReport, folder: Path, *, is_adapter: bool) -> None:
    """Write `alignment.json` and the model card, `README.md`."""
    text = json.dumps(report.to_dict(), indent=2, ensure_ascii=False)
    (folder / "alignment.json").write_text(text + "\n", encoding="utf-8")
    (folder / "README.md").write_text(_card(report, is_adapter=is_adapter), encoding="utf-8")


def _card(report: AlignmentReport, *, is_adapter: bool) -> str:
    names = ", ".join(target.name for target in report.targets)
    front = {
        "library_name": "peft" if is_adapter else "transformers",
        "pipeline_tag": "text-generation",
        "base_model": report.base,
        "base_model_relation": "adapter" if is_adapter else "finetune",
        "tags": ["lingua", "prompt-compression", "distribution-alignment"],
    }
    # JSON is YAML, and no name can break it.
    head = "\n".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in front.items())
    usage = f"model={report.base!r}, adapter=" if is_adapter else "model="
    rows = [
        f"| {t.name} | {t.weight:g} | {t.learnt:,} | {t.held_out:,} | {t.taught:,} |" for t in report.targets
    ]
    return "\n".join(
        [
            f"---\n{head}\n---\n",
            f"# {Path(report.base).name or report.base}, aligned to {names}\n",
            "A language model that values the tokens of prompts for the compressor of Lingua, trained "
            "further on what the models that read the prompts have written (LLMLingua's distribution "
            "alignment, arXiv 2310.05736). It is no model to chat with.\n",
            f'```python\nPromptCompressor("llmlingua", {usage}"<this folder>")\n```\n',
            "## What it learnt\n",
            "| target | weight | answers learnt | held out | with distributions |\n|---|---|---|---|---|",
            *rows,
            "\n## Bits per byte of held-out answers\n",
            report.table(),
            "\nThe weights were chosen by these same answers, so `after` is a little kinder than answers "
            "that no choice has seen would be.\n",
            *(f"- {note}" for note in report.notes),
            "\n## How\n",
            f"{report.steps:,} steps, of which {report.best_step:,} count; {report.trained:,} numbers "
            f"trained; {report.tokens:,} tokens foretold.\n",
            "| setting | value |\n|---|---|",
            *(f"| {name} | {value} |" for name, value in report.settings.items()),
            "\n## Terms\n",
            "The licence is that of the base model. Answers of hosted models are subject to their vendors' "
            "terms, which may restrict what models trained on them are used for: read them before you pass "
            "this on.\n",
        ]
    )
