"""The local cloud's accounts: which secret id has which key and token, until when, and what it may do."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol


class Policy(Protocol):
    """Decides what a credential may do; the place where least privilege is enforced."""

    def allows(self, action: str, resource: str) -> bool:
        """Whether ``action`` (``cos:PutObject``) on ``resource`` (``cos/<bucket>/<key>``) is granted."""
        ...


@dataclass(frozen=True, slots=True)
class Credential:
    """One key pair; temporary when it has a token. Its secrets never show in its ``repr``."""

    secret_id: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    expires: float | None = None
    policy: Policy | None = field(default=None, repr=False)

    def allows(self, action: str, resource: str) -> bool:
        """Whether the policy grants ``action`` on ``resource``; without a policy all is granted."""
        return self.policy is None or self.policy.allows(action, resource)


class CredentialStore:
    """Key pairs by secret id; safe to be used from threads.

    Parameters
    ----------
    clock
        Seconds since the epoch; decides when a temporary pair that is issued here expires.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._by_id: dict[str, Credential] = {}

    def add(self, credential: Credential) -> Credential:
        """Take in a pair, in place of an older one with the same id."""
        with self._lock:
            self._by_id[credential.secret_id] = credential
        return credential

    def add_permanent(self, secret_id: str, secret_key: str, policy: Policy | None = None) -> Credential:
        """Take in a pair that needs no token and never expires."""
        return self.add(Credential(secret_id, secret_key, policy=policy))

    def issue_temporary(self, seconds: float, policy: Policy | None = None) -> Credential:
        """Make up a pair with a token, good for ``seconds`` from now, as a role's credentials are.

        Expired temporary pairs stay known for a day, so that their use is answered with "expired" and not
        with "unknown"; older ones are forgotten here.
        """
        now = self._clock()
        with self._lock:
            for old in [c for c in self._by_id.values() if c.expires and c.expires < now - 86400]:
                del self._by_id[old.secret_id]
        return self.add(
            Credential(
                secret_id="AKID" + secrets.token_urlsafe(48),
                secret_key=secrets.token_urlsafe(32),
                token=secrets.token_urlsafe(96),
                expires=now + seconds,
                policy=policy,
            )
        )

    def find(self, secret_id: str) -> Credential | None:
        """The pair of this id, expired or not; ``None`` when there is none."""
        with self._lock:
            return self._by_id.get(secret_id)

    def remove(self, secret_id: str) -> None:
        """Forget a pair; nothing happens when there is none."""
        with self._lock:
            self._by_id.pop(secret_id, None)
