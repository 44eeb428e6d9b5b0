"""Adapters in peft's format: merged as peft merges them, and reached from every surface."""

import json
from pathlib import Path
from typing import Any

import pytest

from cli_runner import lingua
from language_models import TEXT, language_model
from lingua_core import InputError, ModelError, PromptCompressor
from lingua_core.models.causal_lm import CausalLM, Continuation
from lingua_core.models.low_rank import merge_adapter

torch = pytest.importorskip("torch")
peft = pytest.importorskip("peft")
load_file = pytest.importorskip("safetensors.torch").load_file
save_file = pytest.importorskip("safetensors.torch").save_file

# peft asks transformers by a name that transformers has given up.
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")


@pytest.fixture
def base(tmp_path: Path) -> Path:
    for part in language_model("llama"):
        part.save_pretrained(tmp_path / "base")
    return tmp_path / "base"


def make_adapter(folder: Path, kind: str = "llama", **settings: Any) -> Any:
    """Write an adapter with random weights; returns peft's model."""
    model, _ = language_model(kind)
    config = peft.LoraConfig(**{"r": 4, "target_modules": "all-linear", "task_type": "CAUSAL_LM"} | settings)
    adapted = peft.get_peft_model(model, config)
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in adapted.parameters():
            if parameter.requires_grad:
                parameter.copy_(torch.randn(parameter.shape, generator=generator) / 4)
    adapted.save_pretrained(folder)
    return adapted


CASES: dict[str, dict[str, Any]] = {
    "plain": {},
    "gpt2": {"kind": "gpt2", "fan_in_fan_out": True},
    "rank-stabilised": {"use_rslora": True, "lora_alpha": 16},
    "patterns": {"rank_pattern": {"q_proj": 2}, "alpha_pattern": {"q_proj": 32, "down_proj": 1}},
    "embeddings": {"target_modules": ["embed_tokens", "v_proj"]},
    "head": {"modules_to_save": ["lm_head"], "target_modules": ["v_proj"]},
    "biases": {"kind": "qwen2", "bias": "all"},
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Setting `save_embedding_layers`:UserWarning")
def test_an_adapter_is_merged_as_peft_merges_it(name: str, tmp_path: Path) -> None:
    settings = dict(CASES[name])
    kind = settings.pop("kind", "llama")
    theirs = make_adapter(tmp_path, kind, **settings).merge_and_unload().state_dict()
    plain, _ = language_model(kind)
    ours, _ = language_model(kind)
    merge_adapter(ours, tmp_path)
    changed = 0
    for key, value in ours.state_dict().items():
        assert torch.allclose(value, theirs[key], atol=1e-5), key
        changed += not torch.equal(value, plain.state_dict()[key])
    assert changed


def test_a_language_model_with_an_adapter_says_what_pefts_says(tmp_path: Path, base: Path) -> None:
    merged = make_adapter(tmp_path / "adapter").merge_and_unload()
    _, tokenizer = language_model("llama")
    theirs = CausalLM((merged, tokenizer))
    ours = CausalLM(base, adapter=tmp_path / "adapter")
    rows = [Continuation(row.ids[:0], row.ids) for row in ours.tokenize([TEXT])]
    assert ours.surprisals(rows)[0] == pytest.approx(theirs.surprisals(rows)[0], abs=1e-3)
    assert str(tmp_path / "adapter") in ours.name


def test_what_is_kept_depends_on_the_adapter_and_quantising_comes_after_it(
    tmp_path: Path, base: Path
) -> None:
    make_adapter(tmp_path / "adapter", lora_alpha=64)
    found: list[str] = []
    for adapter, dtype in (
        (None, "float32"),
        (tmp_path / "adapter", "float32"),
        (str(tmp_path / "adapter"), "int8"),
    ):
        compressor = PromptCompressor(
            "selective-context", model=str(base), adapter=adapter, options={"dtype": dtype, "unit": "word"}
        )
        found.append(compressor.compress([TEXT], rate=0.5).text)
    plain, adapted, small = found
    assert plain != adapted
    assert len(set(adapted.split()) & set(small.split())) > len(set(plain.split()) & set(small.split()))


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_the_command_line_and_both_frameworks_take_an_adapter(tmp_path: Path, base: Path) -> None:
    make_adapter(tmp_path / "adapter", lora_alpha=64)
    adapter = str(tmp_path / "adapter")
    expected = PromptCompressor("llmlingua", model=base, adapter=adapter).compress([TEXT], rate=0.5).text
    assert expected != PromptCompressor("llmlingua", model=base).compress([TEXT], rate=0.5).text
    result = lingua(
        "compress",
        "-",
        "--method",
        "llmlingua",
        "--model",
        base,
        "--adapter",
        adapter,
        "--rate",
        "0.5",
        stdin=TEXT,
    )
    assert result.exit_code == 0, result.stderr
    assert result.stdout == expected + "\n"
    settings: dict[str, Any] = {"method": "llmlingua", "model": str(base), "adapter": adapter, "rate": 0.5}
    langchain = pytest.importorskip("langchain_lingua")
    from langchain_core.documents import Document
    from langchain_core.load import dumps, loads

    stored = dumps(langchain.LinguaCompressor(**settings))
    revived = loads(
        stored, allowed_objects=[langchain.LinguaCompressor], valid_namespaces=["langchain_lingua"]
    )
    assert revived.compress_documents([Document(TEXT)], "")[0].page_content == expected
    llamaindex = pytest.importorskip("llamaindex_lingua")
    from llama_index.core.schema import NodeWithScore, TextNode

    postprocessor = llamaindex.LinguaPostprocessor.from_dict(
        json.loads(llamaindex.LinguaPostprocessor(**settings).to_json())
    )
    (node,) = postprocessor.postprocess_nodes([NodeWithScore(node=TextNode(text=TEXT))])
    assert node.node.get_content() == expected


@pytest.mark.parametrize("method", ["extract", "lexical", "llmlingua2"])
def test_methods_without_a_causal_language_model_take_no_adapter(method: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="adapter='somewhere' goes with a causal language model"):
        PromptCompressor(method, model=str(tmp_path) if method == "llmlingua2" else None, adapter="somewhere")


def test_a_loaded_model_takes_no_adapter_for_it_stays_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="goes with a causal language model given by folder or name"):
        PromptCompressor("llmlingua", model=language_model(), adapter=tmp_path)
    make_adapter(tmp_path)
    with pytest.raises(InputError, match="stays as it is"):
        CausalLM(language_model(), adapter=tmp_path)


