"""What a sweep that was killed has left of cards that were done already, just before it could tidy up.

Such cards have their result, so nobody takes them up again, and until the schedule looks for it what belongs
to them would lie about: answers kept in vain, staged copies, a lease. Whoever goes on with the run passes
them all, since its checkpoint stands before everything that was under way.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from cardveil.settings import Settings
from cardveil.storage.keys import digests_under, keys_of, source_digest
from cardveil.storage.leases import Leases
from cardveil.storage.objects import Objects, delete_under

#: How long nobody else may take up a card that is tidied, in seconds.
_LEASE_S = 60.0


@dataclass(frozen=True, slots=True)
class Leftovers:
    """The sources of which something was lying about, by their digests, when the run was gone on with."""

    objects: Objects
    leases: Leases
    settings: Settings
    digests: frozenset[str] = frozenset()

    def look(self) -> Leftovers:
        """Return what lies about now."""
        prefix = self.settings.state_prefix
        digests = digests_under(self.objects, prefix, "answers", "leases", "staged")
        return replace(self, digests=frozenset(digests))

    def of(self, source: str) -> bool:
        """Say whether something of a source was lying about."""
        return bool(self.digests) and source_digest(source) in self.digests

    def tidy(self, source: str) -> None:
        """Take away what a finished source does not need, unless somebody is at work on it."""
        keys = keys_of(source, self.settings)
        if self.leases.take(keys.lease_prefix, _LEASE_S) is None:
            return
        try:
            self.objects.delete(keys.answers)
            delete_under(self.objects, keys.staged_prefix, but=keys.job_copy)  # a job may be under way
        finally:
            self.leases.clear(keys.lease_prefix)
