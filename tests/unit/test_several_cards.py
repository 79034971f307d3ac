"""Several cards in one picture: whose text is whose, and what the copy shows of each."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from tests.support.laid_cards import ID_BACK, ID_FRONT, TEXTS, laid_card, line_on, lines_of, matrix_of

from cardveil.card.findings import Status
from cardveil.card.layout import Box, layout_of
from cardveil.card.model import Card, CardType, Polygon, Side
from cardveil.core.errors import Reject
from cardveil.core.retry import RetryPolicy
from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine, sidecar_of
from cardveil.pipeline.renewal import re_redact
from cardveil.recognition.interfaces import Hint, Located, Reading, Recognition, TextLine
from cardveil.recognition.interfaces import Image as Sent
from cardveil.recognition.recognizer import CloudRecogniser
from cardveil.recognition.sharing import shared
from cardveil.redaction import Limits, Outline, Plan, Policy, Region, load_policy
from cardveil.redaction.several import joined
from cardveil.storage.sidecar import SourceFacts, read_sidecar, to_json
from cardveil_ocr.pose_estimation import Placing
from cardveil_ocr.results import TextLine as SeenLine
from cardveil_ocr.several import seen_on

STANDARD, HINT = load_policy("standard"), Hint()
#: With a right check digit, as the card's other fields have it.
NUMBER = "990101199003070015"
#: Pixels by which the second card lies lower than the first.
DOWN = 900.0
#: Where `laid_card` puts a card that lies flat.
EDGES = Polygon.box(100, 100, 1400, 920)
BESIDE = Box(10.0, 57.0, 30.0, 1.8)


def lower(polygon: Polygon | None, by: float = DOWN) -> Polygon:
    assert polygon is not None
    return Polygon.of((x, y + by) for x, y in polygon.points)


def both(
    by: float = DOWN, second: tuple[CardType, Side] = ID_BACK
) -> tuple[tuple[Card, Card], tuple[TextLine, ...]]:
    """Return a front and a back below it, and all text of the picture."""
    front, back = laid_card(ID_FRONT, "flat"), laid_card(second, "flat")
    numbered = (replace(f, text=NUMBER) if f.name == "id_number" else f for f in front.fields)
    front = replace(front, fields=tuple(numbered))
    below = tuple(replace(field, polygon=lower(field.polygon, by)) for field in back.fields)
    cards = (replace(front, outline=EDGES), replace(back, fields=below, outline=lower(EDGES, by)))
    lines = lines_of(back, "flat")
    moved = [replace(line, polygon=lower(line.polygon, by), characters=()) for line in lines]
    return cards, (*lines_of(front, "flat"), *moved)


class Scripted:
    """A recogniser that answers what it is given."""

    def __init__(self, cards: tuple[Card, ...], lines: tuple[TextLine, ...] | None) -> None:
        self.answer = Recognition(cards, lines=lines)

    def recognise(self, image: Sent, hint: Hint, located: Located | None = None) -> Recognition:
        del image, hint
        if located:
            located(self.answer.cards, self.answer.lines)
        return self.answer

    def texts(self, image: Sent) -> tuple[str, ...]:
        del image
        return ()


def picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(np.full((2000, 1600, 3), 220, np.uint8)).save(out, "PNG")
    return out.getvalue()


def done(
    cards: tuple[Card, ...],
    lines: tuple[TextLine, ...] | None,
    policy: Policy = STANDARD,
    hint: Hint = HINT,
) -> ProcessingResult:
    return examine(picture(), hint, Scripted(cards, lines), RedactionRules(policy, Limits()))


def shown(result: ProcessingResult, x: float, y: float) -> bool:
    assert result.copy is not None
    pixels = np.asarray(Image.open(io.BytesIO(result.copy.data)).convert("L"))
    return bool(pixels[round(y), round(x)] > 128)


class TestWhoseText:
    def test_each_card_has_its_own_and_what_is_beside_all_goes_to_the_nearest(self) -> None:
        cards, lines = both()
        above, below = (TextLine("旁注", 99.0, Polygon.box(200, y, 400, y + 40), ()) for y in (20.0, 1900.0))
        first, second = shared(cards, (*lines, above, below))
        assert {line.text for line in first} >= {"旁注", "王小明"}
        assert below not in first
        assert below in second
        assert len(first) + len(second) == len(lines) + 2, "no text is left out, none is told twice"

    @pytest.mark.parametrize("placed", [True, False])
    def test_a_line_across_two_cards_is_parted_between_its_characters(self, placed: bool) -> None:
        left, right = (
            Card(CardType.ID_CARD, Side.FRONT, (), outline=Polygon.box(x, 0, x + 300, 200)) for x in (0, 320)
        )
        text = "姓名王小明姓名李小红"
        places = tuple(Polygon.box(60.0 * i, 50, 60.0 * i + 60, 110) for i in range(len(text)))
        line = TextLine(text, 99.0, Polygon.box(0, 50, 600, 110), places if placed else ())
        (one,), (other,) = shared((left, right), [line])
        assert (one.text, other.text) == ("姓名王小明", "姓名李小红")
        assert one.polygon.bounds()[2] == other.polygon.bounds()[0] == pytest.approx(300, abs=1)
        assert len(one.characters) == (5 if placed else 0)

    def test_what_could_not_be_read_is_somebody_s_too(self) -> None:
        cards, _ = both()
        blot = TextLine("", 0.0, Polygon.box(300, 1200, 500, 1240))
        assert shared(cards, [blot]) == ((), (blot,))


class TestOnePlan:
    PLAIN = Plan((), (EDGES,))

    def outline(self, inner: Polygon) -> Outline:
        return Outline(EDGES, inner, (True, True, True, True))

    def test_what_one_card_covers_is_covered_whatever_the_other_shows(self) -> None:
        region = Region("name", EDGES, "mask")
        plan = joined([Plan((region,), ()), self.PLAIN], [self.outline(EDGES), self.outline(lower(EDGES))])
        assert plan.regions == (region,)
        assert plan.shown == (EDGES,)
        assert plan.findings == ()

    def test_cards_that_reach_into_each_other_or_whose_end_is_not_known_are_for_a_person(self) -> None:
        plans = [self.PLAIN, self.PLAIN]
        near = [self.outline(EDGES), self.outline(lower(EDGES, 800.0))]
        assert joined(plans, near).findings == ("cards_overlap",)
        assert joined(plans, [self.outline(EDGES), None]).findings == ("cards_overlap",)

    def test_the_whole_picture_is_shown_only_if_no_plan_says_otherwise(self) -> None:
        ends = [self.outline(EDGES), self.outline(lower(EDGES))]
        assert joined([Plan((), None), Plan((), None)], ends).shown is None
        assert joined([Plan((), None), self.PLAIN], ends).shown == (EDGES,)

    def test_the_cut_goes_around_all_cards(self) -> None:
        ends = [self.outline(EDGES), self.outline(lower(EDGES))]
        plans = [Plan((), (), crop=(0, 0, 10, 10)), Plan((), (), crop=(5, 20, 30, 40))]
        assert joined(plans, ends).crop == (0, 0, 30, 40)


class TestTheCopy:
    def test_each_card_is_covered_by_its_own_fields_and_nothing_between_them_is_shown(self) -> None:
        cards, lines = both()
        result = done(cards, lines)
        assert result.status is Status.REDACTED, result.findings
        assert {region.field for region in result.regions} >= {"name", "id_number", "portrait"}
        assert [card.side for card in result.cards] == [Side.FRONT, Side.BACK]
        assert all(card.outline and card.texts for card in result.cards)
        assert shown(result, 750, 1300), "the back's ground"
        assert not shown(result, 750, 960), "between the cards"
        for field in cards[0].fields:
            x, y = np.mean(np.array(field.polygon and field.polygon.points), axis=0)
            covered = STANDARD.action_for(*ID_FRONT, field.name) == "mask"
            assert shown(result, x, y) != covered, field.name

    def test_cards_that_overlap_are_not_published(self) -> None:
        result = done(*both(500.0))
        assert (result.status, result.copy) == (Status.NEEDS_REVIEW, None)
        assert "cards_overlap" in result.findings, result.findings

    def test_text_beside_all_cards_is_outside_of_them(self) -> None:
        cards, lines = both()
        note = line_on(matrix_of(layout_of(*ID_FRONT), "flat"), BESIDE, "13800000000")
        keeping = replace(STANDARD, outside="keep")
        assert done(cards, lines, keeping).status is Status.REDACTED
        assert shown(done(cards, lines, keeping), 750, 960)
        told = done(cards, (*lines, note), keeping)
        assert (told.status, told.copy) == (Status.NEEDS_REVIEW, None)
        assert "text_outside" in told.findings
        assert done(cards, (*lines, note)).status is Status.REDACTED

    def test_without_a_witness_nothing_beside_the_cards_is_shown_whatever_the_policy(self) -> None:
        cards, _ = both(second=ID_FRONT)
        result = done(cards, None, replace(STANDARD, outside="keep"))
        assert result.status is Status.REDACTED, result.findings
        assert "witness_missing" in result.findings
        assert not shown(result, 750, 960)
        assert not shown(result, 750, 1300)

    def test_what_is_beside_one_card_is_not_shown_where_another_stands(self) -> None:
        """Of neither has the witness seen enough for its ground to be shown."""
        cards, lines = both(second=ID_FRONT)
        few = tuple(line for line in lines if line.text in (TEXTS["name"], "公民身份号码"))
        result = done(cards, few, replace(STANDARD, outside="keep"))
        assert result.status is Status.REDACTED, result.findings
        # Below the labels, where nothing is printed and nothing is covered for a field's sake.
        assert not shown(result, 146, 677)
        assert not shown(result, 146, 677 + DOWN)

    def test_one_of_several_cards_may_be_the_expected_one(self) -> None:
        cards, lines = both()
        for side in Side:
            assert done(cards, lines, hint=Hint(CardType.ID_CARD, side)).status is Status.REDACTED
        told = done(cards, lines, hint=Hint(CardType.DRIVER_LICENSE))
        assert "wrong_card_type" in told.findings
        assert told.copy is None

    def test_it_is_covered_again_from_its_sidecar(self) -> None:
        cards, lines = both()
        first, strict = done(cards, lines), load_policy("strict")
        source = SourceFacts("b", "inbox/a.png", "e", 1)
        document = read_sidecar(to_json(sidecar_of(first, source, STANDARD, "redacted/a.png")), "inbox/a.png")
        assert document is not None
        again = re_redact(
            document, picture(), Scripted((), None), RedactionRules(strict, Limits()), Timings()
        )
        at_once = done(cards, lines, strict)
        assert again.copy is not None
        assert at_once.copy is not None
        assert again.copy.data == at_once.copy.data


class Services:
    """The vendor's three services: one locates the front, one reads both sides, one sees all text."""

    def __init__(self, lines: tuple[TextLine, ...], *, blind: bool = False) -> None:
        (self.front, self.back), self.seen = both()[0], lines
        self.blind = blind

    def locate(self, image: Sent, card_type: CardType) -> Reading:
        del image
        fields = self.front.fields if card_type is CardType.ID_CARD else ()
        return Reading("AILicenseRec", fields, card_type, Side.FRONT)

    def read(self, image: Sent, side: Side | None) -> Reading:
        del image, side
        fields = tuple(replace(f, polygon=None) for f in (*self.front.fields, *self.back.fields))
        return Reading("RecognizeMainlandIDCardOCR", fields, CardType.ID_CARD, Side.FRONT)

    def lines(self, image: Sent) -> tuple[tuple[TextLine, ...], Reading]:
        del image
        if self.blind:
            raise Reject("no_text", "…", api="OCR")
        return self.seen, Reading("OCR")

    def examined(self, policy: Policy = STANDARD) -> ProcessingResult:
        @contextmanager
        def staged(image: Sent) -> Iterator[str]:
            del image
            yield "staged/a.png"

        cloud = CloudRecogniser(self, self, self, RetryPolicy(1, lambda: 10.0), staged, self)
        return examine(picture(), HINT, cloud, RedactionRules(policy, Limits()))


