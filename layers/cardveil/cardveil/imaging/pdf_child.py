"""Runs as a process of its own: a PDF on standard input, its pages as JPEGs on standard output.

Each page is told by its width and height in points (two floats), the length of its JPEG, and the JPEG. Shown
is what a viewer shows: rotation, annotations, filled forms, but no hidden text, layer, attachment or script.
It exits with 3 for a damaged file, 4 for one that takes too much memory, 5 where there is no `pypdfium2`,
6 for an encrypted one and 7 for one of too many pages.
"""

from __future__ import annotations

import io
import json
import math
import resource
import struct
import sys
from typing import Any

_CORRUPT, _TOO_LARGE, _UNSUPPORTED, _ENCRYPTED, _TOO_LONG = 3, 4, 5, 6, 7
#: pdfium's own number for a password that is missing (fpdfview.h, FPDF_ERR_PASSWORD).
_PASSWORD = 4


def main() -> int:
    """Draw the pages of the one file."""
    told = json.loads(sys.argv[1])
    seconds, memory = math.ceil(told["limits"]["seconds"]), int(told["limits"]["memory"])
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.path[:] = told["path"]
    data = sys.stdin.buffer.read()
    try:
        import pypdfium2
    except ImportError:
        return _UNSUPPORTED
    try:
        document = pypdfium2.PdfDocument(data)
        if not 0 < len(document) <= told["max_pages"]:
            return _TOO_LONG if len(document) else _CORRUPT
        document.init_forms()
        for number in range(len(document)):
            _write_page(document[number], told)
    except MemoryError:
        return _TOO_LARGE
    except pypdfium2.PdfiumError as error:
        return _ENCRYPTED if getattr(error, "err_code", None) == _PASSWORD else _CORRUPT
    except (OSError, ValueError, OverflowError):
        return _CORRUPT
    sys.stdout.buffer.flush()
    return 0


def _write_page(page: Any, told: dict[str, Any]) -> None:
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
    image = (
        page.render(scale=scale * (1 - 1e-6), may_draw_forms=True, draw_annots=True).to_pil().convert("RGB")
    )
    page.close()
    out = io.BytesIO()
    image.save(out, "JPEG", quality=95, subsampling=0)
    sys.stdout.buffer.write(struct.pack(">ffI", width, height, out.tell()) + out.getvalue())


if __name__ == "__main__":
    sys.exit(main())
