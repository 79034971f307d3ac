"""A mark over a copy: readable, of known letters, and of no use to whoever looks for what is covered."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageChops

from cardveil import load_policy, redact
from cardveil.card.model import Polygon
from cardveil.core.errors import Halt, Review
from cardveil.imaging.image import inspect
from cardveil.redaction import Mark, RedactedCopy, Region, Watermark, is_purpose, mark_of, watermark
from cardveil.redaction import redact as cover
from cardveil.redaction.lettering import SIDE, can_write, line
from cardveil.redaction.policy import from_document
from cardveil.redaction.policy_order import as_document
from cardveil.redaction.watermark import marked, marked_for

DAY = 1_795_824_000.0  # 2026-11-28 00:00 UTC
BLACK = (0, 0, 0)
MARK = mark_of(Watermark(purpose="入职登记"), DAY)
PLACE = Polygon.box(70, 50, 330, 110)


def picture(format_: str, digits: str, mode: str = "RGB", orientation: int = 1) -> bytes:
    """A picture with writing where `PLACE` is, and some around it."""
    image = Image.effect_noise((420, 260), 30).convert(mode)
    image.paste(line(digits).resize((240, 40)).convert(mode), (80, 60))
    image.paste(line("SHOWN 1234").resize((200, 32)).convert(mode), (120, 180))
    out = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = orientation
    image.save(out, format_, **({"exif": exif} if orientation != 1 else {}), **lossless(format_))
    return out.getvalue()


def lossless(format_: str) -> dict[str, Any]:
    return {"lossless": True} if format_ == "WEBP" else {"quality": 90} if format_ == "JPEG" else {}


def covered(data: bytes, fill: tuple[int, int, int] = BLACK) -> RedactedCopy:
    source = inspect(data)
    place = PLACE if source.width == 420 else Polygon.box(140, 60, 220, 360)
    return cover(source, [Region("id_number", place, "mask")], fill=fill)


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


CASES = [("JPEG", "RGB", 1), ("JPEG", "L", 1), ("JPEG", "RGB", 6), ("JPEG", "RGB", 7), ("PNG", "RGB", 1),
         ("PNG", "L", 1), ("WEBP", "RGB", 1), ("BMP", "RGB", 1), ("BMP", "L", 1),
         ("TIFF", "RGB", 1)]  # fmt: skip


@pytest.mark.parametrize(("format_", "mode", "orientation"), CASES)
@pytest.mark.parametrize("fill", [BLACK, (255, 255, 255), (10, 120, 200)], ids=str)
def test_what_is_covered_stays_covered_under_the_mark(
    format_: str, mode: str, orientation: int, fill: tuple[int, int, int]
) -> None:
    data = picture(format_, "990101199001011234", mode, orientation)
    copy = covered(data, fill)
    done = marked(copy, MARK, fill)
    assert (done.mark, done.proof.reason, done.path) == (MARK.text, "watermark", "pixels")
    assert done.data != copy.data
    assert (done.width, done.height, done.media_type) == (copy.width, copy.height, copy.media_type)
    assert inspect(done.data).orientation == inspect(copy.data).orientation
    changed = ImageChops.difference(pixels(done.data), pixels(copy.data)).convert("L")
    strong = changed.point([0] * 12 + [255] * 244).getbbox()
    assert strong is not None
    assert strong[2] - strong[0] > 200, "it is written all over"


@pytest.mark.parametrize(("format_", "mode", "orientation"), CASES)
def test_two_pictures_that_differ_under_the_cover_alone_give_the_same_marked_copy(
    format_: str, mode: str, orientation: int
) -> None:
    ones = []
    for digits in ("990101199001011234", "110101198802029876"):
        image = Image.new(mode, (420, 260), 200 if mode == "L" else (200, 210, 220))
        image.paste(line(digits).resize((240, 40)).convert(mode), (80, 60))
        out = io.BytesIO()
        exif = Image.Exif()
        exif[0x0112] = orientation
        image.save(out, format_, **({"exif": exif} if orientation != 1 else {}), **lossless(format_))
        ones.append(marked(covered(out.getvalue()), MARK, BLACK).data)
    assert ones[0] == ones[1]


@pytest.mark.parametrize("format_", ["JPEG", "PNG"])
def test_a_mark_that_lets_something_through_is_no_copy(format_: str, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = covered(picture(format_, "990101199001011234"))
    honest = watermark._encoded

    def leaking(image: Image.Image, *given: Any) -> bytes:
        image.paste((9, 9, 9) if image.mode == "RGB" else 9, (100, 70, 101, 71))
        return honest(image, *given)

    monkeypatch.setattr(watermark, "_encoded", leaking)
    with pytest.raises(Review, match="the mark changed what is covered"):
        marked(copy, MARK, BLACK)


def test_a_copy_to_look_at_is_marked_too() -> None:
    copy = covered(picture("JPEG", "990101199001011234"))
    data, media_type = marked_for(copy.data, mark_of(Watermark(), DAY, "租房"))
    assert media_type == "image/jpeg"
    assert pixels(data).size == pixels(copy.data).size
    assert ImageChops.difference(pixels(data), pixels(copy.data)).getbbox()


def test_the_text_is_the_purpose_and_the_day_of_the_cards_country() -> None:
    assert MARK.text == "仅供入职登记使用 2026-11-28"
    late = mark_of(Watermark(text="{date}"), DAY + 16 * 3600 + 1)
    assert late.text == "2026-11-29", "in China the day begins eight hours earlier"
    assert mark_of(Watermark(), DAY, "{date}").text.startswith("仅供{date}使用 2"), "it is not read again"
    assert mark_of(Watermark(purpose="入职"), DAY, "租房").text == "仅供租房使用 2026-11-28"


@pytest.mark.parametrize("purpose", ["入职登记", "HR onboarding (2026)", "租房、合同", "a", "一" * 30])
def test_a_purpose_is_some_letters(purpose: str) -> None:
    assert is_purpose(purpose)


@pytest.mark.parametrize(
    "purpose",
    [
        "",
        " ",
        " a",
        "a ",
        "一" * 31,
        "a\nb",
        "a\x00",
        "{date}",
        "<b>",
        "&amp;",
        "😀",
        "\u202e",
        "\u200b",
        "ñ",
    ],
)
def test_what_cannot_be_written_or_could_be_read_otherwise_is_no_purpose(purpose: str) -> None:
    assert not is_purpose(purpose)


def test_letters_are_there_and_differ() -> None:
    text = "仅供入职登记使用租房实名认证，0123456789-ABCxyz"
    assert can_write(text)
    shapes = {line(each).tobytes() for each in set(text)}
    assert len(shapes) == len(set(text))
    assert line("使用").size == (2 * SIDE, SIDE)
    with pytest.raises(ValueError, match="no glyph"):
        line("😀")


RULES = "cards:\n  IDCard:\n    name: keep\n"


def test_a_policy_says_it_and_its_digest_with_it() -> None:
    plain = load_policy(RULES)
    policy = load_policy(RULES + 'watermark:\n  purpose: 入职登记\n  colour: "#2040c0"\n  opacity: 20\n')
    assert policy.watermark == Watermark(purpose="入职登记", colour=(0x20, 0x40, 0xC0), opacity=20)
    assert policy.digest != plain.digest
    assert from_document(as_document(policy)) == policy
    assert "watermark" not in as_document(plain)


@pytest.mark.parametrize(
    "said",
    [
        "watermark: on",
        "watermark: {}",
        'watermark: {text: "仅供{purpose}使用"}',
        'watermark: {text: "{name}"}',
        'watermark: {text: "{0.__class__}"}',
        'watermark: {text: "  "}',
        f'watermark: {{text: "{"一" * 61}"}}',
        'watermark: {text: "x 😀"}',
        'watermark: {text: "x", colour: red}',
        'watermark: {text: "x", opacity: 61}',
        'watermark: {text: "x", opacity: 4}',
        'watermark: {text: "x", size: 4}',
        'watermark: {purpose: "a{date}"}',
    ],
)
def test_a_watermark_that_is_no_such_thing_is_refused(said: str) -> None:
    with pytest.raises(Halt, match="correct line"):
        load_policy(RULES + said + "\n")


def test_the_library_marks_nothing_where_places_are_named(tmp_path: Path) -> None:
    policy = load_policy(RULES + "watermark: {text: x}\n")
    done = redact(picture("JPEG", "1"), [PLACE], policy=policy)
    assert done.copy is not None
    assert done.copy.mark == ""
    assert isinstance(MARK, Mark)
