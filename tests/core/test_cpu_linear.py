"""Linear layers on a CPU: the same numbers from other kernels, and nearly the same from weights of 8 bits."""

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from language_models import TEXT, language_model
from lingua_core import InputError, ModelError, PromptCompressor
from lingua_core.models.causal_lm import CausalLM
from lingua_core.models.continuations import Continuation

torch = pytest.importorskip("torch")

cpu_linear: Any = pytest.importorskip("lingua_core.models.cpu_linear")
Int8Linear, fast_linear = cpu_linear.Int8Linear, cpu_linear.fast_linear
CPU = torch.device("cpu")
NOTHING = np.zeros(0, np.int64)


def layer(*, bias: bool = True, seed: int = 0) -> Any:
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return torch.nn.Linear(48, 40, bias=bias)


def rows(*shape: int) -> Any:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1))


needs_int8 = pytest.mark.skipif(not cpu_linear._has_int8(), reason="no 8-bit kernels here")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 48), (7, 48), (2, 5, 48), (0, 48), (48,)])
def test_other_kernels_give_the_same_numbers(bias: bool, shape: tuple[int, ...]) -> None:
    subject, given = layer(bias=bias), rows(*shape)
    with torch.inference_mode():
        wanted = subject(given)
        with fast_linear(CPU):
            torch.testing.assert_close(subject(given), wanted, atol=1e-5, rtol=1e-5)
            half = subject.bfloat16()(given.bfloat16())
    assert half.dtype == torch.bfloat16


def test_the_kernels_are_used_inside_the_context_and_in_its_thread_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if not cpu_linear._has_onednn():
        pytest.skip("no oneDNN here")
    used: list[str] = []
    plain = cpu_linear._onednn_linear

    def seen(*arguments: Any) -> Any:
        used.append(threading.current_thread().name)
        return plain(*arguments)

    monkeypatch.setattr(cpu_linear, "_onednn_linear", seen)
    subject, given = layer(), rows(3, 48)
    with torch.inference_mode():
        subject(given)
        assert not used
        with fast_linear(CPU):
            subject(given)
            other = threading.Thread(target=lambda: subject(given), name="other")
            other.start()
            other.join()
        subject(given)
    assert used == [threading.current_thread().name]


def test_a_build_of_torch_without_the_kernels_does_without_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu_linear, "_has_onednn", lambda: False)
    monkeypatch.setattr(cpu_linear, "_onednn_linear", None)
    with fast_linear(CPU):
        assert layer()(rows(3, 48)).shape == (3, 40)


@needs_int8
@pytest.mark.parametrize("bias", [True, False])
def test_weights_of_8_bits_give_nearly_the_same_numbers(bias: bool) -> None:
    subject, given = layer(bias=bias), rows(2, 30, 48)
    with torch.inference_mode():
        wanted = subject(given)
        found = Int8Linear(subject)(given)
    assert found.shape == wanted.shape
    assert 0 < float((found - wanted).abs().mean()) < 0.02 * float(wanted.abs().mean())


@needs_int8
def test_with_8_bits_a_row_does_not_depend_on_those_beside_it() -> None:
    subject, given = Int8Linear(layer()), rows(30, 48)
    given[3] *= 1000  # what a scale for the whole batch would not survive
    given[4] = 0
    with torch.inference_mode():
        together = subject(given)
        torch.testing.assert_close(torch.cat([subject(row[None]) for row in given]), together)
        torch.testing.assert_close(together[4], subject.bias)


@needs_int8
def test_a_model_with_8_bits_finds_nearly_the_same_surprisals(tmp_path: Path) -> None:
    model, tokenizer = language_model("llama")
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    exact, subject = CausalLM(tmp_path), CausalLM(tmp_path, dtype="int8")
    assert exact.surprisals([]) == subject.surprisals([]) == []
    ids = exact.tokenize([TEXT])[0].ids[:200]
    (wanted,) = exact.surprisals([Continuation(NOTHING, ids)])
    (found,) = subject.surprisals([Continuation(NOTHING, ids)])
    assert any(isinstance(module, Int8Linear) for module in subject._model.load().model.modules())
    assert 0 < np.abs(found - wanted).mean() < 0.1 * wanted.std()
    compressor = PromptCompressor("longllmlingua", model=tmp_path, options={"dtype": "int8"})
    assert abs(compressor.compress([TEXT, TEXT[:200]], "Who opened the harbour?", rate=0.5).rate - 0.5) < 0.05


@needs_int8
def test_a_model_without_linear_layers_is_a_clear_error() -> None:
    with pytest.raises(ModelError, match="no linear layers"):
        cpu_linear.quantize_linear_layers(torch.nn.Sequential(torch.nn.ReLU()))


def test_8_bits_of_a_loaded_model_or_elsewhere_are_clear_errors() -> None:
    with pytest.raises(InputError, match="a loaded model, which stays as it is"):
        CausalLM(language_model("llama"), dtype="int8")
    with pytest.raises(InputError, match="device='cuda'"):
        CausalLM("nowhere", device="cuda", dtype="int8")
