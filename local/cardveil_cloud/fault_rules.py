"""Faults by rule: what is to fail, where, how often; seeded, so that a run can be had again."""

from __future__ import annotations

import asyncio
import random
import secrets
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from starlette.requests import Request

from cardveil_cloud.ci.errors import CiError, error_response
from cardveil_cloud.cos.contracts import AnswerInstead, DropConnection
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.faults import BODY_FAULT, BodyFault, NoFaults, PlatformFault
from cardveil_cloud.tencent_api.errors import ApiError

#: Every kind of fault, and what it does.
KINDS: Final[Mapping[str, str]] = {
    "latency": "the call waits `seconds` first",
    "error": "the call is refused with the documented code `code`, and has no effect",
    "reset_before": "the connection is reset, and the call has no effect",
    "reset_after": "the connection is reset, and the call had its effect",
    "truncate": "the call has its effect, and half of the answer's body arrives",
    "alter": "the call has its effect, and one bit of the answer's body is another",
    "lie_short": "the call has its effect, and half of the answer arrives, with a Content-Length to match",
    "lie_long": "the call has its effect, and the answer's Content-Length is a thousand times its body's",
    "lie_odd": "the call has its effect, and the answer's Content-Length is no number",
    "slow": "the call has its effect, and the answer's body takes `seconds`",
    "throttle": "the platform refuses an invocation (432)",
    "kill": "the instance is killed after a random part of `seconds`",
    "duplicate": "an event, or a callback, is delivered twice, `seconds` apart at most",
    "late": "an event, or a callback, is delivered up to `seconds` later, after others",
    "lose": "a callback is never made",
}
_TOKENS: Final = ("x-cos-security-token", "x-ci-security-token", "x-tc-token")
_BEFORE: Final = frozenset({"latency", "error", "reset_before"})
_LIES: Final = frozenset({"lie_short", "lie_long", "lie_odd"})
_AFTER: Final = frozenset({"reset_after", "truncate", "alter", "slow"}) | _LIES


@dataclass(frozen=True, slots=True)
class Rule:
    """One fault.

    Attributes
    ----------
    kind : str
        One of `KINDS`.
    service : str
        ``cos``, ``ci``, ``ocr``, ``scf`` (invocations), ``event`` (deliveries) or ``callback``; ``*`` in
        it and in `operation` stands for anything.
    operation : str
        The operation, as the service names it; a function's key for ``scf`` and ``event``.
    probability : float
        How often it happens, 0 to 1.
    nth : int, optional
        Instead of by chance, at this call of those that the rule fits (the first is 1).
    times : int, optional
        After so many it never happens again.
    code : str
        The vendor's error code, for ``error``.
    """

    kind: str
    service: str
    operation: str = "*"
    probability: float = 1.0
    nth: int | None = None
    times: int | None = None
    code: str = ""
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"no such fault: {self.kind}")


