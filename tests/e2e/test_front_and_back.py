"""A photograph of a card's front and back, from the event to the sidecar: two cards, or what is known."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image
from tests.support.cloud_fixture import bench, kept, known

from cardveil.card.model import Card, Polygon
from cardveil.card.normalize import normalize
from cardveil.core.frozen import replace
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownCard, KnownLine, KnownPicture
from cardveil_ocr import Recogniser

FRONT, BACK = "id-front-flat.jpg", "id-back-flat.png"
FAR = {
    "CARDVEIL_TEXT_PROVIDER": "RecognizeMainlandIDCardOCR",
    "CARDVEIL_CROSS_BORDER": "allowed",
    "CARDVEIL_CALL_TIMEOUT_S": "50",
}
_MARGIN = 60


def moved(place: Polygon, down: float) -> Polygon:
    return Polygon.of((x + _MARGIN, y + down) for x, y in place.points)


def moved_card(card: Card, down: float) -> Card:
    fields = tuple(replace(f, polygon=moved(f.polygon, down) if f.polygon else None) for f in card.fields)
    return replace(card, fields=fields)


def sheet(*names: str) -> tuple[bytes, KnownPicture]:
    """Lay kept pictures below each other on white, and return the photograph with its truth."""
    cards: list[KnownCard] = []
    lines: list[KnownLine] = []
    laid: list[tuple[Image.Image, int]] = []
    down = _MARGIN
    for name in names:
        picture = Image.open(io.BytesIO(kept(name))).convert("RGB")
        truth = known(next(each for each in kept_pictures() if each.file == name))
        laid.append((picture, down))
        cards += [
            KnownCard(moved_card(found.card, down), moved(found.outline, down)) for found in truth.cards
        ]
        lines += [KnownLine(line.text, line.score, moved(line.polygon, down)) for line in truth.lines]
        down += picture.height + _MARGIN
    width = max(picture.width for picture, _ in laid) + 2 * _MARGIN
    whole = Image.new("RGB", (width, down), "white")
    for picture, top in laid:
        whole.paste(picture, (_MARGIN, top))
    target = io.BytesIO()
    whole.save(target, "JPEG", quality=92)
    return target.getvalue(), KnownPicture(tuple(cards), tuple(lines))


def test_the_api_that_reads_both_sides_has_both_published(tmp_path: Path, recogniser: Recogniser) -> None:
    data, truth = sheet(FRONT, BACK)
    # The real recogniser behind the cloud: by labels, which it sees as well, the back's edges are known.
    with bench(tmp_path, environment=FAR, recogniser=lambda: recogniser) as there:
        done = there.run("both.jpg", data)
        assert done["schema"] == "cardveil.sidecar/2"
        assert [(card["type"], card["side"]) for card in done["cards"]] == [
            ("IDCard", "front"),
            ("IDCard", "back"),
        ]
        assert done["status"] == "redacted", done["findings"]
        for card, printed in zip(done["cards"], truth.cards, strict=True):
            read = {field["name"]: field["normalized"] for field in card["fields"]}
            wanted = {f.name: normalize(f.name, f.text) for f in printed.card.fields if f.text}
            assert {name: read[name] for name in wanted} == wanted
        assert all(field["polygon"] for card in done["cards"] for field in card["fields"])
        assert sorted(call["api"] for call in done["calls"]) == [
            "AILicenseRec", "OCR", "RecognizeMainlandIDCardOCR",
        ]  # fmt: skip
        assert there.there("redacted/both.jpg")
        covered = {region["field"] for region in done["redaction"]["regions"]}
        assert {"id_number", "portrait"} <= covered


@pytest.mark.parametrize("names", [(FRONT, BACK), (FRONT, FRONT)])
def test_what_refuses_several_cards_leads_to_review_with_what_is_known(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    data, truth = sheet(*names)
    with bench(tmp_path, pictures={data: truth}) as there:
        done = there.run("both.jpg", data)
        assert done["status"] == "needs_review"
        assert "several_cards" in done["findings"]
        assert [(card["type"], card["side"]) for card in done["cards"]] == [("IDCard", "front")]
        located = {field["name"] for field in done["cards"][0]["fields"] if field["polygon"]}
        assert {"name", "address", "id_number"} <= located, "what the other calls told is kept"
        assert not there.there("redacted/both.jpg")
        assert there.cloud.dead_letters == []
