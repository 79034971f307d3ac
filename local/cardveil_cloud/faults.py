"""The one seam through which all services of the local cloud let faults be injected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from starlette.requests import Request

from cardveil_cloud.cos.contracts import Faults

#: Key of a request's scope: when it arrived, in seconds of the monotonic clock.
ARRIVED: Final = "cardveil.arrived"
#: Key of a request's scope: a `BodyFault` that the answer's body is to meet.
BODY_FAULT: Final = "cardveil.body_fault"


@dataclass(frozen=True, slots=True)
class BodyFault:
    """What happens to an answer's body.

    Attributes
    ----------
    truncate : bool
        It is cut off in the middle.
    slow_s : float
        It is sent in pieces over so many seconds.
    alter : bool
        One bit in its middle is another.
    length : str
        What its ``Content-Length`` says: ``short`` for half of the body, which is all that is sent,
        ``long`` for a thousand times as much, ``odd`` for no number at all; empty for the truth.
    """

    truncate: bool = False
    slow_s: float = 0.0
    alter: bool = False
    length: str = ""


class PlatformFault(Exception):  # noqa: N818 - an order to the platform, not an error of it
    """Raised before an invocation to have it fail on the platform's side, as when throttled."""

    def __init__(self, status: int) -> None:
        super().__init__(f"injected platform fault {status}")
        self.status = status


class FaultHook(Faults, Protocol):
    """What a fault injector may decide; `Faults` holds the two methods for HTTP services.

    `service` is ``cos``, ``ci`` or ``ocr``; for the OCR API the operation is the action's name. A hook may
    also set ``request.scope[BODY_FAULT]`` to have the body of the answer spoilt on its way (see `dispatch`).
    """

    async def before_invoke(self, function: str, request_id: str) -> None:
        """Called before an invocation reaches an instance.

        May sleep, or raise `PlatformFault` with one of SCF's status codes (432 throttled, 500 internal).
        """
        ...

    def worker_deadline(self, function: str, request_id: str) -> float | None:
        """Seconds into an invocation at which its worker is killed; None leaves it alone."""
        ...

    def deliveries(self, function: str, event: Mapping[str, Any]) -> Sequence[float]:
        """Delays in seconds at which one event is delivered: two make a duplicate, a longer one reorders."""
        ...

    def callbacks(self, job_id: str) -> Sequence[float]:
        """Delays in seconds at which a finished job's callback is made: none loses it, two double it."""
        ...


class NoFaults:
    """The hook that injects nothing; injectors extend it."""

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Do nothing."""

    async def after(self, service: str, operation: str, request: Request) -> None:
        """Do nothing."""

    async def before_invoke(self, function: str, request_id: str) -> None:
        """Do nothing."""

    def worker_deadline(self, function: str, request_id: str) -> float | None:  # noqa: ARG002
        """Never kill a worker."""
        return None

    def deliveries(self, function: str, event: Mapping[str, Any]) -> Sequence[float]:  # noqa: ARG002
        """Deliver once, at once."""
        return (0.0,)

    def callbacks(self, job_id: str) -> Sequence[float]:  # noqa: ARG002
        """Call back once, at once."""
        return (0.0,)
