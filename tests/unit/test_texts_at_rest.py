"""What is kept of texts: tokens join cards and tell nothing; what a policy shows later is recognised anew."""

from __future__ import annotations

import random
import re
from collections import Counter
from typing import Any

import orjson
import pytest

from cardveil.card.findings import Status
from cardveil.card.model import Card, CardType, Field, Side
from cardveil.card.normalize import normalize
from cardveil.core.errors import Halt
from cardveil.core.frozen import replace
from cardveil.pipeline.examine import ProcessingResult, sidecar_of
from cardveil.pipeline.texts_at_rest import NONE, TOKENS, TextKeeping, keeping_of
from cardveil.redaction import Partial, Policy, load_policy, policy_of
from cardveil.settings import Settings, from_environment
from cardveil.storage.sidecar import Decision, SourceFacts, cards_of, read_sidecar, to_json

KEEPING = TextKeeping(TOKENS, b"a key of this test alone, and long")
STANDARD = load_policy("standard")
NUMBER = "990101199001011234"


def front(name: str = "张三", number: str = NUMBER) -> Card:
    said = {"name": name, "sex": "男", "address": "某省某市一号", "id_number": number}
    fields = tuple(Field(each, text, normalize(each, text), 99.0) for each, text in said.items())
    return Card(CardType.ID_CARD, Side.FRONT, fields)


def licence(name: str = "张三", number: str = NUMBER) -> Card:
    said = {"name": name, "licence_number": number}
    fields = tuple(Field(each, text, normalize(each, text), 99.0) for each, text in said.items())
    return Card(CardType.DRIVER_LICENSE, Side.FRONT, fields)


def written(card: Card, policy: Policy, keeping: TextKeeping = KEEPING) -> dict[str, Any]:
    """Return a sidecar as it is kept, read again."""
    source = SourceFacts("b-1", "inbox/a.jpg", "e", 1)
    made = sidecar_of(ProcessingResult(Status.NEEDS_REVIEW, cards=(card,)), source, policy, "")
    data = to_json(replace(made, cards=keeping.cards([card], policy), texts_kept=keeping.tag))
    document = read_sidecar(data, "inbox/a.jpg")
    assert document is not None
    return dict(document)


def partial(first: int, last: int) -> Policy:
    rules = {kind: dict(each) for kind, each in STANDARD.rules.items()}
    rules[CardType.ID_CARD]["id_number"] = Partial(first, last)
    return policy_of("parts", rules)


def tokens(card: Card) -> dict[str, str]:
    (kept,) = KEEPING.cards([card], STANDARD)
    return {field.name: field.token for field in kept.fields if field.token}


def test_what_is_covered_is_a_token_and_what_is_shown_stays() -> None:
    told = orjson.dumps(written(front(), STANDARD)).decode()
    for text in ("张三", NUMBER, "某省某市一号", "19900101"):
        assert text not in told
    assert "男" in told
    (card,) = cards_of(written(front(), STANDARD))
    assert {field.name for field in card.fields if field.token} == {"name", "address", "id_number"}
    assert all(field.text is None and field.normalized is None for field in card.fields if field.token)


def test_of_a_part_only_the_shown_characters_stay() -> None:
    (number,) = [f for f in written(front(), partial(4, 4))["cards"][0]["fields"] if f["name"] == "id_number"]
    assert (number["text"], number["normalized"], number["shown"]) == (None, None, "9901**********1234")
    (short,) = KEEPING.cards([front(number="123")], partial(4, 4))
    assert [field.shown for field in short.fields][-1] == "***", (
        "where a part cannot be told, nothing is shown"
    )


def test_tokens_join_the_cards_of_one_person_and_no_others() -> None:
    rng = random.Random(5)
    people = [(f"张{number:03}", f"9901{rng.randrange(10**13):013}{number % 10}") for number in range(500)]
    cards = [front(*person) for person in people] + [licence(f" {name} ", n.lower()) for name, n in people]
    rng.shuffle(cards)
    by_token: dict[str, set[str | None]] = {}
    for card in cards:
        number = card.field("id_number") or card.field("licence_number")
        assert number is not None
        token = tokens(card)[number.name]
        by_token.setdefault(token, set()).add(number.text)
    assert len(by_token) == 500
    assert all(len(said) == 1 for said in by_token.values())
    assert Counter(tokens(card)["name"] for card in cards) == Counter(
        {tokens(front(name))["name"]: 2 for name, _ in people}
    )


