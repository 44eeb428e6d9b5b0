"""What reasoning models say to themselves, and where a reply goes on as somebody else's turn."""

import re

__all__ = ["THOUGHT_END", "THOUGHT_START", "is_reasoning", "is_refusal", "is_run_on"]

_NAMES = "think|thinking|thought|thoughts|reasoning|reflection|scratchpad|analysis|seed:think|antml:thinking"
THOUGHT_START = re.compile(
    rf"\s*(?:<(?:{_NAMES})>|◁think▷|\[THINK\]|<\|begin_of_thought\|>|<\|START_THINKING\|>|<\|channel\|>analysis<\|message\|>)",
    re.IGNORECASE,
)
THOUGHT_END = re.compile(
    rf"</(?:{_NAMES})>|◁/think▷|\[/THINK\]|<\|end_of_thought\|>|<\|END_THINKING\|>|<\|channel\|>final<\|message\|>",
    re.IGNORECASE,
)
# How models begin to think whose template has opened the block already (DeepSeek-R1, QwQ).
_REASONING = re.compile(
    r"(?:okay|ok|alright|hmm+|right)[,.!]? (?:so|the user|i(?:'m| need| should| have)|let(?:'s|"
    r" me) (?:see|think|break|tackle|start by)|let me figure)"
    r"|(?:hmm+|wait)[,.… ]|let me think|the user (?:is asking|wants|asks|asked)|"
    r"we need to (?:produce|write|answer|give)"
    r"|first, i (?:need|should|have) to|嗯[，,]|好的?，(?:用户|我|那么|现在)|用户(?:问|想|要)|"
    r"首先，我(?:需要|得|要)",
    re.IGNORECASE,
)
_REFUSAL = re.compile(
    r"(?:i['’]?m|i am)?\s*(?:very |so |really )?(?:sorry|afraid)\b.{0,60}?\b(?:can['’]?t|cannot|"
    r"can not|unable|won['’]?t|not able)\b"
    r"|(?:unfortunately,? |as an ai.{0,60}?)?i (?:can['’]?t|cannot|won['’]?t|must decline|(?:am|"
    r"['’]m) (?:unable|not able))\b"
    r"|i['’]m (?:unable|not able)\b|(?:es )?tut mir leid.{0,60}\bnicht\b|ich kann (?:dabei|ihnen|dir|"
    r"das) .{0,30}nicht\b"
    r"|(?:je suis )?désolée?.{0,60}\bpas\b|je ne peux pas\b|lo siento.{0,60}\bno puedo\b|no puedo\b|"
    r"desculpe.{0,60}\bnão posso\b"
    r"|(?:[很非常真的十分]{0,4}(?:抱歉|对不起|遗憾)).{0,30}(?:不能|无法|没法)|我(?:不能|无法)|申し訳.{0,40}(?:できません|いたしかねます)"
    r"|(?:извините|к сожалению|простите).{0,60}\bне (?:могу|можем)\b|عذر?اً?.{0,40}لا (?:أستطيع|"
    r"يمكنني)|لا (?:أستطيع|يمكنني)",
    re.IGNORECASE | re.DOTALL,
)
_RUN_ON = re.compile(
    r"[\[<#*\s]*(?:<\|(?:im_start|im_end|user|eot_id|endoftext|end)\|>|</s>|\[/?INST\]"
    r"|(?:question|q|user|human|instruction|input|example|assistant|frage|benutzer|pregunta|usuario|utilisateur|вопрос|"
    r"пользователь|问题|問題|用户|質問|ユーザー|질문|السؤال|سؤال|प्रश्न)(?:\s?\d{1,2})?\s*\]?\**\s*[:：]|###\s*(?:instruction|user|human|input))",
    re.IGNORECASE,
)


def is_reasoning(line: str) -> bool:
    """Whether a reply that begins so is likely to be thinking aloud."""
    return _REASONING.match(line.lstrip()) is not None


def is_refusal(text: str) -> bool:
    """Whether a reply that begins so declines to answer."""
    return _REFUSAL.match(text.lstrip()[:300]) is not None


def is_run_on(line: str) -> bool:
    """Whether the line begins another turn or another example, as completion models like to add."""
    return _RUN_ON.match(line) is not None
