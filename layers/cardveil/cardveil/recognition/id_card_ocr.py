"""CI's `IDCardOCR`: the text of an ID card's either side, in the bucket's own region."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final

import orjson

from cardveil.card.model import CardType, Field, Side, VendorWarning
from cardveil.core.frozen import dataclass
from cardveil.recognition.ai_license import request_id
from cardveil.recognition.field_names import field_name
from cardveil.recognition.interfaces import Image, Reading
from cardveil.recognition.parsing import many, response_of, text_of
from cardveil.recognition.warnings import CI_WARNINGS, findings_of_warnings, warnings_of
from cardveil.storage.vendor import vendor_errors

API: Final = "IDCardOCR"
#: Element names of each side (CI `IDCardOCR` and API 3.0 `RecognizeMainlandIDCardOCR` use the same).
FRONT_NAMES: Final = ("Name", "Sex", "Nation", "Birth", "Address", "IdNum")
BACK_NAMES: Final = ("Authority", "ValidDate")
#: All warnings are asked for, and that several cards are refused: it costs nothing. It must be a JSON string:
#: the SDK sends a dict wrongly.
_CONFIG: Final = orjson.dumps(
    dict.fromkeys(
        (
            "CopyWarn", "BorderCheckWarn", "ReshootWarn", "DetectPsWarn", "TempIdWarn", "InvalidDateWarn",
            "MultiCardDetect",
        ),
        True,
    )
).decode()  # fmt: skip


@dataclass(frozen=True, slots=True)
class CiIdCardReader:
    """Calls CI on an object of the bucket.

    Attributes
    ----------
    client : qcloud_cos.ai_recognition.AIRecognitionClient
    bucket : str
        Full name of the bucket in which `Image.key` stands.
    """

    client: Any
    bucket: str

    def read(self, image: Image, side: Side | None) -> Reading:
        """Read the card; without `side` the API decides which it is.

        Raises
        ------
        CardveilError
            The leaf of the vendor's code, e.g. `Reject` ``no_card``.
        """
        started = time.perf_counter()
        with vendor_errors(API):
            headers, data = self.client.cos_ai_id_card_ocr(
                Bucket=self.bucket,
                ObjectKey=image.key,
                CardSide=side.name if side else None,
                Config=_CONFIG,
            )
        elapsed = (time.perf_counter() - started) * 1000
        return read_answer(response_of(data, api=API), request_id(headers), elapsed)


def parameters(side: Side | None) -> dict[str, str]:
    """Return the query of a request that has a picture read while it is uploaded."""
    return {"ci-process": API, "Config": _CONFIG, **({"CardSide": side.name} if side else {})}


def read_answer(response: Mapping[str, Any], request: str = "", elapsed_ms: float = 0.0) -> Reading:
    """Read the content of ``<Response>``."""
    info = response.get("IdInfo")
    advanced = response.get("AdvancedInfo")
    # The page puts WarnInfos under IdInfo in its table and under AdvancedInfo in its text: take it anywhere.
    parts = [part for part in (response, *many(info), *many(advanced)) if isinstance(part, Mapping)]
    codes = [code for part in parts for code in many(part.get("WarnInfos"))]
    return reading_of_texts(
        info if isinstance(info, Mapping) else {},
        api=API,
        warnings=warnings_of(codes, CI_WARNINGS),
        request=request,
        elapsed_ms=elapsed_ms,
    )


def reading_of_texts(
    texts: Mapping[str, Any],
    *,
    api: str,
    warnings: tuple[VendorWarning, ...],
    request: str,
    elapsed_ms: float,
) -> Reading:
    """Build a reading from the element names that both ID-card APIs share.

    The side follows from the elements that hold text, and is the front where both do: a picture may show one
    front and one back. A warning that nobody understands is ``warning_unknown``.
    """
    found = {name: text for name in (*FRONT_NAMES, *BACK_NAMES) if (text := text_of(texts.get(name)))}
    front = any(name in found for name in FRONT_NAMES)
    back = any(name in found for name in BACK_NAMES)
    return Reading(
        api=api,
        fields=tuple(Field(field_name(name), text=text, sources=(api,)) for name, text in found.items()),
        card_type=CardType.ID_CARD if found else None,
        side=Side.FRONT if front else Side.BACK if back else None,
        warnings=warnings,
        findings=findings_of_warnings(warnings),
        request_id=request,
        elapsed_ms=elapsed_ms,
    )
