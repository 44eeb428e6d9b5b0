"""Generated documents: prose, structure and noise in several scripts."""

from pathlib import Path

import pytest
from hypothesis import strategies as st

from cli_runner import PARIS, ROME

SENTENCES = [
    "Dr. Smith paid $3.50 for 2.5 kg of tea at 10 a.m. on Jan. 5.",
    "The committee did not approve the plan.",
    'She said: "We can\'t go. It is late." Then she left.',
    "See https://example.org/a.b?c=d. It explains e.g. the U.S. case.",
    "Version 3.11.7 is out!",
    "Is it raining?",
    "这是第一句。",
    "“他说：你好。”然后走了！",
    "これはテストです。次の文です。",
    "هل هذه جملة ثانية؟ نعم، هذه جملة قصيرة.",
    "זה משפט בעברית.",
    "Он сказал, т.е. повторил. Конец.",
    "यह पहला वाक्य है। यह दूसरा है।",
    "ประโยคภาษาไทยไม่มีจุดจบ",
    "Ελληνική πρόταση; Ναι.",
    "🙂🙃 emoji 👩‍👩‍👧‍👦 and e\u0301 combining.",
    "word " * 60,
    "nospaces" * 40,
    "字" * 200,
]
STRUCTURES = [
    "# Heading\n\nBody text below it.",
    "Title Line\n==========\nText under a title that goes on.",
    "- one item\n- another item. With two sentences.\n  continued",
    "1. first\n2. second\n   more",
    "| a | b |\n|---|---|\n| 1.5 | 2 |\n| x | y |",
    "```python\nx = 1.\nif x: print('a. b.')\n```",
    "```\nunclosed fence. Text.",
    "The list:\n\n* a\n* b",
    "Key: value\r\nOther: thing\r\n",
    "\t\t\n   \n",
    "...!!!??? -- ---",
    "\x00\x01 control \x7f \ud800 surrogate \u200b\ufeff \u2028 line",
]

noise = st.text(max_size=200)
texts = st.one_of(
    noise,
    st.lists(st.sampled_from(SENTENCES + STRUCTURES) | st.text(max_size=30), max_size=8).flatmap(
        lambda parts: st.sampled_from([" ", "\n", "\n\n", "", "\r\n\r\n"]).map(lambda glue: glue.join(parts))
    ),
)
prose = st.lists(st.sampled_from(SENTENCES[:6]), min_size=1, max_size=30).map(" ".join)


@pytest.fixture(scope="session")
def generated() -> dict[str, st.SearchStrategy[str]]:
    """Strategies by name, since test modules cannot import from each other."""
    return {"texts": texts, "prose": prose}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "rome.txt").write_text(ROME, encoding="utf-8")
    (tmp_path / "paris.md").write_text(f"# The city of Paris\n\n{PARIS}\n", encoding="utf-8")
    return tmp_path
