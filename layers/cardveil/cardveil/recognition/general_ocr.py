"""CI's general OCR: all text of a picture with its places: the witness, and the places on ID cards' backs."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from xml.etree.ElementTree import ParseError

from cardveil.card.model import Polygon
from cardveil.core.errors import Review, answer_unreadable
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
            The leaf of the vendor's code; `Review` when a line comes without its place.
        """
        started = time.perf_counter()
        with vendor_errors(API):
            try:
                data = self.client.ci_ocr_process(Bucket=self.bucket, Key=f"/{image.key}", Isword=True)
            except ParseError:
                raise answer_unreadable(API) from None
        elapsed = (time.perf_counter() - started) * 1000
        response = response_of(data, api=API)
        lines = tuple(
            _line(item) for item in many(response.get("TextDetections")) if isinstance(item, Mapping)
        )
        request_id = text_of(response.get("RequestId")) or ""
        return lines, Reading(api=API, request_id=request_id, elapsed_ms=elapsed)


def _line(item: Mapping[str, Any]) -> TextLine:
    polygon = _polygon(item.get("Polygon"))
    if polygon is None:
        # Text whose place is unknown cannot be covered; asked again, the service would say the same.
        raise Review("answer_unreadable", "mark the fields by hand", api=API)
    # Text that could not be read stands there all the same.
    text = text_of(item.get("DetectedText")) or ""
    return TextLine(text, number_of(item.get("Confidence")) or 0.0, polygon, _characters(text, item))


def _characters(text: str, item: Mapping[str, Any]) -> tuple[Polygon, ...]:
    """Return the characters' places (``isword``); none at all unless there is one for each character."""
    words = [word for word in many(item.get("Words")) if isinstance(word, Mapping)]
    if [word.get("Character") for word in words] != list(text):
        return ()
    places = [_polygon(_corners_of(word)) for word in words]
    found = tuple(place for place in places if place)
    return found if len(found) == len(text) else ()


def _corners_of(word: Mapping[str, Any]) -> Any:
    point = word.get("WordCoordPoint")
    return point.get("WordCoordinate") if isinstance(point, Mapping) else None


def _polygon(points: Any) -> Polygon | None:
    corners = [
        (number_of(point.get("X")), number_of(point.get("Y")))
        for point in many(points)
        if isinstance(point, Mapping)
    ]
    return polygon_of((x, y) for x, y in corners if x is not None and y is not None)
