"""Models of published shapes with random weights, which both sides of a measurement load.

Time does not depend on what the weights are. Files are such that transformers 4.42 and 5 read them.
"""

# torch and transformers are partly typed, and loaded by name.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import importlib
import json
from pathlib import Path
from typing import Any

from lingua_core.models.hugging_face import without_progress_bars
from lingua_core.weights import ENCODER

__all__ = ["CLASSIFIER", "save_causal", "save_classifier", "save_tokenizer"]

CLASSIFIER = "bert-base-multilingual-cased"
"""llmlingua tells from a folder's name which tokenizer it has before it."""

_MBERT_VOCABULARY = 119_547
_LLAMA: dict[str, Any] = {
    "hidden_size": 768,
    "intermediate_size": 1920,
    "num_hidden_layers": 7,
    "num_attention_heads": 12,
    "num_key_value_heads": 12,
    "max_position_embeddings": 4096,
}
_SPECIAL = {"unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "pad": "[PAD]", "mask": "[MASK]"}


def save_causal(folder: Path, *, vocabulary: int) -> Path:
    """Llama of 47.5 million parameters between input and output embeddings: 97 million with 32,000 tokens."""
    transformers: Any = importlib.import_module("transformers")
    folder.mkdir(parents=True)
    config = transformers.LlamaConfig(vocab_size=vocabulary, **_LLAMA)
    _save(transformers.LlamaForCausalLM, config, folder)
    save_tokenizer(folder, vocabulary=vocabulary, begins=True)
    return folder


def save_classifier(folder: Path) -> Path:
    """BERT base with the multilingual vocabulary and two labels, as the smaller LLMLingua-2; its folder."""
    transformers: Any = importlib.import_module("transformers")
    folder = folder / CLASSIFIER
    folder.mkdir(parents=True)
    config = transformers.BertConfig(vocab_size=_MBERT_VOCABULARY, num_labels=2)
    _save(transformers.BertForTokenClassification, config, folder)
    save_tokenizer(folder, vocabulary=_MBERT_VOCABULARY)
    return folder


def save_tokenizer(folder: Path, *, vocabulary: int, begins: bool = False) -> None:
    """The embedded tokenizer, its vocabulary filled up.

    Args:
        folder: Where to.
        vocabulary: Entries in the end.
        begins: Whether texts begin with a special token and end with none, as a language model's do.
    """
    transformers: Any = importlib.import_module("transformers")
    content = json.loads((ENCODER.folder / "tokenizer.json").read_text(encoding="utf-8"))
    entries: dict[str, int] = content["model"]["vocab"]
    entries |= {f"[unused in {CLASSIFIER} {i}]": i for i in range(len(entries), vocabulary)}
    content |= {"truncation": None, "padding": None}
    if begins:
        content["post_processor"] = _begin("[CLS]", entries["[CLS]"])
    file = folder / "tokenizer.json"
    file.write_text(json.dumps(content), encoding="utf-8")
    names = _SPECIAL | ({"bos": "[CLS]", "eos": "[SEP]"} if begins else {})
    tokens = {f"{name}_token": token for name, token in names.items()}
    transformers.PreTrainedTokenizerFast(tokenizer_file=str(file), **tokens).save_pretrained(folder)
    # transformers 4 does not know the class's new name.
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", **tokens}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")


def _begin(token: str, token_id: int) -> dict[str, Any]:
    first = {"SpecialToken": {"id": token, "type_id": 0}}
    rows = [{"Sequence": {"id": name, "type_id": 0}} for name in "AB"]
    return {
        "type": "TemplateProcessing",
        "single": [first, rows[0]],
        "pair": [first, *rows],
        "special_tokens": {token: {"id": token, "ids": [token_id], "tokens": [token]}},
    }


def _save(model: Any, config: Any, folder: Path) -> None:  # noqa: ANN401  # transformers' own
    torch: Any = importlib.import_module("torch")
    with torch.random.fork_rng(devices=[]), without_progress_bars():
        torch.manual_seed(0)
        model(config).save_pretrained(folder)
    file = folder / "config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["torch_dtype"] = content.pop("dtype", "float32")
    file.write_text(json.dumps(content), encoding="utf-8")
