"""Digits are not recovered from the pixels around a cover, however often their picture was saved before.

A JPEG's blocks spread what is inside them. A picture that was a JPEG once still holds that, whatever it is
now and however it was cropped since. The attacker knows the font, the places, the way the picture was saved
and the redactor; only the digits are unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from cardveil.card.model import Polygon
from cardveil.core.errors import Review
from cardveil.core.frozen import replace
from cardveil.redaction import Region, grid, inspect, redact

COLUMNS, ROWS, PICTURES = 5, 4, 6
#: Pixels from one digit to the next: not a multiple of 16, so that digits lie at every place of a block.
STEP = (124, 116)
SIZE = (COLUMNS * STEP[0] + 12, ROWS * STEP[1] + 12)
#: A digit's ink and two pixels, as a good detector gives it: left, top, right, bottom.
BOX = (54, 46, 70, 70)
#: How far from the box the attacker looks, in pixels.
REACH = 44
NOISE = 1.0
INKS = {"dark": (40, 38, 44), "red": (176, 30, 36)}
GUESSING = 0.15


def _boxes() -> list[Polygon]:
    return [
        Polygon.box(x + BOX[0], y + BOX[1], x + BOX[2], y + BOX[3])
        for y in range(0, ROWS * STEP[1], STEP[1])
        for x in range(0, COLUMNS * STEP[0], STEP[0])
    ]


def _picture(digits: Sequence[int], ink: tuple[int, int, int], noise: float, seed: int = 0) -> Any:
    image = Image.new("RGB", SIZE, (236, 232, 222))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(30)
    for digit, box in zip(digits, _boxes(), strict=True):
        left, top, _, _ = box.bounds()
        draw.text((left + 8, top + 12), str(digit), fill=ink, font=font, anchor="mm")
    grain = np.random.default_rng(seed).normal(0, noise, (SIZE[1], SIZE[0], 3))
    return np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)


def _shown(kit: Any, data: bytes) -> Any:
    return Image.fromarray(kit.decoded(data))


def _cropped(kit: Any, data: bytes) -> Any:
    return _shown(kit, data).crop((3, 5, *SIZE))


#: How a picture came to be what it is: from a JPEG of a camera, and by how much it was cropped on the way.
CHAINS: dict[str, tuple[Callable[[Any, bytes], bytes], tuple[int, int]]] = {
    "JPEG": (lambda kit, data: data, (0, 0)),
    "JPEG→PNG": (lambda kit, data: kit.pillow(_shown(kit, data), "PNG", compress_level=1), (0, 0)),
    "JPEG→crop→PNG": (lambda kit, data: kit.pillow(_cropped(kit, data), "PNG", compress_level=1), (3, 5)),
    "JPEG→crop→JPEG": (lambda kit, data: kit.jpeg(np.asarray(_cropped(kit, data)), quality=98), (3, 5)),
    "JPEG→crop→BMP": (lambda kit, data: kit.pillow(_cropped(kit, data), "BMP"), (3, 5)),
    "JPEG→lossless WebP": (
        lambda kit, data: kit.pillow(_shown(kit, data), "WEBP", lossless=True, method=0, quality=0),
        (0, 0),
    ),
}


def _ours(kit: Any, data: bytes, boxes: Sequence[Polygon]) -> bytes:
    return redact(inspect(data), [Region("id_number", box, "mask") for box in boxes]).data


def _tight(kit: Any, data: bytes, boxes: Sequence[Polygon]) -> bytes:
    """Redact as most people would: black boxes on the pixels, saved without loss."""
    image = _shown(kit, data)
    for box in boxes:
        ImageDraw.Draw(image).polygon(list(box.points), fill="black")
    return bytes(kit.pillow(image, "PNG", compress_level=1))


def _recovered(
    kit: Any, chain: str, ink: str, redactor: Callable[..., bytes], pictures: int, noise: float = NOISE
) -> float:
    """Return the share of digits that the attacker names."""
    derive, (dx, dy) = CHAINS[chain]
    boxes = [Polygon.of((x - dx, y - dy) for x, y in box.points) for box in _boxes()]

    def around(digits: Sequence[int], noise: float, seed: int = 0) -> list[Any]:
        source = derive(kit, kit.jpeg(_picture(digits, INKS[ink], noise, seed), quality=88))
        copy = kit.decoded(redactor(kit, source, boxes)).astype(float)
        found = []
        for box in boxes:
            left, top, right, bottom = (round(value) for value in box.bounds())
            found.append(copy[max(top - REACH, 0) : bottom + REACH, max(left - REACH, 0) : right + REACH])
        return found

    models = [around([digit] * len(boxes), 0.0) for digit in range(10)]
    random = np.random.default_rng(5)
    hits = 0
    for number in range(pictures):
        truth = [int(d) for d in random.integers(0, 10, len(boxes))]
        for place, seen in enumerate(around(truth, noise, number + 1)):
            off = [float(np.square(seen - model[place]).sum()) for model in models]
            best = [d for d in range(10) if off[d] <= min(off) * (1 + 1e-12)]
            hits += int(random.choice(best)) == truth[place]
    return hits / (pictures * len(boxes))


@pytest.mark.parametrize(("chain", "ink"), [*((chain, "red") for chain in CHAINS), ("JPEG→crop→PNG", "dark")])
def test_an_attacker_is_left_to_guess(kit: Any, chain: str, ink: str) -> None:
    assert _recovered(kit, chain, ink, _ours, PICTURES) <= GUESSING
    # The control: what most people do.
    assert _recovered(kit, chain, ink, _tight, 1) >= 0.5


@pytest.mark.parametrize(("chain", "cell"), [("JPEG→PNG", 8), ("JPEG→crop→PNG", 16)])
def test_smaller_cells_and_no_margin_would_tell(
    kit: Any, monkeypatch: pytest.MonkeyPatch, chain: str, cell: int
) -> None:
    """The control of the control: it is these sixteen pixels that leave nothing."""
    monkeypatch.setattr(grid, "CELL", cell)
    monkeypatch.setattr(grid, "MARGIN", 0.0)
    assert _recovered(kit, chain, "red", _ours, 2) >= 2 * GUESSING


def test_a_lossy_webp_is_not_published(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """VP8 predicts each block from its neighbours, so that no margin helps: a person must look."""
    monkeypatch.setitem(CHAINS, "WebP", (lambda kit, data: _lossy_webp(kit, data), (0, 0)))
    with pytest.raises(Review, match="lossy_webp"):
        _recovered(kit, "WebP", "red", _ours, 1)

    def as_if_lossless(kit: Any, data: bytes, boxes: Sequence[Polygon]) -> bytes:
        regions = [Region("id_number", box, "mask") for box in boxes]
        return redact(replace(inspect(data), lossy_webp=False), regions).data

    # The control: what would be published otherwise, of a scan without grain.
    assert _recovered(kit, "WebP", "red", as_if_lossless, 2, noise=0.0) >= 2 * GUESSING


@pytest.mark.parametrize("kind", ["plain", "extended", "transparent"])
def test_every_way_of_storing_a_lossy_webp_is_known(kit: Any, kind: str) -> None:
    image = Image.fromarray(kit.noise(1, 96, 64))
    options: dict[str, Any] = {"extended": {"exif": b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x00\x00"}}.get(
        kind, {}
    )
    if kind == "transparent":
        image = image.convert("RGBA")
        image.putalpha(200)
    source = kit.pillow(image, "WEBP", lossless=False, quality=80, **options)
    with pytest.raises(Review, match="lossy_webp"):
        redact(inspect(source), [], shown=[Polygon.box(0, 0, 48, 64)])
    lossless = kit.pillow(image, "WEBP", lossless=True, **options)
    assert redact(inspect(lossless), [], shown=[Polygon.box(0, 0, 48, 64)]).path == "pixels"


def _lossy_webp(kit: Any, data: bytes) -> bytes:
    return bytes(kit.pillow(_shown(kit, data), "WEBP", lossless=False, quality=75, method=0))
