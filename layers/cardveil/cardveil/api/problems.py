"""Everything that can go wrong with a request, as one form: application/problem+json (RFC 9457)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cardveil.core.errors import RETRY_HINT, CardveilError, Halt, Reject, Retry, Review

MEDIA_TYPE: Final = "application/problem+json"
#: What is not the status that its leaf of the error tree has.
_STATUS_OF: Final[Mapping[str, int]] = {
    "source_gone": 404,
    "taken_by_another": 409,
    "source_changed": 409,
    "key_too_long": 400,
    "throttled": 503,
    "policy_invalid": 500,
}
_TITLES: Final[Mapping[int, str]] = {
    400: "The request cannot be read",
    401: "No valid token",
    403: "The token does not allow this",
    404: "There is no such thing",
    405: "The method is not allowed here",
    409: "Something else happened meanwhile",
    413: "The request is too large",
    415: "The content type is not supported",
    422: "The request is not as it must be",
    500: "Account, settings or program must be changed",
    503: "Not now",
}
STATUSES: Final = tuple(_TITLES)
_LATER_S: Final = 5


class Problem(Exception):  # noqa: N818 - it is named as the RFC names it
    """An answer that is not what was asked for.

    Parameters
    ----------
    code : str
        Stable, lower_snake.
    what_to_do : str
        One sentence for whoever called; nothing of a card, a key or a credential.
    faults : sequence of mapping, optional
        Where in the request something is wrong: ``{"where": [...], "what": code}``.
    """

    def __init__(
        self,
        status: int,
        code: str,
        what_to_do: str,
        *,
        faults: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code)
        self.status = status
        self.code = code
        self.what_to_do = what_to_do
        self.faults = tuple(faults)
        self.headers = dict(headers or {})

    def as_dict(self, request_id: str) -> dict[str, Any]:
        """Return the document."""
        document: dict[str, Any] = {
            "type": f"urn:cardveil:problem:{self.code}",
            "title": _TITLES[self.status],
            "status": self.status,
            "code": self.code,
            "detail": self.what_to_do,
            "request_id": request_id,
        }
        if self.faults:
            document["faults"] = [dict(fault) for fault in self.faults]
        return document


def from_error(error: CardveilError) -> Problem:
    """Turn a leaf of the error tree into an answer."""
    status = _STATUS_OF.get(error.code)
    if status is None:
        leaves: tuple[tuple[type[CardveilError], int], ...] = (
            (Retry, 503),
            (Halt, 500),
            (Reject, 422),
            (Review, 409),
        )
        status = next(number for leaf, number in leaves if isinstance(error, leaf))
    if not isinstance(error, Retry):
        return Problem(status, error.code, error.what_to_do)
    # An event is delivered again by the platform; a request only by who has sent it.
    advice = error.what_to_do.replace(RETRY_HINT, "send the request again in some seconds")
    return Problem(status, error.code, advice, headers={"Retry-After": str(_LATER_S)})


def title(status: int) -> str:
    """Return what a status means here."""
    return _TITLES[status]


def unexpected() -> Problem:
    """Return the answer to a fault of the program; what it was is in the log, by its type only."""
    return Problem(500, "unexpected", "report this with the request id")
