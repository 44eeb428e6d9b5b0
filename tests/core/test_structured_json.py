"""JSON data compressed by rules."""

import copy
import json
import re
from collections import OrderedDict
from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import BudgetError, InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.scorers import FixedScorer
from lingua_core.structured import JSONResult, Rule, compress_json

NOTES = (
    "The lamp was first lit on 3 March 1874. The ferry runs four times a day. Bicycles travel free. "
    "Dogs bark at night. The tower is built of grey granite. Visitors climb 212 steps to the gallery."
)
ANSWER = "The lamp was first lit on 3 March 1874."
OTHERS = "Tea is grown in Assam. Cats sleep all day long. A museum shows old nets. Entry is free on Sundays."
QUESTION = "When was the lamp first lit?"
lexical = PromptCompressor("lexical")
only_lamps = PromptCompressor(model=FixedScorer(lambda _, text: float("lamp" in text)))
by_hash = PromptCompressor(model=FixedScorer(lambda _, text: (sum(map(ord, text)) % 97) / 97))

keys = st.sampled_from(["a", "b", "text", "x.y", "*", "$", "", "0", "\\", 'q"uote']) | st.text(max_size=5)
strings = (
    st.sampled_from([NOTES, OTHERS, "", " ", "Paris, France,, 1,000", 'say "hi" \\n', "é\n字\r\n🙂"])
    | st.text()
)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | strings
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
data = st.lists(values, max_size=4) | st.dictionaries(keys, values, max_size=4)
rules_of_any_kind = st.dictionaries(
    st.sampled_from(["text", "a", "b.*", "*", "$", "*.*", "0.a", "a.text", r"x\.y", "$.b", "$.0"]),
    st.builds(
        Rule,
        rate=st.sampled_from([None, 0.3, 1.0]),
        compress=st.booleans(),
        remove_empty=st.booleans(),
        together=st.booleans(),
    ),
    max_size=4,
)


def leaves(value: object, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], object]:
    if isinstance(value, dict) and value:
        inner = value.items()
    elif isinstance(value, list) and value:
        inner = enumerate(value)
    else:
        return {path: value}
    return {k: v for key, below in inner for k, v in leaves(below, (*path, str(key))).items()}


@given(data)
def test_any_json_data_survives_without_rules(given: Any) -> None:
    before = copy.deepcopy(given)
    result = compress_json(given, {}, lexical, "q", rate=0.1)
    assert given == before
    assert json.dumps(result.data) == json.dumps(given)
    assert result.text == json.dumps(given, ensure_ascii=False)
    assert (result.changed, result.removed, result.parts, result.rate) == ((), (), (), 1.0)
    if isinstance(given, dict):
        assert result.data is not given


@given(data)
def test_any_json_text_survives_without_rules(given: Any) -> None:
    for text in (json.dumps(given), json.dumps(given, ensure_ascii=False, indent=2)):
        result = compress_json(text, {}, lexical)
        assert json.dumps(result.data) == json.dumps(given)
        assert result.text == json.dumps(given, ensure_ascii=False)


@given(data, rules_of_any_kind)
def test_whatever_the_rules_only_strings_change_and_everything_is_told(
    given: Any, rules: dict[str, Rule]
) -> None:
    before = copy.deepcopy(given)
    result = compress_json(given, rules, by_hash, "q", rate=0.5)
    assert given == before
    assert json.loads(result.text) == result.data
    told = {part.path: part for part in result.parts}
    assert set(result.removed) <= set(result.changed)
    assert len(set(result.changed)) == len(result.changed)
    for path in set(result.changed) - set(result.removed):
        assert told[path].text != told[path].original
    for part in result.parts:
        assert part.text.strip() == "\n".join(part.original[a:b] for a, b in part.spans).strip()
    if not result.removed:
        old, new = leaves(given), leaves(result.data)
        assert list(old) == list(new)
        assert all(
            isinstance(old[path], str) and isinstance(new[path], str)
            for path in old
            if repr(old[path]) != repr(new[path])
        )
        changed = [path for path in old if old[path] != new[path]]
        assert len(changed) == len(result.changed)


