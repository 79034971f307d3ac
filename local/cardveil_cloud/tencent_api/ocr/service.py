"""RecognizeMainlandIDCardOCR as a product of API 3.0: permission, quota, and the recogniser behind it."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import Any, Final

from cardveil_cloud.accounts import Credential
from cardveil_cloud.ci.engine import RecognitionEngine
from cardveil_cloud.ci.names import Language
from cardveil_cloud.ci.pictures import PictureRefusedError
from cardveil_cloud.ci.urls import BucketUrls
from cardveil_cloud.ci.warning_rules import WarningRules
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.ocr import mainland_id_card
from cardveil_cloud.tencent_api.ocr.mainland_id_card import ACTION, REGION, VERSION
from cardveil_cloud.tencent_api.ocr.ratelimit import RateLimit
from cardveil_cloud.usage import UsageMeter

#: "A maximum of 20 requests can be initiated per second for this API."
DEFAULT_RATE: Final = 20


class DomesticOcr:
    """The product behind ``ocr.tencentcloudapi.com``: the site for China does not have the action."""

    name = "ocr"
    version = VERSION
    region = REGION
    actions: tuple[str, ...] = ()

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """See `Product.check`; not reached without actions."""

    async def act(
        self,
        credential: Credential,  # noqa: ARG002 - as `Product.act`
        action: str,  # noqa: ARG002
        body: dict[str, Any],  # noqa: ARG002
    ) -> dict[str, Any]:
        """See `Product.act`; not reached without actions."""
        raise ApiError("InvalidAction")


class OcrApi:
    """The product behind ``ocr.intl.tencentcloudapi.com``.

    Parameters
    ----------
    rate
        Requests a second that one account may make; None for any number.
    texts
        The language of values with an English form, such as the sex.
    warnings
        Warnings that are given by rule.
    """

    name = "ocr"
    version = VERSION
    region = REGION
    actions = (ACTION,)

    def __init__(
        self,
        engine: RecognitionEngine,
        urls: BucketUrls,
        usage: UsageMeter,
        *,
        rate: int | None = DEFAULT_RATE,
        texts: Language = Language.CHINESE,
        warnings: WarningRules | None = None,
    ) -> None:
        self._warnings = warnings
        self._engine = engine
        self._urls = urls
        self._usage = usage
        self._rate = RateLimit(rate, time.monotonic)
        self._texts = texts

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:  # noqa: ARG002
        """See `Product.check`."""
        if not credential.allows(f"ocr:{action}", "*"):
            raise ApiError("AuthFailure.UnauthorizedOperation")
        # To the whole account, whose keys and roles all these credentials are.
        if not self._rate.grant(action):
            raise ApiError("RequestLimitExceeded")

    async def act(
        self,
        credential: Credential,  # noqa: ARG002 - as `Product.act`
        action: str,  # noqa: ARG002
        body: dict[str, Any],
    ) -> dict[str, Any]:
        """Recognise a card; see `Product.act`."""
        try:
            return await self._recognise(body)
        except PictureRefusedError as refusal:
            raise ApiError(refusal.code) from None

    async def _recognise(self, body: dict[str, Any]) -> dict[str, Any]:
        asked = mainland_id_card.parameters(body)
        # "If both are provided, only ImageUrl will be used."
        if asked.image_url:
            data = await self._urls.fetch(asked.image_url)
        else:
            data = await asyncio.to_thread(mainland_id_card.decode_base64, asked.image_base64 or "")
        await self._engine.cards(data)
        self._usage.record(ACTION, data)
        asked = replace(asked, image_base64=None, image_url=None)
        ruled = self._warnings.codes_for(data) if self._warnings is not None else frozenset()
        return await self._engine.derived(
            data,
            (ACTION, asked, ruled),
            lambda found, picture: mainland_id_card.answer(
                found.cards, picture, asked, texts=self._texts, ruled=ruled
            ),
        )
