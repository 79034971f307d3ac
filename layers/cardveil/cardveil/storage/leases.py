"""Leases: the short claim on a source, so that two deliveries of one event make one result.

A lease is an object ``<prefix><generation>`` that was created only because there was none of that name. It
names its expiry; an expired one is taken over by creating the next generation, which only one can. On a
bucket that ever was versioned COS lets every creation succeed: then two may work at once, which costs a
second recognition and never gives a wrong result, since the sidecar is the commit.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import orjson

from cardveil.core.errors import Reject, Retry
from cardveil.core.frozen import dataclass
from cardveil.storage.objects import Objects, delete_under

#: Clocks of two instances may differ by this much, in seconds.
_CLOCK_SKEW_S: Final = 5.0
_MAX_NOTE_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class Lease:
    """A claim that is held; to be given back with `Leases.release`."""

    key: str
    first: bool


@dataclass(frozen=True, slots=True)
class Leases:
    """Takes and gives back leases in one bucket; `now` is wall-clock seconds."""

    objects: Objects
    owner: str
    now: Callable[[], float] = time.time

    def take(self, prefix: str, duration_s: float) -> Lease | None:
        """Claim what `prefix` stands for, or return None while somebody else holds it.

        Parameters
        ----------
        duration_s : float
            Seconds after which the claim is void; a little more than the work can take.
        """
        claim = orjson.dumps({"owner": self.owner, "expires": self.now() + duration_s})
        if self._create(key := f"{prefix}{1:08d}", claim):
            return Lease(key, first=True)
        found = {held: self._read(held) for held in self.objects.list(prefix)}
        standing = {held: note for held, note in found.items() if note}
        if not standing:
            # It was given back since the first request.
            return Lease(key, first=False) if self._create(key, claim) else None
        mine = [held for held, (owner, _) in standing.items() if owner == self.owner]
        if mine:
            return Lease(max(mine), first=False)
        if any(self._living(expires) for _, expires in standing.values()):
            return None
        if len(standing) < len(found):
            # It is being given back right now. A generation taken over now would stand above a gap, beside
            # which the next one to come would make the first anew.
            return None
        following = f"{prefix}{int(max(found).removeprefix(prefix)) + 1:08d}"
        return Lease(following, first=False) if self._create(following, claim) else None

    def held(self, prefix: str) -> bool:
        """Say whether somebody holds what `prefix` stands for, without claiming it."""
        found = [self._read(key) for key in self.objects.list(prefix)]
        return any(self._living(note[1]) for note in found if note)

    def renew(self, lease: Lease, prefix: str, duration_s: float) -> bool:
        """Put a claim's expiry off; False when somebody else has taken it over, and it is lost."""
        found = self._read(lease.key)
        if max(self.objects.list(prefix), default="") != lease.key or not found or found[0] != self.owner:
            return False
        note = orjson.dumps({"owner": self.owner, "expires": self.now() + duration_s})
        self.objects.put(lease.key, note, media_type="application/json", meta={"kind": "state"})
        return True

    def clear(self, prefix: str) -> None:
        """Delete every generation, void ones above a gap too; only for who holds what `prefix` stands for."""
        delete_under(self.objects, prefix)

    def release(self, lease: Lease, prefix: str) -> None:
        """Give the claim back, with the void ones before it."""
        held = [lease.key] if lease.first else [key for key in self.objects.list(prefix) if key <= lease.key]
        # Our own last: as long as it stands nobody takes over, so that none is above a gap and relied on.
        for key in sorted(held):
            self.objects.delete(key)

    def _living(self, expires: float) -> bool:
        return expires + _CLOCK_SKEW_S > self.now()

    def _create(self, key: str, note: bytes) -> bool:
        try:
            return self.objects.create(key, note)
        except Retry:
            # The answer was lost, perhaps after the effect: what stands there now tells.
            found = self._read(key)
            return (found is not None and found[0] == self.owner) or self.objects.create(key, note)

    def _read(self, key: str) -> tuple[str, float] | None:
        """Return a lease's owner and expiry, None when it was given back; one that cannot be read is void."""
        try:
            _, data = self.objects.get(key, max_bytes=_MAX_NOTE_BYTES)
            note = orjson.loads(data or b"")
            return str(note["owner"]), float(note["expires"])
        except Reject:
            return None
        except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
            return "", 0.0
