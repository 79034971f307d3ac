"""What is kept of texts: tokens join cards and tell nothing; what a policy shows later is recognised anew."""

from __future__ import annotations

import base64
import hmac
import random
import re
import subprocess
from collections import Counter
from hashlib import sha256
from typing import Any

import orjson
import pytest

from cardveil.card.findings import Status
from cardveil.card.model import Card, CardType, Field, Side
from cardveil.card.normalize import normalize
from cardveil.core.errors import Halt
from cardveil.core.frozen import replace
from cardveil.pipeline.examine import ProcessingResult, sidecar_of
from cardveil.pipeline.sealing import SealBrokenError, Seals
from cardveil.pipeline.texts_at_rest import NONE, SEALED, TOKENS, TextKeeping, keeping_of, place_of
from cardveil.redaction import Partial, Policy, load_policy, policy_of
from cardveil.settings import Settings, from_environment
from cardveil.storage.sidecar import Decision, SourceFacts, cards_of, read_sidecar, to_json

KEEPING = TextKeeping(TOKENS, (b"a key of this test alone, and long",))
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
    data = to_json(replace(made, cards=keeping.cards([card], policy, "inbox/a.jpg"), texts_kept=keeping.tag))
    document = read_sidecar(data, "inbox/a.jpg")
    assert document is not None
    return dict(document)


def partial(first: int, last: int) -> Policy:
    rules = {kind: dict(each) for kind, each in STANDARD.rules.items()}
    rules[CardType.ID_CARD]["id_number"] = Partial(first, last)
    return policy_of("parts", rules)


def tokens(card: Card) -> dict[str, str]:
    (kept,) = KEEPING.cards([card], STANDARD, "inbox/a.jpg")
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
    (short,) = KEEPING.cards([front(number="123")], partial(4, 4), "inbox/a.jpg")
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


def test_what_has_no_normal_form_joins_by_its_characters() -> None:
    one, another = front(number="99 01x"), front(number="９９０１X")
    assert [card.field("id_number").normalized for card in (one, another)] == [None, None]  # type: ignore[union-attr]
    assert tokens(one)["id_number"] == tokens(another)["id_number"]
    assert tokens(one)["id_number"] != tokens(front(number="9901"))["id_number"]


def test_the_same_words_in_different_fields_do_not_join() -> None:
    same = Card(CardType.ID_CARD, Side.FRONT, (Field("name", "张三"), Field("address", "张三")))
    assert len(set(tokens(same).values())) == 2


def test_another_key_makes_other_tokens_and_nothing_shows_the_key() -> None:
    other = TextKeeping(TOKENS, (b"another key of this test, and long",))
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
    for keeping in (
        TextKeeping("all"),
        TextKeeping(NONE),
        TextKeeping(TOKENS, (b"another key, and as long",)),
    ):
        assert keeping.lacks_texts(tokened, STANDARD)
        assert not keeping.lacks_texts(plain, STANDARD)


def test_a_token_stays_one_when_its_text_is_not_known() -> None:
    cards = cards_of(written(front(), STANDARD))
    assert KEEPING.cards(cards, load_policy("minimal"), "inbox/a.jpg") == cards


def test_a_reason_is_free_text_and_is_not_kept() -> None:
    decision = Decision("2026-01-01T00:00:00+00:00", "a", "accept", "it is 张三", "needs_review", "redacted")
    assert [each.reason for each in KEEPING.history([decision])] == [""]
    assert TextKeeping("all").history([decision]) == (decision,)


@pytest.mark.parametrize(
    "environment",
    [
        {"CARDVEIL_SIDECAR_TEXTS": TOKENS},
        {"CARDVEIL_SIDECAR_TEXTS": SEALED},
        {"CARDVEIL_SIDECAR_TEXTS": NONE, "CARDVEIL_PROOF": "recognise"},
    ],
    ids=["no key", "nothing to seal by", "read again"],
)
def test_settings_that_do_not_go_together_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Halt) as refused:
        from_environment(environment)
    assert refused.value.code == "setting_invalid"
    assert "aaaa" not in str(refused.value)


