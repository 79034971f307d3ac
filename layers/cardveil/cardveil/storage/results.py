"""Results: is there one already, and the order of writing that makes the sidecar the commit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from cardveil.card.findings import Status
from cardveil.core.errors import SourceGone
from cardveil.core.frozen import dataclass
from cardveil.storage.keys import Keys
from cardveil.storage.objects import Objects, Stored
from cardveil.storage.sidecar import MAX_BYTES

_META: Final = "x-cos-meta-"


@dataclass(frozen=True, slots=True)
class Version:
    """What a result was made from and by; with any of it changed, the result is out of date.

    Attributes
    ----------
    policy_digest : str
        Of the settings' policy.
    source : str
        `keys.source_digest` of the source's key; a sidecar that names another source is not believed.
    chosen, applied : str
        The packaged policy that was chosen for the source, and the digest of the policy that came of it and
        the settings'; empty where none was chosen.
    texts : str
        How texts are kept; empty as they are.
    """

    etag: str
    policy_digest: str
    pipeline: str
    source: str
    chosen: str = ""
    applied: str = ""
    texts: str = ""

    def as_meta(self) -> dict[str, str]:
        """Return it as user metadata of the sidecar, so that a HEAD tells whether there is anything to do."""
        meta = {"source": self.source, "source-etag": self.etag, "pipeline": self.pipeline}
        if self.texts:
            meta["texts"] = self.texts
        if not self.chosen:
            return {**meta, "policy": self.policy_digest}
        return {**meta, "policy": self.applied, "chosen": self.chosen, "configured": self.policy_digest}

    def made(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` is of this version, or what a person decided for the same source.

        What a person has put right is not undone by a later delivery or a change of the settings. A decision
        whose copy may not be written yet is not made.
        """
        if _said(sidecar, "unfinished") or not self.keeps_texts_so(sidecar):
            return False
        policy = _said(sidecar, "configured") or _said(sidecar, "policy")
        now = self.located(sidecar) and policy == self.policy_digest
        return self.decided(sidecar) or now

    def keeps_texts_so(self, sidecar: Stored) -> bool:
        """Say whether texts are kept as they are to be; a person's decision may hold less, and keeps it."""
        kept = _said(sidecar, "texts")
        return kept == self.texts or (self.decided(sidecar) and not self.texts)

    def waits(self, sidecar: Stored, code: str) -> bool:
        """Say whether `sidecar` says of the same source that it cannot be read, for this reason."""
        whole = not _said(sidecar, "unfinished") and not self.decided(sidecar)
        return whole and self.is_of(sidecar) and unread(sidecar) == code

    def decided(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` is what a person decided for the same source."""
        return self.is_of(sidecar) and _said(sidecar, "decided") == "yes"

    def unfinished(self, sidecar: Stored) -> bool:
        """Say whether a person decided so, and was interrupted before the copy was written."""
        return self.decided(sidecar) and bool(_said(sidecar, "unfinished"))

    def located(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` holds the places of the same source, as this pipeline finds them."""
        made_by = _said(sidecar, "pipeline")
        read = self.is_of(sidecar) and not unread(sidecar)
        return read and made_by == self.pipeline and not self.decided(sidecar)

    def chosen_in(self, sidecar: Stored) -> str:
        """Return the packaged policy that was chosen for the same source, empty for none."""
        return _said(sidecar, "chosen") if self.is_of(sidecar) else ""

    def is_of(self, sidecar: Stored) -> bool:
        """Say whether `sidecar` is about the same bytes under the same key."""
        # Sidecars of earlier versions name their source in the document alone.
        named = _said(sidecar, "source") or self.source
        return named == self.source and _said(sidecar, "source-etag") == self.etag


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
        self._withdraw_former(keys)

    def commit(
        self,
        keys: Keys,
        version: Version,
        status: Status,
        sidecar: bytes,
        copy: tuple[bytes, str] | None,
        *,
        replaces: bool = False,
        unread: str = "",
    ) -> None:
        """Write the redacted copy, then the sidecar, last; without a copy, remove one of an older result.

        A crash in between leaves no sidecar of this version, so that the next delivery does it again. An old
        copy is removed before the sidecar says that there is none.

        Parameters
        ----------
        copy : (bytes, str), optional
            The redacted picture and its media type.
        replaces : bool
            Whether there is a sidecar already. It may be right again one day, by other settings or another
            upload, and must not vouch then for a copy that a crash has left.
        unread : str
            Why the source could not be read: the sidecar then stands until it can be.
        """
        if replaces:
            self._unsettle(keys)
        self._withdraw_former(keys)
        if copy:
            self._put_copy(keys, copy)
        else:
            self._withdraw(keys)
        told = {"unread": unread} if unread else {}
        self._put_sidecar(keys, sidecar, {"status": status.value, **version.as_meta(), **told})

    def commit_decision(
        self, keys: Keys, version: Version, status: Status, sidecar: bytes, copy: tuple[bytes, str] | None
    ) -> None:
        """Write what a person has decided: it stands until the source changes.

        It may show more than the result before, or less, so no order of copy and sidecar alone is safe. The
        old copy goes first, and then the decision is written, before its own copy. Whichever sidecar stands
        meanwhile is marked as unfinished: whoever comes next writes the copy that it asks for. See
        `pipeline.decisions`.
        """
        told = {"status": status.value, **version.as_meta(), "decided": "yes"}
        self._withdraw_former(keys)
        if self.objects.head(keys.redacted):
            self._unsettle(keys)
            self.objects.delete(keys.redacted)
        if copy:
            self._put_sidecar(keys, sidecar, {**told, "unfinished": "yes"})
            self._put_copy(keys, copy)
        self._put_sidecar(keys, sidecar, told)

    def finish_decision(self, keys: Keys, written: Stored, sidecar: bytes, copy: tuple[bytes, str]) -> None:
        """Write the copy of an unfinished decision, and take its mark away; all else stays as it was."""
        self._put_copy(keys, copy)
        self._put_sidecar(keys, sidecar, _own(written))

    def rewrite(self, keys: Keys, written: Stored, sidecar: bytes, version: Version) -> None:
        """Write a sidecar anew that keeps its texts otherwise; all else stays as it was."""
        mark = {"unfinished": "yes"} if _said(written, "unfinished") else {}
        self._put_sidecar(keys, sidecar, {**_own(written), **mark, "texts": version.texts})

    def _unsettle(self, keys: Keys) -> None:
        """Mark the present sidecar as unfinished: from here on the copy need not be the one that it names."""
        try:
            before, data = self.objects.get(keys.sidecar, max_bytes=MAX_BYTES)
        except SourceGone:
            return
        if data is not None:
            self._put_sidecar(keys, data, {**_own(before), "unfinished": "yes"})

    def _put_copy(self, keys: Keys, copy: tuple[bytes, str]) -> None:
        data, media_type = copy
        # Nothing of the source: its ETag is the MD5 of what was covered, and copies are passed on.
        self.objects.put(keys.redacted, data, media_type=media_type, meta={"kind": "redacted"})

    def _put_sidecar(self, keys: Keys, sidecar: bytes, meta: Mapping[str, str]) -> None:
        meta = {"kind": "sidecar", **meta}
        self.objects.put(keys.sidecar, sidecar, media_type="application/json", meta=meta)

    def _withdraw(self, keys: Keys) -> None:
        if self.objects.head(keys.redacted):
            self.objects.delete(keys.redacted)

    def _withdraw_former(self, keys: Keys) -> None:
        if keys.former and self.objects.head(keys.former):
            self.objects.delete(keys.former)


def unread(sidecar: Stored) -> str:
    """Return why a source could not be read, as its sidecar's metadata say; empty where it was."""
    return _said(sidecar, "unread")


def _own(sidecar: Stored) -> dict[str, str]:
    """Return what a sidecar's metadata say, but for the marks that writing it sets anew."""
    told = {name.removeprefix(_META): value for name, value in sidecar.meta.items()}
    return {name: value for name, value in told.items() if name not in {"unfinished", "cardveil"}}


def _said(sidecar: Stored, name: str) -> str:
    return sidecar.meta.get(f"{_META}{name}", "")
