"""Tiny language models and token classifiers, the same to the last bit wherever they are built.

The golden values in tests/parity/llmlingua_golden were recorded with another version of transformers and of
tokenizers than the tests run on, so nothing here comes out of those libraries' initialization or training:
weights are a function of a parameter's name, vocabularies are counted in `TEXT` by the code below, and every
file is written directly. Each `make_` function writes a complete Hugging Face folder (config.json,
model.safetensors, tokenizer.json, tokenizer_config.json, special_tokens_map.json) inside a folder of the
caller's and returns it; `from_pretrained` of the Auto classes loads it.

The names of the classifiers' folders hold what llmlingua 0.2.2 looks for in a model's name. It searches the
whole path, so the folder given must not hold one of those names itself.
"""

import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file
from tokenizers import (
    AddedToken,
    Regex,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
)

__all__ = ["FORCE_TOKENS", "MAKERS", "make_tiny_gpt2", "make_tiny_llama", "make_tiny_mbert", "make_tiny_xlmr"]

Shape = tuple[int, ...]

FORCE_TOKENS = 100
"""Rows behind a classifier's vocabulary, for the tokens [NEW0] to [NEW99] that llmlingua adds to it."""

HIDDEN = 64
LAYERS = 2

TEXT = """\
The harbour of Varno was opened in 1887, and it was rebuilt twice after the great storms of 1903 and 1921.
How many ships came in last year? About 4,500, says the council, which is 12% more than in the year before.
Rain fell on the hills for three days, so the river rose by two metres and the lower bridge was closed.
She paid $18.50 for the ticket; her brother, who is under 12, paid nothing.
The museum shows old maps, model ships and a bell that was found in 1956 by two divers.
Bees tell each other where flowers are by dancing in the dark of the hive.
What does the dance say? It says how far away the food is and in which direction to fly.
Glass is made from sand, soda and lime, which melt together at about 1,500 degrees.
In the float process, liquid glass spreads over a bath of molten tin until it is flat and even.
The first train left the new station at 6:15 in the morning with only nine passengers on board.
"Nobody expected so many people," said the driver, "and we had to send a second train."
A good loaf needs flour, water, salt and time; the rest is the work of yeast and heat.
Heat the oven to 230 degrees, bake the bread for 25 minutes, and let it cool on a rack.
The patient was given 5 mg of the drug twice a day, but there was no change after the first week.
In the second week the fever went down, and by day 17 she was well enough to go home.
Most of the forest is beech and oak; on the northern side there are also some very old pines.
A hectare of this forest stores about 250 tonnes of carbon, more than twice as much as a field.
The committee met on Monday, 3 March, and agreed to increase the budget for schools by 4.2 million.
Mr. Lund asked whether the money would come from taxes or from a loan; no answer was given.
The price of copper rose again this month because two of the largest mines were closed.
If the pressure falls below 2.5 bar, the pump stops and a red lamp is lit on the panel.
Press the green button for three seconds to start the machine again, then check the water level.
The comet was first seen in 1744 from a garden in the south of the country.
It will return in about 140 years, when it will be visible for several weeks before sunrise.
The team lost the first game 2-3, won the second 1-0, and drew the third.
After the match the captain said that the younger players had learned a great deal.
Every summer, thousands of birds rest on the island on their way from Africa to the north.
They eat small fish, crabs and insects, and leave again when the nights become cold.
The library holds 1.2 million books, of which about a third may be taken home.
Readers may borrow up to ten books for four weeks, and renew them once by telephone or by mail.
The company was founded by three friends who had studied engineering in the same town.
Its first product was a small computer for schools; it sold badly because it was too expensive.
Ten years later the same company sold more than 600,000 telephones a month.
The bridge is 853 metres long, and its towers stand on rock forty metres under the water.
In strong wind the old bridge began to swing, and on the morning of 7 November it fell.
Engineers learned from it that a bridge must be tested in the wind before it is built.
The court decided that the contract was not valid, since one side had never signed it.
Both sides may appeal against this decision until the end of the month.
The recipe came from her grandmother: two eggs, a cup of sugar, butter, and the juice of a lemon.
Milk should be kept in a cool place and used within four days.
A vaccine teaches the body to know an illness before it meets it for the first time.
The study followed 2,400 people over eleven years and compared those who walked daily with others.
Those who walked for at least half an hour a day were ill less often, and they slept better.
Light from the sun needs a little more than eight minutes to reach the earth.
The moon is about 384,400 kilometres away, and it moves away by four centimetres every year.
The painter used only five colours, and she made all of them herself from earth and plants.
Her largest picture hangs in the town hall; it shows the market as it was before the fire.
Is there a bus to the airport at night? Yes, number 40 leaves every hour from the main square.
Please send your answer to office@example.org, or call 555-0142 between 9:00 and 17:00.
The questions in this test are about the text above; choose one answer for each of them.
Wolves live in families, and the young stay with their parents for up to two years.
When the snow is deep, they walk one behind the other in the same track to save strength.
Windows of old houses lose much heat, so the owners put in new ones with two or three panes.
The new law says that every building with more than six flats needs a second way out.
Prices are given in euros (EUR) without tax; the tax is 19% for most goods and 7% for food.
The teacher wrote three numbers on the board - 8, 27 and 64 - and asked what comes next.
Nobody knew the answer at first, but then a girl in the last row raised her hand.
Salt was once so valuable that towns grew rich by selling it, and wars were fought over it.
Water boils at 100 degrees by the sea, but on a mountain of 3,000 metres it boils at 90.
The speaker thanked the audience, answered a few questions and closed the meeting at 9 p.m.
"""
"""What the vocabularies are counted in."""


