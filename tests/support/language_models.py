"""Small causal language models with random weights, for tests of what reads any of them."""

from typing import Any

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

TEXT = (
    "The harbour of Varno was opened in 1887 by Ada Marsh, who had built two bridges before. Ships came "
    "from Oslo and Lima. The town paid 4,500 crowns for it, which was not much. In winter the water "
    "freezes, and nobody works there for six weeks. Fish is sold on Fridays at the old gate. A lamp was "
    "first lit in 1901; it burns oil. Children climb the tower to see the comet. The keeper writes down "
    "every ship, its flag and its cargo. When the railway came, the mills closed one after another. "
    "Today 36% of the people are older than sixty. The council meets on Mondays. It has never sold the "
    "harbour."
)
SIZES: dict[str, Any] = {
    "vocab_size": 420,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 256,
    "initializer_range": 0.4,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 3,
}


def byte_tokenizer(*, begins: bool, decodes: bool = False) -> Any:
    """Byte-level BPE, with or without a token that begins every text.

    Without a decoder, decoded text is the tokens themselves with spaces between them.
    """
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<unk>", "<s>", "</s>", "<pad>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    if begins:
        tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    if decodes:
        tokenizer.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def sentencepiece_tokenizer() -> Any:
    """BPE with a mark for spaces and a beginning, as Llama's first tokenizers."""
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<unk>", "<s>", "</s>", "<pad>"], show_progress=False
    )
    tokenizer.train_from_iterator([TEXT], trainer)
    tokenizer.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", unk_token="<unk>")


def language_model(kind: str = "llama", *, seed: int = 0, **sizes: Any) -> tuple[Any, Any]:
    """A model and its tokenizer.

    Kinds: "llama" (begins texts), "llama-sentencepiece", "gpt2" (does not begin texts), "gemma2" (sliding
    windows, capped logits), "granite" (scaled logits), "opt" (learnt positions), "qwen2" (biases), "qwen3"
    (normalized queries and keys), "mistral" (a sliding window in every layer), "mamba" (recurrent).
    """
    import torch
    import transformers as hf

    torch.set_num_threads(1)  # many threads only slow models of this size down
    torch.manual_seed(seed)
    given = SIZES | sizes
    if kind == "gpt2":
        config = hf.GPT2Config(
            vocab_size=given["vocab_size"], n_embd=32, n_layer=2, n_head=4,
            n_positions=given["max_position_embeddings"], initializer_range=0.4, bos_token_id=1,
            eos_token_id=2,
        )  # fmt: skip
        return hf.GPT2LMHeadModel(config).eval(), byte_tokenizer(begins=False)
    if kind == "gemma2":
        config = hf.Gemma2Config(**given, head_dim=8, sliding_window=24, final_logit_softcapping=3.0)
        return hf.Gemma2ForCausalLM(config).eval(), byte_tokenizer(begins=True)
    if kind == "granite":
        config = hf.GraniteConfig(**given, logits_scaling=4.0)
        return hf.GraniteForCausalLM(config).eval(), byte_tokenizer(begins=True)
    if kind == "opt":
        config = hf.OPTConfig(
            vocab_size=given["vocab_size"], hidden_size=32, ffn_dim=64, num_hidden_layers=2,
            num_attention_heads=4, max_position_embeddings=given["max_position_embeddings"], init_std=0.4,
            word_embed_proj_dim=32, bos_token_id=1, eos_token_id=2, pad_token_id=3,
        )  # fmt: skip
        return hf.OPTForCausalLM(config).eval(), byte_tokenizer(begins=True)
    if kind in ("qwen2", "qwen3"):
        name = kind.capitalize()
        config = getattr(hf, f"{name}Config")(**given, head_dim=8)
        return getattr(hf, f"{name}ForCausalLM")(config).eval(), byte_tokenizer(begins=True)
    if kind == "mistral":
        config = hf.MistralConfig(**given, sliding_window=24)
        return hf.MistralForCausalLM(config).eval(), byte_tokenizer(begins=True)
    if kind == "mamba":
        config = hf.MambaConfig(
            vocab_size=given["vocab_size"], hidden_size=32, state_size=8, num_hidden_layers=2, bos_token_id=1,
            eos_token_id=2, pad_token_id=3, initializer_range=0.4,
        )  # fmt: skip
        return hf.MambaForCausalLM(config).eval(), byte_tokenizer(begins=True)
    model = hf.LlamaForCausalLM(hf.LlamaConfig(**given)).eval()
    tokenizer = sentencepiece_tokenizer() if kind == "llama-sentencepiece" else byte_tokenizer(begins=True)
    return model, tokenizer