@pytest.mark.parametrize("adapter", ["nowhere", "", "x" * 5000, 3])
def test_a_folder_without_an_adapter_is_refused_before_a_model_is_loaded(adapter: Any, base: Path) -> None:
    with pytest.raises(InputError, match=r"no folder with adapter_config\.json|must be a folder"):
        PromptCompressor("llmlingua", model=base, adapter=adapter)


def test_an_exported_model_alone_takes_no_adapter(tmp_path: Path) -> None:
    make_adapter(tmp_path / "adapter")
    (tmp_path / "causal_lm.onnx").touch()
    with pytest.raises(InputError, match=r"exported model only.*merge-adapter"):
        PromptCompressor("llmlingua", model=tmp_path, adapter=tmp_path / "adapter")


def rewrite_config(folder: Path, **changes: Any) -> None:
    file = folder / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))


@pytest.mark.parametrize("changes", [{"peft_type": "IA3"}, {"use_dora": True}, {"peft_type": None}])
def test_more_than_a_plain_lora_is_refused_with_advice(tmp_path: Path, changes: dict[str, Any]) -> None:
    make_adapter(tmp_path)
    rewrite_config(tmp_path, **changes)
    with pytest.raises(ModelError, match=r"more than a plain LoRA.*merge_and_unload"):
        merge_adapter(language_model()[0], tmp_path)


def test_an_adapter_of_another_model_is_refused_by_what_does_not_fit(tmp_path: Path) -> None:
    make_adapter(tmp_path)
    rewrite_config(tmp_path, base_model_name_or_path="some/base")
    with pytest.raises(ModelError, match=r"made for 'some/base',.*the model has no"):
        merge_adapter(language_model("gpt2")[0], tmp_path)
    with pytest.raises(ModelError, match="has the shape"):
        merge_adapter(language_model(hidden_size=64)[0], tmp_path)


@pytest.mark.parametrize("damage", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_damaged_adapter_is_named(tmp_path: Path, damage: str) -> None:
    make_adapter(tmp_path)
    (tmp_path / damage).write_bytes(b"{")
    with pytest.raises(ModelError, match="cannot be read"):
        merge_adapter(language_model()[0], tmp_path)


def test_a_missing_factor_is_a_misfit(tmp_path: Path) -> None:
    make_adapter(tmp_path)
    weights = load_file(tmp_path / "adapter_model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if "0.self_attn.q_proj.lora_B" not in key},
        tmp_path / "adapter_model.safetensors",
    )
    with pytest.raises(ModelError, match="a factor is missing"):
        merge_adapter(language_model()[0], tmp_path)