def uniform_sums(name: str, count: int) -> NDArray[np.float64]:
    """Numbers that follow from a name: nearly normal, mean 0, variance 1, the same on every machine.

    Each is the sum of eight 16-bit numbers of a hash, so no random number generator, logarithm or cosine,
    which may change with a library's version, has a part in it.
    """
    bits = np.frombuffer(hashlib.shake_256(name.encode()).digest(16 * count), dtype="<u2")
    sums = bits.reshape(count, 8).sum(axis=1, dtype=np.int64)
    return (sums - 4 * 65535) / (65536 * math.sqrt(8 / 12))


def parameter(name: str, shape: Shape, seed: int, spread: Mapping[str, float]) -> NDArray[np.float32]:
    """A parameter's value, from its canonical name.

    Args:
        name: The name in a saved checkpoint.
        shape: Its shape.
        seed: Another seed gives other values.
        spread: Standard deviations, by the longest end of a name that they hold for; "" for all others.
    """
    values = uniform_sums(f"{seed}/{name}", math.prod(shape)).reshape(shape)
    if name.endswith(".weight") and len(shape) == 1:
        return (1 + 0.1 * values).astype(np.float32)
    end = max((end for end in spread if name.endswith(end)), key=len)
    return (spread[end] * values).astype(np.float32)


def merge_pairs(
    words: Mapping[tuple[str, ...], int], count: int, join: Callable[[str, str], str] = str.__add__
) -> list[tuple[str, str]]:
    """Byte-pair encoding's merges, most frequent pair first; of equally frequent ones the first by name."""
    merges: list[tuple[str, str]] = []
    while len(merges) < count:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, frequency in words.items():
            for pair in pairwise(word):
                pairs[pair] += frequency
        left, right = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merges.append((left, right))
        merged: Counter[tuple[str, ...]] = Counter()
        for word, frequency in words.items():
            symbols: list[str] = []
            for symbol in word:
                if symbols and symbols[-1] == left and symbol == right:
                    symbols[-1] = join(left, right)
                else:
                    symbols.append(symbol)
            merged[tuple(symbols)] += frequency
        words = merged
    return merges


def counted(pieces: Iterable[str]) -> Counter[tuple[str, ...]]:
    """Words as tuples of characters, and how often each occurs."""
    return Counter(tuple(piece) for piece in pieces)


