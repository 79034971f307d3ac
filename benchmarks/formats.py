"""TIFF, HEIC, AVIF and PDF: generated files and damaged ones; exit code 0 only if every promise held.

Counted are deaths of the parent, files that took longer than the limit, canaries that a copy holds, and HEICs
that do not stand upright. Copies that are PDFs are read by pdfium and, where it is installed, by Poppler's
``pdftotext``.
"""

from __future__ import annotations

import argparse
import io
import multiprocessing
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pypdfium2
from PIL import Image
from tests.support.heif import heic
from tests.support.papers_with_cards import FRONT, SheetRecogniser, sheet
from tests.support.pdf import CANARY, pages, scan

from cardveil.card.model import Polygon
from cardveil.core.errors import CardveilError
from cardveil.imaging.children import ChildLimits
from cardveil.imaging.conversion import opened
from cardveil.imaging.pages import PageLimits, is_document
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.document import examine_document
from cardveil.recognition.interfaces import Hint
from cardveil.redaction import Limits, Region, load_policy, redact
from cardveil_cloud.heif.convert import to_jpeg

#: Seconds of any time that one file may take: the children's own limit, and what starts and ends them.
LONGEST: Final = 60.0
_TURNS: Final = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip
_RULES: Final = RedactionRules(load_policy("standard"), Limits(), converter=to_jpeg)
_PAGES: Final = PageLimits(max_pixels=1_500_000, child=ChildLimits(seconds=20.0))


