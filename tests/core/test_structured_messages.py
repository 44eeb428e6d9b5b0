"""Chat messages."""

import copy
import json
import re
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lingua_core import BudgetError, InputError, PromptCompressor, ProtectedOverBudgetError
from lingua_core.scorers import FixedScorer
from lingua_core.structured import compress_messages

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
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}}
CALLS = [{"id": "c1", "type": "function", "function": {"name": "search", "arguments": '{"q": "lamp"}'}}]
AGENT: list[dict[str, Any]] = [
    {"role": "system", "content": NOTES},
    {"role": "user", "content": f"{NOTES} {OTHERS}"},
    {"role": "assistant", "content": NOTES},
    {"role": "user", "content": [{"type": "text", "text": QUESTION}, IMAGE], "name": "ann"},
    {"role": "assistant", "content": None, "tool_calls": CALLS},
    {"role": "tool", "tool_call_id": "c1", "content": NOTES, "extra": {"nested": [1]}},
]

texts = (
    st.sampled_from([NOTES, OTHERS, "", " \r\n ", json.dumps({"a": NOTES, "n": [1, "é"]}), "[1", QUESTION])
    | st.text()
)
content_parts = st.one_of(
    st.builds(lambda text: {"type": "text", "text": text, "cache_control": {"type": "ephemeral"}}, texts),
    st.just(IMAGE),
    st.just({"type": "input_audio", "input_audio": {"data": "x"}}),
    st.just({"other": 1}),
)
conversations = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {
                "role": st.sampled_from(["system", "developer", "user", "assistant", "tool"]),
                "content": texts | st.none() | st.lists(content_parts, max_size=3),
            },
            optional={"tool_calls": st.just(CALLS), "name": st.text(max_size=3)},
        ),
        st.fixed_dictionaries({"role": st.just("assistant"), "tool_calls": st.just(CALLS)}),
    ),
    max_size=6,
)


def without_texts(messages: Any) -> Any:
    """The messages with every text replaced by a mark."""
    bare = [copy.deepcopy(dict(message)) for message in messages]
    for message in bare:
        if isinstance(message.get("content"), str):
            message["content"] = "text"
        for part in message["content"] if isinstance(message.get("content"), list) else []:
            if part.get("type") == "text":
                part["text"] = "text"
    return bare


def texts_of(messages: Any) -> list[str | None]:
    found: list[str | None] = []
    for message in messages:
        content = message.get("content")
        if isinstance(content, list):
            found += [part["text"] if part.get("type") == "text" else None for part in content]
        else:
            found.append(content)
    return found


@given(conversations, st.integers(0, 30), st.integers(0, 2), st.sampled_from([None, "", "q"]))
def test_only_texts_change_and_every_change_is_told(
    messages: list[dict[str, Any]], least: int, keep: int, query: str | None
) -> None:
    before = copy.deepcopy(messages)
    result = compress_messages(
        messages, by_hash, query=query, rate=0.3, min_tokens=least, keep_last=keep, omission=""
    )
    assert messages == before
    assert [list(message) for message in result.messages] == [list(message) for message in messages]
    assert without_texts(result.messages) == without_texts(messages)
    old, new = texts_of(messages), texts_of(result.messages)
    assert len(result.parts) == len(old) == len(new)
    count = by_hash.token_counter.count
    for part, was, now in zip(result.parts, old, new, strict=True):
        assert (part.outcome == "compressed") == (was != now)
        assert part.role == messages[part.message]["role"]
        assert [part.origin_tokens, part.compressed_tokens] == count([was or "", now or ""])
        if was != now:
            assert part.role in ("user", "tool")
            assert part.origin_tokens >= least
            if part.is_json:
                assert now is not None
                json.loads(now)
    assert result.origin_tokens == sum(count([text or "" for text in old]))
    assert result.compressed_tokens == sum(count([text or "" for text in new]))
    changed = {part.message for part in result.parts if part.outcome == "compressed"}
    for i, (was, now) in enumerate(zip(messages, result.messages, strict=True)):
        assert (now is was) == (i not in changed)
    users = [i for i, message in enumerate(messages) if message["role"] == "user"]
    assert not changed & set(users[len(users) - keep :])
    assert all(note.document is None or note.document < len(result.parts) for note in result.notes)


