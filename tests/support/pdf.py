"""PDFs written by hand, object by object, with all that a copy must not hold."""

from __future__ import annotations

import io
from collections.abc import Sequence

from PIL import Image

CANARY = b"CANARY-3301"


def stream(said: bytes, body: bytes) -> bytes:
    """Return a stream object's body."""
    return b"<<%b/Length %d>>\nstream\n%b\nendstream" % (said, len(body), body)


def pdf(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """Return a PDF of these objects, the first of which is its catalog."""
    out, places = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"), []
    for number, body in enumerate(objects, start=1):
        places.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    out += b"".join(b"%010d 00000 n \n" % place for place in places)
    out += b"trailer\n<</Size %d/Root 1 0 R%b>>\n" % (len(objects) + 1, trailer)
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def scan(image: Image.Image, *, rotate: int = 0) -> bytes:
    """Return a scanner's PDF of one page, with text beneath it, an attachment, a layer and much else."""
    jpeg = io.BytesIO()
    image.save(jpeg, "JPEG", quality=95, subsampling=0, comment=CANARY)
    width, height = image.width * 72 / 300, image.height * 72 / 300
    drawn = b"q %.2f 0 0 %.2f 0 0 cm /P Do Q\n" % (width, height)
    drawn += b"BT 3 Tr /F 12 Tf 40 40 Td (%b) Tj ET\n" % CANARY
    drawn += b"/OC /L BDC BT 0 Tr /F 12 Tf 40 60 Td (%b) Tj ET EMC\n" % CANARY
    return pdf(
        [
            b"<</Type/Catalog/Pages 2 0 R/Metadata 8 0 R/Names<</EmbeddedFiles<</Names[(a) 9 0 R]>>>>"
            b'/OpenAction<</S/JavaScript/JS(app.alert\\("%b"\\))>>'
            b"/OCProperties<</OCGs[7 0 R]/D<</OFF[7 0 R]>>>>>>" % CANARY,
            b"<</Type/Pages/Count 1/Kids[3 0 R]>>",
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Rotate %d/Contents 4 0 R/Annots[11 0 R]"
            b"/Resources<</XObject<</P 5 0 R>>/Font<</F 6 0 R>>/Properties<</L 7 0 R>>>>>>"
            % (width, height, rotate),
            stream(b"", drawn),
            stream(
                b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8"
                b"/Filter/DCTDecode" % image.size,
                jpeg.getvalue(),
            ),
            b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            b"<</Type/OCG/Name(%b)>>" % CANARY,
            stream(b"/Type/Metadata/Subtype/XML", b"<x:xmpmeta>" + CANARY + b"</x:xmpmeta>"),
            b"<</Type/Filespec/F(%b.txt)/EF<</F 10 0 R>>>>" % CANARY,
            stream(b"/Type/EmbeddedFile", CANARY),
            b"<</Type/Annot/Subtype/Text/Rect[1 1 2 2]/F 2/Contents(%b)>>" % CANARY,
            b"<</Title(%b)/Author(%b)>>" % (CANARY, CANARY),
        ],
        b"/Info 12 0 R",
    )


def pages(images: Sequence[Image.Image], turns: Sequence[int] = ()) -> bytes:
    """Return a PDF of pictures, each a page of its own size, turned by so many degrees."""
    kids = b" ".join(b"%d 0 R" % (3 + 3 * number) for number in range(len(images)))
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Count %d/Kids[%b]>>" % (len(images), kids)
    ]  # fmt: skip
    for number, image in enumerate(images):
        jpeg = io.BytesIO()
        image.save(jpeg, "JPEG", quality=95, subsampling=0)
        size = (image.width * 72 / 300, image.height * 72 / 300)
        turn = turns[number] if turns else 0
        objects += [
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Rotate %d/Contents %d 0 R"
            b"/Resources<</XObject<</P %d 0 R>>>>>>" % (*size, turn, 4 + 3 * number, 5 + 3 * number),
            stream(b"", b"q %.2f 0 0 %.2f 0 0 cm /P Do Q" % size),
            stream(
                b"/Type/XObject/Subtype/Image/Width %d/Height %d/ColorSpace/DeviceRGB/BitsPerComponent 8"
                b"/Filter/DCTDecode" % image.size,
                jpeg.getvalue(),
            ),
        ]
    return pdf(objects)
