"""Finding removed parts by words: BM25 (Lucene's variant) over an index in the store's own tables.

Words are those of the "lexical" method, so that languages without spaces work, and every build of SQLite.
"""

import math
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Sequence

from lingua_core.scorers.lexical import terms

__all__ = ["index_new", "ranked"]

_K1 = 1.2
_B = 0.75


def index_new(database: sqlite3.Connection, parts: Sequence[tuple[int, Counter[str]]]) -> None:
    """Add parts to the index: their row numbers, and how often they have which word."""
    database.executemany(
        "INSERT OR REPLACE INTO words (word, part, times) VALUES (?, ?, ?)",
        [(word, row, times) for row, words in parts for word, times in words.items()],
    )
    database.executemany(
        "UPDATE parts SET length = ? WHERE row = ?", [(words.total(), row) for row, words in parts]
    )


def ranked(database: sqlite3.Connection, query: str) -> list[int]:
    """Row numbers of the parts that share a word with the query, best first."""
    total, mean = database.execute("SELECT COUNT(*), AVG(length) FROM parts").fetchone()
    scores: defaultdict[int, float] = defaultdict(float)
    for word in dict.fromkeys(terms(query)):
        found = database.execute(
            "SELECT part, times, length FROM words JOIN parts ON parts.row = part WHERE word = ?", (word,)
        ).fetchall()
        weight = math.log(1 + (total - len(found) + 0.5) / (len(found) + 0.5))
        for part, times, length in found:
            scores[part] += weight * times / (times + _K1 * (1 - _B + _B * length / mean))
    return sorted(scores, key=lambda part: (-scores[part], part))
