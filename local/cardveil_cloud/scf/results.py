"""What an invocation ends in, in the form and with the status codes that SCF documents."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final


class Status(IntEnum):
    """SCF's function status codes, as far as a local run can come to them."""

    SUCCESS = 200
    INVALID_EVENT = 400
    REQUEST_TOO_LARGE = 406
    RESPONSE_TOO_LARGE = 407
    USER_CODE_EXCEPTION = 430
    RESOURCE_LIMIT = 432
    TIME_LIMIT = 433
    MEMORY_LIMIT = 434
    FUNCTION_NOT_FOUND = 435
    HANDLER_NOT_FOUND = 437
    PROCESS_EXIT = 439
    INTERNAL_ERROR = 500


#: The texts of the platform's table of status codes.
MESSAGES: Final = {
    Status.SUCCESS: "Success",
    Status.INVALID_EVENT: "InvalidParameterValue",
    Status.REQUEST_TOO_LARGE: "RequestTooLarge",
    Status.RESPONSE_TOO_LARGE: "The size of response exceeds the upper limit (6MB)",
    Status.USER_CODE_EXCEPTION: "user code exception caught",
    Status.RESOURCE_LIMIT: "ResourceLimitReached",
    Status.TIME_LIMIT: "TimeLimitReached",
    Status.MEMORY_LIMIT: "MemoryLimitReached",
    Status.FUNCTION_NOT_FOUND: "FunctionNotFound",
    Status.HANDLER_NOT_FOUND: "HandlerNotFound",
    Status.PROCESS_EXIT: "User process exit when running",
    Status.INTERNAL_ERROR: "InternalError",
}

#: Retried for hours, not twice: the function itself was never the cause.
PLATFORM_STATUSES: Final = frozenset({Status.RESOURCE_LIMIT, Status.INTERNAL_ERROR})
#: Retrying cannot help: the event itself is refused.
REFUSED_STATUSES: Final = frozenset(
    {Status.INVALID_EVENT, Status.REQUEST_TOO_LARGE, Status.FUNCTION_NOT_FOUND}
)


@dataclass(frozen=True, slots=True)
class InvokeResult:
    """The outcome of one invocation.

    Attributes
    ----------
    payload : str or None
        JSON text of what the handler returned; None after an error.
    trace : str
        The handler's traceback, or the platform's own sentence.
    duration_ms : float
        Time in the handler; 0 when it was not reached.
    peak_kb : int
        Largest resident size of the instance so far, and of what it has started, in kibibytes.
    """

    request_id: str
    status: Status
    payload: str | None = None
    trace: str = ""
    duration_ms: float = 0.0
    peak_kb: int = 0
    cold: bool = False

    @property
    def ok(self) -> bool:
        """Whether the handler returned."""
        return self.status is Status.SUCCESS

    def error_form(self) -> dict[str, Any]:
        """Return the JSON object that the platform answers with after an error."""
        message = MESSAGES[self.status]
        if self.status is Status.TIME_LIMIT and self.trace:
            message = self.trace
        form: dict[str, Any] = {"errorCode": -1, "errorMessage": message, "requestId": self.request_id}
        if self.status in {Status.USER_CODE_EXCEPTION, Status.HANDLER_NOT_FOUND} and self.trace:
            form["stackTrace"] = self.trace
        return {**form, "statusCode": int(self.status)}