class TestTheCloud:
    def test_one_front_and_one_back_are_published_each_by_its_own_places(self) -> None:
        """The back's places come from the witness, its text from the provider that reads both sides."""
        _, lines = both()
        result = Services(lines).examined()
        assert result.status is Status.REDACTED, result.findings
        assert [card.side for card in result.cards] == [Side.FRONT, Side.BACK]
        read = {field.name: field for field in result.cards[1].fields}
        assert read["authority"].text == TEXTS["authority"]
        assert read["authority"].polygon
        assert all(card.outline for card in result.cards)
        assert shown(result, 750, 1300), "the back's ground"
        assert not shown(result, 750, 960), "between the cards"

    def test_a_back_that_nobody_has_located_is_for_a_person(self) -> None:
        _, lines = both()
        front_only = tuple(line for line in lines if line.polygon.bounds()[1] < DOWN)
        result = Services(front_only).examined()
        assert (result.status, result.copy) == (Status.NEEDS_REVIEW, None)
        assert "positions_missing" in result.findings

    def test_without_a_witness_neither_is_published(self) -> None:
        _, lines = both()
        result = Services(lines, blind=True).examined()
        assert (result.status, result.copy) == (Status.NEEDS_REVIEW, None)


def test_what_a_look_sees_of_a_neighbour_counts_only_where_that_one_saw_nothing() -> None:
    """Of a line at its edge it may have read a part; but what nobody else saw is not lost."""
    front = layout_of(CardType.ID_CARD, Side.FRONT)
    upper, lower = (
        Placing(front, np.array([[10.0, 0, 0], [0, 10.0, top], [0, 0, 1]]), (), 0.1) for top in (0.0, 600.0)
    )
    own = SeenLine("姓名", 99.0, Polygon.box(50, 100, 150, 140))
    name, part = (
        SeenLine(text, 99.0, Polygon.box(50, 610, right, 640))
        for text, right in (("姓名王", 200), ("姓", 90))
    )
    missed = SeenLine("旁注", 99.0, Polygon.box(600, 610, 700, 640))
    beside = SeenLine("桌上", 99.0, Polygon.box(50, 560, 150, 590))
    assert seen_on([(upper, [own, part, missed, beside]), (lower, [name])]) == [own, missed, beside, name]
