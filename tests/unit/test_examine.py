"""One picture's verdict: what recognisers are shown, in whose frame they answer, what keeps a copy back."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.support.chaos.pictures import picture

from cardveil.card.findings import Status
from cardveil.card.model import Card, CardType, Polygon, Side, VendorWarning
from cardveil.core.errors import Reject, Review
from cardveil.core.frozen import replace
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules, Redactor
from cardveil.pipeline.examine import examine
from cardveil.recognition.interfaces import Hint, Image, Located, Recognition, TextLine
from cardveil.redaction import Limits, inspect, load_policy, place

RULES = RedactionRules(load_policy("standard"), Limits())
#: A front that fills its picture, as services tell of it: they do not see the portrait.
SHOWN = picture(0)
CARD = replace(SHOWN.card.card, fields=tuple(f for f in SHOWN.card.card.fields if f.name != "portrait"))
WIDTH, HEIGHT = 512, 320


def scaled(card: Card, factor: float) -> Card:
    fields = tuple(
        replace(f, polygon=f.polygon.scaled(factor, factor)) if f.polygon else f for f in card.fields
    )
    return replace(card, fields=fields)


@dataclass
class Knowing:
    """Recognises the card of `SHOWN` at whatever size it is sent, and adds what the test says."""

    told: dict[str, Any] = field(default_factory=dict)
    sent: list[Image] = field(default_factory=list)

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        self.sent.append(image)
        card = scaled(CARD, image.width / WIDTH)
        if located:
            located((card,), None)
        return replace(Recognition((card,)), **self.told)

    def texts(self, image: Image) -> tuple[str, ...]:
        raise AssertionError("the geometric proof asks no recogniser")


def encoded(image: Pillow.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def test_a_picture_as_it_is_is_read_where_it_stands() -> None:
    knowing = Knowing()
    assert examine(SHOWN.data(), Hint(), knowing, RULES, key="inbox/a.jpg").status is Status.REDACTED
    assert [(image.key, image.data) for image in knowing.sent] == [("inbox/a.jpg", SHOWN.data())]


def test_a_picture_that_was_turned_is_not_read_where_it_stands() -> None:
    """There it lies on its side, and so would every place that is found in it."""
    upright = Pillow.open(io.BytesIO(SHOWN.data()))
    exif = Pillow.Exif()
    exif[0x0112] = 6
    stored = encoded(upright.rotate(90, expand=True), quality=95, exif=exif.tobytes())
    knowing = Knowing()
    verdict = examine(stored, Hint(), knowing, RULES, key="inbox/a.jpg")
    (image,) = knowing.sent
    assert (image.key, image.width, image.height) == (None, WIDTH, HEIGHT)
    assert verdict.status is Status.REDACTED


def test_places_in_a_smaller_copy_are_put_back_into_the_picture_s_own_frame() -> None:
    factor = 8
    grain = np.random.default_rng(1).integers(0, 90, (HEIGHT * factor, WIDTH * factor, 3), dtype=np.uint8)
    light = Pillow.fromarray(grain + 160)
    source = encoded(light, quality=95)
    assert len(base64.b64encode(source)) > 7 * 2**20
    knowing = Knowing()
    verdict = examine(source, Hint(), knowing, RULES, key="inbox/a.jpg")
    (image,) = knowing.sent
    # Tencent's limit for every API in use, "Input Parameters": 7 MB after Base64.
    assert len(base64.b64encode(image.data)) <= 7 * 2**20
    assert image.key is None, "the key names another picture than the one that was sent"
    assert image.width < WIDTH * factor
    (told,) = verdict.cards
    assert verdict.copy is not None
    shown = np.asarray(Pillow.open(io.BytesIO(verdict.copy.data)).convert("L"))
    for found, known in zip(told.fields, scaled(CARD, factor).fields, strict=False):
        if known.polygon is None or found.polygon is None:
            continue
        for point, other in zip(found.polygon.points, known.polygon.points, strict=True):
            assert point == pytest.approx(other, abs=0.5)
        left, top, right, bottom = (round(value) for value in known.polygon.bounds())
        covered = RULES.policy.action_for(CARD.type, CARD.side, known.name) == "mask"
        middle = shown[(top + bottom) // 2, (left + right) // 2]
        assert (middle < 8) == covered, known.name


@pytest.mark.parametrize(
    ("told", "hint", "status", "finding"),
    [
        ({}, Hint(CardType.DRIVER_LICENSE), Status.NEEDS_REVIEW, "wrong_card_type"),
        ({}, Hint(CardType.ID_CARD, Side.BACK), Status.NEEDS_REVIEW, "wrong_side"),
        ({}, Hint(None, Side.BACK), Status.NEEDS_REVIEW, "wrong_side"),
        ({"warnings": (VendorWarning(-9102, "photocopied"),)}, Hint(), Status.NEEDS_REVIEW, "warned"),
        ({"findings": ("check_digit_failed",)}, Hint(), Status.NEEDS_REVIEW, "check_digit_failed"),
        ({"findings": ("new_tomorrow",)}, Hint(), Status.NEEDS_REVIEW, "new_tomorrow"),
        ({"refusal": Review("picture_blurred", "…")}, Hint(), Status.NEEDS_REVIEW, "picture_blurred"),
        ({"refusal": Reject("no_card", "…")}, Hint(), Status.REJECTED, "no_card"),
        ({"cards": ()}, Hint(), Status.REJECTED, "no_card"),
        ({"cards": (), "findings": ("several_cards",)}, Hint(), Status.REJECTED, "no_card"),
    ],
    ids=lambda value: str(value) if isinstance(value, str) else None,
)
def test_what_asks_for_a_person_or_refuses_the_picture_gives_no_copy(
    told: dict[str, Any], hint: Hint, status: Status, finding: str
) -> None:
    """Although one was made and proven while the text was waited for."""
    verdict = examine(SHOWN.data(), hint, Knowing(told), RULES)
    assert (verdict.status, verdict.copy, verdict.regions) == (status, None, ())
    assert finding in verdict.findings
    assert set(told.get("findings", ())) <= set(verdict.findings)


def other_card_at(x: float, y: float) -> tuple[TextLine, ...]:
    """What a witness sees of the card, and a label of another one."""
    own = tuple(TextLine(f.text or "", 99.0, f.polygon) for f in CARD.fields if f.polygon)
    return (*own, TextLine("签发机关", 99.0, Polygon.box(x, y, x + 60, y + 14)))


@pytest.mark.parametrize(
    ("x", "y", "status"),
    [(WIDTH + 10, 40, Status.REDACTED), (40, -30, Status.REDACTED), (300, 20, Status.NEEDS_REVIEW)],
    ids=["beside", "above", "over"],
)
def test_another_card_over_this_one_cannot_be_covered_with_what_is_outside(
    x: float, y: float, status: Status
) -> None:
    told = {"findings": ("other_card",), "lines": other_card_at(x, y)}
    verdict = examine(SHOWN.data(), Hint(), Knowing(told), RULES)
    assert ("cards_overlap" in verdict.findings, verdict.status) == (status is Status.NEEDS_REVIEW, status)


def test_where_the_card_lies_is_not_known_the_other_may_lie_over_it() -> None:
    few = replace(CARD, fields=CARD.fields[:1])
    told = {"cards": (few,), "findings": ("other_card",), "lines": other_card_at(WIDTH + 10, 40)}
    assert "cards_overlap" in examine(SHOWN.data(), Hint(), Knowing(told), RULES).findings


def test_a_warning_that_is_said_to_be_harmless_is_told_and_stops_nothing() -> None:
    warnings = (VendorWarning(-9102, "photocopied"),)
    rules = replace(RULES, harmless_warnings=frozenset({"photocopied"}))
    verdict = examine(SHOWN.data(), Hint(), Knowing({"warnings": warnings}), rules)
    assert (verdict.status, verdict.warnings) == (Status.REDACTED, warnings)


class TestMadeAhead:
    """A copy that was made before the text was known counts only if the same is covered in the end."""

    @pytest.mark.parametrize("policy", ["standard", "minimal"])
    def test_a_field_that_moved_is_covered_where_it_is(self, policy: str) -> None:
        rules = replace(RULES, policy=load_policy(policy))
        name = "address" if policy == "standard" else "id_number"
        moved = replace(
            CARD,
            fields=tuple(
                replace(f, polygon=Polygon.of((x + 3.0, y + 2.0) for x, y in f.polygon.points))
                if f.name == name and f.polygon
                else f
                for f in CARD.fields
            ),
        )
        shown = inspect(SHOWN.data())
        ahead = Redactor(shown, rules)
        ahead.ahead((CARD,), None)
        assert ahead.cover((moved,), Knowing(), Timings()) == Redactor(shown, rules).cover(
            (moved,), Knowing(), Timings()
        )


@pytest.mark.parametrize("known", [True, False])
def test_a_portrait_s_place_is_told_only_where_it_is_known(known: bool) -> None:
    """Three short lines beside each other do not tell how far a card reaches to the other side."""
    keeping = ", ".join(f"{f.name}: keep" for f in CARD.fields if f.name != "name")
    rules = replace(RULES, policy=load_policy(f"cards: {{IDCard: {{portrait: keep, {keeping}}}}}\n"))
    few = replace(CARD, fields=tuple(f for f in CARD.fields if f.name in {"name", "sex", "ethnicity"}))
    card = CARD if known else few
    assert place(card) is not None
    done = Redactor(inspect(SHOWN.data()), rules).cover((card,), Knowing(), Timings())
    assert ("portrait" in {f.name for f in done.cards[0].fields}) == known


def test_what_is_covered_follows_from_the_places_as_a_sidecar_keeps_them() -> None:
    """Renewed from the sidecar, a copy is the very same, whatever is beyond a hundredth of a pixel."""

    def moved(card: Card, by: float) -> Card:
        places = {f.name: f.polygon for f in card.fields if f.polygon}
        fine = {name: Polygon.of((x + by, y + by) for x, y in place.points) for name, place in places.items()}
        return replace(card, fields=tuple(replace(f, polygon=fine.get(f.name)) for f in card.fields))

    kept = tuple(replace(f, polygon=f.polygon.as_kept() if f.polygon else None) for f in CARD.fields)
    card = replace(CARD, fields=kept)
    shown = inspect(SHOWN.data())
    done = Redactor(shown, RULES).cover((card,), Knowing(), Timings())
    assert Redactor(shown, RULES).cover((moved(card, 0.003),), Knowing(), Timings()).regions == done.regions
    assert Redactor(shown, RULES).cover((moved(card, 0.03),), Knowing(), Timings()).regions != done.regions
