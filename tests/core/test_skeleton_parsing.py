"""From what models write to skeletons: styles, dependencies, streaming, and texts that are none."""

import gzip
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import InputError
from lingua_core.skeleton.parsing import SkeletonParser, infer_dependencies, is_conclusion, parse_skeleton
from lingua_core.skeleton.types import NoSkeleton, Point, Skeleton

# Texts in the styles of various models, with the points that they hold.
STYLES: dict[str, tuple[str, list[str]]] = {
    "dots": ("1. Less noise\n2. Cleaner air\n3. Lower cost", ["Less noise", "Cleaner air", "Lower cost"]),
    "periods at the ends": ("1. Less noise.\n2. Cleaner air.", ["Less noise", "Cleaner air"]),
    "parentheses": ("1) Less noise\n2) Cleaner air", ["Less noise", "Cleaner air"]),
    "two parentheses": ("(1) Less noise\n(2) Cleaner air", ["Less noise", "Cleaner air"]),
    "brackets": ("[1] Less noise\n[2] Cleaner air", ["Less noise", "Cleaner air"]),
    "colons": ("1: Less noise\n2: Cleaner air", ["Less noise", "Cleaner air"]),
    "dashes": ("1 - Less noise\n2 - Cleaner air", ["Less noise", "Cleaner air"]),
    "bold numbers": ("**1.** Less noise\n**2.** Cleaner air", ["Less noise", "Cleaner air"]),
    "bold lines": ("**1. Less noise**\n\n**2. Cleaner air**\n", ["Less noise", "Cleaner air"]),
    "bold titles": ("1. **Noise**: less of it\n2. **Air:** cleaner", ["Noise: less of it", "Air: cleaner"]),
    "underscores": (
        "1. __Noise__ of a\n2. snake_case_name and _air_",
        ["Noise of a", "snake_case_name and air"],
    ),
    "escaped": ("1\\. Noise\n2\\. Air", ["Noise", "Air"]),
    "no space": ("1.Noise\n2.Air\n3.Cost", ["Noise", "Air", "Cost"]),
    "labels": ("Point 1: Noise\nPoint 2: Air", ["Noise", "Air"]),
    "steps": ("**Step 1: Look**\n**Step 2: Leap**", ["Look", "Leap"]),
    "German labels": ("Schritt 1: Planen\nSchritt 2: Bauen", ["Planen", "Bauen"]),
    "hyphens": ("- Noise\n- Air\n- Cost", ["Noise", "Air", "Cost"]),
    "asterisks": ("* Noise\n* Air", ["Noise", "Air"]),
    "dot bullets": ("• Noise\n• Air", ["Noise", "Air"]),
    "bold bullets": ("- **Noise**\n- **Air**", ["Noise", "Air"]),
    "checkboxes": ("- [ ] Noise\n- [x] Air", ["Noise", "Air"]),
    "numbers in bullets": ("- 1. Noise\n- 2. Air", ["Noise", "Air"]),
    "headings": ("# Noise\n# Air", ["Noise", "Air"]),
    "title and headings": ("# Electric cars\n\n## Noise\n## Air\n## Cost", ["Noise", "Air", "Cost"]),
    "headings with bullets": ("## Noise\n- quiet\n- calm\n## Air\n- clean", ["Noise", "Air"]),
    "numbered headings": ("### 1. Noise\nQuiet.\n### 2. Air\nClean.", ["Noise", "Air"]),
    "bold headings": ("**Noise**\n- quiet\n\n**Air**\n- clean", ["Noise", "Air"]),
    "heading over bullets": ("## Electric cars\n- Noise\n- Air", ["Noise", "Air"]),
    "heading over numbers": ("### Skeleton\n1. Noise\n2. Air", ["Noise", "Air"]),
    "full-width": ("１．背景\n２．方法", ["背景", "方法"]),
    "Chinese comma": ("1、背景介绍\n2、方法", ["背景介绍", "方法"]),
    "Chinese numerals": ("一、背景\n二、方法\n三、结论", ["背景", "方法", "结论"]),
    "Chinese ordinals": ("第一，背景\n第二，方法", ["背景", "方法"]),
    "Chinese points": ("第1点：背景\n第2点：方法", ["背景", "方法"]),
    "Chinese parentheses": ("（一）背景\n（二）方法", ["背景", "方法"]),
    "eleven Chinese": ("十、背景\n十一、方法", ["背景", "方法"]),
    "Arabic": ("١. مقدمة\n٢. خاتمة", ["مقدمة", "خاتمة"]),
    "Arabic with dashes": ("١- مقدمة\n٢- خاتمة", ["مقدمة", "خاتمة"]),
    "Hindi": ("१. परिचय\n२. निष्कर्ष", ["परिचय", "निष्कर्ष"]),
    "Roman": ("I. Noise\nII. Air\nIII. Cost\nIV. Time", ["Noise", "Air", "Cost", "Time"]),
    "Roman outline": ("I. Noise\n  A. Quiet\n  B. Calm\nII. Air\n  A. Clean", ["Noise", "Air"]),
    "letters": ("a) Noise\nb) Air\nc) Cost", ["Noise", "Air", "Cost"]),
    "capital letters": ("A. Noise\nB. Air", ["Noise", "Air"]),
    "keycaps": ("1️⃣ Noise\n2️⃣ Air", ["Noise", "Air"]),
    "circles": ("① 背景\n② 方法", ["背景", "方法"]),
    "one line": ("1. Noise 2. Air 3. Cost", ["Noise", "Air", "Cost"]),
    "one line with semicolons": ("1) noise; 2) air; 3) cost", ["noise", "air", "cost"]),
    "one line behind a preamble": ("Sure: 1. Noise 2. Air 3. Cost", ["Noise", "Air", "Cost"]),
    "one line in Chinese": ("1、背景介绍2、方法3、结论", ["背景介绍", "方法", "结论"]),
    "two in the first line": ("1. Noise 2. Air\n3. Cost", ["Noise", "Air", "Cost"]),
    "a number that looks like the next": (
        "1. Upgrade Python 2. Then test\n2. Deploy",
        ["Upgrade Python 2. Then test", "Deploy"],
    ),
    "restarted": ("1. Noise\n2. Air\n\n1. Cost\n2. Time", ["Noise", "Air", "Cost", "Time"]),
    "restarted under headings": ("**Now**\n1. Noise\n2. Air\n**Later**\n1. Cost", ["Noise", "Air", "Cost"]),
    "all ones": ("1. Noise\n1. Air\n1. Cost", ["Noise", "Air", "Cost"]),
    "from three": ("3. Noise\n4. Air", ["Noise", "Air"]),
    "from zero": ("0. Noise\n1. Air\n2. Cost", ["Noise", "Air", "Cost"]),
    "counting down": ("10. Noise\n9. Air\n8. Cost", ["Noise", "Air", "Cost"]),
    "a gap": ("1. Noise\n3. Air\n4. Cost", ["Noise", "Air", "Cost"]),
    "nested bullets": ("1. Noise\n   - quiet\n   - calm\n2. Air\n   * clean", ["Noise", "Air"]),
    "nested numbers": ("1. Noise\n   1. quiet\n   2. calm\n2. Air", ["Noise", "Air"]),
    "decimal sub-points": ("1. Noise\n1.1 quiet\n1.2. calm\n2. Air", ["Noise", "Air"]),
    "flat sub-bullets": ("1. Noise\n- quiet\n- calm\n2. Air", ["Noise", "Air"]),
    "lost indentation": ("1. Noise\n   2. Air\n   3. Cost", ["Noise", "Air", "Cost"]),
    "preamble and postamble": ("Here is a skeleton:\n\n1. Noise\n2. Air\n\nShall I go on?", ["Noise", "Air"]),
    "bullet before numbers": ("- The plan:\n1. Noise\n2. Air", ["Noise", "Air"]),
    "rule between": ("1. Noise\n\n---\n\n2. Air", ["Noise", "Air"]),
    "thinking": ("<think>\n1. hm\n2. well\n</think>\n\n1. Noise\n2. Air", ["Noise", "Air"]),
    "thinking on one line": ("<thinking>1. hm</thinking>1. Noise\n2. Air", ["Noise", "Air"]),
    "untagged thinking": (
        "Okay, so the user asks for cars.\n1. hm\n2. well\n</think>\n\n1. Noise\n2. Air",
        ["Noise", "Air"],
    ),
    "okay without thinking": ("Okay, the user guide needs:\n1. Noise\n2. Air", ["Noise", "Air"]),
    "harmony channels": (
        "<|channel|>analysis<|message|>1. hm<|channel|>final<|message|>1. Noise\n2. Air",
        ["Noise", "Air"],
    ),
    "fence": ("```\n1. Noise\n2. Air\n```", ["Noise", "Air"]),
    "Markdown fence": ("Here:\n```markdown\n# Cars\n1. Noise\n2. Air\n```\nDone.", ["Noise", "Air"]),
    "quoted": ("> 1. Noise\n> 2. Air", ["Noise", "Air"]),
    "Windows lines": ("1. Noise\r\n2. Air\r\n", ["Noise", "Air"]),
    "old Mac lines": ("1. Noise\r2. Air", ["Noise", "Air"]),
    "text below the number": ("1.\nNoise\n2.\nAir", ["Noise", "Air"]),
    "empty point": ("1. \n2. Noise\n3. Air", ["Noise", "Air"]),
    "duplicates": ("1. Noise\n2. noise!\n3. Air", ["Noise", "Air"]),
    "numbers in the text": (
        "1. Python 3.12 features\n2. In 1999. Something\n3. 10:30 at https://a.b/1.2\n4. On 1. May",
        ["Python 3.12 features", "In 1999. Something", "10:30 at https://a.b/1.2", "On 1. May"],
    ),
    "abbreviations": (
        "1. Fish etc.\n2. The U.S.A.\n3. And so on...",
        ["Fish etc.", "The U.S.A.", "And so on..."],
    ),
    "code in the text": ("1. The `<g>` tag\n2. What `a*b*c` means", ["The `<g>` tag", "What `a*b*c` means"]),
    "questions": ("1. What is it?\n2. Why now?", ["What is it?", "Why now?"]),
    "run-on": ("1. Noise\n2. Air\n\nQuestion: And ships?\nSkeleton:\n1. Sails\n2. Oars", ["Noise", "Air"]),
    "run-on of turns": ("1. Noise\n2. Air\nUser: thanks\n1. Sails", ["Noise", "Air"]),
    "echoed examples": ("Question: Cars?\nSkeleton:\n1. Noise\n2. Air", ["Noise", "Air"]),
    "the answer behind": (
        "1. Noise\n2. Air\n\nIn full:\n\n1. Noise: cars make less of it than before.\n2. Air: cleaner.",
        ["Noise", "Air"],
    ),
    "JSON strings": ('["Noise", "Air"]', ["Noise", "Air"]),
    "JSON over lines": ('[\n  "Noise",\n  "Air",\n]', ["Noise", "Air"]),
    "JSON objects": ('{"points": [{"point": "Noise"}, {"point": "Air"}]}', ["Noise", "Air"]),
    "JSON in a fence": ('Sure!\n```json\n[{"title": "Noise"}, {"title": "Air"}]\n```', ["Noise", "Air"]),
    "JSON behind a colon": ('Here: {"points": ["Noise", "Air"]}', ["Noise", "Air"]),
    "JSON with a title": ('{"title": "Cars", "notes": ["x"], "outline": ["Noise", "Air"]}', ["Noise", "Air"]),
    "JSON nested": ('{"skeleton": {"points": [{"text": "Noise"}, {"text": "Air"}]}}', ["Noise", "Air"]),
    "JSON numbered keys": ('{"1": "Noise", "2": "Air"}', ["Noise", "Air"]),
    "JSON lines": ('{"point": "Noise"}\n{"point": "Air"}', ["Noise", "Air"]),
    "JSON numbered strings": ('["1. Noise", "2. Air"]', ["Noise", "Air"]),
    "JSON sub-points": ('[{"point": "Noise", "subpoints": ["a", "b"]}, {"point": "Air"}]', ["Noise", "Air"]),
    "JSON broken off": ('{"points": [{"point": "Noise"}, {"point": "Air"}, {"point": "Co', ["Noise", "Air"]),
    "single quotes": ("['Noise', 'It\\'s air', 'Don't']", ["Noise", "It's air", "Don't"]),
    "escapes": ('["No\\u0069se", "A \\"b\\""]', ["Noise", 'A "b"']),
    "a bracket that is no JSON": ("[Skeleton\n1. Noise\n2. Air", ["Noise", "Air"]),
}
PREFIXED: dict[str, tuple[str, str, list[str]]] = {
    "continued": ("1.", " Noise\n2. Air", ["Noise", "Air"]),
    "written again": ("1.", "1. Noise\n2. Air", ["Noise", "Air"]),
    "written again behind a space": ("1.", " 1. Noise\n2. Air", ["Noise", "Air"]),
    "written again in bold": ("1.", "**1.** Noise\n**2.** Air", ["Noise", "Air"]),
    "a preamble instead": ("1.", "Sure! Here it is:\n1. Noise\n2. Air", ["Noise", "Air"]),
    "bullets instead": ("1.", "- Noise\n- Air", ["Noise", "Air"]),
    "a blank line first": ("1.", "\n1. Noise\n2. Air", ["Noise", "Air"]),
    "a bold title": ("1.", " **Noise**: less\n2. **Air**: cleaner", ["Noise: less", "Air: cleaner"]),
    "thinking first": ("1.", "<think>1. hm</think>1. Noise\n2. Air", ["Noise", "Air"]),
    "lines before": ("Skeleton:\n1.", " Noise\n2. Air", ["Noise", "Air"]),
    "JSON": ('{"points": [', '"Noise", "Air"]}', ["Noise", "Air"]),
    "JSON of objects": ("[", '{"point": "Noise"}, {"point": "Air"}]', ["Noise", "Air"]),
    "JSON written again": ('{"points": [', '{"points": ["Noise", "Air"]}', ["Noise", "Air"]),
    "JSON in a fence": ('{"points": [', '```json\n{"points": ["Noise", "Air"]}\n```', ["Noise", "Air"]),
    "JSON ignored": ("1.", '["Noise", "Air"]', ["Noise", "Air"]),
}
SENTENCE = (
    "The committee that was set up in spring looked at all of it again and found nothing to add to that. "
)
NONE: dict[str, tuple[str, str]] = {
    "nothing": ("", "empty"),
    "white space": (" \n\t\n", "empty"),
    "only thinking": ("<think>\n1. Noise\n2. Air", "empty"),
    "a short answer": ("The capital is Paris.", "no_points"),
    "a version and a year": ("Python 3.12 is out.\nIn 1999. Something", "no_points"),
    "decimals": ("1.5 million people\n2.3 percent", "no_points"),
    "years": ("1999. A year\n2000. Another", "no_points"),
    "times": ("10:30 Breakfast\n11:30 Lunch", "no_points"),
    "a name with an initial": ("A. Turing wrote it.", "one_point"),
    "one point": ("1. Noise", "one_point"),
    "one bullet": ("- Noise", "one_point"),
    "reasoning that was no preamble": ("The plan.\n1. Noise\n2. Air\n</think>\nDone.", "no_points"),
    "a refusal": ("I'm sorry, but I can't help with that.", "refused"),
    "a Chinese refusal": ("很抱歉，我不能帮助你。", "refused"),
    "a German refusal": ("Es tut mir leid, dabei kann ich nicht helfen.", "refused"),
    "prose": (SENTENCE * 3, "is_answer"),
    "prose in Chinese": ("这是一个很长的回答，它没有任何列表，只是一段接一段的文字。" * 5, "is_answer"),
    "long points": ("\n".join(f"{i}. {SENTENCE}{SENTENCE}" for i in (1, 2, 3)), "is_answer"),
    "long points in Chinese": (
        "\n".join(f"{i}、" + f"第{i}个理由是，人们在城市里可以更容易地找到工作。" * 4 for i in (1, 2, 3)),
        "is_answer",
    ),
    "long text below points": (
        "\n".join(f"## Part {'ABC'[i]}\n\n{SENTENCE}{SENTENCE}" for i in range(3)),
        "is_answer",
    ),
    "a long introduction": (
        SENTENCE + "\n" + SENTENCE + "\n" + SENTENCE + SENTENCE + "\n1. A b\n2. C d",
        "is_answer",
    ),
    "code": ("Here:\n```python\nx = 1\nprint(x)\n```\n1. A\n2. B", "is_answer"),
}


