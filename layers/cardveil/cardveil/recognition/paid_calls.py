"""How a paid call is made: past the breaker, at the set pace, patiently; and never twice for one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import Any, Final, TypeVar

from cardveil.card.model import CardType, Side, VendorWarning
from cardveil.core.errors import (
    CardveilError,
    Halt,
    PermissionMissing,
    Reject,
    Review,
    SourceGone,
    Throttled,
    out_of_time,
)
from cardveil.core.frozen import dataclass, replace
from cardveil.core.rate_limit import RateLimiter
from cardveil.core.retry import RetryPolicy
from cardveil.recognition.interfaces import (
    Image,
    Locator,
    Reading,
    TextLine,
    TextLocator,
    TextReader,
)
from cardveil.storage.circuit_breaker import BreakerGuard
from cardveil.storage.response_cache import ResponseCache

T = TypeVar("T")
#: A call takes a second or so; one that is begun with less time left is paid for and comes to nothing.
_ROOM_S: Final = 2.0
_REFUSALS: Final[Mapping[str, type[Reject] | type[Review]]] = {
    "Reject": Reject,
    "SourceGone": SourceGone,
    "Review": Review,
}


@dataclass(frozen=True, slots=True)
class PaidCalls:
    """Makes the paid calls for one picture."""

    retry_policy: RetryPolicy
    rate_limiter: RateLimiter
    per_second: float
    guard: BreakerGuard

    def call(self, action: Callable[[], T], api: str = "", elsewhere: Callable[[], T] | None = None) -> T:
        """Run `action`, which calls a paid API; see `RetryPolicy.call` for what may be raised.

        Parameters
        ----------
        elsewhere : callable, optional
            Asks the same of another object: a service that may not read the one may read the other, and only
            if it may read neither does it want a permission.
        """

        def once() -> T:
            if self.retry_policy.remaining_s() < _ROOM_S:
                raise out_of_time()
            self.guard.enter()
            self.rate_limiter.wait(self.per_second, self.retry_policy.remaining_s, api)
            try:
                return action()
            except Throttled:
                self.rate_limiter.refused(api)
                raise

        try:
            answer = self.retry_policy.call(once)
        except Halt as halt:
            if elsewhere is not None and isinstance(halt, PermissionMissing):
                return self.call(elsewhere, api)
            # Where the bucket refuses a staged copy no service was asked.
            if halt.api and not halt.about:
                self.guard.refused(halt)
            raise
        except (Reject, Review):
            self.guard.answered()  # it speaks of the picture: the account works
            raise
        self.guard.answered()
        return answer


@dataclass(frozen=True, slots=True)
class CachedRecognizers:
    """The three adapters, asked only for what no earlier try has paid for."""

    answers: ResponseCache
    calls: PaidCalls
    locator: Locator
    reader: TextReader | None
    general: TextLocator | None
    stage: Callable[[Image], AbstractContextManager[str]]

    def locate(self, image: Image, card_type: CardType) -> Reading:
        """See `Locator.locate`."""
        return self._once(
            _name("locate", image, card_type.value),
            image,
            lambda shown: self.locator.locate(shown, card_type),
        )

    def read(self, image: Image, side: Side | None) -> Reading:
        """See `TextReader.read`."""
        reader = self.reader
        if reader is None:
            raise ValueError("there is no text provider")
        name = _name("read", image, side.value if side else "any")
        return self._once(
            name, image, lambda shown: reader.read(shown, side), by_key=getattr(reader, "by_key", True)
        )

    def lines(self, image: Image) -> tuple[tuple[TextLine, ...], Reading]:
        """See `TextLocator.lines`."""
        general = self.general
        if general is None:
            raise ValueError("there is no general recogniser")
        from cardveil.recognition.plain import line_document, line_of  # when it is asked: not at a start

        name = _name("lines", image)
        known = self.answers.recall(name, image.data)
        if known is not None:
            return tuple(line_of(line) for line in known["lines"]), _reading(known["reading"])
        found, reading = self.calls.call(
            lambda: general.lines(image), "lines", lambda: self._elsewhere(image, general.lines)
        )
        self.calls.guard.on_read()
        lines = [line_document(line) for line in found]
        self.answers.keep(name, image.data, {"lines": lines, "reading": _document(reading)})
        return found, reading

    def _elsewhere(self, image: Image, ask: Callable[[Image], T]) -> T:
        """Ask of a copy of the picture under another key."""
        with self.stage(image) as key:
            return ask(replace(image, key=key))

    def _once(self, name: str, image: Image, ask: Callable[[Image], Reading], by_key: bool = True) -> Reading:
        known = self.answers.recall(name, image.data)
        if known is not None:
            if "refusal" in known:
                raise _refusal(known["refusal"])
            return _reading(known["reading"])
        try:
            reading = self.calls.call(
                lambda: ask(image),
                name.partition("-")[0],
                (lambda: self._elsewhere(image, ask)) if by_key else None,
            )
        except (Reject, Review) as refusal:
            if by_key:
                self.calls.guard.on_read()
            self.answers.keep(name, image.data, {"refusal": _refusal_document(refusal)})
            raise
        if by_key:
            self.calls.guard.on_read()
        self.answers.keep(name, image.data, {"reading": _document(reading)})
        return reading


def _name(kind: str, image: Image, *told: str) -> str:
    """Name an answer: a source's pages may all be read, and a picture's copy beside it."""
    return "-".join((kind, *told, sha256(image.data).hexdigest()[:16]))


def _document(reading: Reading) -> dict[str, Any]:
    from cardveil.recognition.plain import field_document  # other calls are still waited for

    return {
        "api": reading.api,
        "fields": [field_document(field) for field in reading.fields],
        "card_type": reading.card_type.value if reading.card_type else None,
        "side": reading.side.value if reading.side else None,
        "warnings": [[warning.code, warning.name] for warning in reading.warnings],
        "findings": list(reading.findings),
        "request_id": reading.request_id,
        "elapsed_ms": reading.elapsed_ms,
    }


def _reading(document: Mapping[str, Any]) -> Reading:
    from cardveil.recognition.plain import field_of  # of use to a second try only

    return Reading(
        api=document["api"],
        fields=tuple(field_of(field) for field in document["fields"]),
        card_type=CardType(document["card_type"]) if document["card_type"] else None,
        side=Side(document["side"]) if document["side"] else None,
        warnings=tuple(VendorWarning(code, name) for code, name in document["warnings"]),
        findings=tuple(document["findings"]),
        request_id=document["request_id"],
        elapsed_ms=document["elapsed_ms"],
    )


def _refusal_document(refusal: Reject | Review) -> dict[str, Any]:
    return {
        "leaf": type(refusal).__name__,
        "code": refusal.code,
        "what_to_do": refusal.what_to_do,
        "api": refusal.api,
        "vendor_code": refusal.vendor_code,
        "request_id": refusal.request_id,
    }


def _refusal(document: Mapping[str, Any]) -> CardveilError:
    leaf = _REFUSALS[document["leaf"]]
    return leaf(
        document["code"],
        document["what_to_do"],
        api=document["api"],
        vendor_code=document["vendor_code"],
        request_id=document["request_id"],
    )
