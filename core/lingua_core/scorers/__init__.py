"""Ways of valuing text, one file each, behind one protocol."""

from lingua_core.scorers.base import Passage, PassageScores, Scorer, ScoringTask
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.extractor import ExtractorScorer
from lingua_core.scorers.fixed import FixedScorer
from lingua_core.scorers.lexical import LexicalScorer

__all__ = [
    "EmbeddingScorer",
    "ExtractorScorer",
    "FixedScorer",
    "LexicalScorer",
    "Passage",
    "PassageScores",
    "Scorer",
    "ScoringTask",
]