def texts(points: Iterable[Point]) -> list[str]:
    return [point.text for point in points]


def skeleton(text: str, **options: Any) -> Skeleton:
    result = parse_skeleton(text, **options)
    assert isinstance(result, Skeleton), result
    return result


def needs(text: str) -> list[tuple[int, ...]]:
    return [point.depends_on for point in skeleton(text).points]


def streamed(pieces: Sequence[str], **options: Any) -> tuple[list[Point], Skeleton | NoSkeleton, bool]:
    parser = SkeletonParser(**options)
    early: list[Point] = []
    looked_like_answer = False
    for piece in pieces:
        early.extend(parser.feed(piece))
        looked_like_answer |= parser.looks_like_answer
        assert parser.looks_like_answer >= looked_like_answer, "once an answer, always an answer"
    return early, parser.finish(), looked_like_answer


# Styles


@pytest.mark.parametrize("style", STYLES)
def test_points_are_found_in_every_style(style: str) -> None:
    text, expected = STYLES[style]
    result = skeleton(text)
    assert texts(result.points) == expected
    assert [point.index for point in result.points] == list(range(1, len(expected) + 1))
    assert result.raw == text


@pytest.mark.parametrize("case", PREFIXED)
def test_a_reply_that_was_begun_for_the_model_is_understood_whatever_it_made_of_that(case: str) -> None:
    prefix, text, expected = PREFIXED[case]
    result = skeleton(text, prefix=prefix)
    assert texts(result.points) == expected
    assert result.raw == text


