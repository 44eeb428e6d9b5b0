"""Multi-hop questions, composed out of single-hop ones."""

from collections import Counter
from collections.abc import Sequence

import pytest

from lingua_core.segmentation.segmenter import TextSegmenter
from lingua_core.training.data.examples import Example
from lingua_core.training.data.multihop import SingleHop, compose


def hop(name: str, question: str, title: str, text: str, answer: str) -> SingleHop:
    at = text.index(answer)
    span = next((s.start, s.end) for s in TextSegmenter(language="en").segment(text) if s.start <= at < s.end)
    return SingleHop(id=name, question=question, title=title, text=text, answer=answer, evidence=span)


# Questions and Wikipedia excerpts out of SQuAD 1.1 (Rajpurkar et al.; CC BY-SA 4.0) and, in lower case,
# out of QED / Natural Questions (Google; CC BY-SA 3.0).
TOSCANO = hop(
    "toscano",
    "Which actor criticized Toscano's elimination?",
    "American Idol",
    "Pia Toscano, one of the presumed favorites to advance far in the season, was unexpectedly eliminated on "
    "April 7, 2011, finishing in ninth place. Her elimination drew criticisms from some former Idol "
    "contestants, as well as actor Tom Hanks.",
    "Tom Hanks",
)
CASTAWAY = hop(
    "castaway",
    "who did tom hanks work for in castaway",
    "Cast Away",
    "Cast Away is a 2000 American epic survival film directed and co-produced by Robert Zemeckis and "
    "starring Tom Hanks, Helen Hunt, and Nick Searcy. The film depicts a FedEx employee marooned on an "
    "uninhabited island after his plane crashes in the South Pacific.",
    "FedEx",
)
ATOLL = hop(
    "atoll",
    "On what atoll was the 6th Fleet Forces Service based?",
    "Marshall Islands",
    "In the months before the attack on Pearl Harbor, Kwajalein Atoll was the administrative center of the "
    "Japanese 6th Fleet Forces Service, whose task was the defense of the Marshall Islands.",
    "Kwajalein",
)
AIRFIELD = hop(
    "airfield",
    "What airfield operates in Kwajalein?",
    "Marshall Islands",
    "The Marshall Islands are served by the Marshall Islands International Airport in Majuro, the Bucholz "
    "Army Airfield in Kwajalein, and other small airports and airstrips.",
    "Bucholz Army Airfield",
)
BUBBLES = hop(
    "bubbles",
    "when did tiny bubbles come out",
    "Tiny Bubbles",
    '"Tiny Bubbles" is a song written by Martin Denny and Leon Pober. It was released in 1966 by Don Ho.',
    "1966",
)
MOCKINGBIRD = hop(
    "mockingbird",
    "when did to kill a mockingbird come out",
    "To Kill a Mockingbird",
    "To Kill a Mockingbird is a novel by Harper Lee published in 1960. It was immediately successful.",
    "1960",
)
GRAPES = hop(
    "grapes",
    "who is rose of sharon in the grapes of wrath",
    "The Grapes of Wrath",
    "The Grapes of Wrath is an American realist novel written by John Steinbeck. "
    "Rose of Sharon is a daughter.",
    "a daughter",
)
LEAGUE = hop(
    "league",
    "who won the premier league in 97 98",
    "1997–98 FA Premier League",
    "The 1997–98 FA Premier League saw Arsenal lift their first league title since 1991.",
    "Arsenal",
)
CUPS = hop(
    "cups",
    "who won the most fa cups in england",
    "List of FA Cup Finals",
    "As of 2017, the record for the most wins is held by Arsenal with 13 victories.",
    "Arsenal",
)
BERN = hop(
    "bern",
    "What is the official language of Bern?",
    "Bern",
    "The official language of Bern is (the Swiss variety of Standard) German.",
    "German",
)
ESTONIA = hop(
    "estonia",
    "What is the official language of Estonia?",
    "Estonian language",
    "Estonian is the official language of Estonia, spoken natively by about 1.1 million people in Estonia.",
    "Estonian",
)
CHURCHILL = hop(
    "churchill",
    "who was prime minister when elizabeth became queen",
    "List of prime ministers of Elizabeth II",
    "Winston Churchill was the incumbent Prime Minister of the United Kingdom when Elizabeth became queen.",
    "Winston Churchill",
)
GENOCIDE = hop(
    "genocide",
    "Who referred to acts of genocide in 1941?",
    "Genocide",
    "The word genocide was not in use before 1944. Before this, in 1941, Winston Churchill described the "
    'mass killing of Russian prisoners of war and civilians as "a crime without a name".',
    "Winston Churchill",
)
ALL = [
    TOSCANO,
    CASTAWAY,
    ATOLL,
    AIRFIELD,
    BUBBLES,
    MOCKINGBIRD,
    GRAPES,
    LEAGUE,
    CUPS,
    BERN,
    ESTONIA,
    CHURCHILL,
    GENOCIDE,
]


def first_looks(*hops: SingleHop) -> list[Example]:
    return [example for example in compose(hops, limit=50, seed=1) if not example.known]


def asked(*hops: SingleHop) -> set[str]:
    return {example.question for example in first_looks(*hops)}


def marked(example: Example) -> list[list[str]]:
    return [[p.text[a:b] for a, b in sorted((*p.evidence, *p.support))] for p in example.passages]


def test_a_question_replaces_the_name_that_it_answers() -> None:
    assert asked(ATOLL, AIRFIELD) == {
        "What airfield operates in the atoll on which the 6th Fleet Forces Service was based?"
    }


