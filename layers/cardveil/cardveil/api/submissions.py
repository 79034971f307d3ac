"""Names what is submitted, so that who sends a request again finds what the first one began."""

from __future__ import annotations

import hashlib
import hmac
import re
from typing import Final

from cardveil.api.context import RequestContext
from cardveil.api.problems import Problem
from cardveil.core.frozen import dataclass

#: What a submission is, by a digest; stands in its source's metadata.
_META: Final = "x-cos-meta-submission"
#: A text in quotes (draft-ietf-httpapi-idempotency-key-header); without them it is taken, too.
_KEY: Final = re.compile(r"[ -~]{1,255}")


@dataclass(frozen=True, slots=True)
class Submission:
    """One picture that a request brings, with what is asked of it.

    Attributes
    ----------
    folder : str
        Where it stands in the inbox, alone: the same for the same submission of the same caller.
    digest : str
        Of the picture and all that is asked of it.
    named : bool
        Whether the caller has named it by an Idempotency-Key; otherwise it is what it consists of.
    """

    folder: str
    digest: str
    named: bool

    @property
    def headers(self) -> dict[str, str]:
        """What its source's metadata say of it."""
        return {_META: self.digest}


def submission(context: RequestContext, key: str | None, data: bytes, *asked: str | None) -> Submission:
    """Return the submission of a picture.

    Parameters
    ----------
    key : str, optional
        The request's Idempotency-Key.
    asked
        The picture's name, and what is asked of it.

    Raises
    ------
    Problem
        422 ``idempotency_key_refused``.
    """
    named = key.strip().strip('"') if key is not None else ""
    if key is not None and not _KEY.fullmatch(named):
        raise Problem(
            422, "idempotency_key_refused", "give an Idempotency-Key of up to 255 printable characters"
        )
    digest = _digest(context, hashlib.sha256(data).hexdigest(), *asked)
    folder = _digest(context, "key", named) if named else _digest(context, "picture", digest)
    return Submission(folder[:32], digest[:32], bool(named))


def is_stored(context: RequestContext, made: Submission, key: str) -> bool:
    """Say whether a submission's picture is in the inbox already.

    Raises
    ------
    Problem
        422 ``idempotency_key_reused`` when another one was sent under the same Idempotency-Key.
    """
    found = context.inbox.head(key)
    if found is not None:
        same = found.meta.get(_META) == made.digest
    else:
        folder = key[: key.rindex(made.folder) + len(made.folder) + 1]
        same = not made.named or not context.inbox.page(folder, limit=1).entries
    if made.named and not same:
        raise Problem(
            422, "idempotency_key_reused", "send another request under an Idempotency-Key of its own"
        )
    return found is not None and same


def _digest(context: RequestContext, *parts: str | None) -> str:
    """Return a digest that nobody else can make: keys of the inbox tell nothing of what stands there."""
    text = "\0".join((context.caller.subject, *(part or "" for part in parts)))
    return hmac.new(context.settings.token_secrets[0].encode(), text.encode(), hashlib.sha256).hexdigest()
