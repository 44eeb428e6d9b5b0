"""Lingua for LangChain's agents: tool results are shortened once, and their originals stay at hand.

```python
from langchain.agents import create_agent
from langchain_lingua.agents import CompressToolResultsMiddleware

agent = create_agent(model, tools, middleware=[CompressToolResultsMiddleware()])
```

Needs the extra: `pip install "lingua-rag[langchain-agents]"`.
"""

from importlib import import_module

from lingua_core.errors import MissingDependencyError

try:
    import_module("langchain.agents.middleware")
except ModuleNotFoundError as error:
    raise MissingDependencyError.for_extra(
        "langchain", extra="langchain-agents", purpose="langchain_lingua.agents"
    ) from error

from langchain_lingua.context_edit import CompressToolResultsEdit
from langchain_lingua.middleware import CompressToolResultsMiddleware
from langchain_lingua.original_tool import get_original_tool
from langchain_lingua.originals import OriginalsStore

__all__ = [
    "CompressToolResultsEdit",
    "CompressToolResultsMiddleware",
    "OriginalsStore",
    "get_original_tool",
]