@given(conversations, st.integers(1, 120), st.sampled_from(["", "[omitted]", "…"]))
def test_target_tokens_bound_the_texts_to_compress(
    messages: list[dict[str, Any]], target: int, omission: str
) -> None:
    for counter in (None, len, lambda text: len(text.split()) + 2):
        subject = PromptCompressor(model=by_hash.scorer, token_counter=counter)
        try:
            result = compress_messages(
                messages, subject, query="q", target_tokens=target, min_tokens=10, omission=omission
            )
        except ProtectedOverBudgetError as error:
            if f"target_tokens={target} is for all texts that may be compressed" not in str(error):
                raise
            continue
        eligible = [
            part
            for part in result.parts
            if part.outcome in ("compressed", "unchanged", "json_without_long_strings")
        ]
        assert sum(part.compressed_tokens for part in eligible) <= target


def test_the_last_question_decides_and_stays() -> None:
    result = compress_messages(AGENT, lexical, min_tokens=20, rate=0.2)
    assert result.query == QUESTION
    assert [part.outcome for part in result.parts] == [
        "role",
        "compressed",
        "role",
        "last",
        "no_text",
        "no_text",
        "compressed",
    ]
    assert result.messages[5] == {**AGENT[5], "content": ANSWER}
    assert result.messages[1]["content"].startswith(ANSWER)
    assert [result.messages[i] is AGENT[i] for i in range(6)] == [True, False, True, True, True, False]
    assert result.messages[5]["extra"] is not AGENT[5]["extra"]
    assert result.result is not None
    assert result.result.query == QUESTION
    assert [d.id for d in result.result.documents] == ["messages[1].content", "messages[5].content"]
    assert result.parts[6].documents[0].text == ANSWER
    assert 0 < result.rate < 1 < result.ratio


def test_the_message_that_asks_is_never_compressed() -> None:
    asking = [{"role": "user", "content": NOTES}, {"role": "user", "content": f"{OTHERS} {QUESTION}"}]
    tail = [{"role": "user", "content": [IMAGE]}, {"role": "user", "content": None}]
    result = compress_messages([*asking, *tail], lexical, min_tokens=10, keep_last=0, rate=0.2)
    assert result.query == f"{OTHERS} {QUESTION}"
    assert [part.outcome for part in result.parts] == ["compressed", "last", "no_text", "no_text"]
    explicit = compress_messages(asking, lexical, query=QUESTION, min_tokens=10, keep_last=0, rate=0.2)
    assert [part.outcome for part in explicit.parts] == ["compressed", "compressed"]
    kept = compress_messages(asking, lexical, min_tokens=10, keep_last=5, rate=0.2)
    assert [part.outcome for part in kept.parts] == ["last", "last"]


def test_the_question_is_all_texts_of_its_message() -> None:
    content = [{"type": "text", "text": "The lamp."}, IMAGE, {"type": "text", "text": "When was it lit?"}]
    result = compress_messages([{"role": "user", "content": content}], lexical)
    assert result.query == "The lamp.\nWhen was it lit?"
    assert compress_messages([{"role": "system", "content": "x"}], lexical).query is None


def test_parts_of_a_message_are_compressed_one_by_one() -> None:
    mark = {"cache_control": {"type": "ephemeral"}}
    content = [{"type": "text", "text": f"\n{NOTES}\n", **mark}, IMAGE, {"type": "text", "text": "Short."}]
    given = [{"role": "user", "content": content}]
    result = compress_messages(given, lexical, query=QUESTION, keep_last=0, min_tokens=20, rate=0.2)
    assert result.messages == [
        {"role": "user", "content": [{"type": "text", "text": f"\n{ANSWER}\n", **mark}, IMAGE, content[2]]}
    ]
    assert [(part.part, part.outcome) for part in result.parts] == [
        (0, "compressed"),
        (1, "no_text"),
        (2, "short"),
    ]
    assert given[0]["content"] is content


