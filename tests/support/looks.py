"""Looks at cards over HTTP, one of each kind, as tests and benchmarks of the access ledger take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import requests
from tests.support.api_fixture import Api

from cardveil.api.refs import reference

READER: Final = ("read",)
AUDITOR: Final = ("export", "read")
DESK: Final = ("submit", "read", "read_text", "review")
HOLDER: Final = ("hold",)
ALL: Final = (*DESK, "erase")


@dataclass(frozen=True, slots=True)
class Taken:
    """One look that was answered: its kind in the ledger, whose card, by which roles."""

    kind: str
    key: str
    roles: tuple[str, ...]
    answer: dict[str, Any]


def all_kinds(api: Api, data: bytes, name: str, purpose: str = "") -> list[Taken]:
    """Take a look of each kind at a card that is uploaded for it; raises AssertionError for a refusal.

    Between them the inbox is emptied of the card, so that this can be done again with another name.
    """
    key = f"inbox/{name}.jpg"
    api.upload(f"{name}.jpg", data)
    path = f"/v1/cards/{reference(key)}"
    headers = {"X-Cardveil-Purpose": purpose} if purpose else {}
    taken: list[Taken] = []

    def take(kind: str, method: str, where: str, body: Any = None, roles: tuple[str, ...] = DESK) -> Any:
        return seen(kind, key, roles, api.call(method, where, body, roles=roles, headers=headers))

    def seen(kind: str, of: str, roles: tuple[str, ...], answer: requests.Response) -> dict[str, Any]:
        if answer.status_code != 200:
            raise AssertionError(f"{kind}: {answer.status_code} {answer.text}")
        document: dict[str, Any] = answer.json()
        taken.append(Taken(kind, of, roles, document))
        return document

    take("list", "GET", f"/v1/cards?prefix={key}", roles=READER)
    take("masked_text", "GET", path, roles=READER)
    version = take("text", "GET", path)["version"]
    take("source", "GET", f"{path}/pictures/source")
    take("copy", "GET", f"{path}/pictures/redacted", roles=READER)
    correction = {"decision": "correct", "version": version, "fields": [{"name": "name", "text": "李四"}]}
    take("decision", "POST", f"{path}/review", correction)
    take("hold", "POST", f"{path}/hold", {"reason": "case:1"}, roles=HOLDER)
    take("release", "DELETE", f"{path}/hold", roles=HOLDER)
    source = {"kind": "object", "key": key}
    take("submission", "POST", "/v1/cards", {"source": source, "crops": ["card"]})
    take("export", "GET", f"/v1/export?format=jsonl&prefix={key}", roles=AUDITOR)
    take("erasure", "DELETE", f"{path}?reason=test_data", roles=ALL)
    return taken
