"""What a person decides over a card: redacted anew from its stored places; who, when and why is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from typing import Any, Final

from cardveil.api.cards import Found, read
from cardveil.api.context import RequestContext
from cardveil.api.models import CardKind, FieldCorrection, ReviewRequest
from cardveil.api.problems import Problem
from cardveil.api.refs import unknown
from cardveil.card.findings import FINDINGS, Status
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.card.normalize import normalize
from cardveil.core.errors import FieldsMissing, Reject
from cardveil.core.frozen import dataclass, replace
from cardveil.pipeline.decided_policy import present_policy
from cardveil.pipeline.examine import PIPELINE_VERSION, ProcessingResult, sidecar_of
from cardveil.pipeline.renewal import covered, stored_verdict
from cardveil.pipeline.texts_at_rest import keeping_of
from cardveil.recognition.merge import check
from cardveil.redaction import Policy
from cardveil.storage.archive import bounded
from cardveil.storage.keys import Keys, keys_of, source_digest
from cardveil.storage.results import Version
from cardveil.storage.sidecar import Decision, SourceFacts, history_of, to_json
from cardveil.storage.sidecar_parts import all_cards_of

#: What a person's own word counts as, among the APIs that contributed to a field.
PERSON: Final = "person"
REJECTED: Final = "rejected_by_person"
REOPENED: Final = "rejection_withdrawn"


@dataclass(frozen=True, slots=True)
class _Change:
    """What is to become of a card."""

    decision: str
    reason: str
    status: Status
    cards: tuple[Card, ...]
    policy: Policy
    findings: tuple[str, ...]
    fields: tuple[FieldCorrection, ...] = ()
    settled: tuple[str, ...] = ()
    #: The page of each card, in order; all are on the first of a picture.
    places: tuple[int, ...] = ()


def review(context: RequestContext, found: Found, request: ReviewRequest) -> Found:
    """Carry a person's decision out.

    Raises
    ------
    Problem
        409 ``changed_meanwhile`` when the person looked at another version; ``source_changed``;
        422 when there is nothing that could be accepted, or fields come with a decision that takes none.
    Reject, Review
        When the picture cannot be read, fields that must be covered have no place yet, or the copy cannot be
        proven as the settings want it.
    Retry
        `TakenByAnother` when it stays taken for too long.
    """
    if request.fields and request.decision != "correct":
        raise Problem(422, "fields_refused", "send fields only with the decision correct")
    with _held(context, found.key) as (keys, current):
        if current.version != request.version:
            raise Problem(409, "changed_meanwhile", "read the card again: its result has changed meanwhile")
        policy = _policy(context, current, request.policy)
        return _commit(context, keys, current, _change(current, request, policy))


def redacted_by(context: RequestContext, found: Found, policy: Policy) -> Found:
    """Redact a card anew by a policy that a person chose, from its stored places: only a proof is paid for.

    Raises
    ------
    Problem
        409 ``decided_by_person`` when that is said of the card already.
    """
    with _held(context, found.key) as (keys, current):
        if current.decided:
            raise decided_by_person()
        if not current.document["redaction"]:
            return current
        findings = tuple(current.document["findings"])
        change = _Change("policy", "", Status.REDACTED, all_cards_of(current.document), policy, findings)
        return _commit(context, keys, current, change)


def decided_by_person() -> Problem:
    """Build the answer to a request that would change what a person has decided."""
    what = "read the card and decide over it by a review: a person has decided over it already"
    return Problem(409, "decided_by_person", what)


def _policy(context: RequestContext, found: Found, named: str | None) -> Policy:
    """Return the policy that a person names, or else the one that the card has: nothing is uncovered unasked.

    Raises
    ------
    Problem
        422 ``policy_unknown`` for a card that was decided by an earlier version, by a file that has changed.
    """
    if named:
        return context.named_policy(named)
    policy = present_policy(found.document, context.policy, decided=found.decided)
    if policy is None:
        raise Problem(422, "policy_unknown", "name a policy: the one that the card has is not known any more")
    return policy


@contextmanager
def _held(context: RequestContext, key: str) -> Iterator[tuple[Keys, Found]]:
    """Hold a card for as long as the block lasts, and read it again under the lease."""
    keys = keys_of(key, context.settings)
    with context.pipeline.held(keys):
        current = read(context, key)
        if current is None:
            raise unknown()
        yield keys, current


def _change(found: Found, request: ReviewRequest, policy: Policy) -> _Change:
    document = found.document
    findings = tuple(document["findings"])
    settled = tuple(code for code in findings if code not in FINDINGS or FINDINGS[code].review)
    cards = all_cards_of(document)
    if request.decision == "reject":
        return _Change("reject", request.reason, Status.REJECTED, cards, policy, (REJECTED, *findings))
    if request.decision == "reopen":
        return _reopened(found, request.reason, cards, policy)
    places = _places(document, len(cards))
    for kind in _kinds(request, cards):
        told = _of_kind(cards, kind)
        places += (_page_of(document, kind),) * (len(told) - len(cards))
        if kind.page not in (None, places[kind.card]):
            raise Problem(422, "page_missing", "name the page of a card that is added, and of no other")
        cards = told
    if not cards:
        raise Problem(422, "card_type_missing", "say which card it is and mark its fields, or reject it")
    if any(size is None for size in _sizes(document)):
        raise Problem(422, "picture_unreadable", "reject it: the picture itself cannot be read")
    kept = [code for code in findings if code not in settled]
    if request.decision == "correct":
        sizes = [_sizes(document)[place] or (0.0, 0.0) for place in places]
        if any(correction.card >= len(cards) for correction in request.fields):
            raise Problem(422, "card_number_unknown", "say by kinds which card it is, and mark its fields")
        put_right = [
            _corrected(card, _of_card(request.fields, at), size)
            for at, (card, size) in enumerate(zip(cards, sizes, strict=True))
        ]
        checked = [check(card) for card in put_right]
        cards = tuple(card for card, _ in checked)
        seen = dict.fromkeys(code for _, codes in checked for code in codes)
        if document["pipeline"].get("texts"):
            # What was found out of texts that are not kept cannot be found out again.
            seen |= dict.fromkeys(code for code in findings if code not in settled)
        kept = [code for code in seen if code in FINDINGS and not FINDINGS[code].review]
    # What was added stands among the cards of its page from here on, and is counted there.
    order = sorted(range(len(cards)), key=lambda number: places[number])
    named = {
        (correction.card, correction.name): correction.model_copy(
            update={"card": order.index(correction.card)}
        )
        for correction in request.fields
    }
    return _Change(
        request.decision,
        request.reason,
        Status.REDACTED,
        tuple(cards[number] for number in order),
        policy,
        tuple(kept),
        tuple(named.values()),
        settled,
        tuple(places[number] for number in order),
    )


def _sizes(document: Mapping[str, Any]) -> list[tuple[float, float] | None]:
    """Return the size of the picture, or of each page of a document; None for one that cannot be read."""
    parts = document.get("pages") or [document["source"]]
    return [(float(each["width"]), float(each["height"])) if each["width"] else None for each in parts]


def _places(document: Mapping[str, Any], count: int) -> tuple[int, ...]:
    """Return the page of each of so many cards; all are on the first of a picture."""
    if "pages" not in document:
        return (0,) * count
    return tuple(number for number, page in enumerate(document["pages"]) for _ in page["cards"])


def _page_of(document: Mapping[str, Any], kind: CardKind) -> int:
    """Return the page on which a person has found one more card.

    Raises
    ------
    Problem
        422 ``page_missing`` where a document has no such page, or none is named.
    """
    if "pages" not in document:
        return 0
    if kind.page is None or kind.page >= len(document["pages"]):
        raise Problem(422, "page_missing", "say by `page` which page of the document the card is on")
    return kind.page


def _kinds(request: ReviewRequest, cards: Sequence[Card]) -> Sequence[CardKind]:
    """Return what a person says of each card's kind; the request's own words are of the first."""
    if not (request.card_type or request.side):
        return request.kinds
    known = cards[0].type if cards else CardType.ID_CARD
    given = {"card": 0, "card_type": request.card_type or known.value, "side": request.side or "front"}
    return (CardKind.model_validate(given), *request.kinds)


def _of_kind(cards: tuple[Card, ...], kind: CardKind) -> tuple[Card, ...]:
    """Return the cards with one of them of the kind that a person says it is, or with one more."""
    if kind.card > len(cards):
        raise Problem(422, "card_number_unknown", "number the cards from 0, without a gap")
    given = CardType(kind.card_type), Side(kind.side)
    if kind.card == len(cards):
        return (*cards, Card(*given, ()))
    card = replace(cards[kind.card], type=given[0], side=given[1])
    return (*cards[: kind.card], card, *cards[kind.card + 1 :])


def _of_card(corrections: Sequence[FieldCorrection], number: int) -> Sequence[FieldCorrection]:
    return [correction for correction in corrections if correction.card == number]


def _reopened(found: Found, reason: str, cards: tuple[Card, ...], policy: Policy) -> _Change:
    """Take a rejection back: the card waits for a person again, and nothing is shown of it by this alone."""
    history = history_of(found.document)
    if not history or history[-1].decision != "reject":
        raise Problem(409, "not_rejected", "read the card again: no person has rejected it")
    findings = tuple(code for code in found.document["findings"] if code not in {REJECTED, REOPENED})
    if history[-1].before == Status.REJECTED.value:
        return _Change("reopen", reason, Status.REJECTED, cards, policy, findings)
    return _Change("reopen", reason, Status.NEEDS_REVIEW, cards, policy, (REOPENED, *findings))


def _corrected(card: Card, corrections: Sequence[FieldCorrection], size: tuple[float, float]) -> Card:
    """Put a person's texts and places in; a new place takes the place of all that were found."""
    by_name = {correction.name: correction for correction in corrections}
    fields: list[Field] = []
    seen: set[str] = set()
    for field in card.fields:
        correction = by_name.get(field.name)
        if correction is None:
            fields.append(field)
        elif field.name not in seen:
            fields.append(_put_right(field, correction, size))
            seen.add(field.name)
        elif correction.polygon is None:
            fields.append(field)  # found in a second place, which stays covered
    added = [_put_right(Field(name), new, size) for name, new in by_name.items() if name not in seen]
    return replace(card, fields=(*fields, *added))


