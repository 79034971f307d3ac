"""What a source needs: told by the listings where they can tell, by a HEAD of its sidecar where they cannot.

A listing has neither the policy nor the pipeline of a result, nor the source's ETag that it was made from.

- A source without a sidecar is missing: no request is needed.
- A sidecar that is older than its source may be outdated: its HEAD tells.
- Whether policy and pipeline are the present ones, its HEAD tells, too; but when a whole sweep by the same
  policy and pipeline has come to its end before, every sidecar that has not been written since is known to be
  right, and none of them is asked for again (`UpToDateMark`). So a bucket at rest is swept by listings alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from cardveil.core.errors import Halt, Reject, Review
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.settings import Settings
from cardveil.storage.keys import keys_of, source_digest
from cardveil.storage.objects import Entry, Objects, Stored
from cardveil.storage.results import Version
from cardveil.storage.source import not_ours
from cardveil.sweep.listing import Pair
from cardveil.sweep.selection import Selection

#: COS's clock and ours may differ by this much, in seconds.
CLOCK_SKEW_S: Final = 300.0
MISSING: Final = "missing"
#: Reasons for which nothing is paid: see `renewal`.
FREE: Final = frozenset({"policy"})


@dataclass(frozen=True, slots=True)
class UpToDateMark:
    """Every result that was written before `through` is known to be of this policy and pipeline."""

    policy_digest: str
    pipeline: str
    through: float

    def covers(self, policy_digest: str, modified: float) -> bool:
        """Say whether a sidecar of that time need not be asked for."""
        now = (policy_digest, PIPELINE_VERSION)
        return now == (self.policy_digest, self.pipeline) and modified < self.through


@dataclass(frozen=True, slots=True)
class ChangeDetector:
    """Decides over sources, for one run.

    Attributes
    ----------
    started_at : float
        When the run began; what was written since is not done again, as far as only its status asked for it.
    now : float
        For ages, in seconds since the epoch.
    """

    selection: Selection
    settings: Settings
    policy_digest: str
    started_at: float
    now: float
    verified: UpToDateMark | None = None

    def by_listing(self, pair: Pair) -> str | None:
        """Return `MISSING`, ``look`` when the sidecar has to be asked for, None for nothing to do."""
        if not self._selected(pair):
            return None
        chosen, sidecar = self.selection, pair.sidecar
        if not pair.listed:
            return "look"
        if sidecar is None:
            return MISSING if MISSING in chosen.states else None
        if chosen.forced:
            return "look"
        if "outdated" not in chosen.states:
            return None
        settled = self.verified is not None and self.verified.covers(self.policy_digest, sidecar.modified)
        return None if settled and pair.source.modified < sidecar.modified else "look"

    def by_look(self, pair: Pair, sources: Objects, results: Objects) -> tuple[str, Entry] | None:
        """Ask for the sidecar, and for the source where no listing told of it.

        Returns
        -------
        (str, Entry) or None
            ``missing``, ``source``, ``pipeline`` or ``policy`` (what has changed), or a status to be redone,
            with the source as it is now; None when there is nothing to do.
        """
        source, chosen = pair.source, self.selection
        sidecar = results.head(keys_of(source.key, self.settings).sidecar)
        if not source.etag or not pair.listed:
            try:
                found = sources.head(source.key)
            except (Halt, Reject, Review):
                pass  # who takes it up finds out whose fault that is
            else:
                if found is None:
                    return None
                source = replace(source, etag=found.etag, size=found.size)
        if sidecar is None:
            return (MISSING, source) if MISSING in chosen.states else None
        made_by = {
            name: sidecar.meta.get(f"x-cos-meta-{name}", "") for name in ("policy", "pipeline", "status")
        }
        policy, pipeline = chosen.policy_digest, chosen.pipeline
        if policy not in {"", made_by["policy"]} or pipeline not in {"", made_by["pipeline"]}:
            return None
        version = self._version(source)
        if not version.made(sidecar):
            return (_change(version, sidecar), source) if "outdated" in chosen.states else None
        if version.decided(sidecar) or made_by["status"] not in chosen.forced:
            return None
        written = pair.sidecar.modified if pair.sidecar else 0.0
        return (made_by["status"], source) if written < self.started_at - 1 else None

    def is_made(self, source: Entry, sidecar: Stored) -> bool:
        """Say whether a sidecar is what is wanted of a source as it is."""
        return self._version(source).made(sidecar)

    def _version(self, source: Entry) -> Version:
        digest, _, texts = self.policy_digest.partition("/")
        return Version(source.etag, digest, PIPELINE_VERSION, source_digest(source.key), texts=texts)

    def _selected(self, pair: Pair) -> bool:
        source, chosen = pair.source, self.selection
        if not_ours(source.key, self.settings) or not source.key.endswith(chosen.suffix):
            return False
        age = self.now - source.modified
        return age >= chosen.min_age_s and not (chosen.max_age_s and age > chosen.max_age_s)


def _change(version: Version, sidecar: Stored) -> str:
    if version.located(sidecar) or version.decided(sidecar):
        return "policy"
    return "pipeline" if version.is_of(sidecar) else "source"
