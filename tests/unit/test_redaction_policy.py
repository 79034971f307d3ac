"""Policies: what the built-in ones cover, and that no slip in a user's YAML covers less than was meant."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from cardveil.card.model import FIELDS, CardType, Side
from cardveil.core.errors import Halt
from cardveil.redaction import BUILT_IN, Partial, load_policy

ID, LICENCE = CardType.ID_CARD, CardType.DRIVER_LICENSE


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_field_of_every_card_has_an_entry_in_every_built_in_policy(name: str) -> None:
    policy = load_policy(name)
    assert policy.name == name
    for (card_type, _), fields in FIELDS.items():
        assert set(fields) <= set(policy.rules[card_type])


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_packaged_policy_can_be_copied_into_a_file_of_ones_own(name: str) -> None:
    said = resources.files("cardveil.redaction") / "policies" / f"{name}.json"
    assert load_policy(name) == load_policy(said.read_text("utf-8"))


def test_only_the_strict_policy_hides_the_cards_ground_and_none_shows_what_lies_beside_it() -> None:
    shown = {name: (load_policy(name).outside, load_policy(name).rest) for name in BUILT_IN}
    assert shown == {"strict": ("mask", "mask"), "standard": ("mask", "keep"), "minimal": ("mask", "keep")}


def test_a_policy_of_the_old_form_shows_windows_only() -> None:
    old = load_policy('name: old\nmargin_mm: 0.6\nfill: "#000000"\nincomplete: review\ncards: {}\n')
    assert (old.outside, old.rest) == ("mask", "mask")


@pytest.mark.parametrize("key", ["outside: keep", "outside: crop", "rest: keep"])
def test_what_is_shown_beside_the_fields_is_part_of_the_digest(key: str) -> None:
    assert load_policy(f"{key}\ncards: {{}}\n").digest != load_policy("# none\ncards: {}\n").digest


def test_standard_covers_who_and_keeps_what() -> None:
    policy = load_policy("standard")
    masked = {
        (t, f) for (t, s), fields in FIELDS.items() for f in fields if policy.action_for(t, s, f) == "mask"
    }
    assert masked == {
        *((ID, f) for f in ("name", "address", "id_number", "birth_date", "portrait")),
        *((LICENCE, f) for f in ("name", "address", "licence_number", "birth_date", "portrait")),
    }
    assert policy.incomplete == "review"


def test_strict_covers_everything_and_minimal_part_of_the_number() -> None:
    strict, minimal = load_policy("strict"), load_policy("minimal")
    assert all(strict.action_for(t, s, f) == "mask" for (t, s), fields in FIELDS.items() for f in fields)
    assert minimal.action_for(ID, Side.FRONT, "id_number") == Partial(6, 0)
    assert minimal.action_for(LICENCE, Side.FRONT, "licence_number") == Partial(6, 0)
    assert minimal.action_for(ID, Side.FRONT, "portrait") == "mask"
    assert minimal.action_for(ID, Side.FRONT, "name") == "keep"


@pytest.mark.parametrize("name", BUILT_IN)
def test_an_unknown_field_is_masked(name: str) -> None:
    assert load_policy(name).action_for(ID, Side.FRONT, "blood_group") == "mask"


def test_a_field_or_card_that_a_policy_leaves_out_is_masked() -> None:
    policy = load_policy("cards:\n  IDCard:\n    sex: keep\n")
    assert policy.action_for(ID, Side.FRONT, "sex") == "keep"
    assert policy.action_for(ID, Side.FRONT, "name") == "mask"
    assert policy.action_for(LICENCE, Side.FRONT, "sex") == "mask"
    assert (policy.name, policy.margin_mm, policy.fill, policy.incomplete) == (
        "custom",
        0.6,
        (0, 0, 0),
        "review",
    )


def test_the_digest_follows_the_meaning_and_not_the_spelling() -> None:
    one = load_policy("name: a\ncards:\n  IDCard: {name: mask, sex: keep}\n")
    other = load_policy("# why\nname: b\nmargin_mm: 0.6\ncards:\n  IDCard:\n    sex: keep\n    name: mask\n")
    assert one.digest == other.digest
    changed = ["margin_mm: 2\ncards: {IDCard: {name: mask, sex: keep}}\n"]
    changed += ['fill: "#808080"\ncards: {IDCard: {name: mask, sex: keep}}\n']
    changed += ["incomplete: mask_card\ncards: {IDCard: {name: mask, sex: keep}}\n"]
    changed += ["cards: {IDCard: {name: mask, sex: mask}}\n"]
    changed += ["cards: {IDCard: {name: mask, sex: {partial: {keep_first: 1}}}}\n"]
    assert len({one.digest, *(load_policy(text).digest for text in changed)}) == 6


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("cards:\n  IDCard:\n    nmae: mask\n", 3, "nmae"),
        ("cards:\n  IDCard:\n    name: blur\n", 3, "unknown action"),
        ("cards:\n  IDCard:\n    name: {blur: 3}\n", 3, "blur"),
        ("cards:\n  IDCard:\n    name: {}\n", 3, "unknown action"),
        ("cards:\n  IDCard:\n    name: mask\n    name: keep\n", 4, "twice"),
        ("cards:\n  Passport:\n    name: mask\n", 2, "Passport"),
        ("cards:\n  IDCard:\n    licence_number: mask\n", 3, "licence_number"),
        ("cards: {IDCard: {id_number: {partial: {keep_first: -1}}}}\n", 1, "number of characters"),
        ("cards: {IDCard: {id_number: {partial: {keep_first: 0}}}}\n", 1, "at least one"),
        ("cards: {IDCard: {id_number: {partial: {keep_middle: 2}}}}\n", 1, "keep_middle"),
        ("margin_mm: wide\ncards: {}\n", 1, "millimetres"),
        ("margin_mm: 99\ncards: {}\n", 1, "millimetres"),
        ("fill: #000000\ncards: {}\n", 1, "quoted colour"),
        ("fill: black\ncards: {}\n", 1, "quoted colour"),
        ("name: x\nincomplete: ignore\ncards: {}\n", 2, "review"),
        ("outside: blur\ncards: {}\n", 1, "crop"),
        ("rest: crop\ncards: {}\n", 1, "mask, keep"),
        ("rest: [keep]\ncards: {}\n", 1, "mask, keep"),
        ("cards: {}\ncolour: red\n", 2, "colour"),
        ("cards: [1, 2]\n", 1, "mapping"),
        ("name: x\n", 1, "missing"),
        ("# nothing\n\n", 1, "at least"),
        ("cards: {\n", 2, "YAML"),
        ("cards:\n  IDCard: !!python/object:os.system {}\n  IDCard: {}\n", 3, "twice"),
        ("- 1\n- 2\n", 1, "mapping"),
    ],
)
def test_a_policy_is_refused_with_the_line(text: str, line: int, word: str) -> None:
    with pytest.raises(Halt) as caught:
        load_policy(text)
    assert caught.value.code == "policy_invalid"
    assert f"line {line} " in caught.value.what_to_do
    assert word in caught.value.what_to_do


def test_a_policy_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yml"
    path.write_text("name: mine\ncards: {IDCard: {sex: keep}}\n", encoding="utf-8")
    assert load_policy(path).name == "mine"
    assert load_policy(str(path)).digest == load_policy(path).digest


def test_a_policy_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    binary = tmp_path / "x.yml"
    binary.write_bytes(b"\xff\xfe\x00")
    large = tmp_path / "y.yml"
    large.write_text("#" * 70_000)
    for source, code in (("absent", "policy_missing"), (binary, "policy_missing"), (large, "policy_invalid")):
        with pytest.raises(Halt) as caught:
            load_policy(source)
        assert caught.value.code == code
