"""Models of published shapes with random weights, which both sides of a measurement load.

Time does not depend on what the weights are. Files are such that transformers 4.42 and 5 read them.
"""

# torch and transformers are partly typed, and loaded by name.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# pyright: reportUnknownArgumentType=false

import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

from lingua_core.models.hugging_face import without_progress_bars
from lingua_core.weights import ENCODER

__all__ = ["CLASSIFIER", "for_transformers_4", "save_causal", "save_classifier"]

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


def save_causal(folder: Path, *, vocabulary: int, texts: Sequence[str]) -> Path:
    """Llama of 47.5 million parameters between input and output embeddings: 97 million with 32,000 tokens.

    Args:
        folder: Where to.
        vocabulary: Entries of both embeddings.
        texts: What a byte-level tokenizer is made from; llmlingua needs one that gives a text back unchanged.
    """
    transformers: Any = importlib.import_module("transformers")
    folder.mkdir(parents=True)
    config = transformers.LlamaConfig(vocab_size=vocabulary, **_LLAMA)
    _save(transformers.LlamaForCausalLM, config, folder)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<unk>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.save(str(folder / "tokenizer.json"))
    for_transformers_4(folder)
    _save_settings(folder, {"unk": "<unk>", "bos": "<s>", "eos": "</s>"})
    return folder


def for_transformers_4(folder: Path) -> None:
    """Write a folder's tokenizer as tokenizers did before 0.20, which transformers 4.42 comes with.

    Later ones read both forms.
    """
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    merges: list[str | list[str]] = content["model"]["merges"]
    content["model"]["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]
    file.write_text(json.dumps(content), encoding="utf-8")


def save_classifier(folder: Path) -> Path:
    """BERT base with the multilingual vocabulary and two labels, as the smaller LLMLingua-2; its folder."""
    transformers: Any = importlib.import_module("transformers")
    folder = folder / CLASSIFIER
    folder.mkdir(parents=True)
    config = transformers.BertConfig(vocab_size=_MBERT_VOCABULARY, num_labels=2)
    _save(transformers.BertForTokenClassification, config, folder)
    content = json.loads((ENCODER.folder / "tokenizer.json").read_text(encoding="utf-8"))
    entries: dict[str, int] = content["model"]["vocab"]
    entries |= {f"[unused in {CLASSIFIER} {i}]": i for i in range(len(entries), _MBERT_VOCABULARY)}
    content |= {"truncation": None, "padding": None}
    (folder / "tokenizer.json").write_text(json.dumps(content), encoding="utf-8")
    _save_settings(folder, _SPECIAL)
    return folder


def _save_settings(folder: Path, special: Mapping[str, str]) -> None:
    # transformers 4 does not know the name that transformers 5 has for the class.
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "clean_up_tokenization_spaces": False}
    named = {f"{name}_token": token for name, token in special.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings | named), encoding="utf-8")


def _save(model: Any, config: Any, folder: Path) -> None:  # noqa: ANN401  # transformers' own
    torch: Any = importlib.import_module("torch")
    with torch.random.fork_rng(devices=[]), without_progress_bars():
        torch.manual_seed(0)
        model(config).save_pretrained(folder)
    file = folder / "config.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    content["torch_dtype"] = content.pop("dtype", "float32")
    file.write_text(json.dumps(content), encoding="utf-8")
