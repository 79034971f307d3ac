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
    card_of,
    history_of,
    read_sidecar,
    schema,
    seen_texts_of,
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
    card=Card(
        CardType.ID_CARD,
        Side.FRONT,
        (Field("name", "张二", "张二", 99.0, HERE, ("AILicenseRec",), (Check("providers_agree", True),)),),
    ),
    warnings=(VendorWarning(-9102, "photocopied"),),
    findings=("low_score",),
    redaction=REDACTED,
    calls=(Call("AILicenseRec", "id", 12.5),),
    pipeline_version="1",
    policy_digest="f" * 64,
    created_at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc),
)
WITNESSED = replace(
    FULL,
    texts=(
        SeenText("label", "姓名", HERE, 3.25),
        SeenText("field", "name", HERE, 0.0, 0, (HERE, HERE)),
        SeenText("other", "", HERE, 0.0, -1, (HERE,)),
    ),
    redaction=replace(REDACTED, crop=(0, 16, 320, 240)),
)
EMPTY = replace(
    FULL, status=Status.REJECTED, card=None, redaction=None, findings=("no_card",), warnings=(), calls=()
)


def check(sidecar: Sidecar) -> None:
    jsonschema.validate(orjson.loads(to_json(sidecar)), schema(), format_checker=jsonschema.FormatChecker())


@pytest.mark.parametrize("sidecar", [FULL, EMPTY, WITNESSED], ids=["full", "empty", "witnessed"])
def test_a_sidecar_is_valid(sidecar: Sidecar) -> None:
    check(sidecar)


def test_what_a_witness_saw_is_read_back_without_what_no_policy_needs() -> None:
    read = seen_texts_of(orjson.loads(to_json(WITNESSED)))
    assert read is not None
    label, field, other = read
    assert (label.role, label.name, label.slack) == ("label", "姓名", 3.25)
    assert field.characters == (Polygon.of(HERE.as_lists()),) * 2
    assert (other.role, other.characters) == ("other", ())


def test_a_sidecar_of_an_earlier_version_tells_of_no_witness() -> None:
    """An empty list is another thing: a witness looked and saw nothing."""
    assert seen_texts_of(orjson.loads(to_json(FULL))) is None
    assert seen_texts_of(orjson.loads(to_json(replace(FULL, texts=())))) == ()


def test_its_names_are_those_that_others_rely_on() -> None:
    document = orjson.loads(to_json(FULL))
    assert document["schema"] == "cardveil.sidecar/1"
    assert document["card"]["fields"][0]["polygon"][2] == [30.0, 40.0]
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
        "2026-01-02T03:04:05+00:00", "desk", "correct", "…", "redacted", "redacted", ("name",)
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
            card = card_of(document)
            stored_verdict(document, Status(document["status"]), card, document["findings"])
            history_of(document), seen_texts_of(document), int(document.get("archived", 0))
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
    assert FULL.card is not None
    (field,) = FULL.card.fields
    # Places are rounded to a hundredth of a pixel.
    rounded = replace(FULL.card, fields=(replace(field, polygon=Polygon.box(1, 2, 30, 40)),))
    assert card_of(document) == rounded
    assert history_of(document) == (decision,)
    assert card_of(orjson.loads(to_json(EMPTY))) is None
