"""The part of bm25s that Lingua uses."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

class BM25:
    def __init__(self, *, method: str, k1: float, b: float) -> None: ...
    def index(self, corpus: Sequence[Sequence[str]], *, show_progress: bool) -> None: ...
    def get_scores(self, query_tokens_single: list[str]) -> NDArray[np.float32]: ...
