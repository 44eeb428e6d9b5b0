"""Which points need the text of which others: how models say it, and what is made of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from lingua_core.skeleton.parsing.numerals import chinese_value, decimal_value, letter_value, roman_value
from lingua_core.skeleton.types import Skeleton

__all__ = [
    "Reference",
    "creates_cycle",
    "infer_dependencies",
    "is_conclusion",
    "read_references",
    "split_dependencies",
]

_KEYWORDS = (
    r"depend(?:s|ing|ent|encies|ency)?(?:[\s_]?on)?|deps|needs?|requires?|after|builds?\s(?:up)?on|based\son|prerequisites?|uses|"
    r"(?:hängt\sab|abhängig)\svon|abhängigkeit(?:en)?|benötigt|braucht|nach|baut\sauf|dépend\sde|dépendances?|après|nécessite|"
    r"depende\sde|dependencias?|requiere|necesita|después\sde|зависит\sот|зависимости|требует|после|"
    r"依赖于?|依賴於?|取决于|基于|需要|依存(?:先)?|前提|يعتمد\sعلى|بعد|निर्भर"
)
_ALL = (
    r"all(?:\s(?:of\s)?(?:the\s)?(?:others?|above|previous|preceding|earlier|points|other\spoints|previous\spoints|earlier\spoints))?|"
    r"everything(?:\sabove)?|alle[nm]?(?:\s\w+)?|tous(?:\sles\sautres)?|todos?|todas?|tutti|все(?:х|го)?|全部|所有(?:要点)?|全て|すべて|الكل|جميع"
)
_NONE = (
    r"none|nothing|n/?a|no|nil|null|keine?[mn]?|nichts|aucune?|rien|ningun[oa]|nada|нет|ничего|"
    r"无|無|なし|[-–—∅]|\[\s*\]"
)
_NUMBER = r"#?(?:第)?(?:\d{1,3}|[一二三四五六七八九十]{1,3})(?:点|步|项)?"
_WORD_BEFORE = (
    r"(?:(?:points?|steps?|items?|sections?|nos?\.?|punkte?n?|schritte?n?|puntos?|étapes?|"
    r"пункт\w*|要点|第)\s?)?"
)
_BETWEEN = r"(?:\s*(?:,|;|&|\+|/|，|、|；|\band\b|\bund\b|\bet\b|\by\b|\be\b|и|和|及|与|と|و)+\s*|\s+)"
_RANGE = r"(?:\s?(?:-|–|—|\.\.|to|bis|through|至|到)\s?"
_ONE = rf"{_WORD_BEFORE}{_NUMBER}{_RANGE}{_NUMBER})?"
_BODY = rf"(?:{_ALL}|{_NONE}|{_ONE}(?:{_BETWEEN}{_ONE})*)"
_LETTERS = rf"(?:{_WORD_BEFORE}[^\W\d_]{{1,4}}(?:{_BETWEEN}{_WORD_BEFORE}[^\W\d_]{{1,4}})*)"


def _clauses(body: str) -> tuple[re.Pattern[str], ...]:
    inner = rf"\s*(?:{_KEYWORDS})\s*(?:on\s*)?[:：=]?\s*[\[(]?\s*(?P<body>{body})\s*[\])]?\.?\s*"
    return (
        re.compile(rf"\s*[(\[（【{{<|]{inner}[)\]）】}}>|][\s*_.。]*\Z", re.IGNORECASE),
        re.compile(
            rf"\s*(?:[-–—;|,。，]\s*|\.\s+|\s[*_]+)(?:depends?(?:[\s_]on)?|dependenc(?:y|ies)|deps|"
            rf"depends_on|abhängig von|"
            rf"hängt ab von|依赖于?|зависит от)\s*[:：=]?\s*[\[(]?\s*(?P<body>{body})\s*[\])]?[\s*_.。]*\Z",
            re.IGNORECASE,
        ),
        re.compile(rf"\s*[(\[]?(?:<-|←|⇐)\s*(?P<body>{body})\s*[)\]]?\s*\Z", re.IGNORECASE),
    )


_NUMBER_CLAUSES = _clauses(_BODY)
_LETTER_CLAUSES = _clauses(_LETTERS)
_OPENINGS = re.compile(r"[(\[（【{<|;,。，.←⇐*_–—-]")
_TOKEN = re.compile(
    rf"(?P<first>\d{{1,3}}|[一二三四五六七八九十]{{1,3}})(?:点|步|项)?{_RANGE}#?(?P<last>\d{{1,3}}))?"
)
_ALL_ONLY = re.compile(_ALL, re.IGNORECASE)
_NONE_ONLY = re.compile(_NONE, re.IGNORECASE)
_LONGEST_CLAUSE = 160
_LONGEST_RANGE = 50


class Reference(NamedTuple):
    """What a point says that it needs: numbers as its list counts, "all", or the beginning of a text."""

    numbers: tuple[int, ...] = ()
    everything: bool = False
    titles: tuple[str, ...] = ()


def split_dependencies(text: str, *, kind: str = "decimal") -> tuple[str, Reference | None]:
    """A point's text without its dependency clause, and what the clause says.

    "4. Conclusion (depends on: 1, 2)", "[after 1-3]", "(needs all)", "— depends on 1", and the same in other
    languages. A clause that names anything but points is part of the text: "(depends on the weather)".

    Args:
        text: The line behind its marker.
        kind: The kind of the list's markers: lists of letters and Roman numerals refer by those.
    """
    tail = max(0, len(text) - _LONGEST_CLAUSE)
    clauses = _LETTER_CLAUSES + _NUMBER_CLAUSES if kind in ("roman", "letter") else _NUMBER_CLAUSES
    starts = [m.start() for m in _OPENINGS.finditer(text, tail)][:40]
    for start in starts:
        for clause in clauses:
            if match := clause.match(text, start):
                reference = (
                    _letters(match["body"], kind)
                    if clause in _LETTER_CLAUSES
                    else read_references(match["body"])
                )
                if reference is not None:
                    return text[:start].rstrip(), reference
    return text, None


def read_references(body: str) -> Reference:
    """The numbers that a text names: "1, 2 and 4-6", "all", "none"."""
    body = body.strip()
    if _NONE_ONLY.fullmatch(body):
        return Reference()
    if _ALL_ONLY.fullmatch(body):
        return Reference(everything=True)
    numbers: list[int] = []
    for match in _TOKEN.finditer(body):
        first = decimal_value(match["first"]) if match["first"].isdecimal() else chinese_value(match["first"])
        last = decimal_value(match["last"]) if match["last"] else first
        if first is not None and last is not None:
            numbers.extend(
                range(first, min(last, first + _LONGEST_RANGE) + 1) if last >= first else (first, last)
            )
    return Reference(numbers=tuple(dict.fromkeys(numbers)))


def _letters(body: str, kind: str) -> Reference | None:
    if _ALL_ONLY.fullmatch(body) or _NONE_ONLY.fullmatch(body):
        return read_references(body)
    tokens = [t for t in re.split(r"[\s,;&+/，、]+", body) if t and t.lower() not in ("and", "und", "et")]
    values = [roman_value(t) if kind == "roman" else letter_value(t) for t in tokens]
    return (
        None
        if None in values
        else Reference(numbers=tuple(dict.fromkeys(v for v in values if v is not None)))
    )


def creates_cycle(edges: Mapping[int, Sequence[int]], child: int, parent: int) -> bool:
    """Whether `parent` already needs `child`, by way of others too."""
    open_points, seen = [parent], {parent}
    while open_points:
        point = open_points.pop()
        if point == child:
            return True
        for other in edges.get(point, ()):
            if other not in seen:
                seen.add(other)
                open_points.append(other)
    return False


_CONCLUSION = re.compile(
    r"(?:the |a |my |die |das |ein(?:e)? |la |le |les |el |una? |il |o |a )?(?:"
    r"(?:brief |short |final |overall |general |quick )?(?:conclu(?:sion|sions|"
    r"ding)(?! of the (?!answer))|summar(?:y|ies|ise|ize|izing|ising)|recap|wrap(?:ping)?[- ]?up|"
    r"synthesis|tl;?dr)|in (?:conclusion|summary|closing|short)|to (?:conclude|sum up)|(?:final|"
    r"closing|concluding|parting) "
    r"(?:thoughts?|remarks?|words?|notes?|verdict|assessment|recommendations?|comments?|summary)|"
    r"(?:key|main) takeaways?|takeaways|bottom line|"
    r"(?:kurze |abschließende[rs]? )?(?:fazit|zusammenfass\w*|zusammenfassend|schlussfolgerung\w*|"
    r"schluss\b|schlusswort|resümee|ausblick und fazit)|"
    r"conclus(?:ión|iones|ione|ioni|ão|ões|ie|ies)|concluyendo|en (?:conclusi(?:ón|on)|resumen|conclusion|"
    r"résumé|somme)|resumen|resumo|riassunto|riepilogo|"
    r"em resumo|in (?:sintesi|conclusione)|synthèse|bilan|pour conclure|récapitulatif|samenvatting|"
    r"conclusie|slotsom|"
    r"slutsats|sammanfattning|konklusjon|konklusion|oppsummering|yhteenveto|podsumowanie|wnioski|závěr|shrnutí|összefoglalás|"
    r"sonuç|özet|kesimpulan|ringkasan|kết luận|tóm tắt|συμπέρασμα|συμπεράσματα|"
    r"вывод(?:ы)?|заключени[ея]|итог(?:и)?|подведение итогов|резюме|висновок|висновки|підсумок)(?!\w)"
    r"|(?:结论|結論|总结|總結|小结|小結|综上|結語|结语|まとめ|おわりに|要約|결론|요약|마무리|맺음말|निष्कर्ष|सारांश|สรุป)"
    r"|(?:ال)?(?:خاتمة|خلاصة|ملخص|استنتاج)(?:\s|:|$|\Z)|(?:ال)?(?:خاتمة|خلاصة|ملخص|استنتاج)|סיכום|מסקנה",
    re.IGNORECASE,
)


def is_conclusion(text: str) -> bool:
    """Whether a point sums up the others, going by the words that it begins with; many languages."""
    return _CONCLUSION.match(text.strip()) is not None


def infer_dependencies(skeleton: Skeleton) -> Skeleton:
    """The skeleton with its last point, if that is a conclusion or summary, needing all earlier ones.

    Dependencies that the last point has itself are left as they are, and no cycle is made. A note says so.
    """
    if len(skeleton.points) < 2:
        return skeleton
    *earlier, last = skeleton.points
    if last.depends_on or not is_conclusion(last.text):
        return skeleton
    edges = {point.index: point.depends_on for point in earlier}
    needed = tuple(p.index for p in earlier if not creates_cycle(edges, last.index, p.index))
    note = f"Point {last.index} ({last.text!r}) sums up the others, so it waits for them."
    return replace(
        skeleton,
        points=(*earlier, replace(last, depends_on=needed)),
        notes=(*skeleton.notes, note),
    )