@given(data, st.integers(1, 300))
def test_target_tokens_bound_the_whole_text(given: Any, target: int) -> None:
    for counter in (None, len, lambda text: len(text) // 4 + 1):
        subject = PromptCompressor(model=by_hash.scorer, token_counter=counter)
        try:
            result = compress_json(given, {"$": Rule(remove_empty=True)}, subject, "q", target_tokens=target)
        except ProtectedOverBudgetError as error:
            if f"target_tokens={target} is for the whole JSON text" not in str(error):
                raise
            continue
        assert result.compressed_tokens <= target
        assert [result.compressed_tokens] == subject.token_counter.count([result.text])


def test_escapes_are_counted_where_they_cost() -> None:
    lines = {"log": "\n".join(f'He said "line {i}" and \\{i}.' for i in range(200))}
    counter = PromptCompressor("lexical", token_counter=len)
    result = compress_json(lines, {"log": Rule()}, counter, "line 7", target_tokens=500)
    assert 350 < result.compressed_tokens <= 500
    assert json.loads(result.text)["log"] == result.data["log"]


RECORD = {
    "id": 12345678901234567890123,
    "title": "Lighthouse, old",
    "price": 1.5e-7,
    "open": True,
    "owner": None,
    "place": "Paris, France,, 1,000",
    "text": NOTES,
    "tags": [NOTES, OTHERS],
    "items": [{"text": OTHERS, "note": NOTES}, {"text": NOTES, "n": [1, 2]}],
    "meta": {"text": NOTES, "deep": {"a.b": NOTES, "text": NOTES}},
}


def changed_by(rules: dict[str, Rule], **options: Any) -> tuple[str, ...]:
    return compress_json(RECORD, rules, lexical, QUESTION, **{"rate": 0.3, **options}).changed


def test_a_plain_key_matches_at_any_depth() -> None:
    own = Rule(rate=0.3)
    assert changed_by({"text": own}) == (
        "text",
        "items.0.text",
        "items.1.text",
        "meta.text",
        "meta.deep.text",
    )


def test_paths_match_from_the_root() -> None:
    own = Rule(rate=0.3)
    assert changed_by({"$.text": own}) == ("text",)
    assert changed_by({"items.*.text": own}) == ("items.0.text", "items.1.text")
    assert changed_by({"items.1.text": own}) == ("items.1.text",)
    assert changed_by({"*.text": own}) == ("meta.text",)
    assert changed_by({"*.*.text": own}) == ("items.0.text", "items.1.text", "meta.deep.text")
    assert changed_by({r"meta.deep.a\.b": own}) == (r"meta.deep.a\.b",)
    assert changed_by({r"a\.b": own}) == (r"meta.deep.a\.b",)


def test_a_rule_is_about_everything_below_until_a_deeper_one() -> None:
    own = Rule(rate=0.3)
    assert changed_by({"meta": own}) == ("meta.text", r"meta.deep.a\.b", "meta.deep.text")
    assert changed_by({"meta": own, "deep": Rule(compress=False)}) == ("meta.text",)
    assert changed_by(
        {"meta": Rule(compress=False), "deep": own, "$.meta.deep.text": Rule(compress=False)}
    ) == (r"meta.deep.a\.b",)
    assert changed_by({"tags": own}) == ("tags.0", "tags.1")
    assert changed_by({"*": Rule(compress=False), "note": own}) == ("items.0.note",)
    everything = changed_by({"$": own})
    assert everything == changed_by({"*": own})
    assert len(everything) == 9


def test_the_more_exact_path_decides_about_a_value() -> None:
    own, keep = Rule(rate=0.3), Rule(compress=False)
    assert changed_by({"text": keep, "items.*.text": own}) == ("items.0.text", "items.1.text")
    assert changed_by({"items.*.text": own, "items.1.text": keep}) == ("items.0.text",)
    assert changed_by({"items.0.*": keep, "*.0.text": own}) == ()
    assert changed_by({"*.0.text": keep, "items.*.text": own}) == ("items.0.text", "items.1.text")


def test_everything_that_is_kept_is_untouched() -> None:
    result = compress_json(RECORD, {"text": Rule(rate=0.2), "zz": Rule()}, lexical, QUESTION)
    expected = copy.deepcopy(RECORD)
    for place in (expected, expected["items"][1], expected["meta"], expected["meta"]["deep"]):  # type: ignore[index, call-overload]
        place["text"] = ANSWER  # type: ignore[index, call-overload]
    expected["items"][0]["text"] = result.data["items"][0]["text"]  # type: ignore[index]
    assert result.data == expected
    assert list(result.data) == list(RECORD)
    assert '"place": "Paris, France,, 1,000"' in result.text
    assert '"id": 12345678901234567890123' in result.text
    assert [(note.code, "'zz'" in note.message) for note in result.notes if note.code == "unused_rule"] == [
        ("unused_rule", True)
    ]


def test_dropped_values_go_with_their_keys() -> None:
    rules = {"tags": Rule(drop=True), "items.0": Rule(drop=True), "deep": Rule(drop=True)}
    result = compress_json(RECORD, rules, lexical)
    assert result.changed == result.removed == ("tags", "items.0", "meta.deep")
    assert result.data["items"] == [RECORD["items"][1]]  # type: ignore[index]
    assert result.data["meta"] == {"text": NOTES}
    assert result.origin_tokens == lexical.token_counter.count([json.dumps(RECORD)])[0]
    with pytest.raises(InputError, match="drops the root"):
        compress_json(RECORD, {"$": Rule(drop=True)}, lexical)


def test_strings_without_a_rate_share_the_budget() -> None:
    given = {"a": NOTES, "b": OTHERS, "c": {"d": NOTES}}
    result = compress_json(
        given, {"a": Rule(), "b": Rule(), "d": Rule(rate=0.2)}, lexical, QUESTION, rate=0.25
    )
    shared = lexical.compress([NOTES, OTHERS], QUESTION, rate=0.25)
    assert [part.path for part in result.parts] == ["a", "b", "c.d"]
    assert result.parts[0].result is result.parts[1].result
    assert result.parts[0].result is not None
    assert result.parts[0].result.text == shared.text
    assert result.parts[0].document is not None
    assert result.parts[0].document.id == "a"
    assert result.data["c"]["d"] == ANSWER


def test_a_string_that_keeps_nothing_is_emptied_or_goes() -> None:
    given = {
        "a": OTHERS,
        "b": [OTHERS, 5],
        "c": [OTHERS, OTHERS],
        "d": {"e": {"f": OTHERS}},
        "g": "",
        "h": NOTES,
    }
    emptied = compress_json(given, {"$": Rule()}, only_lamps, QUESTION, threshold=0.5)
    assert emptied.data == {"a": "", "b": ["", 5], "c": ["", ""], "d": {"e": {"f": ""}}, "g": "", "h": ANSWER}
    assert emptied.removed == ()
    gone = Rule(remove_empty=True)
    removing = compress_json(
        given, {key: gone for key in "abcdgh"} | {"b.*": gone}, only_lamps, QUESTION, threshold=0.5
    )
    assert removing.data == {"b": [5], "g": "", "h": ANSWER}
    assert removing.removed == ("a", "b.0", "c", "d")
    dropping = {"x": {"y": 1, "z": OTHERS}, "k": {}}
    rules = {"x": gone, "y": Rule(drop=True), "k": gone}
    assert compress_json(dropping, rules, only_lamps, QUESTION, threshold=0.5).data == {"k": {}}


def test_a_list_of_strings_can_be_taken_for_one_text() -> None:
    given: dict[str, Any] = {"tags": [OTHERS, NOTES, "", OTHERS], "mixed": [NOTES, 1]}
    result = compress_json(given, {"$": Rule(rate=0.2, together=True)}, only_lamps, QUESTION, min_tokens=30)
    assert result.data["mixed"] == [ANSWER, 1]
    assert result.data["tags"][0].startswith(ANSWER)
    assert result.data["tags"][1:] == [""]
    both = lexical.token_counter.count([*given["tags"], result.data["tags"][0]])
    assert abs(both[-1] / sum(both[:-1]) - 0.2) <= 0.02
    by_threshold = compress_json(given, {"$": Rule(together=True)}, only_lamps, QUESTION, threshold=0.5)
    assert by_threshold.data == {"tags": [ANSWER, ""], "mixed": [ANSWER, 1]}
    assert by_threshold.removed == ("tags.0", "tags.3")
    assert by_threshold.changed == ("tags.0", "tags.1", "tags.3", "mixed.0")


def test_short_strings_can_be_left_alone() -> None:
    given = {"a": "Short. Very short.", "b": NOTES, "list": ["One thing.", "The lamp."]}
    result = compress_json(given, {"$": Rule(rate=0.3)}, lexical, QUESTION, min_tokens=20)
    assert result.changed == ("b",)
    assert [part.path for part in result.parts] == ["b"]


def test_numbers_of_a_text_are_spelled_as_they_were() -> None:
    text = (
        '{"a": 1.10, "b": 1E5, "c": 0.100000000000000005551115123125, "d": -0.0, "e": 12345678901234567890}'
    )
    result = compress_json(text, {}, lexical)
    assert result.text == text
    assert result.data["a"] == 1.1
    assert result.data["b"] == 100000.0
    assert isinstance(result.data["b"], float)
    assert copy.deepcopy(result.data) == result.data


def test_text_is_json_as_json_dumps_writes_it() -> None:
    given = {"é": '字 🙂\n"\\\u2028\x00', "n": [1, 2.5, True, None, {}, []], "s": "\ud800"}
    result = compress_json(given, {}, lexical)
    assert result.text == json.dumps(given, ensure_ascii=False)


def test_scalars_and_subclasses_are_data_too() -> None:
    class Level(IntEnum):
        HIGH = 3

    assert compress_json('"abc"', {}, lexical).data == "abc"
    assert compress_json("5", {"$": Rule()}, lexical).text == "5"
    assert compress_json(json.dumps(NOTES), {"$": Rule(rate=0.2)}, lexical, QUESTION).data == ANSWER
    assert compress_json(OrderedDict(b=Level.HIGH, a=1), {}, lexical).text == '{"b": 3, "a": 1}'


@pytest.mark.parametrize("empty", [{}, [], "{}", " [ ] ", {"a": ""}, {"a": [[], {}]}])
def test_empty_data_stays_empty(empty: Any) -> None:
    result = compress_json(empty, {"$": Rule(), "a": Rule(rate=0.5)}, lexical, QUESTION, target_tokens=20)
    assert result.data == (json.loads(empty) if isinstance(empty, str) else empty)
    assert result.changed == ()


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


def containing_itself() -> Any:
    value: dict[str, Any] = {}
    value["a"] = [value]
    return value


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"a": [1, float("nan")]}, "At 'a.1': nan is no JSON number"),
        ('{"a": NaN}', "At 'a': nan is no JSON number"),
        ('{"a": [-1e999]}', "At 'a.0': -inf is no JSON number"),
        ({"a": {"b.c": {1, 2}}}, r"At 'a.b\\.c': set is no JSON value"),
        ({"a": (1, 2)}, "At 'a': tuple is no JSON value"),
        ([Decimal(1)], "At '0': Decimal is no JSON value"),
        ({"a": b"x"}, "At 'a': bytes is no JSON value"),
        ({"a": {5: 1}}, "At 'a': the keys of JSON objects are str, got int: 5"),
        ({"a": 10**5000}, "At 'a': the number has more digits"),
        ("[" + "1" * 5000 + "]", "a JSON text that Python cannot read"),
        ('{"a": 1, "b": 2, "a": 3}', "has the key 'a' twice"),
        ("not json", "no JSON text: Expecting value: line 1 column 1"),
        ("", "no JSON text"),
        ("[" * 100_000, "Python cannot read"),
        (nested(201), "nested deeper than 200 levels"),
        (containing_itself(), "contains itself"),
        (5, "data must be a dict, a list or a JSON text, got int: 5"),
        (None, "got NoneType"),
        (("a",), "got tuple"),
    ],
)
def test_what_is_no_json_is_refused_with_its_path(given: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        compress_json(given, {"$": Rule()}, lexical)


def test_deep_data_is_followed() -> None:
    deep = nested(200)
    assert compress_json(deep, {"$": Rule(remove_empty=True)}, lexical).data == deep


@pytest.mark.parametrize(
    ("rules", "says"),
    [
        ({"a": {"rate": 0.5}}, "rules['a'] must be a Rule, got dict: {'rate': 0.5}. Options as llmlingua"),
        ({"a": 0.5}, "rules['a'] must be a Rule, got float"),
        ({5: Rule()}, "must have paths (str) for keys, got 5"),
        (["a"], "rules must be a mapping"),
        ({"a\\": Rule()}, "ends in a single backslash"),
        ({"a\\b": Rule()}, "has a backslash before 'b'"),
    ],
)
def test_rules_that_cannot_be_used_are_refused(rules: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        compress_json({}, rules, lexical)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"rate": 0}, "must be in (0, 1], got 0"),
        ({"rate": "0.5"}, "rate must be a finite number, got '0.5'"),
        ({"compress": 1}, "Rule.compress must be True or False, got 1"),
        ({"drop": "yes"}, "Rule.drop must be True or False, got 'yes'"),
        ({"drop": True, "rate": 0.5}, "cannot say how to compress it"),
        ({"drop": True, "remove_empty": True}, "cannot say how to compress it"),
    ],
)
def test_a_rule_checks_itself(options: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        Rule(**options)


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(BudgetError, match="at most one"):
        compress_json({}, {}, lexical, rate=0.5, threshold=0.5)
    with pytest.raises(InputError, match="min_tokens must be a whole number of at least 0, got -1"):
        compress_json({}, {}, lexical, min_tokens=-1)
    with pytest.raises(InputError, match="min_tokens must be a whole number, got '5'"):
        compress_json({}, {}, lexical, min_tokens="5")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="compressor must be a PromptCompressor"):
        compress_json({}, {}, None)  # type: ignore[arg-type]
    with pytest.raises(ProtectedOverBudgetError, match="is for the whole JSON text"):
        compress_json(RECORD, {"text": Rule()}, lexical, target_tokens=50)