@pytest.mark.parametrize("case", NONE)
def test_a_text_that_is_no_skeleton_says_why(case: str) -> None:
    text, code = NONE[case]
    result = parse_skeleton(text)
    assert isinstance(result, NoSkeleton)
    assert (result.code, result.raw) == (code, text)
    assert result.reason


def test_what_was_repaired_is_noted() -> None:
    notes = skeleton("1. Noise\n2. Noise\n3.\n4. Air\n5. Cost (depends on 5, 9)").notes
    assert notes == (
        "Point 3 had no text.",
        "A repetition of point 1 ('Noise') was dropped.",
        "Point 3 needs itself: ignored.",
        "Point 3 needs 9, which is no point: ignored.",
    )


def test_points_beyond_the_limit_are_dropped_with_a_note() -> None:
    result = skeleton("\n".join(f"{i}. Point {chr(64 + i)}" for i in range(1, 8)), max_points=3)
    assert texts(result.points) == ["Point A", "Point B", "Point C"]
    assert result.notes == ("4 more than the 3 points allowed were dropped.",)


def test_text_inside_reasoning_that_the_template_opened_is_skipped() -> None:
    parser = SkeletonParser(in_reasoning=True)
    assert parser.feed("1. hm\n2. well\n") == []
    assert texts(parser.feed("</think>\n1. Noise\n2. Air\n")) == ["Noise", "Air"]


