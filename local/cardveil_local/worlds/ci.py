"""The local cloud for tests of recognition: pictures whose truth the recogniser is taught beforehand."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from xml.etree.ElementTree import Element

import requests
from PIL import Image
from qcloud_cos import CosConfig
from qcloud_cos.ai_recognition import AIRecognitionClient

from cardveil.card.model import Polygon
from cardveil.card.normalize import normalize
from cardveil_local import xml
from cardveil_local.ci.engine import RecognitionEngine
from cardveil_local.ci.recognition import KnownCard, KnownPicture, TableRecogniser
from cardveil_local.ci.service import CiService, Style
from cardveil_local.ci.urls import BucketUrls
from cardveil_local.cloud import LocalCloud, Ready
from cardveil_local.cos import CiCall
from cardveil_local.samples.kept import KeptPicture, kept_pictures
from cardveil_local.testbench import known
from cardveil_local.usage import UsageMeter

#: That of every line of text, so that it can be told from a field's.
LINE_SCORE: Final = 98.0

Change = Callable[[Image.Image], Image.Image]


@dataclass
class CiWorld:
    """A local cloud whose recogniser knows the kept sample pictures by heart."""

    cloud: LocalCloud
    ready: Ready
    table: TableRecogniser
    client: AIRecognitionClient
    numbers: Iterator[int]

    @property
    def bucket(self) -> str:
        """The cloud's bucket."""
        return self.ready.bucket

    def kept(self, name: str) -> KeptPicture:
        """A kept sample picture by the first part of its file's name."""
        return next(picture for picture in kept_pictures() if picture.file.startswith(name + "."))

    def known(self, name: str) -> KnownPicture:
        """What the recogniser knows of a kept picture."""
        return known(self.kept(name), line_score=LINE_SCORE)

    def put(self, data: bytes) -> str:
        """Store bytes and return their key."""
        key = f"pictures/{next(self.numbers)} ü+%.jpg"
        self.cloud.store.put(self.bucket, key, data)
        return key

    def put_known(self, *cards: KnownCard) -> str:
        """Store a picture that nobody has seen, and teach the recogniser that it holds these cards."""
        data = self.unseen("id-front-photo")
        self.table.learn(data, KnownPicture(cards))
        return self.put(data)

    def unseen(self, name: str) -> bytes:
        """A kept picture with one pixel changed; the recogniser knows it as it knows the kept one."""
        data = self._encoded(self._opened(name))
        self.table.learn(data, self.known(name))
        return data

    def changed(self, name: str, change: Change) -> str:
        """Store a changed kept picture, of which the recogniser knows what it knew before."""
        data = self._encoded(change(self._opened(name)))
        self.table.learn(data, self.known(name))
        return self.put(data)

    def with_text(self, name: str, field_name: str, text: str | None, change: Change | None = None) -> str:
        """Store a kept picture of whose card the recogniser reads one field as `text`."""
        known = self.known(name).cards[0]
        fields = tuple(
            replace(item, text=text, normalized=normalize(field_name, text) if text else None)
            if item.name == field_name
            else item
            for item in known.card.fields
        )
        data = self._encoded((change or (lambda image: image))(self._opened(name)))
        self.table.learn(data, KnownPicture((replace(known, card=replace(known.card, fields=fields)),)))
        return self.put(data)

    def cut(self, name: str, share: float) -> str:
        """Store a kept picture without its left part, so that so much of the card's width is gone."""
        known = self.known(name).cards[0]
        left, _, right, _ = known.outline.bounds()
        by = round(left + share * (right - left))
        image = self._opened(name)
        data = self._encoded(image.crop((by, 0, image.width, image.height)))
        fields = tuple(replace(item, polygon=_moved(item.polygon, by)) for item in known.card.fields)
        moved = KnownCard(replace(known.card, fields=fields), _moved(known.outline, by) or known.outline)
        self.table.learn(data, KnownPicture((moved,)))
        return self.put(data)

    def answer(self, process: str, data: bytes, *, style: Style) -> Element:
        """What CI answers in another style, without the cloud around it."""
        engine = RecognitionEngine(lambda: self.table)
        urls = BucketUrls(self.cloud.store, self.cloud.credentials, region=self.ready.region)
        service = CiService(engine, urls, UsageMeter(), style=style)
        call = CiCall(process, {"CardType": "IDCard"}, self.bucket, "x.jpg", "GET", data, "request")
        try:
            return xml.parse(bytes(asyncio.run(service.process(call)).body))
        finally:
            engine.close()

    def _opened(self, name: str) -> Image.Image:
        image = Image.open(io.BytesIO(self.kept(name).read())).convert("RGB")
        number = next(self.numbers)
        image.putpixel((0, 0), (number % 256, number // 256, 0))
        return image

    def _encoded(self, image: Image.Image) -> bytes:
        target = io.BytesIO()
        image.save(target, "PNG", compress_level=1)
        return target.getvalue()


def _moved(polygon: Polygon | None, by: int) -> Polygon | None:
    return Polygon.of((x - by, y) for x, y in polygon.points) if polygon else None


def ci_client(ready: Ready) -> AIRecognitionClient:
    """Return the official SDK's client for CI, without retries and with an HTTP session of its own."""
    config = CosConfig(
        Region=ready.region,
        SecretId=ready.secret_id,
        SecretKey=ready.secret_key,
        Scheme="http",
        Proxies={"http": ready.proxy_url},
        Timeout=60,
    )
    return AIRecognitionClient(config, retry=0, session=requests.Session())
