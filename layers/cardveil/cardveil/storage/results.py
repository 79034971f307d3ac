"""Results: is there one already, and the order of writing that makes the sidecar the commit."""

from __future__ import annotations

from cardveil.card.findings import Status
from cardveil.core.frozen import dataclass
from cardveil.storage.keys import Keys
from cardveil.storage.objects import Objects, Stored


@dataclass(frozen=True, slots=True)
class Version:
    """What a result was made from and by; with any of it changed, the result is out of date."""

    etag: str
    policy_digest: str
    pipeline: str

    def as_meta(self) -> dict[str, str]:
        """Return it as user metadata of the sidecar, so that a HEAD tells whether there is anything to do."""
        return {"source-etag": self.etag, "policy": self.policy_digest, "pipeline": self.pipeline}

    def made(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` is of this version, or what a person decided for the same source.

        What a person has put right is not undone by a later delivery or a change of the settings.
        """
        meta = {name: sidecar.meta.get(f"x-cos-meta-{name}") for name in self.as_meta()}
        return self.decided(sidecar) or all(meta[name] == value for name, value in self.as_meta().items())

    def decided(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` is what a person decided for the same source."""
        meta = sidecar.meta
        return meta.get("x-cos-meta-source-etag") == self.etag and meta.get("x-cos-meta-decided") == "yes"

    def located(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` holds the places of the same source, as this pipeline finds them."""
        meta = sidecar.meta
        return (
            meta.get("x-cos-meta-source-etag") == self.etag
            and meta.get("x-cos-meta-pipeline") == self.pipeline
            and not self.decided(sidecar)
        )


@dataclass(frozen=True, slots=True)
class Results:
    """Writes the results of one source.

    Attributes
    ----------
    objects : Objects
        The bucket for results.
    """

    objects: Objects

    def current(self, keys: Keys) -> Stored | None:
        """Return the sidecar's head, None when there is no result."""
        return self.objects.head(keys.sidecar)

    def withdraw(self, keys: Keys) -> None:
        """Remove the results of a source that is not there any more."""
        self.objects.delete(keys.sidecar)
        self.objects.delete(keys.redacted)

    def commit(
        self,
        keys: Keys,
        version: Version,
        status: Status,
        sidecar: bytes,
        copy: tuple[bytes, str] | None,
        *,
        decided: bool = False,
    ) -> None:
        """Write the redacted copy, then the sidecar, last; without a copy, remove one of an older result.

        A crash in between leaves no sidecar of this version, so that the next delivery does it again. An old
        copy is removed before the sidecar says that there is none.

        Parameters
        ----------
        copy : (bytes, str), optional
            The redacted picture and its media type.
        decided : bool
            Whether it was decided by a person: it then stands until the source changes.
        """
        if copy:
            data, media_type = copy
            # Nothing of the source: its ETag is the MD5 of what was covered, and copies are passed on.
            self.objects.put(keys.redacted, data, media_type=media_type, meta={"kind": "redacted"})
        elif self.objects.head(keys.redacted):
            self.objects.delete(keys.redacted)
        self.objects.put(
            keys.sidecar,
            sidecar,
            media_type="application/json",
            meta={
                "kind": "sidecar",
                "status": status.value,
                **version.as_meta(),
                **({"decided": "yes"} if decided else {}),
            },
        )
