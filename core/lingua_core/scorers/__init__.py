"""Ways of valuing text, one file each, behind one protocol."""

from lingua_core.scorers.base import Passage, PassageScores, Scorer, ScoringTask
from lingua_core.scorers.combined import CombinedScorer
from lingua_core.scorers.embedding import EmbeddingScorer
from lingua_core.scorers.extractor import ExtractorScorer
from lingua_core.scorers.fixed import FixedScorer
from lingua_core.scorers.lexical import LexicalScorer
from lingua_core.scorers.ranking import RankingFunction, RankingScorer

__all__ = [
    "CombinedScorer",
    "EmbeddingScorer",
    "ExtractorScorer",
    "FixedScorer",
    "LexicalScorer",
    "Passage",
    "PassageScores",
    "RankingFunction",
    "RankingScorer",
    "Scorer",
    "ScoringTask",
]