@dataclass
class FaultRules(NoFaults):
    """Injects the faults of its rules; `injected` counts them by service and kind, `calls` counts all calls.
    `lost` counts answers that never arrived although their calls had their effect, by operation.

    At most one fault meets a call: the first rule, in their order, whose turn it is. With `roles_only` it
    meets only calls made with a role's temporary credentials, as functions make them, not a test's own.
    """

    rules: Sequence[Rule]
    seed: int = 0
    roles_only: bool = False
    injected: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    lost: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - faults are no secrets
        self._lock = threading.Lock()
        self._seen: Counter[int] = Counter()
        self._done: Counter[int] = Counter()

    async def before(self, service: str, operation: str, request: Request) -> None:
        """Meet a call before its effect, and decide what it meets after it."""
        if self.roles_only and not any(name in request.headers for name in _TOKENS):
            return
        rule = self._draw(service, operation)
        if rule is None:
            return
        if rule.kind in {"reset_after", "truncate", "alter"} | _LIES:
            self.lost[operation] += 1
        if rule.kind == "latency":
            await asyncio.sleep(rule.seconds * self._share())
        elif rule.kind == "error":
            raise self._refusal(service, operation, rule.code)
        elif rule.kind == "reset_before":
            raise DropConnection
        elif rule.kind == "reset_after":
            request.scope["cardveil.reset_after"] = True
        elif rule.kind == "truncate":
            request.scope[BODY_FAULT] = BodyFault(truncate=True)
        elif rule.kind == "alter":
            request.scope[BODY_FAULT] = BodyFault(alter=True)
        elif rule.kind in _LIES:
            request.scope[BODY_FAULT] = BodyFault(length=rule.kind.removeprefix("lie_"))
        elif rule.kind == "slow":
            request.scope[BODY_FAULT] = BodyFault(slow_s=rule.seconds * self._share())

    async def after(self, service: str, operation: str, request: Request) -> None:  # noqa: ARG002
        """Reset the connection if that was decided before."""
        if request.scope.pop("cardveil.reset_after", False):
            raise DropConnection

    async def before_invoke(self, function: str, request_id: str) -> None:  # noqa: ARG002
        """Throttle an invocation."""
        if self._draw("scf", function, {"throttle"}):
            raise PlatformFault(432)

    def worker_deadline(self, function: str, request_id: str) -> float | None:  # noqa: ARG002
        """Kill an instance."""
        rule = self._draw("scf", function, {"kill"})
        return rule.seconds * self._share() if rule else None

    def deliveries(self, function: str, event: Mapping[str, Any]) -> Sequence[float]:  # noqa: ARG002
        """Double or delay an event."""
        return self._delays("event", function)

    def callbacks(self, job_id: str) -> Sequence[float]:  # noqa: ARG002
        """Lose, double or delay a callback."""
        return self._delays("callback", "*")

    def _delays(self, service: str, operation: str) -> Sequence[float]:
        rule = self._draw(service, operation, {"duplicate", "late", "lose"})
        if rule is None:
            return (0.0,)
        if rule.kind == "lose":
            return ()
        later = rule.seconds * self._share()
        return (0.0, later) if rule.kind == "duplicate" else (later,)

    def _draw(
        self, service: str, operation: str, kinds: frozenset[str] | set[str] = _BEFORE | _AFTER
    ) -> Rule | None:
        with self._lock:
            self.calls[service] += 1
            chosen: Rule | None = None
            for number, rule in enumerate(self.rules):
                fits = rule.kind in kinds and fnmatchcase(service, rule.service)
                if not fits or not fnmatchcase(operation, rule.operation):
                    continue
                self._seen[number] += 1
                if chosen is None and self._is_due(number, rule):
                    chosen = rule
                    self._done[number] += 1
            if chosen:
                code = f" {chosen.code}" if chosen.code else ""
                self.injected[f"{service} {chosen.kind}{code}"] += 1
            return chosen

    def _is_due(self, number: int, rule: Rule) -> bool:
        if rule.times is not None and self._done[number] >= rule.times:
            return False
        if rule.nth is not None:
            return self._seen[number] == rule.nth
        return self._random.random() < rule.probability

    def _share(self) -> float:
        with self._lock:
            return self._random.random()

    def _refusal(self, service: str, operation: str, code: str) -> Exception:
        """Return the documented form of an error: each service has its own."""
        if service == "ocr":
            return ApiError(code)
        if service == "ci" and operation not in _JOB_OPERATIONS:
            known = CosError(code)
            response = error_response(CiError(code), secrets.token_hex(16))
            response.status_code = known.status if known.message != code else response.status_code
            return AnswerInstead(response)
        return CosError(code)


#: Operations of CI's own host, which puts errors into CI's form itself.
_JOB_OPERATIONS: Final = frozenset(
    {"CreateMediaJobs", "DescribeMediaJob", "DescribeMediaJobs", "CancelMediaJob", "ImageLicenseRec"}
)
