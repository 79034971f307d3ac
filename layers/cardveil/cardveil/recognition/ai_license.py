"""`AILicenseRec`: where the fields of an ID card's front or a licence's main page stand."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

from cardveil.card.model import CardType, Field, Polygon, Side
from cardveil.core.frozen import dataclass
from cardveil.recognition.field_names import field_name
from cardveil.recognition.interfaces import Image, Reading
from cardveil.recognition.parsing import many, number_of, polygon_of, response_of, text_of
from cardveil.storage.vendor import vendor_errors

API: Final = "AILicenseRec"


@dataclass(frozen=True, slots=True)
class LicenseLocator:
    """Calls CI on an object of the bucket.

    Attributes
    ----------
    client : qcloud_cos.ai_recognition.AIRecognitionClient
    bucket : str
        Full name of the bucket in which `Image.key` stands.
    """

    client: Any
    bucket: str

    def locate(self, image: Image, card_type: CardType) -> Reading:
        """Locate the fields; an answer without fields means that no such card was seen.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code.
        """
        started = time.perf_counter()
        with vendor_errors(API):
            headers, data = self.client.cos_ai_license_rec(
                Bucket=self.bucket, ObjectKey=image.key, CardType=card_type.value
            )
        elapsed = (time.perf_counter() - started) * 1000
        return read_answer(response_of(data, api=API), card_type, request_id(headers), elapsed)


def read_answer(
    response: Mapping[str, Any], card_type: CardType, request: str = "", elapsed_ms: float = 0.0
) -> Reading:
    """Read the content of ``<Response>``, which a finished job carries too."""
    fields: tuple[Field, ...] = ()
    # Status 0 means that nothing was identified; absent (in jobs of old) the fields decide.
    if str(response.get("Status", "1")).strip() != "0":
        infos = [info for info in many(response.get("IdInfo")) if isinstance(info, Mapping)]
        fields = tuple(_field(info, card_type) for info in infos)
    return Reading(
        api=API,
        fields=fields,
        card_type=card_type if fields else None,
        side=Side.FRONT if fields else None,
        request_id=request,
        elapsed_ms=elapsed_ms,
    )


def request_id(headers: Mapping[str, str]) -> str:
    """Return the id under which COS or CI remembers a call."""
    return str(headers.get("x-ci-request-id") or headers.get("x-cos-request-id") or "")


def _field(info: Mapping[str, Any], card_type: CardType) -> Field:
    return Field(
        name=field_name(str(info.get("Name") or ""), card_type),
        text=text_of(info.get("DetectedText")),
        score=number_of(info.get("Score")),
        polygon=_polygon(info.get("Location")),
        sources=(API,),
    )


def _polygon(location: Any) -> Polygon | None:
    if not isinstance(location, Mapping):
        return None
    try:
        points = [[float(part) for part in str(point).split(",")] for point in many(location.get("Point"))]
        return polygon_of(points)
    except ValueError:
        return None