def pieces_of(pre_tokenizer: Any) -> list[str]:
    """What a pre-tokenizer makes of `TEXT`, line by line, so that no piece holds a line break."""
    return [piece for line in TEXT.splitlines() for piece, _ in pre_tokenizer.pre_tokenize_str(line)]


def unique(symbols: Iterable[str]) -> list[str]:
    """Symbols in order, each once."""
    return list(dict.fromkeys(symbols))


def write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def write_folder(
    folder: Path,
    *,
    config: Mapping[str, Any],
    shapes: Mapping[str, Shape],
    seed: int,
    spread: Mapping[str, float],
    tokenizer: Tokenizer,
    special: Mapping[str, str],
) -> Path:
    """Write all files of a model.

    Args:
        folder: Is made if it is not there.
        config: What config.json holds.
        shapes: All parameters of the checkpoint by their canonical names.
        seed: Of the weights.
        spread: See `parameter`.
        tokenizer: What tokenizer.json holds.
        special: The tokenizer's special tokens by their parts ("bos_token").
    """
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "config.json", config)
    weights = {name: parameter(name, shape, seed, spread) for name, shape in shapes.items()}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    content = json.loads(tokenizer.to_str())
    if "merges" in content["model"]:  # pairs since tokenizers 0.20, which reads both; strings before
        content["model"]["merges"] = [
            merge if isinstance(merge, str) else " ".join(merge) for merge in content["model"]["merges"]
        ]
    write_json(folder / "tokenizer.json", content)
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "clean_up_tokenization_spaces": False,
            "model_max_length": 1_000_000,
            **special,
        },
    )
    return folder


