"""The package as a library: what goes in, what comes out, and that whatever is doubtful gives no copy."""

from __future__ import annotations

import ast
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image as Pillow

import cardveil
from cardveil import Hint, Image, Polygon, Recognition, Region, Reject, Retry, Status, inspect, redact

BOX = [[32, 32], [96, 32], [96, 64], [32, 64]]


def picture(kind: str = "PNG", size: tuple[int, int] = (160, 120), orientation: int = 1) -> bytes:
    """Return a white picture, black where `BOX` stands in the upright picture."""
    made = Pillow.new("RGB", size, "white")
    made.paste((200, 30, 30), (32, 32, 96, 64))
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    stored = made if orientation == 1 else made.transpose(Pillow.Transpose.ROTATE_90)
    out = io.BytesIO()
    stored.save(out, kind, exif=exif, quality=95)
    return out.getvalue()


class Nobody:
    """A recogniser that is told what to answer."""

    def __init__(self, answer: Recognition | Exception) -> None:
        self.answer = answer
        self.asked: list[Hint] = []

    def recognise(self, image: Image, hint: Hint, located: Any = None) -> Recognition:
        self.asked.append(hint)
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def texts(self, image: Image) -> tuple[str, ...]:
        return ()


@pytest.mark.parametrize("given", [
    [BOX], [Polygon.box(32, 32, 96, 64)], [Region("mine", Polygon.box(32, 32, 96, 64), "mask")],
    [{"name": "mine", "polygon": BOX}], [tuple((x, y) for x, y in BOX)],
])  # fmt: skip
@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP"])
def test_a_place_in_any_form_is_covered(given: Any, kind: str) -> None:
    done = redact(picture(kind), given)
    assert done.status is Status.REDACTED
    assert done.copy is not None
    seen = Pillow.open(io.BytesIO(done.copy.data)).convert("RGB")
    assert seen.size == (160, 120)
    assert {seen.getpixel((x, y)) for x in range(32, 96, 3) for y in range(32, 64, 3)} == {(0, 0, 0)}
    assert seen.getpixel((150, 110)) == (255, 255, 255)
    assert [region.polygon.bounds() for region in done.regions] == [(32, 32, 96, 64)]


def test_places_are_in_the_upright_picture_s_pixels() -> None:
    data = picture("JPEG", orientation=6)
    assert (inspect(data).width, inspect(data).height, inspect(data).orientation) == (160, 120, 6)
    done = redact(data, [BOX])
    assert done.copy is not None
    from PIL import ImageOps

    seen = ImageOps.exif_transpose(Pillow.open(io.BytesIO(done.copy.data))).convert("RGB")
    assert seen.getpixel((64, 48)) == (0, 0, 0)


@pytest.mark.parametrize("source", [str, Path, bytes, bytearray, memoryview])
def test_a_picture_is_a_file_or_its_bytes(tmp_path: Path, source: Any) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(picture())
    given = source(path) if source in (str, Path) else source(picture())
    done = redact(given, [BOX])
    assert done.copy is not None
    assert inspect(given).format == "png"
    assert path.read_bytes() == picture()


def test_the_policy_s_colour_is_used() -> None:
    own = cardveil.load_policy('fill: "#00ff00"\ncards: {}\n')
    done = redact(picture(), [BOX], policy=own)
    assert done.copy is not None
    assert Pillow.open(io.BytesIO(done.copy.data)).convert("RGB").getpixel((64, 48)) == (0, 255, 0)


@pytest.mark.parametrize(("data", "places", "status", "code"), [
    (picture(), [], "needs_review", "nothing_to_cover"),
    (picture(), [Polygon.box(900, 900, 950, 950)], "rejected", "region_outside"),
    (picture()[:200], [BOX], "rejected", "picture_truncated"),
    (b"", [BOX], "rejected", "empty_file"),
    (b"%PDF-1.4", [BOX], "rejected", "document_of_pages"),
    (picture(), [BOX] * 1001, "rejected", "too_many_regions"),
])  # fmt: skip
def test_what_cannot_be_redacted_gives_no_copy_and_a_reason(
    data: bytes, places: Any, status: str, code: str
) -> None:
    done = redact(data, places)
    assert (done.status.value, done.copy, done.findings, done.regions) == (status, None, (code,), ())


def test_a_file_that_is_too_large_is_refused_without_being_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    done = redact(path, [BOX])
    assert (done.copy, done.findings) == (None, ("picture_too_large",))
    with pytest.raises(Reject, match="picture_too_large"):
        inspect(path)


@pytest.mark.parametrize("place", [
    [[0, 0], [1, 1], [2, 2]], [*BOX, [9, 9]], [[0, 0], [1, 0], [1, float("nan")], [0, 1]], "here", 7, None,
    [["a", "b"]] * 4, {"name": "x"}, {"polygon": BOX}, {"name": 3, "polygon": BOX},
    {"name": "x", "polygon": BOX, "shown": True}, {"name": "x", "polygon": None}, [[1, 2, 3]] * 4,
])  # fmt: skip
def test_a_place_that_is_no_polygon_is_refused_by_number(place: Any) -> None:
    with pytest.raises(ValueError, match=r"^place 2 must be"):
        redact(picture(), [BOX, place])


@pytest.mark.parametrize("options", [
    {}, {"places": [BOX], "recogniser": Nobody(Recognition())}, {"places": [BOX], "card_type": "IDCard"},
    {"places": [BOX], "side": "front"}, {"places": [BOX], "proof": "recognise"},
])  # fmt: skip
def test_a_call_that_contradicts_itself_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(TypeError):
        redact(picture(), **options)


@pytest.mark.parametrize("options", [{"proof": "none"}, {"card_type": "Passport"}, {"side": "left"}])
def test_a_value_that_is_not_known_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(
        ValueError, match=next(iter(options.values()))[:4] if "proof" not in options else "proof"
    ):
        redact(picture(), recogniser=Nobody(Recognition()), **options)


def test_a_wrong_policy_is_refused_before_the_picture_is_read(tmp_path: Path) -> None:
    with pytest.raises(cardveil.Halt, match="policy_missing"):
        redact(tmp_path / "nothing.png", [BOX], policy="strcit")


def test_a_recogniser_that_finds_no_card_gives_no_copy() -> None:
    nobody = Nobody(Recognition())
    done = redact(picture(), recogniser=nobody, card_type="IDCard", side="front")
    assert (done.status.value, done.copy, done.findings) == ("rejected", None, ("no_card",))
    assert nobody.asked == [Hint(cardveil.CardType.ID_CARD, cardveil.Side.FRONT)]


def test_a_service_that_is_away_is_no_verdict_on_the_picture() -> None:
    with pytest.raises(Retry):
        redact(picture(), recogniser=Nobody(Retry("network_error", "try again")))


def test_a_file_that_is_not_there_is_said_as_python_says_it(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        redact(tmp_path / "nothing.png", [BOX])


def test_every_name_is_there_and_told_to_type_checkers_from_the_same_place() -> None:
    tree = ast.parse(Path(cardveil.__file__).read_text("utf-8"))
    told = {
        (node.module, alias.name)
        for branch in tree.body
        if isinstance(branch, ast.If)
        for node in branch.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert told == {(home, name) for home, names in cardveil._HOMES.items() for name in names}
    assert sorted(name for _, name in told) == sorted(cardveil.__all__)
    for name in cardveil.__all__:
        assert getattr(cardveil, name) is not None
        assert name in dir(cardveil)
    with pytest.raises(AttributeError, match="no attribute 'redcat'"):
        _ = cardveil.redcat
