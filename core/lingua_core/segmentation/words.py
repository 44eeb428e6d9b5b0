"""Words and phrases as segments, for methods that look inside sentences."""

import re
from collections.abc import Iterator, Sequence

from lingua_core.segmentation.segment import Segment

__all__ = ["PhraseSegmenter", "WordSegmenter"]

# Scripts that are written without spaces: Chinese, Japanese, Thai, Lao, Burmese, Khmer. Their letters are
# words of their own here; a combining mark, a small kana or a closing mark stays with what it follows.
_UNSPACED = (
    "\u2e80-\u2fff\u3001-\u9fff\uf900-\ufaff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\U00020000-\U0003ffff"
)
_FOLLOWS = (
    "、。，．！？；：）」』】〕》〉ー々ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮ\u3099\u309a"
    "\u0e30-\u0e3a\u0e45-\u0e4e\u0eb0-\u0ebd\u0ec6-\u0ece\u102b-\u103e\u1056-\u1059\u17b4-\u17d3"
)
_WORD = re.compile(rf"[{_UNSPACED}][{_FOLLOWS}]*|[^\s{_UNSPACED}]+[{_FOLLOWS}]*")
_FUNCTION_WORDS = frozenset(
    "a an the this that these those of in on at by for from to with without into onto over under "
    "between among through during before after above below up down out off about against and or but nor "
    "so yet as if than then because while although though since until unless whether which who whom "
    "whose what when where why how is are was were be been being am do does did has have had having "
    "will would shall should can could may might must it its he him his she her hers they them their "
    "theirs we us our ours you your yours i me my mine there here".split()
)
_ENDS_PHRASE = re.compile(r"[.,;:!?)\]}”’\"'…]+\Z")


class WordSegmenter:
    """Every run of characters without white space is a segment; in unspaced scripts, every letter."""

    def segment(self, text: str) -> list[Segment]:
        """Sorted, disjoint segments that together hold every character that is not white space."""
        return [Segment(*match.span()) for match in _WORD.finditer(text)]


class PhraseSegmenter:
    """Runs of content words, each with the function words before it, up to a punctuation mark.

    "The bridge of Varno was opened in 1887." gives "The bridge", "of Varno", "was opened", "in 1887.": the
    units of Selective-Context's phrase level (arXiv 2310.06201, section 3), found without a parser.
    """

    def segment(self, text: str) -> list[Segment]:
        """Sorted, disjoint segments that together hold every character that is not white space."""
        return list(_phrases(text, WordSegmenter().segment(text)))


def _phrases(text: str, words: Sequence[Segment]) -> Iterator[Segment]:
    first: Segment | None = None
    has_content = False
    previous: Segment | None = None
    for word in words:
        plain = text[word.start : word.end]
        is_function = plain.casefold().strip(".,;:!?\"'()[]") in _FUNCTION_WORDS
        if first is not None and previous is not None:
            ended = _ENDS_PHRASE.search(text[previous.start : previous.end]) is not None
            broken = "\n" in text[previous.end : word.start]
            if broken or ended or (has_content and is_function):
                yield Segment(first.start, previous.end)
                first, has_content = None, False
        if first is None:
            first = word
        has_content = has_content or not is_function
        previous = word
    if first is not None and previous is not None:
        yield Segment(first.start, previous.end)
