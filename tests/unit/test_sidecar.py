"""The sidecar and its schema, and the table of findings behind its codes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

import jsonschema
import orjson
import pytest

from cardveil.card.findings import FINDINGS, Status, status_of
from cardveil.card.model import Call, Card, CardType, Check, Field, Polygon, SeenText, Side, VendorWarning
from cardveil.pipeline.decided_policy import present_policy
from cardveil.pipeline.renewal import stored_verdict
from cardveil.redaction import as_document, load_policy
from cardveil.storage.sidecar import (
    Decision,
    RedactionDone,
    RegionDone,
    Sidecar,
    SourceFacts,
    cards_of,
    history_of,
    read_sidecar,
    schema,
    to_json,
)
from cardveil_ocr import findings as recogniser_findings

HERE = Polygon.box(1, 2, 30.005, 40)
REDACTED = RedactionDone(
    "standard", (RegionDone("name", HERE, "mask"),), "redacted/a.jpg", "0" * 64, "pixels", {"ok": True}
)
FULL = Sidecar(
    source=SourceFacts("cards-1250000000", "inbox/a.jpg", "0d73", 557, 1000, 630, 6),
    status=Status.REDACTED,
    cards=(
        Card(
            CardType.ID_CARD,
            Side.FRONT,
            (Field("name", "张二", "张二", 99.0, HERE, ("OCR",), (Check("providers_agree", True),)),),
            outline=HERE,
        ),
    ),
    warnings=(VendorWarning(-9102, "photocopied"),),
    findings=("low_score",),
    redaction=REDACTED,
    calls=(Call("AILicenseRec", "id", 12.5),),
    pipeline_version="1",
    policy_digest="f" * 64,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
)
SEEN = (
    SeenText("label", "姓名", HERE, 3.25),
    SeenText("field", "name", HERE, 0.0, 0, (HERE, HERE)),
    SeenText("other", "", HERE, 0.0, -1, (HERE,)),
)
WITNESSED = replace(
    FULL,
    cards=(replace(FULL.cards[0], texts=SEEN), Card(CardType.ID_CARD, Side.BACK, (), texts=())),
    redaction=replace(REDACTED, crop=(0, 16, 320, 240)),
)
EMPTY = replace(
    FULL, status=Status.REJECTED, cards=(), redaction=None, findings=("no_card",), warnings=(), calls=()
)


def check(sidecar: Sidecar) -> None:
    jsonschema.validate(orjson.loads(to_json(sidecar)), schema(), format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("sidecar", [FULL, EMPTY, WITNESSED], ids=["full", "empty", "witnessed"])
def test_a_sidecar_is_valid(sidecar: Sidecar) -> None:
    check(sidecar)


def test_what_a_witness_saw_is_read_back_without_what_no_policy_needs() -> None:
    read = cards_of(orjson.loads(to_json(WITNESSED)))[0].texts
    assert read is not None
    label, field, other = read
    assert (label.role, label.name, label.slack) == ("label", "姓名", 3.25)
    assert field.characters == (Polygon.of(HERE.as_lists()),) * 2
    assert (other.role, other.characters) == ("other", ())


def test_a_sidecar_of_an_earlier_version_tells_of_no_witness() -> None:
    """An empty list is another thing: a witness looked and saw nothing."""
    assert cards_of(orjson.loads(to_json(FULL)))[0].texts is None
    assert cards_of(orjson.loads(to_json(WITNESSED)))[1].texts == ()


def test_its_names_are_those_that_others_rely_on() -> None:
    document = orjson.loads(to_json(FULL))
    assert document["schema"] == "cardveil.sidecar/2"
    assert document["cards"][0]["fields"][0]["polygon"][2] == [30.0, 40.0]
    assert document["redaction"]["output"] == {"key": "redacted/a.jpg", "sha256": "0" * 64}
    assert document["created_at"] == "2026-01-02T03:04:05+00:00"


@pytest.mark.parametrize(
    "wrong",
    [
        replace(FULL, redaction=None),  # redacted, but nothing says how
        replace(EMPTY, findings=()),  # rejected, and nobody says why
        replace(EMPTY, redaction=FULL.redaction),  # rejected, and yet published
        replace(FULL, policy_digest="short"),
    ],
)
def test_a_sidecar_that_contradicts_itself_is_not_valid(wrong: Sidecar) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(wrong)


def test_the_schema_itself_is_valid() -> None:
    jsonschema.Draft202012Validator.check_schema(schema())


def test_every_finding_of_the_embedded_recogniser_is_documented() -> None:
    assert set(recogniser_findings.ALL) <= set(FINDINGS)


def test_findings_lead_to_their_status() -> None:
    assert status_of([]) is Status.REDACTED
    assert status_of(["low_score", "expired"]) is Status.REDACTED
    assert status_of(["low_score", "several_cards"]) is Status.NEEDS_REVIEW
    assert status_of(["something_new"]) is Status.NEEDS_REVIEW  # unknown is not trusted
    assert all(code.isidentifier() and finding.meaning for code, finding in FINDINGS.items())


def places(node: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every part of a document."""
    yield path
    for name, part in (
        node.items() if isinstance(node, dict) else enumerate(node if isinstance(node, list) else ())
    ):
        yield from places(part, (*path, name))


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a document with one part in place of another."""
    if not path:
        return value
    copy = dict(document) if isinstance(document, dict) else list(document)
    copy[path[0]] = changed(document[path[0]], path[1:], value)
    return copy


def test_whatever_is_damaged_in_a_sidecar_it_is_read_whole_or_not_at_all() -> None:
    """So that no reader meets a form that it cannot take."""
    decision = Decision(
        "2026-01-02T03:04:05+00:00", "desk", "correct", "…", "redacted", "redacted", ("name",), (), (1,)
    )
    policy = as_document(load_policy("cards: {IDCard: {id_number: {partial: {keep_first: 6}}}}\n"))
    sidecar = replace(WITNESSED, history=(decision,), policy=policy, chosen="strict", archived=3)
    check(sidecar)
    good = orjson.loads(to_json(sidecar))
    read = refused = 0
    for path in places(good):
        for value in (None, 7, -1.5, "x", "", True, [], [7], {}, {"x": 7}):
            document = read_sidecar(orjson.dumps(changed(good, path, value)), "inbox/a.jpg")
            if document is None:
                refused += 1
                continue
            read += 1
            cards = cards_of(document)
            stored_verdict(document, Status(document["status"]), cards, document["findings"])
            history_of(document), int(document.get("archived", 0))
            for decided in (True, False):
                present_policy(document, load_policy("standard"), decided=decided)
            assert document["redaction"] is None or document["redaction"]["output"]["key"].isprintable()
            assert isinstance(document["source"]["etag"], str)
    assert read > 100
    assert refused > 1000


@pytest.mark.parametrize("data", [None, b"", b"{", b"[]", b"null", b"7", b"\xff", b"[" * 100_000])
def test_what_is_no_document_is_not_read(data: bytes | None) -> None:
    assert read_sidecar(data, "inbox/a.jpg") is None


def test_a_sidecar_is_believed_only_about_the_source_that_was_asked_for() -> None:
    data = to_json(FULL)
    assert read_sidecar(data, "inbox/a.jpg") == orjson.loads(data)
    assert read_sidecar(data, "inbox/b.jpg") is None


@pytest.mark.parametrize("orientation", [None, *range(1, 9)])
def test_what_is_known_of_the_source_is_told_as_it_is(orientation: int | None) -> None:
    """Whoever draws the polygons into the stored picture must know how it lies."""
    source = replace(FULL.source, orientation=orientation)
    document = orjson.loads(to_json(replace(FULL, source=source)))
    assert document["source"] == {
        "bucket": "cards-1250000000",
        "key": "inbox/a.jpg",
        "etag": "0d73",
        "size": 557,
        "width": 1000,
        "height": 630,
        "orientation": orientation,
    }


def test_a_written_card_and_its_history_are_read_back_as_they_were() -> None:
    """A picture is redacted anew from nothing else."""
    decision = Decision(
        "2026-01-02T03:04:05+00:00", "desk", "correct", "…", "redacted", "redacted", ("name",)
    )
    document = orjson.loads(to_json(replace(FULL, history=(decision,))))
    (card,) = FULL.cards
    (field,) = card.fields
    # Places are rounded to a hundredth of a pixel.
    here = Polygon.box(1, 2, 30, 40)
    assert cards_of(document) == (replace(card, fields=(replace(field, polygon=here),), outline=here),)
    assert history_of(document) == (decision,)
    assert cards_of(orjson.loads(to_json(EMPTY))) == ()


def of_the_first_schema(sidecar: Sidecar) -> Any:
    """Return a sidecar of one card or none as it was written before pictures had several."""
    document = orjson.loads(to_json(sidecar))
    cards = document.pop("cards")
    card = next(iter(cards), None)
    if card is not None:
        del card["outline"]
        if "texts" in card:
            document["texts"] = card.pop("texts")
    return {**document, "schema": "cardveil.sidecar/1", "card": card}


@pytest.mark.parametrize(
    "sidecar",
    [EMPTY, FULL, replace(FULL, cards=(replace(FULL.cards[0], texts=SEEN),))],
    ids=["empty", "full", "witnessed"],
)
def test_a_sidecar_of_the_first_schema_is_read_as_one_of_today_and_nothing_is_lost(sidecar: Sidecar) -> None:
    old = of_the_first_schema(sidecar)
    read = read_sidecar(orjson.dumps(old), "inbox/a.jpg")
    assert read is not None
    jsonschema.validate(read, schema(), format_checker=jsonschema.FormatChecker())
    expected = orjson.loads(to_json(sidecar))
    assert read == {**expected, "cards": [{**card, "outline": None} for card in expected["cards"]]}


@pytest.mark.parametrize("name", ["cardveil.sidecar/3", "cardveil.sidecar/0", "", None, 2])
def test_a_sidecar_of_another_schema_is_not_read(name: object) -> None:
    document = {**orjson.loads(to_json(FULL)), "schema": name}
    assert read_sidecar(orjson.dumps(document), "inbox/a.jpg") is None
