"""The breaker: an object in the bucket that stops all paid calls while the account refuses them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Final, TypeGuard

import orjson

from cardveil.core.errors import VENDOR_CODES, CardveilError, Halt, Reject
from cardveil.core.frozen import dataclass, field
from cardveil.storage.leases import Lease, Leases
from cardveil.storage.objects import Objects

#: Refusals of one request, or of one instance's clock: no reason to stop everybody else.
OF_ONE_REQUEST: Final = frozenset({"request_refused", "vendor_code_unknown", "clock_wrong", "region_missing"})
#: The API by which a sweep has the upload function do its cards.
_INVOKE: Final = "Invoke"
_WHAT_TO_DO: Final = {code: text for _, code, text in VENDOR_CODES.values()}
#: How long one probe may take before another may try, in seconds.
_PROBE_S: Final = 60.0
_MAX_BYTES: Final = 4096


def stops_everybody(error: CardveilError) -> TypeGuard[Halt]:
    """Say whether an error ends all work, and not that of the one source for which it was met.

    An invocation that is refused names the function, not a picture: no other would be taken either.
    """
    return isinstance(error, Halt) and (error.code not in OF_ONE_REQUEST or error.api == _INVOKE)


@dataclass(frozen=True, slots=True)
class Open:
    """Why and since when (seconds since the epoch) the breaker is open."""

    code: str
    since: float


@dataclass(frozen=True, slots=True)
class CircuitBreaker:
    """The breaker of one bucket.

    Attributes
    ----------
    state_prefix : str
        Where the object ``breaker.json`` and the probe's lease stand.
    probe_after_s : float
        Seconds after which one call is let through to see whether the account works again.
    on_metric : callable
        Called with the name of a metric when the breaker opens or closes.
    """

    objects: Objects
    leases: Leases
    state_prefix: str
    probe_after_s: float
    on_metric: Callable[[str], None] = field(default=lambda _: None)
    now: Callable[[], float] = time.time

    @property
    def key(self) -> str:
        """Where the breaker stands while it is open."""
        return f"{self.state_prefix}breaker.json"

    @property
    def probe_prefix(self) -> str:
        """Where the lease of the one that probes stands."""
        return f"{self.state_prefix}breaker-probe/"

    def look(self) -> Open | None:
        """Return why the breaker is open, None when it is closed."""
        try:
            _, data = self.objects.get(self.key, max_bytes=_MAX_BYTES)
            note = orjson.loads(data or b"")
            return Open(str(note["code"]), float(note["since"]))
        except Reject:
            return None
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return Open("breaker_unreadable", 0.0)  # open, and due for a probe, which puts it right

    def open(self, code: str) -> None:
        """Stop paid calls in all functions."""
        note = orjson.dumps({"code": code, "since": self.now()})
        self.objects.put(self.key, note, media_type="application/json", meta={"kind": "breaker"})
        self.on_metric("BreakerOpened")

    def close(self) -> None:
        """Let paid calls through again."""
        self.objects.delete(self.key)
        self.on_metric("BreakerClosed")


class BreakerGuard:
    """The breaker as one picture meets it, from its first paid call to its last; safe to use from threads.

    Parameters
    ----------
    looking : Future
        `CircuitBreaker.look`, asked for beforehand.
    on_read : callable
        Called when a service has read the source by its key.
    """

    def __init__(
        self,
        breaker: CircuitBreaker,
        looking: Future[Open | None],
        on_read: Callable[[], None] = lambda: None,
    ) -> None:
        self.on_read = on_read
        self._breaker = breaker
        self._looking = looking
        self._lock = threading.Lock()
        self._probe: Lease | None = None
        self._stopped: Halt | None = None

    def __enter__(self) -> BreakerGuard:
        return self

    def __exit__(self, *_: object) -> None:
        """Give a probe back that came to nothing."""
        with self._lock:
            self._release()

    def enter(self) -> None:
        """Let one paid call through, or stop it.

        Raises
        ------
        Halt
            With the code that opened the breaker.
        """
        self._looking.result()  # without the lock: it may be a request that is waited for
        with self._lock:
            if self._stopped:
                raise self._stopped
            # Asked again: the answer to another call may have closed the breaker meanwhile.
            found = self._looking.result()
            if found is None or self._probe:
                return
            breaker = self._breaker
            if breaker.now() - found.since >= breaker.probe_after_s:
                self._probe = breaker.leases.take(breaker.probe_prefix, _PROBE_S)
            if self._probe is None:
                breaker.on_metric("PaidCallsStopped")
                self._stopped = Halt(
                    found.code,
                    f"{_WHAT_TO_DO.get(found.code, 'see the log')} (paid calls are stopped until then)",
                )
                raise self._stopped

    def answered(self) -> None:
        """The service answered: a probe that got so far closes the breaker."""
        with self._lock:
            if self._probe:
                self._breaker.close()
                self._looking = Future()
                self._looking.set_result(None)
                self._release()

    def refused(self, halt: Halt) -> None:
        """The account was refused: open the breaker, and make no further call for this picture."""
        if not stops_everybody(halt):
            return
        with self._lock:
            if self._stopped is None:
                self._stopped = halt
                self._breaker.open(halt.code)
                self._release()

    def _release(self) -> None:
        if self._probe:
            self._breaker.leases.release(self._probe, self._breaker.probe_prefix)
            self._probe = None
