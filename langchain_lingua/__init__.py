"""Lingua for LangChain: retrieved documents cut to what matters for the question.

```python
from langchain_lingua import LinguaCompressor

compressor = LinguaCompressor(target_tokens=500)
documents = compressor.compress_documents(retriever.invoke(question), question)
```

`LinguaCompressor` is a `BaseDocumentCompressor`, so it also goes into a `ContextualCompressionRetriever`
or a `DocumentCompressorPipeline`. `compress_documents` and `compress_prompt` make steps of LCEL chains.
`CompressToolResultsEdit` is for agents; `langchain_lingua.agents` has more. `SkeletonOfThoughtChain` writes
long answers in parallel, with any chat model. Needs the extra: `pip install "lingua-rag[langchain]"`.
"""

from importlib import import_module

from lingua_core.errors import MissingDependencyError

try:
    import_module("langchain_core")
except ImportError as error:
    raise MissingDependencyError.for_extra(
        "langchain-core", extra="langchain", purpose="langchain_lingua"
    ) from error

from langchain_lingua.compressor import LinguaCompressor
from langchain_lingua.context_edit import CompressToolResultsEdit
from langchain_lingua.document_step import CompressDocuments, compress_documents
from langchain_lingua.prompt_step import CompressPrompt, compress_prompt
from langchain_lingua.removed_tool import get_removed_tool
from langchain_lingua.skeleton import SkeletonOfThoughtChain

__all__ = [
    "CompressDocuments",
    "CompressPrompt",
    "CompressToolResultsEdit",
    "LinguaCompressor",
    "SkeletonOfThoughtChain",
    "compress_documents",
    "compress_prompt",
    "get_removed_tool",
]
