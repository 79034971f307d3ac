"""What a function may know of its own invocation, whether SCF's dict or an AWS-style object was passed."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from cardveil.core.frozen import dataclass, replace


@dataclass(frozen=True, slots=True)
class Invocation:
    """One run of a function.

    Attributes
    ----------
    deadline : float
        The moment of `clock` (monotonic seconds) at which the platform will end the run.
    memory_mb : int
        Megabytes at which the platform ends the process; 0 where that is not known.
    """

    request_id: str
    function_name: str
    region: str
    app_id: str
    deadline: float
    clock: Callable[[], float] = time.monotonic
    memory_mb: int = 0

    def remaining_s(self) -> float:
        """Seconds left; never negative, and zero means zero."""
        return max(0.0, self.deadline - self.clock())

    def limited(self, seconds: float) -> Invocation:
        """Return the same run as if it were ended so many seconds from now, if not before."""
        return replace(self, deadline=min(self.deadline, self.clock() + seconds))


def read_context(context: Any, *, clock: Callable[[], float] = time.monotonic) -> Invocation:
    """Read SCF's context (a dict) or an AWS Lambda context (an object).

    Parameters
    ----------
    context : dict or object
        SCF gives ``time_limit_in_ms`` (the whole limit, so the clock starts here); AWS gives
        ``get_remaining_time_in_millis()``.
    """
    now = clock()
    if isinstance(context, Mapping):
        return Invocation(
            request_id=str(context.get("request_id", "")),
            function_name=str(context.get("function_name", "")),
            region=str(context.get("tencentcloud_region") or os.environ.get("TENCENTCLOUD_REGION", "")),
            app_id=str(context.get("tencentcloud_appid") or os.environ.get("TENCENTCLOUD_APPID", "")),
            deadline=now + float(context.get("time_limit_in_ms", 0)) / 1000,
            clock=clock,
            memory_mb=int(context.get("memory_limit_in_mb") or 0),
        )
    return Invocation(
        request_id=str(getattr(context, "aws_request_id", "")),
        function_name=str(getattr(context, "function_name", "")),
        region=os.environ.get("TENCENTCLOUD_REGION", ""),
        app_id=os.environ.get("TENCENTCLOUD_APPID", ""),
        deadline=now + float(context.get_remaining_time_in_millis()) / 1000,
        clock=clock,
        memory_mb=int(getattr(context, "memory_limit_in_mb", 0) or 0),
    )