def test_impossible_calls_are_refused() -> None:
    with pytest.raises(InputError, match="max_points must be at least 1, got 0"):
        SkeletonParser(max_points=0)
    parser = SkeletonParser()
    assert parser.finish() is parser.finish()
    with pytest.raises(InputError, match="after finish"):
        parser.feed("1. A")


# Dependencies


@pytest.mark.parametrize(
    "clause",
    [
        "(depends on: 1, 2)",
        "(depends on 1 and 2)",
        "[after 1,2]",
        "(needs points 1 & 2)",
        "(Depends on: #1, #2)",
        "— depends on: 1, 2",
        "| depends_on: [1, 2]",
        "(requires 1-2)",
        "(needs all)",
        "(depends on all of the above)",
        "**(depends on: 1, 2)**",
        "(after: 1; 2).",
        "<- 1, 2",
        "(hängt ab von: 1 und 2)",
        "（依赖：1、2）",
        "（取决于第1点和第2点）",
        "(dépend de 1 et 2)",
        "(depende de 1 y 2)",
        "(зависит от 1 и 2)",
        "（依存: 1, 2）",
    ],
)
def test_dependencies_are_read_from_the_line_of_a_point(clause: str) -> None:
    result = skeleton(f"1. Noise\n2. Air\n3. Conclusion {clause}\n")
    assert result.points[2] == Point(index=3, text="Conclusion", depends_on=(1, 2))
    assert result.notes == ()