def test_json_texts_stay_json_and_all_but_long_strings_stays_as_written() -> None:
    text = f'{{"id" : 1.10,\n "tags":["a, b,, c", "\\u00e9"], "body": {json.dumps(NOTES)}, "none":null }}'
    given = [{"role": "user", "content": QUESTION}, {"role": "tool", "tool_call_id": "1", "content": text}]
    result = compress_messages(given, lexical, min_tokens=20, rate=0.2)
    assert result.messages[1]["content"] == text.replace(NOTES, ANSWER)
    assert result.parts[1].is_json
    assert result.parts[1].documents[0].id == "messages[1].content body"
    escaped = [given[0], {"role": "tool", "content": json.dumps([f'"Q" \n\n {NOTES}', {"k": NOTES}])}]
    inside = json.loads(compress_messages(escaped, lexical, min_tokens=20, rate=0.3).messages[1]["content"])
    assert ANSWER in inside[0] or ANSWER in inside[1]["k"]


def test_json_without_long_strings_stays() -> None:
    text = json.dumps([{"id": i, "name": "a lamp"} for i in range(100)])
    given = [{"role": "user", "content": QUESTION}, {"role": "tool", "content": text}]
    result = compress_messages(given, lexical, rate=0.2)
    assert result.messages[1] is given[1]
    assert [(part.outcome, part.is_json) for part in result.parts] == [
        ("last", False),
        ("json_without_long_strings", True),
    ]


@pytest.mark.parametrize("text", ['{"a": 1, "a": 2} ', "[" * 5000, "{not json} ", '{"a": ' * 300])
def test_what_only_looks_like_json_is_text(text: str) -> None:
    given = [{"role": "tool", "content": f"{text}\n\n{NOTES}"}, {"role": "tool", "content": f"{text}"}]
    result = compress_messages(given, only_lamps, query=QUESTION, min_tokens=1, threshold=0.5)
    assert result.messages[0]["content"] == ANSWER
    assert result.messages[1]["content"] == "[omitted]"


def test_where_nothing_is_kept_that_is_said() -> None:
    given = [
        {"role": "tool", "content": OTHERS},
        {"role": "tool", "content": json.dumps({"a": 1, "t": OTHERS * 2})},
    ]
    options: dict[str, Any] = {"query": QUESTION, "min_tokens": 10, "threshold": 0.5}
    told = compress_messages(given, only_lamps, **options)
    assert told.messages[0]["content"] == "[omitted]"
    assert told.messages[1]["content"] == '{"a": 1, "t": "[omitted]"}'
    assert [note.code for note in told.notes] == ["nothing_kept", "no_signal"]
    assert compress_messages(given, only_lamps, omission="", **options).messages[0]["content"] == ""


def test_short_conversations_pass_untouched() -> None:
    for messages in ([], [{"role": "user", "content": "Hi."}], AGENT):
        result = compress_messages(messages, lexical, rate=0.1)
        assert result.messages == messages
        assert all(now is was for now, was in zip(result.messages, messages, strict=True))
        assert result.result is None
        assert result.rate == 1.0
    within = compress_messages(AGENT, lexical, min_tokens=20, target_tokens=10_000)
    assert within.messages == AGENT
    assert [part.outcome for part in within.parts if part.role == "tool"] == ["unchanged"]


def test_roles_are_a_choice() -> None:
    result = compress_messages(AGENT, lexical, roles={"assistant", "system"}, min_tokens=20, rate=0.2)
    assert [part.message for part in result.parts if part.outcome == "compressed"] == [0, 2]
    assert compress_messages(AGENT, lexical, roles=(), min_tokens=0, rate=0.2).messages == AGENT