def picture(seed: int) -> Image.Image:
    """Return a picture with detail, its top left red so that its way up can be told."""
    rng = np.random.default_rng(seed)
    size = (int(rng.integers(5, 9)) * 16, int(rng.integers(3, 5)) * 16)
    coarse = Image.fromarray(rng.integers(60, 200, (size[1] // 8, size[0] // 8, 3), np.uint8))
    image = coarse.resize(size, Image.Resampling.BICUBIC)
    image.paste((230, 20, 20), (0, 0, 32, 16))
    return image


def turned_phone(seed: int) -> tuple[bytes, Image.Image]:
    """Return a HEIC and how it is to be seen: the way that is stored is turned back by the container."""
    orientation = seed % 8 + 1
    shown = picture(seed)
    way = _TURNS[orientation]
    coded = shown if way is None else shown.transpose(way)
    exif = (orientation, 1, None)[seed % 3]
    return heic(coded, orientation=orientation, exif=exif, xmp=b"<x>" + CANARY + b"</x>"), shown


def corpus() -> Iterator[tuple[str, bytes]]:
    """Yield the generated files with the kind of each; all carry canaries."""
    words = CANARY.decode()
    told = {270: words, 305: words, 700: CANARY, 65000: words, 33723: CANARY}
    kinds: dict[str, tuple[str, dict[str, Any]]] = {
        "plain": ("RGB", {}), "lzw": ("RGB", {"compression": "tiff_lzw"}),
        "deflate": ("RGB", {"compression": "tiff_adobe_deflate"}),
        "packbits": ("RGB", {"compression": "packbits"}),
        "jpeg": ("RGB", {"compression": "jpeg"}), "grey": ("L", {"compression": "tiff_lzw"}),
        "g4": ("1", {"compression": "group4"}), "g3": ("1", {"compression": "group3"}), "palette": ("P", {}),
        "cmyk": ("CMYK", {"compression": "tiff_lzw"}), "alpha": ("RGBA", {}), "16 bits": ("I;16", {}),
    }  # fmt: skip
    for name, (mode, options) in kinds.items():
        for orientation in range(1, 9):
            image = picture(orientation)
            image = _wide(image) if mode == "I;16" else image.convert(mode)
            yield f"tiff {name}", _saved(image, "TIFF", tiffinfo={**told, 274: orientation}, **options)
    for seed in range(72):
        yield "heic", turned_phone(seed)[0]
    for seed in range(64):
        block = Image.Exif()
        block[0x0112], block[270] = seed % 8 + 1, words
        yield "avif", _saved(picture(seed), "AVIF", exif=block, xmp=CANARY, quality=80)
    for seed in range(24):
        yield "pdf of a scan", scan(sheet(FRONT if seed % 2 else None, (1300, 860 + 8 * seed)), rotate=0)
        first = sheet(FRONT) if seed % 4 == 0 else picture(seed)
        images = [first, picture(seed), sheet(size=(90, 70 + seed))]
        yield "pdf of pages", pages(images, [0, 90, 180])
        many = [first, picture(seed + 1)]
        yield "tiff of pages", _saved(many[0], "TIFF", save_all=True, append_images=many[1:], tiffinfo=told)


def look(data: bytes) -> tuple[str, bytes]:
    """Redact one file of any kind; return its outcome, and the copy where there is one."""
    try:
        if is_document(data):
            done = examine_document(data, Hint(), SheetRecogniser(), _RULES, page_limits=_PAGES)
            return done.status.value if done.copy else done.findings[0], done.copy.data if done.copy else b""
        found = opened(data, _RULES.limits, to_jpeg)
        box = Polygon.box(2, 2, max(3, found.width // 3), max(3, found.height // 3))
        return "redacted", redact(found, [Region("a", box, "mask")]).data
    except CardveilError as refusal:
        return refusal.code, b""


def damaged(files: list[bytes], rng: random.Random) -> bytes:
    """Return one of the files with a few bytes changed, taken away, added or repeated, or cut off."""
    data = bytearray(rng.choice(files))
    for _ in range(rng.choice((1, 1, 2, 4, 16))):
        # Headers lie at the beginning, and in a TIFF of Pillow's and a PDF at the end.
        at = rng.choice(
            (rng.randrange(min(len(data), 800)), rng.randrange(len(data)), -rng.randrange(1, 400))
        )
        at %= len(data)
        kind = rng.randrange(6)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at] = rng.choice((0, 1, 127, 128, 255))
        elif kind == 2:
            data[at : at + 4] = rng.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF)).to_bytes(4, "little")
        elif kind == 3:
            del data[at : at + rng.choice((1, 2, 16, 200))]
        elif kind == 4:
            data[at:at] = data[: rng.choice((1, 8, 64))]
        elif rng.random() < 0.3:
            del data[at:]
        if not data:
            return b"II*\x00"
    return bytes(data)


def _serve(pipe: Any) -> None:
    while (data := pipe.recv()) is not None:
        pipe.send(look(data))


class Parent:
    """A process that redacts what it is given; that it dies is counted, and another takes its place."""

    def __init__(self) -> None:
        self.deaths = self.hangs = 0
        self.slowest = 0.0
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def look(self, data: bytes) -> tuple[str, bytes]:
        """Return what `look` does, ``died`` or ``hung``."""
        begun = time.monotonic()
        try:
            self._pipe.send(data)
            if not self._pipe.poll(LONGEST):
                self.hangs += 1
                self._process.kill()
                self._begin()
                return "hung", b""
            outcome: tuple[str, bytes] = self._pipe.recv()
        except (EOFError, OSError):
            self.deaths += 1
            self._begin()
            return "died", b""
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return outcome


def holds_canary(copy: bytes) -> bool:
    """Say whether a copy holds the canary: in its bytes, or in what other readers find in it."""
    if CANARY in copy:
        return True
    if copy[:5] != b"%PDF-":
        return False
    document = pypdfium2.PdfDocument(copy)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    if text or document.count_attachments() or any(document.get_metadata_dict().values()):
        return True
    if shutil.which("pdftotext") is None:
        return False
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(copy)
        file.flush()
        told = subprocess.run(["pdftotext", file.name, "-"], capture_output=True, check=True).stdout
    return bool(told.strip())


def upright(count: int) -> int:
    """Return how many generated HEICs are seen as they are to be."""
    right = 0
    for seed in range(count):
        data, shown = turned_phone(seed)
        found = opened(data, Limits(), to_jpeg)
        seen = Image.open(io.BytesIO(found.data)).convert("RGB")
        alike = seen.size == shown.size and (
            np.abs(np.asarray(seen).astype(int) - np.asarray(shown)).mean() < 8
        )
        right += alike and not found.conflicting
    return right


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damaged", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1e9, help="end earlier, and say after how many")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    begun = time.monotonic()
    files = list(corpus())
    carrying = sum(CANARY in data for _, data in files)
    parent, canaries = Parent(), 0
    ends = dict[str, Counter[str]]()
    for kind, data in files:
        outcome, copy = parent.look(data)
        canaries += bool(copy) and holds_canary(copy)
        ends.setdefault(kind, Counter())[outcome] += 1
    rng, tried, outcomes = random.Random(arguments.seed), 0, Counter[str]()
    whole = [data for _, data in files]
    while tried < arguments.damaged and time.monotonic() - begun < arguments.seconds:
        outcome, copy = parent.look(damaged(whole, rng))
        canaries += bool(copy) and copy[:5] != b"%PDF-" and CANARY in copy
        outcomes[outcome] += 1
        tried += 1
    right = upright(50)
    for kind, counted in ends.items():
        print(f"{kind:16} {', '.join(f'{count} {outcome}' for outcome, count in counted.most_common())}")
    print(f"generated files          {len(files)}, {carrying} with canaries")
    print(f"damaged files            {tried}")
    for outcome, count in outcomes.most_common():
        print(f"  {outcome:22} {count}")
    print(f"deaths of the parent     {parent.deaths}")
    print(f"files over {LONGEST:.0f} s          {parent.hangs}; the slowest took {parent.slowest:.1f} s")
    print(f"copies with a canary     {canaries}")
    print(f"HEICs upright            {right} of 50")
    print(f"seconds                  {time.monotonic() - begun:.0f}")
    return 1 if parent.deaths or parent.hangs or canaries or right != 50 else 0


def _wide(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main())
