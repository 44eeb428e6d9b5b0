"""A router of plain rules: no model, no latency, and a reason that everybody can check."""

import re
from dataclasses import dataclass

from lingua_core.errors import InputError
from lingua_core.skeleton.routing.base import Router
from lingua_core.skeleton.types import RouteDecision

__all__ = ["RuleRouter"]

PAYS_FROM_TOKENS = 150
"""Below this length, the skeleton takes as long as the rest of a direct answer would."""


@dataclass(frozen=True, slots=True)
class _Rule:
    pattern: re.Pattern[str]
    reason: str


def _rule(reason: str, *patterns: str) -> _Rule:
    return _Rule(re.compile("|".join(patterns), re.IGNORECASE), reason)


_WRITE = (
    r"(?:write|compose|draft|create|generate|make up|schreib\w*|verfasse\w*|escrib\w+|redacta\w*|"
    r"écri[sv]\w*|rédige\w*|напиши\w*|写|書い)"
)
_DIRECT = (
    _rule(
        "it asks for code, which is written in one piece",
        r"```",
        r"\b(?:implement|refactor|debug)\b",
        rf"{_WRITE}\b.{{0,60}}\b(?:code|function|script|program(?:me)?|class|query|regex|sql|html|css|"
        rf"funktion|programm|skript|"
        r"función|código|fonction|функци\w+|код|программ\w+)\b",
        r"\b(?:python|javascript|typescript|java|c\+\+|rust|sql|bash)\b.{0,40}\b(?:code|function|script|"
        r"program)\b",
        r"(?:写|編写|编写|書い).{0,30}(?:代码|代碼|函数|程序|脚本|コード|関数)",
    ),
    _rule(
        "it asks for a translation or another wording of a text",
        r"\b(?:translate|paraphrase|rephrase|rewrite|proofread|correct the (?:grammar|spelling)|"
        r"summari[sz]e (?:the|this))\b",
        r"\b(?:übersetz\w*|traduc\w+|tradui\w+|переведи\w*)\b",
        r"翻译|翻譯|翻訳|改写",
    ),
    _rule(
        "it asks for a text of one piece: a poem, a story, a letter",
        rf"{_WRITE}\b.{{0,60}}\b(?:poem|haiku|sonnet|limerick|song|lyrics|story|tale|novel|letter|e-?mail|"
        rf"speech|dialogue|essay|"
        r"joke|script|tweet|gedicht|geschichte|brief|rede|poema|cuento|carta|poème|histoire|lettre|стих\w*|"
        r"рассказ|письмо)\b",
        r"\b(?:once upon a time|tell (?:me )?a (?:story|joke)|continue the story|roleplay|act as|pretend)\b",
        r"(?:写|作).{0,12}(?:诗|詩|故事|信|小说|作文|物語|手紙)",
    ),
    _rule(
        "it is a calculation or a proof, whose steps follow one another",
        r"\d\s*[-+*/×÷^=]\s*\d",
        r"\b(?:calculate|compute|solve|prove|derive|evaluate|simplify|factori[sz]e|integral|derivative|"
        r"equation|probability that|"
        r"berechne\w*|beweise\w*|löse\b|calcula\w*|resuelve|calcule\w*|résou\w+|вычисли\w*|реши\w*|"
        r"докажи\w*)\b",
        r"计算|計算|求解|证明|証明",
    ),
    _rule(
        "it asks for a number, a name, a date or a place",
        r"^\W*(?:how (?:many|much|old|far|tall|long is|long did|high|big|heavy)|what (?:year|time|day|date|"
        r"percentage|number|is the "
        r"(?:name|capital|population|year|date|distance|height|price|cost|value|result)\b)|when (?:was|is|"
        r"did|were)|"
        r"who (?:is|was|are|were|wrote|invented|won|discovered)|where (?:is|was|are|were|did)|"
        r"which (?:year|country|city|one))\b",
        r"^\W*(?:wie ?(?:viele?|alt|hoch|weit|groß)|wann|wer|wo|cuánt\w+|cuándo|quién|dónde|combien|quand|"
        r"qui|où|сколько|когда|кто|где)\b",
        r"多少|几个|什么时候|何时|谁|在哪|いつ|誰|どこ|いくつ",
    ),
    _rule(
        "it can be answered by yes or no",
        r"^\W*(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had|am|may|"
        r"must)\b(?!.*\b(?:explain|why|how)\b)[^?\n]*\?\W*$",
        r"^\W*(?:ist|sind|war|hat|haben|kann|können|soll|gibt es|est-ce|y a-t-il|¿?es |¿?son |¿?hay |"
        r"¿?puede\w* )[^?\n]*\?\W*$",
        r"吗[?？]?\W*$|ですか[?？]?\W*$",
    ),
    _rule(
        "it asks for a short answer",
        r"\b(?:in (?:one|a single|a few|two) (?:words?|sentences?)|in a nutshell|briefly|yes or no|"
        r"true or false|one[- ]word|"
        r"multiple[- ]choice|just the answer|only the answer|in einem (?:wort|satz)|kurz|en una (?:palabra|"
        r"frase)|en (?:un mot|une phrase)|"
        r"одним словом|кратко)\b",
        r"一句话|一言で|简短",
    ),
    _rule(
        "it builds step by step on what comes before",
        r"\b(?:let'?s think step by step|chain of thought|fill in the blank|complete the (?:sentence|"
        r"following)|classify|which of the following)\b",
    ),
)


class RuleRouter:
    """Routes by the form of the question: what is asked for in one piece, or is short, goes directly.

    Knows the commonest forms in English, and some in German, Spanish, French, Russian, Chinese and Japanese;
    what it does not recognise gets a skeleton, or is left to another router.

    Args:
        max_tokens: The most tokens that answers may have, if that is limited.
        otherwise: Decides where no rule speaks against a skeleton; None for a skeleton.

    Raises:
        InputError: If `max_tokens` is less than 1.
    """

    def __init__(self, *, max_tokens: int | None = None, otherwise: Router | None = None) -> None:
        if max_tokens is not None and max_tokens < 1:
            raise InputError(f"max_tokens must be at least 1, or None; got {max_tokens!r}.")
        self._max_tokens = max_tokens
        self._otherwise = otherwise

    def route(self, question: str, *, has_documents: bool = False) -> RouteDecision:
        """The decision, with the rule that made it."""
        if self._max_tokens is not None and self._max_tokens < PAYS_FROM_TOKENS:
            reason = f"answers of at most {self._max_tokens} tokens are sooner written directly"
            return RouteDecision(use_skeleton=False, reason=reason)
        if not question.strip():
            return RouteDecision(use_skeleton=False, reason="there is no question")
        for rule in _DIRECT:
            if rule.pattern.search(question):
                return RouteDecision(use_skeleton=False, reason=rule.reason)
        if self._otherwise is not None:
            return self._otherwise.route(question, has_documents=has_documents)
        return RouteDecision(use_skeleton=True, reason="nothing speaks against an answer in points")
