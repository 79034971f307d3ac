"""All that a local cloud keeps anywhere: every version of every object, logs, events and dead letters."""

from __future__ import annotations

from collections.abc import Iterator

import orjson
from tests.support.cloud_fixture import Bench


def everything(bench: Bench) -> Iterator[tuple[str, bytes]]:
    """Yield all that is kept anywhere: every version with its key and headers, logs, events, dead letters."""
    store, marker, version = bench.cloud.store, "", ""
    while True:
        page = store.list_versions(bench.bucket, key_marker=marker, version_marker=version)
        for info, _ in page.entries:
            head = f"{info.key} {sorted(info.attributes.headers.items())}".encode()
            if info.marker:
                yield info.key, head
                continue
            _, file = store.open(info.bucket, info.key, info.version)
            with file:
                yield info.key, head + b" " + file.read()
        if page.next_key is None:
            break
        marker, version = page.next_key, page.next_version
    yield "logs", bench.logs().encode()
    yield "dead letters", orjson.dumps(bench.cloud.scf.dead_letters.all() if bench.cloud.scf else [])


def left(bench: Bench, *canaries: bytes) -> list[str]:
    """Name where a canary is left."""
    return [where for where, what in everything(bench) if any(each in what for each in canaries)]