@pytest.mark.parametrize(
    "text",
    [
        "The war (depends on the weather)",
        "What comes after 1945",
        "Life after 40",
        "A need (2 of them)",
        "Rooms (after dinner)",
    ],
)
def test_words_that_name_no_points_stay_in_the_text(text: str) -> None:
    assert skeleton(f"1. Noise\n2. {text}").points[1] == Point(index=2, text=text)


def test_no_dependencies_may_be_said_too() -> None:
    assert needs("1. Noise (depends on: none)\n2. Air (depends on: -)\n3. Cost (benötigt: keine)") == [
        (),
        (),
        (),
    ]


def test_numbers_of_dependencies_are_those_of_the_list() -> None:
    assert needs("3. Noise\n4. Air\n5. Cost (depends on 3, 4)") == [(), (), (1, 2)]
    assert needs("1. Noise\n2. Noise\n3. Air\n4. Cost (depends on 2, 3)") == [(), (), (1, 2)]
    assert needs("1. Noise\n2. \n3. Air\n4. Cost (depends on 2, 3)") == [(), (), (2,)]
    assert needs("A. Noise\nB. Air (depends on A)\nC. Cost (needs A and B)") == [(), (1,), (1, 2)]
    assert needs("I. Noise\nII. Air (depends on I)\nIII. Cost (depends on II)") == [(), (1,), (2,)]
    assert needs("1. Noise\n1. Air\n1. Cost (depends on 2)") == [(), (), (2,)]


