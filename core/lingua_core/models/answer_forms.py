"""What the answer to a question looks like: the classes that the router tells apart."""

__all__ = ["FORMS", "POINTS"]

POINTS = "points"

FORMS: dict[str, str] = {
    POINTS: "points that stand for themselves",
    "chat": "a turn of a conversation",
    "code": "code",
    "creative": "a story, a poem or a joke",
    "explanation": "one connected explanation",
    "fact": "a short fact, or yes or no",
    "maths": "a calculation or a proof",
    "names": "a short list of names",
    "rewriting": "a given text, translated, shortened or changed",
    "steps": "steps that build on one another",
    "text": "a letter, an essay or another connected text",
}
"""Name of each form, and how a reason words it; the order is that of the model's outputs."""