def test_any_mapping_is_a_message() -> None:
    given = [MappingProxyType({"role": "tool", "content": NOTES})]
    with pytest.raises(TypeError):
        copy.deepcopy(given[0])
    result = compress_messages(given, lexical, query=QUESTION, min_tokens=20, rate=0.2)
    assert result.messages == [{"role": "tool", "content": ANSWER}]


def test_a_target_that_leaves_no_room_is_an_error() -> None:
    long_words = " ".join(f"{i},000,000.25" for i in range(100))
    given = [{"role": "tool", "content": long_words}]
    with pytest.raises(ProtectedOverBudgetError, match="all texts that may be compressed, together"):
        compress_messages(given, lexical, query=QUESTION, min_tokens=1, target_tokens=4)


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ("hello", "messages must be a sequence of mappings, got str: 'hello'"),
        ({"role": "user"}, "messages must be a sequence of mappings, got dict"),
        (None, "got NoneType"),
        (["hello"], "messages[0] must be a mapping with role and content, got str"),
        ([{"content": "x"}], 'messages[0] must have a "role" that is a str'),
        ([{"role": None}], 'messages[0] must have a "role" that is a str'),
        (
            [{"role": "user", "content": 5}],
            "messages[0].content must be a str, a list of parts or None, got int",
        ),
        (
            [{"role": "user", "content": ["x"]}],
            'messages[0].content[0] must be a mapping with a "type", got str',
        ),
        ([{"role": "user", "content": [{"type": "text"}]}], 'must have a "text" that is a str, got None'),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(messages: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        compress_messages(messages, lexical)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"roles": "user"}, "roles must be a collection of role names, got 'user'"),
        ({"roles": [5]}, "roles must hold str"),
        ({"min_tokens": -1}, "min_tokens must be a whole number of at least 0"),
        ({"keep_last": True}, "keep_last must be a whole number of at least 0, got True"),
        ({"keep_last": 1.5}, "keep_last must be a whole number, got 1.5"),
        ({"omission": None}, "omission must be a str, got NoneType"),
        ({"query": 5}, "query must be a str or None, got int"),
    ],
)
def test_bad_options_are_refused(options: Any, says: str) -> None:
    with pytest.raises(InputError, match=re.escape(says)):
        compress_messages([], lexical, **options)
    with pytest.raises(BudgetError, match="at most one"):
        compress_messages([], lexical, rate=0.5, threshold=0.5)


def test_statistics_are_plain_data_without_any_text() -> None:
    result = compress_messages(AGENT, lexical, min_tokens=20, rate=0.2)
    statistics = result.statistics()
    assert json.loads(json.dumps(statistics)) == statistics
    assert statistics["method"] == "lexical"
    assert statistics["budget"] == {"kind": "rate", "value": 0.2, "is_default": False}
    assert statistics["rate"] == statistics["compressed_tokens"] / statistics["origin_tokens"]
    assert [part["outcome"] for part in statistics["parts"]] == [part.outcome for part in result.parts]
    assert "lamp" not in json.dumps(statistics)
    nothing = compress_messages([], lexical).statistics()
    assert (nothing["method"], nothing["budget"], nothing["parts"]) == (None, None, [])


def test_the_default_method_finds_the_answer() -> None:
    given = [{"role": "user", "content": QUESTION}, {"role": "tool", "content": f"{OTHERS} {NOTES}"}]
    result = compress_messages(given, PromptCompressor(), min_tokens=20)
    assert ANSWER in result.messages[1]["content"]
    assert "Assam" not in result.messages[1]["content"]


def test_what_stands_for_nothing_takes_no_room_from_what_is_kept() -> None:
    sentence = "Its lamp was first lit in March."
    compressor = PromptCompressor("lexical")
    tokens = compressor.token_counter.count([sentence])[0]
    text = f"{sentence} The ferry runs four times a day from the old harbour."
    result = compress_messages(
        [{"role": "tool", "content": text}, {"role": "user", "content": "When was the lamp first lit?"}],
        compressor,
        target_tokens=tokens,
        min_tokens=0,
        omission="[so much of this message was omitted that nothing is left]",
    )
    assert result.messages[0]["content"] == sentence