def _put_right(field: Field, correction: FieldCorrection, size: tuple[float, float]) -> Field:
    changed: dict[str, object] = {"sources": tuple(dict.fromkeys((*field.sources, PERSON)))}
    if correction.text is not None:
        text = correction.text.strip() or None
        normalized = normalize(field.name, text) if text else None
        # What was checked was the old text; no score is better than a person's own look.
        changed |= {"text": text, "normalized": normalized, "score": None, "checks": ()}
        changed |= {"token": None, "shown": None, "sealed": None}
    if correction.polygon is not None:
        polygon = Polygon.of(correction.polygon)
        left, top, right, bottom = polygon.bounds()
        if right <= 0 or bottom <= 0 or left >= size[0] or top >= size[1]:
            faults = [{"where": ["fields", field.name], "what": "polygon_outside"}]
            raise Problem(422, "polygon_outside", "mark the field inside the picture", faults=faults)
        changed["polygon"] = polygon
    return replace(field, **changed)  # type: ignore[arg-type]  # each value is of its own field's type


def _commit(context: RequestContext, keys: Keys, found: Found, change: _Change) -> Found:
    document = found.document
    pipeline = context.pipeline
    stored, data = pipeline.sources.get(found.key, max_bytes=context.settings.max_bytes)
    if stored.etag != document["source"]["etag"]:
        raise Problem(
            409, "source_changed", "wait for its result: another picture was uploaded under this key"
        )
    status = change.status
    verdict = _verdict(context, keys, found, change, data)
    facts = document["source"]
    source = SourceFacts(
        facts["bucket"], facts["key"], facts["etag"], facts["size"],
        facts["width"], facts["height"], facts["orientation"],
    )  # fmt: skip
    decision = Decision(
        at=datetime.fromtimestamp(context.now(), timezone.utc).isoformat(timespec="seconds"),
        by=context.caller.subject,
        decision=change.decision,
        reason=change.reason,
        before=document["status"],
        after=status.value,
        fields=tuple(correction.name for correction in change.fields),
        settled=change.settled,
        cards=_numbers(change.fields),
    )
    keeping = keeping_of(context.settings)
    told = keeping.history((*history_of(document), decision))
    history, archived = bounded(pipeline.sources, keys, told, int(document.get("archived", 0)))
    sidecar = sidecar_of(verdict, source, change.policy, keys.redacted)
    sidecar = keeping.sidecar(replace(sidecar, history=history, archived=archived), change.policy)
    version = Version(
        stored.etag, change.policy.digest, PIPELINE_VERSION, source_digest(found.key), texts=keeping.tag
    )
    copy = (verdict.copy.data, verdict.copy.media_type) if verdict.copy else None
    pipeline.results.commit_decision(keys, version, status, to_json(sidecar), copy)
    written = read(context, found.key)
    if written is None:
        raise unknown()
    return written


def _numbers(corrections: Sequence[FieldCorrection]) -> tuple[int, ...]:
    numbers = tuple(correction.card for correction in corrections)
    return numbers if any(numbers) else ()


def _verdict(
    context: RequestContext, keys: Keys, found: Found, change: _Change, data: bytes | None
) -> ProcessingResult:
    verdict = stored_verdict(found.document, change.status, change.cards, change.findings, change.places)
    if change.status is not Status.REDACTED:
        return verdict
    if data is None or not change.cards:
        raise Reject("picture_too_large", "raise CARDVEIL_MAX_BYTES")
    rules = replace(context.pipeline.converting(context.pipeline.rules, found.key), policy=change.policy)
    try:
        with context.pipeline.recognising(keys) as recogniser:
            return covered(verdict, data, rules, recogniser)
    except FieldsMissing as missing:
        faults = [{"where": ["fields", name], "what": "place_missing"} for name in missing.names]
        what = "mark the place of every field that `faults` names"
        raise Problem(409, missing.code, what, faults=faults) from None
