"""Draws the pages of a PDF as JPEGs, in a process of its own; see `child_main`.

First the number of pages is told. Each page is told by its width and height in points (two floats), the
length of its JPEG, and the JPEG. Shown is what a viewer shows: rotation, annotations, filled forms, but no
hidden text, layer, attachment or script.
"""

from __future__ import annotations

import io
import math
import struct
from typing import Any, BinaryIO

# As `children` numbers them; nothing of ours can be imported here.
_CORRUPT, _ENCRYPTED, _TOO_LONG = 3, 6, 7
#: pdfium's own number for a password that is missing (fpdfview.h, FPDF_ERR_PASSWORD).
_PASSWORD = 4


def work(data: bytes, told: dict[str, Any], out: BinaryIO) -> int:
    """Draw all pages, or the one that is asked for."""
    try:
        import pypdfium2
    except OSError as error:
        raise ImportError from error  # its library cannot be loaded here

    try:
        document = pypdfium2.PdfDocument(data)
        if not 0 < len(document) <= told["max_pages"]:
            return _TOO_LONG if len(document) else _CORRUPT
        out.write(struct.pack(">I", len(document)))
        document.init_forms()
        only = told["only"]
        for number in range(len(document)):
            if only not in (None, number):
                continue
            _write_page(document[number], told, out)
            out.flush()
    except pypdfium2.PdfiumError as error:
        return _ENCRYPTED if getattr(error, "err_code", None) == _PASSWORD else _CORRUPT
    except (OSError, ValueError, OverflowError):
        return _CORRUPT
    return 0


def _write_page(page: Any, told: dict[str, Any], out: BinaryIO) -> None:
    width, height = page.get_size()
    if not (math.isfinite(width * height) and width > 0 and height > 0):
        raise ValueError("a page without a size")
    scale = min(
        told["dpi"] / 72,
        math.sqrt(told["max_pixels"] / (width * height)),
        told["max_side"] / max(width, height),
    )
    if min(width, height) * scale < 1:
        raise ValueError("a page without a pixel")
    # pdfium's sizes are rounded up, and a hair is a row more.
    drawn = page.render(scale=scale * (1 - 1e-6), may_draw_forms=True, draw_annots=True, rev_byteorder=True)
    image = drawn.to_pil().convert("RGB")
    page.close()
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=95, subsampling=0)
    drawn.close()
    out.write(struct.pack(">ffI", width, height, jpeg.tell()) + jpeg.getvalue())
