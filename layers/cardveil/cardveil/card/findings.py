"""Every finding that lowers trust in a card: its code, the status it leads to, what a person should do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from types import MappingProxyType
from typing import Final

from cardveil.card.model import FIELDS, PORTRAIT
from cardveil.core.frozen import dataclass


class Status(str, Enum):
    """The final state of a source."""

    REDACTED = "redacted"
    NEEDS_REVIEW = "needs_review"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Finding:
    """What a code means; `review` says whether it alone sends the card to a person."""

    review: bool
    meaning: str


#: What vendor and engine may not agree on: a field by its name, which cards there are, or another field.
_COMPARED: Final = (
    *dict.fromkeys(name for names in FIELDS.values() for name in names if name != PORTRAIT),
    "card",
    "other",
)


def disagreement(what: str) -> str:
    """Return the code of what vendor and engine do not agree on; never what either of them reads."""
    return f"engine_disagrees_{what if what in _COMPARED else 'other'}"


#: Codes in the sidecar's `findings`. Codes of the error tree may stand there as well (see `errors`).
FINDINGS: Final[Mapping[str, Finding]] = MappingProxyType(
    {
        "source_archived": Finding(
            True, "the object is archived and cannot be read: restore it, and the next sweep finds it"
        ),
        "source_refused": Finding(
            True, "this object may not be read, others may: see the bucket's policy and its key of KMS"
        ),
        "result_refused": Finding(
            True, "this card's results or notes may not be written, others' may: see the bucket's policy"
        ),
        "page_masked": Finding(False, "pages without a card are covered whole"),
        "page_kept": Finding(False, "pages without a card are shown whole, as the policy says"),
        "page_without_card": Finding(True, "a page shows no card, and the policy leaves that to a person"),
        "several_cards": Finding(True, "several cards could not be told apart: upload one card a picture"),
        "fields_missing": Finding(True, "fields that the policy covers were not located: mark them by hand"),
        "portrait_missing": Finding(True, "the portrait's place could not be derived: mark it by hand"),
        "partly_outside": Finding(True, "part of the card is outside the picture: take it again"),
        "place_uncertain": Finding(
            True, "layout and text disagree on a field's place: mark the fields by hand"
        ),
        "check_digit_failed": Finding(True, "the ID number's check digit is wrong: compare with the picture"),
        "birth_date_disagrees": Finding(True, "birth date and ID number disagree: compare with the picture"),
        "sex_disagrees": Finding(True, "sex and ID number disagree: compare with the picture"),
        "text_disagrees": Finding(True, "two providers read a field differently: compare with the picture"),
        "text_missing": Finding(True, "a card was located but its text could not be read"),
        "positions_missing": Finding(True, "text was read but not located: mark the fields by hand"),
        "wrong_side": Finding(True, "the picture shows the other side of the card than was expected"),
        "wrong_card_type": Finding(True, "the picture shows another kind of card than was expected"),
        "warning_unknown": Finding(True, "the vendor warned of the picture in a way that is not documented"),
        "warned": Finding(True, "the vendor warned of the picture (see warnings): look at it"),
        "picture_blurred": Finding(True, "the picture is not sharp: take it again"),
        "rejected_by_person": Finding(True, "a person has rejected the card: ask for another picture"),
        "rejection_withdrawn": Finding(True, "a person has taken a rejection back: decide over the card"),
        "text_outside": Finding(True, "there is text beside the card, and the policy keeps the surroundings"),
        "partial_not_located": Finding(
            False, "characters of a field were not located one by one: it is covered whole, not in part"
        ),
        "nothing_covered": Finding(False, "the policy covers nothing on this side: the copy shows all of it"),
        "other_document": Finding(
            True,
            "another document's title or labels are in the picture: only cards are redacted by themselves",
        ),
        "other_card": Finding(False, "another card is beside this one: it is covered with what is outside"),
        "cards_overlap": Finding(
            True, "another card lies within this one's outline: take one card a picture"
        ),
        "witness_missing": Finding(
            False, "nothing looked for text that belongs to no field: the copy shows located fields only"
        ),
        "sent_abroad": Finding(
            False, "the picture was sent to another country to be read: `calls` name the region"
        ),
        "proof_failed": Finding(True, "the copy could not be proven and was not written"),
        "low_score": Finding(False, "a field was read with little confidence: compare before relying on it"),
        "seal_unread": Finding(
            False, "the authority in a licence's seal was not read: its place is known, its text is not"
        ),
        "glare_over_field": Finding(
            False, "a bright reflection lies over a field: compare before relying on it"
        ),
        "number_repaired": Finding(False, "one character was put right by the ID number's check digit"),
        "region_unknown": Finding(False, "the ID number's first two digits are no province's"),
        # People move, and the number keeps the province of the first registration.
        "region_elsewhere": Finding(
            False, "address and ID number name different provinces, as after a move: compare if unsure"
        ),
        "expired": Finding(False, "the card's valid period has ended"),
        "located_unsurely": Finding(True, "a field was located with little confidence: mark it by hand"),
        "value_unreadable": Finding(True, "a field's text has no normal form: compare with the picture"),
        "field_missing": Finding(
            True, "a field that every such card has was not read: compare with the picture"
        ),
        **{
            disagreement(what): Finding(
                True,
                f"vendor and engine do not agree on this: {what.replace('_', ' ')}; compare with the picture",
            )
            for what in _COMPARED
        },
        "dates_disagree": Finding(True, "a period ends before it begins, or an issue lies before the birth"),
    }
)


def status_of(findings: Iterable[str]) -> Status:
    """Return `needs_review` if any of the findings asks for it, or is unknown; else `redacted`."""
    asks = any(code not in FINDINGS or FINDINGS[code].review for code in findings)
    return Status.NEEDS_REVIEW if asks else Status.REDACTED