def make_tiny_llama(folder: Path) -> Path:
    """Causal, rotary positions (1024), SentencePiece-like BPE; texts begin with <s>, newline has id 13."""
    metaspace = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first")
    # llmlingua takes id 13 for the newline, as in Llama 2's vocabulary.
    characters = ["▁", *"etaoinsrh", "\n", *(chr(code) for code in range(33, 127)), *"éüß€°–"]
    merges = merge_pairs(counted(pieces_of(metaspace)), 480)
    symbols = unique(["<unk>", "<s>", "</s>", *characters, *(left + right for left, right in merges)])
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    tokenizer.pre_tokenizer = metaspace
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="first")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in symbols[:3]])

    heads, kv_heads, middle = 4, 2, 128
    shapes: dict[str, Shape] = {
        "model.embed_tokens.weight": (len(vocabulary), HIDDEN),
        "model.norm.weight": (HIDDEN,),
        "lm_head.weight": (len(vocabulary), HIDDEN),
    }
    for layer in range(LAYERS):
        shapes |= {
            f"model.layers.{layer}.{name}.weight": shape
            for name, shape in {
                "self_attn.q_proj": (HIDDEN, HIDDEN),
                "self_attn.k_proj": (HIDDEN // heads * kv_heads, HIDDEN),
                "self_attn.v_proj": (HIDDEN // heads * kv_heads, HIDDEN),
                "self_attn.o_proj": (HIDDEN, HIDDEN),
                "mlp.gate_proj": (middle, HIDDEN),
                "mlp.up_proj": (middle, HIDDEN),
                "mlp.down_proj": (HIDDEN, middle),
                "input_layernorm": (HIDDEN,),
                "post_attention_layernorm": (HIDDEN,),
            }.items()
        }
    config = {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(vocabulary),
        "hidden_size": HIDDEN,
        "intermediate_size": middle,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "max_position_embeddings": 1024,
        "rms_norm_eps": 1e-5,
        "hidden_act": "silu",
        "tie_word_embeddings": False,
        "bos_token_id": 1,
        "eos_token_id": 2,
    }
    return write_folder(
        folder / "tiny_llama",
        config=config,
        shapes=shapes,
        seed=1,
        spread={"": 0.2, "embed_tokens.weight": 1.0, "lm_head.weight": 0.25},
        tokenizer=tokenizer,
        special={"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>"},
    )


def make_tiny_gpt2(folder: Path) -> Path:
    """Causal, learnt positions (512), byte-level BPE; nothing is put before a text."""
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    merges = merge_pairs(counted(pieces_of(byte_level)), 340)
    symbols = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *(left + right for left, right in merges)]
    symbols = unique([*symbols, "<|endoftext|>"])
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = byte_level
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", normalized=False)])

    shapes: dict[str, Shape] = {
        "transformer.wte.weight": (len(vocabulary), HIDDEN),
        "transformer.wpe.weight": (512, HIDDEN),
        "transformer.ln_f.weight": (HIDDEN,),
        "transformer.ln_f.bias": (HIDDEN,),
    }
    for layer in range(LAYERS):
        for name, shape in {
            "ln_1": (HIDDEN,),
            "attn.c_attn": (HIDDEN, 3 * HIDDEN),
            "attn.c_proj": (HIDDEN, HIDDEN),
            "ln_2": (HIDDEN,),
            "mlp.c_fc": (HIDDEN, 4 * HIDDEN),
            "mlp.c_proj": (4 * HIDDEN, HIDDEN),
        }.items():
            shapes[f"transformer.h.{layer}.{name}.weight"] = shape
            shapes[f"transformer.h.{layer}.{name}.bias"] = shape[-1:]
    config = {
        "architectures": ["GPT2LMHeadModel"],
        "model_type": "gpt2",
        "vocab_size": len(vocabulary),
        "n_embd": HIDDEN,
        "n_layer": LAYERS,
        "n_head": 4,
        "n_positions": 512,
        "bos_token_id": vocabulary["<|endoftext|>"],
        "eos_token_id": vocabulary["<|endoftext|>"],
    }
    return write_folder(
        folder / "tiny_gpt2",
        config=config,
        shapes=shapes,
        seed=2,
        spread={"": 0.2, "wte.weight": 0.3, "wpe.weight": 0.1, ".bias": 0.05},
        tokenizer=tokenizer,
        special={part: "<|endoftext|>" for part in ("bos_token", "eos_token", "unk_token")},
    )


def make_tiny_mbert(folder: Path) -> Path:
    """Token classifier with two labels and cased WordPiece, as LLMLingua-2's multilingual BERT."""
    pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    words = Counter((word[0], *(f"##{letter}" for letter in word[1:])) for word in pieces_of(pre_tokenizer))
    merges = merge_pairs(words, 420, lambda left, right: left + right.removeprefix("##"))
    characters = sorted({*(chr(code) for code in range(33, 127)), *"éüß€°–"})
    letters = [letter for letter in characters if letter.isalnum()]
    symbols = unique(
        [
            *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
            *characters,
            *(f"##{letter}" for letter in letters),
            *(left + right.removeprefix("##") for left, right in merges),
        ]
    )
    vocabulary = {symbol: number for number, symbol in enumerate(symbols)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=False, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in symbols[:5]])
    config = classifier_config("BertForTokenClassification", "bert", len(vocabulary)) | {
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "layer_norm_eps": 1e-12,
        "pad_token_id": 0,
    }
    return write_folder(
        folder / "tiny-llmlingua-2-bert-base-multilingual-cased",
        config=config,
        shapes=classifier_shapes("bert", config),
        seed=5,
        spread=CLASSIFIER_SPREAD,
        tokenizer=tokenizer,
        special={
            "cls_token": "[CLS]",
            "mask_token": "[MASK]",
            "pad_token": "[PAD]",
            "sep_token": "[SEP]",
            "unk_token": "[UNK]",
        },
    )


