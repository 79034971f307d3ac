"""API 3.0 `RecognizeMainlandIDCardOCR`: the text of an ID card's either side, read in Singapore."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, Final

from cardveil.card.model import Side
from cardveil.core.errors import answer_unreadable, from_vendor
from cardveil.core.frozen import dataclass
from cardveil.recognition.id_card_ocr import reading_of_texts
from cardveil.recognition.interfaces import Image, Reading
from cardveil.recognition.warnings import API_WARNINGS, warnings_of
from cardveil.storage.vendor import vendor_errors

API: Final = "RecognizeMainlandIDCardOCR"


@dataclass(frozen=True, slots=True)
class MainlandIdCardReader:
    """Calls the OCR API with the picture itself, so that no link to the bucket leaves the region.

    Attributes
    ----------
    connect : callable
        Gives the SDK's ``CommonClient`` for service ``ocr``, version ``2018-11-19``, when it is needed: one
        that is never asked need not be built.
    """

    connect: Callable[[], Any]
    #: It is sent the bytes themselves: what stands under the key meanwhile does not matter.
    by_key: ClassVar[bool] = False

    def read(self, image: Image, side: Side | None) -> Reading:
        """Read the card; without `side` the API decides which it is.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code, e.g. `Reject` ``no_card``.
        """
        parameters: dict[str, Any] = {"ImageBase64": base64.b64encode(image.data).decode("ascii")}
        if side:
            parameters["CardSide"] = side.name
        started = time.perf_counter()
        with vendor_errors(API):
            client = self.connect()
            answer = client.call_json(API, parameters)
        elapsed = (time.perf_counter() - started) * 1000
        response = answer.get("Response") if isinstance(answer, Mapping) else None
        if not isinstance(response, Mapping):
            raise answer_unreadable(API)
        request = str(response.get("RequestId") or "")
        error = response.get("Error")
        if isinstance(error, Mapping):
            # With a charset in its content type, the SDK returns an error instead of raising it.
            raise from_vendor(str(error.get("Code") or ""), api=API, request_id=request)
        return reading_of_texts(
            response,
            api=API,
            warnings=warnings_of(response.get("WarnCardInfos"), API_WARNINGS),
            request=request,
            elapsed_ms=elapsed,
        )