def test_a_cycle_is_cut_where_it_would_close() -> None:
    result = skeleton("1. Noise (depends on 3)\n2. Air (depends on 1)\n3. Cost (depends on 2)")
    assert [p.depends_on for p in result.points] == [(3,), (1,), ()]
    assert result.notes == ("Point 3 needs point 2, which needs it: ignored.",)


def test_a_point_that_needs_a_later_one_is_handed_out_when_that_has_come() -> None:
    parser = SkeletonParser()
    assert parser.feed("1. Summary (depends on: 2, 3)\n2. Noise\n") == []
    assert texts(parser.feed("3. Air\n4. Cost\n")) == ["Summary", "Noise", "Air", "Cost"]
    assert needs("1. Overview (needs all)\n2. Noise\n3. Air") == [(2, 3), (), ()]


def test_dependencies_are_read_from_json() -> None:
    points = [
        {"id": 10, "point": "Noise", "depends_on": []},
        {"id": 20, "point": "Air", "depends_on": [10]},
        {"id": 30, "point": "Cost", "depends_on": ["Noise", "20", 99]},
    ]
    result = skeleton(json.dumps({"points": points}))
    assert [p.depends_on for p in result.points] == [(), (1,), (1, 2)]
    assert result.notes == ("Point 3 needs 99, which is no point: ignored.",)
    assert needs('[{"id": "a", "point": "Noise"}, {"id": "b", "point": "Air", "after": ["a"]}]') == [(), (1,)]
    assert needs('{"point": "Noise"}\n{"point": "Air", "depends_on": [1]}') == [(), (1,)]
    assert needs('[{"point": "Noise"}, {"point": "End", "depends_on": "all"}]') == [(), (1,)]
    assert needs('["Noise", "Air (depends on: 1)"]') == [(), (1,)]


