"""What is not one picture that is decoded here: pages, converted pictures, PDFs of proven pictures alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cardveil.core.errors import proof_failed
from cardveil.core.frozen import dataclass
from cardveil.imaging.conversion import Converted, Converter, opened
from cardveil.imaging.jpeg import read_header
from cardveil.imaging.limits import Limits, decoder_missing, too_large
from cardveil.imaging.pages import Page, PageLimits, count_pages, is_document, page_limits_of, pages_of

__all__ = [
    "MEDIA_TYPE",
    "Converted",
    "Converter",
    "Page",
    "PageLimits",
    "Sheet",
    "build_pdf",
    "count_pages",
    "decoder_missing",
    "is_document",
    "opened",
    "page_limits_of",
    "pages_of",
    "too_large",
]

MEDIA_TYPE: Final = "application/pdf"


@dataclass(frozen=True, slots=True)
class Sheet:
    """A JPEG that stands as it is shown, and the size of its page in points."""

    jpeg: bytes
    width: float
    height: float


def build_pdf(sheets: Sequence[Sheet]) -> bytes:
    """Return a PDF 1.4 with a page for each sheet; the same bytes for the same sheets.

    Raises
    ------
    Review
        ``proof_failed`` for a picture of four colour planes.
    """
    count = len(sheets)
    kids = " ".join(f"{3 + 3 * number} 0 R" for number in range(count))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Count {count}/Kids[{kids}]>>".encode(),
    ]
    for number, sheet in enumerate(sheets):
        header = read_header(sheet.jpeg, Limits())
        if header.colour not in ("grey", "ycc"):
            raise proof_failed("a page has other colours than were written")
        space = "DeviceGray" if header.colour == "grey" else "DeviceRGB"
        width, height = f"{sheet.width:.2f}", f"{sheet.height:.2f}"
        drawn = f"q {width} 0 0 {height} 0 0 cm /P Do Q".encode()
        first = 3 + 3 * number
        objects += [
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 {width} {height}]"
            f"/Resources<</XObject<</P {first + 2} 0 R>>>>/Contents {first + 1} 0 R>>".encode(),
            _stream(b"", drawn),
            _stream(
                f"/Type/XObject/Subtype/Image/Width {header.width}/Height {header.height}"
                f"/ColorSpace/{space}/BitsPerComponent 8/Filter/DCTDecode".encode(),
                sheet.jpeg,
            ),
        ]
    out, places = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"), list[int]()
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n%b" % (len(objects) + 1, table)
    out += b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)
    return bytes(out)


def _stream(said: bytes, body: bytes) -> bytes:
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (said, len(body), body)