def test_the_same_words_in_different_fields_do_not_join() -> None:
    same = Card(CardType.ID_CARD, Side.FRONT, (Field("name", "张三"), Field("address", "张三")))
    assert len(set(tokens(same).values())) == 2


def test_another_key_makes_other_tokens_and_nothing_shows_the_key() -> None:
    other = TextKeeping(TOKENS, b"another key of this test, and long")
    assert other.tag != KEEPING.tag
    mine, theirs = KEEPING.token("name", "张三"), other.token("name", "张三")
    assert not set(mine.split(".")) & set(theirs.split("."))
    assert re.fullmatch(r"[0-9a-f]{8}\.[0-9a-f]{32}", mine)
    settings = Settings(sidecar_texts=TOKENS, text_key=("k" * 32,))
    assert "kkk" not in repr(settings) + keeping_of(settings).tag
    assert "kkk" not in keeping_of(settings).token("name", "k" * 32)


def test_none_keeps_no_text_and_no_token() -> None:
    none = TextKeeping(NONE)
    told = written(front(), STANDARD, none)
    assert {(f["text"], f["normalized"], f.get("token")) for f in told["cards"][0]["fields"]} == {
        (None, None, None)
    }
    assert none.lacks_texts(told, STANDARD)


@pytest.mark.parametrize(
    ("before", "after", "lacks"),
    [
        (STANDARD, STANDARD, False),
        (STANDARD, load_policy("strict"), False),
        (STANDARD, load_policy("minimal"), True),
        (STANDARD, partial(4, 4), True),
        (partial(4, 4), partial(4, 4), False),
        (partial(4, 4), partial(5, 4), True),
        (partial(4, 4), STANDARD, False),
        (load_policy("minimal"), STANDARD, False),
    ],
)
def test_what_is_to_be_kept_and_is_a_token_needs_recognition(
    before: Policy, after: Policy, lacks: bool
) -> None:
    assert KEEPING.lacks_texts(written(front(), before), after) is lacks


def test_texts_that_are_kept_otherwise_need_recognition_unless_all_are_there() -> None:
    tokened, plain = written(front(), STANDARD), written(front(), STANDARD, TextKeeping("all"))
    for keeping in (TextKeeping("all"), TextKeeping(NONE), TextKeeping(TOKENS, b"another key, and as long")):
        assert keeping.lacks_texts(tokened, STANDARD)
        assert not keeping.lacks_texts(plain, STANDARD)


def test_a_token_stays_one_when_its_text_is_not_known() -> None:
    cards = cards_of(written(front(), STANDARD))
    assert KEEPING.cards(cards, load_policy("minimal")) == cards


def test_a_reason_is_free_text_and_is_not_kept() -> None:
    decision = Decision("2026-01-01T00:00:00+00:00", "a", "accept", "it is 张三", "needs_review", "redacted")
    assert [each.reason for each in KEEPING.history([decision])] == [""]
    assert TextKeeping("all").history([decision]) == (decision,)


@pytest.mark.parametrize(
    "environment",
    [
        {"CARDVEIL_SIDECAR_TEXTS": TOKENS},
        {"CARDVEIL_SIDECAR_TEXTS": TOKENS, "CARDVEIL_TEXT_KEY": f"{'a' * 32},{'b' * 32}"},
        {"CARDVEIL_SIDECAR_TEXTS": NONE, "CARDVEIL_PROOF": "recognise"},
    ],
    ids=["no key", "two keys", "read again"],
)
def test_settings_that_do_not_go_together_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Halt) as refused:
        from_environment(environment)
    assert refused.value.code == "setting_invalid"
    assert "aaaa" not in str(refused.value)