def test_a_dependency_below_its_point_comes_too_late_and_is_noted() -> None:
    result = skeleton("1. Noise\n2. Air\n   (depends on: 1)\n3. Cost")
    assert [p.depends_on for p in result.points] == [(), (), ()]
    assert "belongs on the point's line" in result.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "Conclusion",
        "In conclusion",
        "Conclusions and outlook",
        "Summary of the key points",
        "Final thoughts",
        "Key takeaways",
        "Wrapping up",
        "Fazit",
        "Zusammenfassung und Ausblick",
        "Schlussfolgerung",
        "Conclusión",
        "En resumen",
        "Resumen final",
        "Synthèse",
        "En conclusion",
        "Conclusão",
        "Conclusioni",
        "结论",
        "总结与展望",
        "まとめ",
        "結論",
        "Вывод",
        "Заключение",
        "Итоги",
        "결론",
        "الخاتمة",
        "निष्कर्ष",
        "Kết luận",
        "Podsumowanie",
        "Samenvatting",
        "The bottom line",
    ],
)
def test_a_last_point_that_sums_up_waits_for_all_others(text: str) -> None:
    plan = Skeleton(
        points=(Point(index=1, text="Noise"), Point(index=2, text="Air"), Point(index=3, text=text))
    )
    result = infer_dependencies(plan)
    assert is_conclusion(text)
    assert [p.depends_on for p in result.points] == [(), (), (1, 2)]
    assert len(result.notes) == 1


@pytest.mark.parametrize(
    "text",
    [
        "Cost",
        "Conclusive evidence",
        "Summarybot",
        "Bilanzierung",
        "Finally free",
        "Outlook",
        "Endings in novels",
    ],
)
def test_other_last_points_wait_for_none(text: str) -> None:
    plan = Skeleton(points=(Point(index=1, text="Noise"), Point(index=2, text=text)))
    assert infer_dependencies(plan) == plan


def test_what_the_model_said_about_its_conclusion_is_left_alone_and_no_cycle_is_made() -> None:
    said = skeleton("1. Noise\n2. Air\n3. Conclusion (depends on 2)")
    assert infer_dependencies(said) == said
    first = skeleton("1. Intro (depends on 3)\n2. Air\n3. Conclusion")
    assert [p.depends_on for p in infer_dependencies(first).points] == [(3,), (), (2,)]
    alone = Skeleton(points=(Point(index=1, text="Conclusion"),))
    assert infer_dependencies(alone) == alone


# Streaming


def test_a_point_is_handed_out_when_its_line_closes() -> None:
    parser = SkeletonParser()
    assert parser.feed("1. Noi") == []
    assert parser.feed("se") == []
    assert texts(parser.feed("\n2.")) == ["Noise"]
    assert parser.feed(" Air") == []
    result = parser.finish()
    assert isinstance(result, Skeleton)
    assert texts(result.points) == ["Noise", "Air"]


def test_json_points_are_handed_out_when_their_object_closes() -> None:
    parser = SkeletonParser()
    assert parser.feed('{"points": [{"point": "Noise", "depends_on": []') == []
    assert texts(parser.feed('}, {"point": "Air"')) == ["Noise"]
    assert texts(parser.feed("}")) == ["Air"]
    assert not parser.is_done
    parser.feed("]}")
    assert parser.is_done


def test_bullets_are_handed_out_once_they_are_a_list() -> None:
    parser = SkeletonParser()
    assert parser.feed("- Noise\n") == []
    assert texts(parser.feed("- Air\n")) == ["Noise", "Air"]
    assert texts(parser.feed("- Cost\n")) == ["Cost"]


def test_an_answer_is_recognised_while_it_streams() -> None:
    parser = SkeletonParser()
    count = 0
    for word in (SENTENCE * 4).split(" "):
        count += 1
        parser.feed(word + " ")
        if parser.looks_like_answer:
            break
    assert 50 <= count < 70
    assert parser.is_done
    result = parser.finish()
    assert isinstance(result, NoSkeleton)
    assert result.code == "is_answer"


def test_reading_may_end_where_the_text_goes_on_with_something_else() -> None:
    parser = SkeletonParser()
    parser.feed("1. Noise\n2. Air\n")
    assert not parser.is_done
    parser.feed("Question: And ships?\n")
    assert parser.is_done


def cut(text: str, marks: Iterable[int]) -> list[str]:
    places = sorted({mark % (len(text) + 1) for mark in marks})
    return [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]