def test_both_passages_of_a_bridge_are_evidence() -> None:
    (example,) = first_looks(ATOLL, AIRFIELD)
    assert [passage.text for passage in example.passages] == [ATOLL.text, AIRFIELD.text]
    assert [passage.evidence for passage in example.passages] == [(ATOLL.evidence,), (AIRFIELD.evidence,)]


def test_the_sentence_that_names_the_bridge_supports_evidence_that_does_not() -> None:
    (example,) = first_looks(TOSCANO, CASTAWAY)
    assert example.question == "who did the actor that criticized Toscano's elimination work for in castaway"
    second = example.passages[1]
    assert [second.text[a:b].split()[0] for a, b in second.support] == ["Cast"]
    assert [second.text[a:b].split()[:3] for a, b in second.evidence] == [["The", "film", "depicts"]]


def test_a_definition_replaces_the_name_that_it_defines() -> None:
    (example,) = first_looks(BUBBLES)
    assert example.question == "when did the song written by Martin Denny and Leon Pober come out"
    assert marked(example) == [
        [
            '"Tiny Bubbles" is a song written by Martin Denny and Leon Pober.',
            "It was released in 1966 by Don Ho.",
        ]
    ]


def test_a_definition_elsewhere_describes_who_is_asked_for() -> None:
    assert asked(CHURCHILL, GENOCIDE) == {
        "Which incumbent Prime Minister of the United Kingdom when Elizabeth became queen referred to "
        "acts of genocide in 1941?"
    }


@pytest.mark.parametrize(
    ("hops", "question"),
    [
        ((LEAGUE, CUPS), "won the most fa cups in england"),
        ((BERN, ESTONIA), "hat is the official language of Bern"),
        ((BUBBLES, MOCKINGBIRD), "which came out first"),
        ((MOCKINGBIRD, GRAPES), " both "),
    ],
)
def test_two_passages_are_compared(hops: Sequence[SingleHop], question: str) -> None:
    found = [e for e in first_looks(*hops) if question in e.question and len(e.passages) == 2]
    assert found
    for example in found:
        assert {passage.text for passage in example.passages} == {hop.text for hop in hops}
        assert all(passage.evidence for passage in example.passages)


def test_neither_the_bridge_nor_the_answer_is_named() -> None:
    for example in first_looks(TOSCANO, CASTAWAY, ATOLL, AIRFIELD, BUBBLES):
        if "&" not in example.id:
            for name in ("Hanks", "Kwajalein", "Bubbles", "FedEx", "Bucholz", "1966"):
                assert name.casefold() not in example.question.casefold()


def test_no_bridge_over_a_passage_whose_title_is_the_answer() -> None:
    given_away = hop("away", TOSCANO.question, "Tom Hanks", TOSCANO.text, "Tom Hanks")
    assert not asked(given_away, CASTAWAY)


def test_no_bridge_into_a_longer_name() -> None:
    longer = hop(
        "longer", "When was Kwajalein Airlines founded in the region?", "Airlines", AIRFIELD.text, "Majuro"
    )
    assert not asked(ATOLL, longer)


def test_no_bridge_over_what_could_be_many_things() -> None:
    london = hop(
        "london",
        "In what city was the treaty of 1831 signed?",
        "Treaties",
        "It was signed in London.",
        "London",
    )
    parks = hop(
        "parks", "How many parks did the council open in London?", "Parks", "London has 30 parks.", "30"
    )
    assert not asked(london, parks)


def test_a_second_look_knows_the_bridge_and_has_only_the_other_passage() -> None:
    found = [compose((ATOLL, AIRFIELD), limit=50, seed=seed) for seed in range(20)]
    looks = [example for examples in found for example in examples if example.known]
    assert 0 < len(looks) < 20
    for look in looks:
        assert look.id.endswith("|look2")
        assert look.known == ATOLL.text[slice(*ATOLL.evidence)]
        assert [passage.text for passage in look.passages] == [AIRFIELD.text]
        assert look.passages[0].evidence == (AIRFIELD.evidence,)


def test_a_second_look_at_one_passage_leaves_only_the_answer() -> None:
    looks = [e for seed in range(20) for e in compose((BUBBLES,), limit=50, seed=seed) if e.known]
    assert looks
    assert all(look.passages[0].evidence == (BUBBLES.evidence,) for look in looks)


def test_the_order_of_the_questions_does_not_matter_and_the_seed_does() -> None:
    first = compose(ALL, limit=50, seed=3)
    assert first == compose(ALL[::-1], limit=50, seed=3)
    assert any(compose(ALL, limit=50, seed=seed) != first for seed in range(4, 10))
    assert len({example.id for example in first}) == len(first)


@pytest.mark.parametrize("limit", [0, 1, 2, 3, 5])
def test_no_more_than_the_limit(limit: int) -> None:
    assert len(compose(ALL, limit=limit, seed=1)) <= limit


def test_no_entity_is_used_too_often() -> None:
    many = [
        hop(
            f"q{i}", f"who did tom hanks work for in film {i}", f"Film {i}", f"{CASTAWAY.text} ({i})", "FedEx"
        )
        for i in range(40)
    ]
    bridges = [example for example in first_looks(TOSCANO, *many) if "&" not in example.id]
    used = Counter(example.passages[0].text for example in bridges)
    assert 0 < used[TOSCANO.text] <= 4


@pytest.mark.parametrize("question", ["", "?", "who", "What?", "Who did?", "In what city?", " Who  was  X ?"])
def test_odd_questions_are_passed_over(question: str) -> None:
    odd = SingleHop(
        id="odd", question=question, title="", text="Tom Hanks.", answer="Tom Hanks", evidence=(0, 10)
    )
    compose((odd, CASTAWAY, TOSCANO), limit=10, seed=1)


def test_nothing_comes_of_nothing() -> None:
    assert compose((), limit=10, seed=1) == []
