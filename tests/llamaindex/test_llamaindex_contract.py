"""The contract of LlamaIndex's node postprocessors, kept by every method."""

from collections.abc import Callable

import pytest

pytest.importorskip("llama_index.core", reason="needs the extra: lingua-rag[llamaindex]")

from llamaindex_contract import PostprocessorContract
from llamaindex_lingua import LinguaPostprocessor
from method_models import METHODS, options_of


@pytest.fixture(params=METHODS)
def make(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Callable[..., LinguaPostprocessor]:
    """Makes postprocessors of each method."""
    fixed = options_of(request.param, tmp_path_factory.mktemp)
    return lambda **options: LinguaPostprocessor(**fixed, **options)


class TestLinguaPostprocessor(PostprocessorContract):
    events = ["CompressionStartEvent", "CompressionEndEvent"]  # noqa: RUF012  # the contract's name