CORPUS = [text for text, _ in (*STYLES.values(), *NONE.values())] + [text for _, text, _ in PREFIXED.values()]
FRAGMENTS = [
    "1. ",
    "2. ",
    "3) ",
    "- ",
    "* ",
    "# ",
    "## ",
    "**",
    "\n",
    "\n\n",
    "\r\n",
    "\r",
    "  ",
    "<think>",
    "</think>",
    "```",
    "```json\n",
    "[",
    "]",
    "{",
    "}",
    '"',
    "'",
    ",",
    ":",
    '{"point": "',
    '"}',
    '"depends_on": [1, 2]',
    "(depends on: 2)",
    "(needs all)",
    "Question: ",
    "Sure! ",
    "Noise",
    "Air",
    "一、",
    "١. ",
    "１．",
    "I. ",
    "a) ",
    "① ",
    "１",
    "\u2028",
    "\ud800",
    SENTENCE,
    "\\",
    "1️⃣ ",
]
wild = st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from(FRAGMENTS) | st.text(max_size=4), max_size=25).map("".join),
    st.lists(st.sampled_from(CORPUS), min_size=1, max_size=3).map("\n".join),
    st.text(alphabet='12.)-*#ab \n[]{}",:<>`', max_size=60),
)
prefixes = st.sampled_from(["", "", "1.", '{"points": [', "[", "Skeleton:\n1.", "x"])


@given(
    text=wild,
    prefix=prefixes,
    marks=st.lists(st.integers(0, 10**6), max_size=30),
    limit=st.sampled_from([1, 3, 20]),
)
def test_any_text_has_one_result_however_it_is_cut(
    text: str, prefix: str, marks: list[int], limit: int
) -> None:
    options: dict[str, Any] = {"prefix": prefix, "max_points": limit}
    whole = parse_skeleton(text, **options)
    for pieces in (cut(text, marks), list(text)):
        early, result, looked_like_answer = streamed(pieces, **options)
        assert result == whole
        if isinstance(result, NoSkeleton):
            assert result.reason
            continue
        assert not looked_like_answer
        assert tuple(early) == result.points[: len(early)]
        assert 2 <= len(result.points) <= limit
    if isinstance(whole, Skeleton):
        check_sound(infer_dependencies(whole))


def check_sound(found: Skeleton) -> None:
    assert [point.index for point in found.points] == list(range(1, len(found.points) + 1))
    assert len({point.text.casefold() for point in found.points}) == len(found.points)
    assert all(
        point.text and point.text == point.text.strip() and "\n" not in point.text for point in found.points
    )
    left = {point.index: set(point.depends_on) for point in found.points}
    while left:
        ready = {index for index, others in left.items() if not others & left.keys()}
        assert ready, "a cycle"
        left = {index: others for index, others in left.items() if index not in ready}


@given(
    st.lists(
        st.from_regex(r"[A-Z][a-z]{2,8}( [a-z]{3,8}){0,4}", fullmatch=True),
        min_size=2,
        max_size=12,
        unique_by=str.casefold,
    )
)
def test_a_skeleton_is_read_back_from_its_own_text(titles: list[str]) -> None:
    plan = Skeleton(points=tuple(Point(index=i, text=text) for i, text in enumerate(titles, start=1)))
    assert skeleton(plan.to_text()).points == plan.points


@pytest.mark.parametrize("unit", ["\n", "[", "{", "1. ", "'", "- a\n", "<", "[\n", "a: [", "`", "(", "x"])
def test_long_and_monotonous_texts_are_read_in_time_linear_in_their_length(unit: str) -> None:
    result = parse_skeleton("1. A\n" + unit * 30_000)  # quadratic steps would take minutes
    assert result.raw.endswith(unit)
    assert parse_skeleton(unit * 30_000).raw.startswith(unit)


@pytest.mark.parametrize(("name", "share"), [("arena_hard_answers", 0.9), ("mt_bench_answers", 0.9)])
def test_whole_answers_of_models_are_recognised_as_such(shared_data: Path, name: str, share: float) -> None:
    with gzip.open(shared_data / "sot" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as file:
        answers = [record["answer"] for record in map(json.loads, file) if record["words"] >= 150]
    results = [parse_skeleton(answer) for answer in answers]
    recognised = sum(isinstance(r, NoSkeleton) and r.code == "is_answer" for r in results)
    assert recognised >= share * len(answers)