SEALS = Seals((b"a key of this test alone, and long", b"the one before it, as long as that"))
PLACE = place_of("inbox/a.jpg", "name")


def test_what_is_sealed_is_opened_in_its_place_alone() -> None:
    said = {"text": "张三", "normalized": None}
    sealed = SEALS.seal(PLACE, said)
    assert "张三".encode() not in base64.urlsafe_b64decode(sealed + "==")
    assert SEALS.opened(PLACE, sealed) == said
    assert SEALS.seal(PLACE, said) != sealed, "each with a nonce of its own"
    for place in (place_of("inbox/b.jpg", "name"), place_of("inbox/a.jpg", "address"), ""):
        with pytest.raises(SealBrokenError):
            SEALS.opened(place, sealed)


def test_an_older_key_opens_and_another_does_not() -> None:
    before = Seals(SEALS.keys[1:]).seal(PLACE, {"text": "a"})
    assert SEALS.opened(PLACE, before) == {"text": "a"}
    with pytest.raises(SealBrokenError):
        Seals((b"another key of this test, and long",)).opened(PLACE, before)
    with pytest.raises(SealBrokenError):
        Seals(()).opened(PLACE, before)


def test_every_changed_bit_is_found() -> None:
    sealed = SEALS.seal(PLACE, {"text": "张三", "normalized": "张三"})
    data = base64.urlsafe_b64decode(sealed + "=" * (-len(sealed) % 4))
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBrokenError):
            SEALS.opened(PLACE, base64.urlsafe_b64encode(bytes(changed)).decode().rstrip("="))
    for cut in range(len(sealed)):
        with pytest.raises(SealBrokenError):
            SEALS.opened(PLACE, sealed[:cut])
    for odd in ("", "=", "ä", sealed + "A", sealed + "\n", "x" * 1000):
        with pytest.raises(SealBrokenError):
            SEALS.opened(PLACE, odd)


#: By OpenSSL, as Node has it.
OPEN = """
const {createDecipheriv} = require('node:crypto');
const {key, data, where} = JSON.parse(require('node:fs').readFileSync(0, 'utf8'));
const bytes = Buffer.from(data, 'base64url');
const open = createDecipheriv('aes-256-gcm', Buffer.from(key, 'hex'), bytes.subarray(0, 12));
open.setAAD(Buffer.from(where));
open.setAuthTag(bytes.subarray(-16));
process.stdout.write(Buffer.concat([open.update(bytes.subarray(12, -16)), open.final()]));
"""


def test_another_program_opens_it() -> None:
    told = {
        "key": hmac.new(SEALS.keys[0], b"seal", sha256).hexdigest(),
        "data": SEALS.seal(PLACE, {"text": "张三"}),
        "where": PLACE,
    }
    done = subprocess.run(
        ["node", "-e", OPEN], input=orjson.dumps(told), capture_output=True, check=True, timeout=60
    )
    assert orjson.loads(done.stdout) == {"text": "张三"}


def test_a_sealed_text_stands_beside_its_token() -> None:
    keeping = TextKeeping(SEALED, SEALS.keys)
    told = written(front(), STANDARD, keeping)
    assert told["pipeline"]["texts"].startswith("masked-as-ciphertext/")
    fields = {field["name"]: field for field in told["cards"][0]["fields"]}
    assert fields["name"]["token"] == keeping.token("name", "张三")
    assert keeping.seals.opened(PLACE, fields["name"]["sealed"]) == {"text": "张三", "normalized": "张三"}
    assert "sealed" not in fields["sex"]
    assert cards_of(told) == keeping.cards(cards_of(told), STANDARD, "inbox/a.jpg"), "it is not sealed again"
