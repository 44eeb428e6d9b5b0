"""Key phrases of texts: a few of their own words that say what they are about.

Candidates are the runs of content words between function words and punctuation, as in RAKE (Rose et al.
2010), at most three words long; a phrase is worth what its words are by tf-idf over the texts, more if it is
repeated or is a name, and less if the reader has its words before him anyway. Nothing is generated: every
phrase stands in its text.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from lingua_core.removed.stop_words import CONNECTORS, STOP_WORDS, UNSPACED_STOPS
from lingua_core.unicode import WORD, encodable

__all__ = ["key_phrases"]

_MOST_READ = 12_000
_LEAST_READ = 1_000
"""Characters: of all texts together, and of each at least; what a text is about is said early."""
_ENOUGH_WORDS = 300
_SPACES = (" ", "\n", "\u00a0")
_WORDS = 3
_NAME_WORDS = 4
_UNSPACED_RUN = 8
_SHOWN = 60

_TOKEN = re.compile(rf"{WORD}(?:[-'’.&/]{WORD})*")
_UNSPACED = "\u2e80-\u3007\u3021-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_SPACELESS = re.compile(rf"[{_UNSPACED}\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]")
# Of Chinese and Japanese: runs of characters, or of katakana, that no function character interrupts.
_IDEOGRAPHS = re.compile(r"[\u30a1-\u30fe]{2,12}|[\u3005-\u3007\u3400-\u9fff\uf900-\ufaff]{2,}")
_STOPS = re.compile(f"[{UNSPACED_STOPS}]+")
# Of Thai, Lao, Burmese and Khmer, which put spaces between clauses only.
_CLAUSE = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff]{2,24}")
_ADDRESS = re.compile(r"(?:https?://|www\.)\S+|\S+@\S+\.\S+")
_SENTENCE_BORDER = re.compile(r"[.!?:;…。؟\n\"“„«]")
_ENGLISH_VERB = re.compile(r"[a-z]{3,}(?:ed|ing|ly)\Z")
_LETTER = re.compile(r"[^\W\d_]")


class _Token(NamedTuple):
    """A word of a text, with what stands between it and the word before."""

    text: str
    folded: str
    gap: str
    is_content: bool


class _Candidate(NamedTuple):
    text: str
    words: tuple[str, ...]
    is_name: bool


def key_phrases(texts: Sequence[str], *, known: Sequence[str], most: int) -> list[list[str]]:
    """Up to `most` phrases for each text, best first; the beginning of a text in which none is found.

    Deterministic. Of many or long texts only the beginnings are read, so that the time is bounded.

    Args:
        texts: What the phrases are about.
        known: What the reader has before him: words that stand there say little about what does not.
        most: The most phrases for each text.
    """
    share = max(_LEAST_READ, _MOST_READ // max(1, len(texts)))
    read = [_ADDRESS.sub(" . ", encodable(text[:share])) for text in texts]
    counts = [Counter(_words(text)) for text in read]
    share = max(_LEAST_READ, _MOST_READ // max(1, len(known)))
    seen = Counter(word for text in known for word in _words(encodable(text[:share])))
    spread = Counter(word for count in counts for word in count)
    frequent = _frequent(counts, seen)
    found: list[list[str]] = []
    said: set[str] = set()
    for text, count in zip(read, counts, strict=True):
        weights = {
            word: (1 + math.log(n)) * math.log(1 + len(texts) / spread[word]) / (1 + min(seen[word], 3))
            for word, n in count.items()
        }
        candidates = [*_spaced(_tokens(text, frequent)), *_unspaced(text)]
        # Texts that are about the same are told apart by what comes next.
        new = [candidate for candidate in candidates if candidate.text.casefold() not in said]
        found.append(_best(new, weights, most) or _best(candidates, weights, most) or _beginning(text))
        said.update(phrase.casefold() for phrase in found[-1])
    return found


def _words(text: str) -> list[str]:
    return _TOKEN.findall(text.casefold().replace("’", "'"))


def _frequent(counts: Sequence[Counter[str]], seen: Counter[str]) -> frozenset[str]:
    """Short words that texts use all the time: the function words of languages without a list."""
    total = seen.total() + sum(count.total() for count in counts)
    if total < _ENOUGH_WORDS:
        return frozenset()
    every = sum(counts, seen)
    return frozenset(word for word, n in every.items() if len(word) <= 4 and n > total / 80)


def _tokens(text: str, frequent: frozenset[str]) -> list[_Token]:
    found: list[_Token] = []
    verdicts: dict[str, bool] = {}
    end = 0
    for match in _TOKEN.finditer(text):
        word = match.group()
        folded = word.casefold().replace("’", "'")
        if word not in verdicts:
            verdicts[word] = folded not in frequent and _is_content(word, folded)
        found.append(_Token(word, folded, text[end : match.start()], verdicts[word]))
        end = match.end()
    return found


def _is_content(word: str, folded: str) -> bool:
    if folded in STOP_WORDS or _SPACELESS.search(folded):
        return False
    return len(folded) > 2 or (len(folded) > 1 and (word.isupper() or not folded.isascii()))


def _spaced(tokens: Sequence[_Token]) -> Iterator[_Candidate]:
    """Phrases of scripts that put spaces between words."""
    run: list[_Token] = []
    for token in (*tokens, _Token("", "", ".", False)):
        may_be_in = token.is_content or token.folded in CONNECTORS
        if run and (token.gap not in _SPACES or not may_be_in):
            yield from _within(run)
            run = []
        if token.is_content or (run and may_be_in):
            run.append(token)


def _within(run: Sequence[_Token]) -> Iterator[_Candidate]:
    """All phrases inside a run that begin and end with content; names whole."""
    for first, token in enumerate(run):
        if not token.is_content or not _LETTER.search(token.text):
            continue
        starts = first == 0 and (not token.gap or _SENTENCE_BORDER.search(token.gap) is not None)
        words: list[str] = []
        is_name = True
        for last in range(first, min(len(run), first + _NAME_WORDS)):
            added = run[last]
            if not added.is_content:
                continue
            words.append(added.folded)
            is_name = is_name and (added.text[0].isupper() or added.text[0].isdigit())
            if not is_name and (len(words) > _WORDS or not _LETTER.search(added.text)):
                continue
            text = " ".join([piece.text for piece in run[first : last + 1]])
            # A sentence's first word says nothing by its capital letter.
            yield _Candidate(text, tuple(words), is_name and (len(words) > 1 or not starts))


def _unspaced(text: str) -> Iterator[_Candidate]:
    """Phrases of scripts that do not."""
    for match in _IDEOGRAPHS.finditer(text):
        for piece in _STOPS.split(match.group()):
            for part in _parts(piece):
                yield _Candidate(part, (part,), False)
    for match in _CLAUSE.finditer(text):
        yield _Candidate(match.group(), (match.group(),), False)


def _parts(piece: str) -> Iterator[str]:
    if 2 <= len(piece) <= _UNSPACED_RUN:
        yield piece
    elif len(piece) > _UNSPACED_RUN:
        yield from (piece[i : i + 4] for i in range(0, len(piece) - 3, 2))


def _best(candidates: Sequence[_Candidate], weights: dict[str, float], most: int) -> list[str]:
    times = Counter(candidate.text.casefold() for candidate in candidates)
    different = {candidate.text: candidate for candidate in sorted(candidates, key=lambda c: c.is_name)}
    first = {candidate.text: i for i, candidate in reversed(list(enumerate(candidates)))}
    scores = {
        text: _worth(candidate, weights) * (1 + math.log(times[text.casefold()]))
        for text, candidate in different.items()
        if len(text) <= _SHOWN
    }
    chosen: list[_Candidate] = []
    for text in sorted(scores, key=lambda text: (-scores[text], first[text])):
        if len(chosen) == most:
            break
        if not any(_overlap(different[text], other) for other in chosen):
            chosen.append(different[text])
    return [candidate.text for candidate in chosen]


def _worth(candidate: _Candidate, weights: dict[str, float]) -> float:
    words = candidate.words
    value = sum(weights.get(word, 1.0) for word in words) / math.sqrt(len(words))
    if candidate.is_name:
        value *= 1.5
    if len(words) == 1 and not _SPACELESS.search(words[0]):
        value *= 0.5
    if not candidate.is_name and (_ENGLISH_VERB.match(words[-1]) or _ENGLISH_VERB.match(words[0])):
        value *= 0.5
    return value


def _overlap(candidate: _Candidate, other: _Candidate) -> bool:
    if set(candidate.words) & set(other.words):
        return True
    return candidate.text in other.text or other.text in candidate.text


def _beginning(text: str) -> list[str]:
    words = encodable(text[:400]).split()
    start = " ".join(words[:6])[:40].strip()
    return [f"{start}…"] if start else []
