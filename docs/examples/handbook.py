"""What the examples share: real pages to ask about, and what stands in for a model where no key is set.

The pages ship with Lingua: the TTS Handbook of the United States General Services Administration (CC0).
"""

import json
import os
import re
from importlib.resources import files

PAGES: list[dict[str, str]] = [
    json.loads(line)
    for line in files("lingua_core").joinpath("demo/documents.jsonl").read_text(encoding="utf-8").splitlines()
]
QUESTION = "What happens to my unused travel comp time if I leave GSA?"
OVERVIEW = "What should a new employee know about time off, extra hours and travel?"
MODEL = os.environ.get("MODEL", "gpt-4.1-mini") if os.environ.get("OPENAI_API_KEY") else None
"""The model of OpenAI's that writes; None without a key."""

_TITLES = ("Annual leave", "Sick leave", "Compensatory time for extra hours", "Parental leave", "Travel")
_POINT = re.compile(r"(?:Write|Continue) point \d+ \((?P<title>[^)]*)\)")
_QUESTION = re.compile(r"^(?:Question|Query): (?P<question>.*)", re.MULTILINE)
_SENTENCES = re.compile(r"[.!]$")
_DOCUMENT = re.compile(r"^\[(?P<number>\d+)\]")


def announce() -> None:
    """Say who answers; every example begins with it."""
    if MODEL is None:
        print(
            "OPENAI_API_KEY is not set: a script quotes its prompt in place of a model. All else is real.\n"
        )
    else:
        print(f"{MODEL} answers.\n")


def scripted(prompt: str) -> str:
    """A plan, if one is asked for; or the line of the prompt that has most to do with what is."""
    if "First plan the answer" in prompt:
        return "\n".join(f"{i}. {title}" for i, title in enumerate(_TITLES, start=1))
    point, question = _POINT.search(prompt), _QUESTION.search(prompt)
    wanted = _words(point["title"] if point else question["question"] if question else prompt)
    number, best = "", ("", "")
    for line in prompt[: point.start() if point else len(prompt)].splitlines():
        if found := _DOCUMENT.match(line):
            number = f" [{found['number']}]"
        elif _SENTENCES.search(line) and len(_words(line) & wanted) > len(_words(best[0]) & wanted):
            best = line, number
    return "".join(best) or "My prompt says nothing of that."


def _words(text: str) -> set[str]:
    return {word.lower() for word in re.findall(r"\w{4,}", text)}
