"""Files of scanners and phones for `benchmarks.formats`: with canaries, other projects', and damaged."""

from __future__ import annotations

import io
import random
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image
from tests.support.heif import heic
from tests.support.iphone import iphone
from tests.support.papers_with_cards import FRONT, sheet
from tests.support.pdf import CANARY, pages, scan

#: Packages whose source distributions hold such files, for their own tests.
_PACKAGES: Final = ("pillow==12.2.0", "pikepdf==10.18.0", "pypdfium2==5.15.2")
_ENDINGS: Final = (".tif", ".tiff", ".heic", ".heif", ".avif", ".pdf", ".mpo")
_TURNS: Final = {
    1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
}  # fmt: skip


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


def iphone_picture(seed: int) -> tuple[bytes, Image.Image, bool]:
    """Return a HEIC of a phone, how it is to be seen, and whether its EXIF names another turn."""
    orientation, shown = seed % 8 + 1, picture(seed).resize((304, 208))
    way = _TURNS[orientation]
    exif = orientation if seed % 5 else orientation % 8 + 1
    data = iphone(
        shown if way is None else shown.transpose(way), orientation=orientation, exif=exif, canary=CANARY
    )
    return data, shown, exif not in (orientation, 1)


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
    for seed in range(16):
        yield "heic of a phone", iphone_picture(seed)[0]
        yield "jpeg of two pictures", _two_pictures(seed)
    for seed in range(24):
        scanned = scan(sheet(FRONT if seed % 2 else None))
        yield "pdf with an update", scanned + b"12 0 obj\n<</Title(" + CANARY + b")>>\nendobj\n"
        yield "pdf of a scan", scan(sheet(FRONT if seed % 2 else None, (1300, 860 + 8 * seed)), rotate=0)
        first = sheet(FRONT) if seed % 4 == 0 else picture(seed)
        images = [first, picture(seed), sheet(size=(90, 70 + seed))]
        yield "pdf of pages", pages(images, [0, 90, 180])
        many = [first, picture(seed + 1)]
        yield "tiff of pages", _saved(many[0], "TIFF", save_all=True, append_images=many[1:], tiffinfo=told)


def foreign(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the files of the packages' source distributions, which are fetched into `folder` once.

    Raises
    ------
    subprocess.CalledProcessError
        If the package index does not give them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for package in _PACKAGES:
        name, _, version = package.partition("==")
        path = folder / f"{name}-{version}.tar.gz"
        if not path.exists():
            command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--no-binary", ":all:"]
            subprocess.run([*command, "-d", str(folder), package], check=True)
        with tarfile.open(path) as archive:
            for member in archive.getmembers():
                file = archive.extractfile(member) if member.name.lower().endswith(_ENDINGS) else None
                if file is not None:
                    yield f"{name}'s {Path(member.name).suffix.lower()[1:]}", file.read()


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


def _two_pictures(seed: int) -> bytes:
    """Return an MPO: a JPEG with a second picture behind it, which is no part of what is shown."""
    block = Image.Exif()
    block[270] = CANARY.decode()
    return _saved(
        picture(seed), "MPO", save_all=True, append_images=[picture(seed + 1)], exif=block, comment=CANARY
    )


def _wide(image: Image.Image) -> Image.Image:
    return Image.fromarray(np.asarray(image.convert("L")).astype(np.uint16) * 257)


def _saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()