LLMLINGUA = {
    "id": {"rate": 0.5, "compress": True, "value_type": "int", "pair_remove": False},
    "title": {"rate": 1, "compress": False, "value_type": "str", "pair_remove": False},
    "text": {"rate": 0.2, "compress": True, "value_type": "string", "pair_remove": True},
    "a.b": {"value_type": "list", "pair_remove": True},
    "$": {"rate": 0.3},
}


def test_the_configuration_of_llmlingua_is_understood() -> None:
    rules = Rule.from_llmlingua(LLMLINGUA)
    assert rules == {
        "$.id": Rule(compress=False),
        "$.title": Rule(rate=1, compress=False),
        "$.text": Rule(rate=0.2, remove_empty=True),
        r"$.a\.b": Rule(remove_empty=True),
        r"$.\$": Rule(rate=0.3),
    }
    given = {"id": 12, "title": NOTES, "text": NOTES, "a.b": [OTHERS], "$": NOTES, "more": {"text": NOTES}}
    result = compress_json(given, rules, only_lamps, QUESTION, threshold=0.5)
    assert result.data == {
        "id": 12,
        "title": NOTES,
        "text": ANSWER,
        "$": result.data["$"],
        "more": given["more"],
    }
    assert result.removed == (r"a\.b",)
    assert result.changed == ("text", r"a\.b", r"\$")


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"text": {"rat": 0.5}}, "json_config['text'] has the unknown option 'rat'"),
        ({"text": {"value_type": "set"}}, "json_config['text'] has value_type='set'"),
        ({"text": {"value_type": ["str"]}}, "has value_type=['str']"),
        ({"text": {"rate": 2}}, "json_config['text']: rate is the kept fraction"),
        ({"text": {"compress": "yes"}}, "json_config['text']: Rule.compress must be True or False"),
        ({"text": 0.5}, "json_config['text'] must map a str to a mapping of options, got 0.5"),
        ({5: {}}, "json_config[5] must map"),
        ("config.yaml", "must be a mapping from keys to options, got str"),
    ],
)
def test_a_wrong_configuration_of_llmlingua_is_refused_with_its_key(config: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        Rule.from_llmlingua(config)


def test_a_json_text_and_its_data_give_the_same() -> None:
    def plain(result: JSONResult) -> tuple[object, ...]:
        return (result.data, result.text, result.changed, result.origin_tokens, result.compressed_tokens)

    rules = {"text": Rule(rate=0.2), "tags": Rule(together=True)}
    from_data = compress_json(RECORD, rules, lexical, QUESTION, target_tokens=400)
    from_text = compress_json(json.dumps(RECORD, indent=1), rules, lexical, QUESTION, target_tokens=400)
    assert json.loads(from_data.text) == json.loads(from_text.text)
    assert plain(from_data)[0] == plain(from_text)[0]


def test_the_default_method_finds_the_answer() -> None:
    result = compress_json({"id": 7, "text": NOTES}, {"text": Rule()}, PromptCompressor(), QUESTION)
    assert result.data["id"] == 7
    assert ANSWER in result.data["text"]
    assert "Dogs" not in result.data["text"]