def make_tiny_xlmr(folder: Path) -> Path:
    """Token classifier with two labels and SentencePiece-like Unigram, as LLMLingua-2's XLM-RoBERTa."""
    pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always")]
    )
    merges = merge_pairs(counted(pieces_of(pre_tokenizer)), 420)
    characters = ["▁", *sorted({*(chr(code) for code in range(33, 127)), *"éüß€°–"})]
    pieces = unique([*(left + right for left, right in merges), "▁?", *characters])
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    scores = [(token, 0.0) for token in special]
    scores += [(piece, round(-math.log(rank + 12.5), 5)) for rank, piece in enumerate(pieces)]
    scores += [("<mask>", 0.0)]
    tokenizer = Tokenizer(models.Unigram(scores, unk_id=3, byte_fallback=False))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.Metaspace(replacement="▁", prepend_scheme="always")
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>",
        pair="<s> $A </s> </s> $B </s>",
        special_tokens=[("<s>", 0), ("</s>", 2)],
    )
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in special])
    tokenizer.add_special_tokens([AddedToken("<mask>", lstrip=True, normalized=False)])
    config = classifier_config("XLMRobertaForTokenClassification", "xlm-roberta", len(scores)) | {
        "max_position_embeddings": 514,
        "type_vocab_size": 1,
        "layer_norm_eps": 1e-5,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
    return write_folder(
        folder / "tiny-llmlingua-2-xlm-roberta-large",
        config=config,
        shapes=classifier_shapes("roberta", config),
        seed=13,
        spread=CLASSIFIER_SPREAD,
        tokenizer=tokenizer,
        special={
            "bos_token": "<s>",
            "cls_token": "<s>",
            "eos_token": "</s>",
            "mask_token": "<mask>",
            "pad_token": "<pad>",
            "sep_token": "</s>",
            "unk_token": "<unk>",
        },
    )


CLASSIFIER_SPREAD = {
    "": 0.2,
    "word_embeddings.weight": 0.5,
    "position_embeddings.weight": 0.1,
    "token_type_embeddings.weight": 0.1,
    ".bias": 0.05,
    "classifier.weight": 0.25,
}


def classifier_config(architecture: str, model_type: str, vocabulary: int) -> dict[str, Any]:
    """What both classifiers' configurations share."""
    return {
        "architectures": [architecture],
        "model_type": model_type,
        "vocab_size": vocabulary + FORCE_TOKENS,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": 4,
        "intermediate_size": 2 * HIDDEN,
        "id2label": {"0": "LABEL_0", "1": "LABEL_1"},
        "label2id": {"LABEL_0": 0, "LABEL_1": 1},
    }


def classifier_shapes(prefix: str, config: Mapping[str, Any]) -> dict[str, Shape]:
    """Parameters of a BERT-like classifier of tokens."""
    middle = config["intermediate_size"]
    shapes: dict[str, Shape] = {
        f"{prefix}.embeddings.word_embeddings.weight": (config["vocab_size"], HIDDEN),
        f"{prefix}.embeddings.position_embeddings.weight": (config["max_position_embeddings"], HIDDEN),
        f"{prefix}.embeddings.token_type_embeddings.weight": (config["type_vocab_size"], HIDDEN),
        f"{prefix}.embeddings.LayerNorm.weight": (HIDDEN,),
        f"{prefix}.embeddings.LayerNorm.bias": (HIDDEN,),
        "classifier.weight": (2, HIDDEN),
        "classifier.bias": (2,),
    }
    for layer in range(LAYERS):
        for name, shape in {
            "attention.self.query": (HIDDEN, HIDDEN),
            "attention.self.key": (HIDDEN, HIDDEN),
            "attention.self.value": (HIDDEN, HIDDEN),
            "attention.output.dense": (HIDDEN, HIDDEN),
            "attention.output.LayerNorm": (HIDDEN,),
            "intermediate.dense": (middle, HIDDEN),
            "output.dense": (HIDDEN, middle),
            "output.LayerNorm": (HIDDEN,),
        }.items():
            shapes[f"{prefix}.encoder.layer.{layer}.{name}.weight"] = shape
            shapes[f"{prefix}.encoder.layer.{layer}.{name}.bias"] = shape[:1]
    return shapes


MAKERS: dict[str, Callable[[Path], Path]] = {
    "tiny_llama": make_tiny_llama,
    "tiny_gpt2": make_tiny_gpt2,
    "tiny_mbert": make_tiny_mbert,
    "tiny_xlmr": make_tiny_xlmr,
}
"""All models by name."""
