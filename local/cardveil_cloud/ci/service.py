"""Cloud Infinite as COS calls it: one operation for each value of `ci-process`."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone

from starlette.responses import Response

from cardveil_cloud import xml
from cardveil_cloud.ci import conversion, general_ocr, id_card_ocr, license_rec
from cardveil_cloud.ci.engine import RecognitionEngine
from cardveil_cloud.ci.errors import CiError, error_response
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.pictures import PictureRefusedError
from cardveil_cloud.ci.urls import BucketUrls
from cardveil_cloud.ci.warning_rules import WarningRules
from cardveil_cloud.cos.contracts import CiCall
from cardveil_cloud.usage import UsageMeter
from cardveil_cloud.xml import Content


@dataclass(frozen=True, slots=True)
class Style:
    """The language of field names and of values in answers.

    The pages show both in English; real answers for Chinese cards come in either, so clients must take both.
    """

    names: Language = Language.ENGLISH
    texts: Language = Language.CHINESE


class CiService:
    """The synchronous calls of CI.

    Parameters
    ----------
    urls
        Resolves ``detect-url``.
    style
        The language that answers are written in.
    warnings
        Warnings that are given by rule.
    clock
        Seconds since the epoch; decides what has expired.
    """

    def __init__(
        self,
        engine: RecognitionEngine,
        urls: BucketUrls,
        usage: UsageMeter,
        *,
        style: Style | None = None,
        warnings: WarningRules | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._urls = urls
        self._usage = usage
        self._style = style or Style()
        self._warnings = warnings
        self._clock = clock
        self._operations = {
            "AILicenseRec": self._license_rec,
            "IDCardOCR": self._id_card_ocr,
            "OCR": self._general_ocr,
        }

    async def process(self, call: CiCall) -> Response:
        """Answer one call; refusals are answers too."""
        try:
            if call.process == "imageMogr2":
                return await self._converted(call)
            operation = self._operations.get(call.process)
            if operation is None:
                raise CiError("NotImplemented")
            if call.method == "PUT" and call.process != "IDCardOCR":
                raise CiError("MethodNotAllowed")
            content = await operation(call)
        except CiError as error:
            return error_response(error, call.request_id)
        except PictureRefusedError as refusal:
            return error_response(CiError(refusal.code), call.request_id)
        return Response(
            xml.render("Response", content),
            headers={"x-ci-request-id": call.request_id},
            media_type="application/xml",
        )

    async def _converted(self, call: CiCall) -> Response:
        made = await conversion.to_jpeg(call.data or b"", int(call.params["quality"] or conversion.QUALITY))
        return Response(made, headers={"x-ci-request-id": call.request_id}, media_type="image/jpeg")

    async def _license_rec(self, call: CiCall) -> list[tuple[str, Content]]:
        card_type = license_rec.card_type_of(call.params)
        data = await self._data(call)
        found = await self._engine.cards(data)
        self._usage.record("AILicenseRec", data)
        return license_rec.contents(found.cards, card_type, names=self._style.names, texts=self._style.texts)

    async def _id_card_ocr(self, call: CiCall) -> list[tuple[str, Content]]:
        side, options = id_card_ocr.side_of(call.params), id_card_ocr.options_of(call.params)
        if call.data is None:
            raise CiError("InvalidArgument", "An object is expected: this operation takes no URL.")
        await self._engine.cards(call.data)
        self._usage.record("IDCardOCR", call.data)
        today = datetime.fromtimestamp(self._clock(), timezone.utc).date()
        ruled = self._warnings.codes_for(call.data) if self._warnings is not None else frozenset()
        return await self._engine.derived(
            call.data,
            ("IDCardOCR", side, options, today, ruled),
            lambda found, picture: id_card_ocr.contents(
                found.cards, picture, side, options, texts=self._style.texts, today=today, ruled=ruled
            ),
        )

    async def _general_ocr(self, call: CiCall) -> list[tuple[str, Content]]:
        general_ocr.check(call.params)
        data = await self._data(call)
        lines = await self._engine.lines(data)
        self._usage.record("OCR", data)
        return general_ocr.contents(lines, call.request_id, call.params)

    async def _data(self, call: CiCall) -> bytes:
        # "If detect-url is filled in, the backend will process the detect-url link."
        url = call.params.get("detect-url")
        if url:
            return await self._urls.fetch(url)
        if call.data is None:
            raise CiError("InvalidArgument", "An object or detect-url is expected.")
        return call.data
