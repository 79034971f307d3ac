"""CI's general OCR: all text of a picture with its places, for backs of ID cards and as a second look."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from cardveil.core.errors import RETRY_HINT, Retry
from cardveil.core.frozen import dataclass
from cardveil.recognition.interfaces import Image, Reading, TextLine
from cardveil.recognition.parsing import many, number_of, polygon_of, response_of, text_of
from cardveil.storage.vendor import vendor_errors

API: Final = "OCR"


@dataclass(frozen=True, slots=True)
class GeneralOcr:
    """Calls CI on an object of the bucket.

    Attributes
    ----------
    client : qcloud_cos.CosS3Client
    bucket : str
        Full name of the bucket in which `Image.key` stands.
    """

    client: Any
    bucket: str

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        """Return the lines of text, and the call's own record.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code.
        """
        started = time.perf_counter()
        with vendor_errors(API):
            try:
                data = self.client.ci_ocr_process(Bucket=self.bucket, Key=f"/{image.key}")
            except ParseError:
                raise Retry("answer_unreadable", RETRY_HINT, api=API) from None
        elapsed = (time.perf_counter() - started) * 1000
        response = response_of(data, api=API)
        lines = tuple(
            line
            for item in many(response.get("TextDetections"))
            if isinstance(item, Mapping) and (line := _line(item))
        )
        return lines, Reading(api=API, elapsed_ms=elapsed)


def _line(item: Mapping[str, Any]) -> TextLine | None:
    corners = [
        (number_of(point.get("X")), number_of(point.get("Y")))
        for point in many(item.get("Polygon"))
        if isinstance(point, Mapping)
    ]
    polygon = polygon_of((x, y) for x, y in corners if x is not None and y is not None)
    text = text_of(item.get("DetectedText"))
    if polygon is None or text is None:
        return None
    return TextLine(text, number_of(item.get("Confidence")) or 0.0, polygon)
