"""A causal language model of transformers that follows a script, so that real pipelines and `generate` run.

Only its logits are made up: everything around it, from chat templates and tokenizers to streamers and
stopping, is the library's.
"""

from collections.abc import Callable
from typing import Any

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import GenerationMixin, PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast
from transformers.modeling_outputs import CausalLMOutput

from skeleton_script import cited

__all__ = ["ScriptedCausalLM", "scripted_pair"]

_SPECIAL = ["<pad>", "</s>", "<|system|>", "<|user|>", "<|assistant|>"]
PAD, END = 0, 1
_TEMPLATE = (
    "{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


class ScriptedConfig(PretrainedConfig):
    model_type = "scripted"


class ScriptedCausalLM(PreTrainedModel, GenerationMixin):
    """Says what `reply` makes of a prompt, and then ends; `prompts` are those it was given, each once."""

    config_class = ScriptedConfig
    main_input_name = "input_ids"

    def __init__(self, tokenizer: Any, reply: Callable[[str], str] = cited) -> None:
        super().__init__(
            ScriptedConfig(vocab_size=len(tokenizer), bos_token_id=END, eos_token_id=END, pad_token_id=PAD)
        )
        self.anchor = torch.nn.Parameter(torch.zeros(1))  # what says where a model is
        self._tokenizer, self._reply = tokenizer, reply
        self.generation_config.use_cache = False
        self._replies: dict[tuple[int, ...], list[int]] = {}
        self.prompts: list[str] = []

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor | None = None, **unused: Any
    ) -> CausalLMOutput:
        logits = torch.full((len(input_ids), 1, self.config.vocab_size), -1e4)
        for row, ids in enumerate(input_ids.tolist()):
            logits[row, -1, self._next(ids)] = 0.0
        return CausalLMOutput(logits=logits)

    def _next(self, ids: list[int]) -> int:
        for prompt, reply in list(self._replies.items()):
            said = len(ids) - len(prompt)
            if 0 <= said < len(reply) and ids == [*prompt, *reply[:said]]:
                return reply[said]
        prompt = self._tokenizer.decode(ids)
        reply = [*self._tokenizer.encode(self._reply(prompt)), END]
        self._replies[tuple(ids)] = reply
        self.prompts.append(prompt)
        return reply[0]


def scripted_pair(reply: Callable[[str], str] = cited) -> tuple[ScriptedCausalLM, Any]:
    """The model and its tokenizer, whose tokens are bytes."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: i for i, token in enumerate([*_SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(_SPECIAL)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="</s>", chat_template=_TEMPLATE
    )
    return ScriptedCausalLM(wrapped, reply).eval(), wrapped
