"""The log service's SearchLog over the files that functions print to."""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

from cardveil_cloud.accounts import Credential
from cardveil_cloud.scf.service import ScfService
from cardveil_cloud.tencent_api.errors import ApiError, require
from cardveil_cloud.tencent_api.scf.fields import count, take
from cardveil_cloud.tencent_api.scf.logs import DEFAULT_TOPIC, Line, lines

_MOST: Final = 1000
#: `field:"text"` of CQL; alternatives are joined by OR, groups of them by AND.
_TERM: Final = re.compile(r'(SCF_[A-Za-z]+):"([^"]*)"')


class LogService:
    """The product behind ``cls.tencentcloudapi.com``."""

    name = "cls"
    version = "2020-10-16"
    actions = ("SearchLog",)

    def __init__(self, scf: ScfService, region: str) -> None:
        self._scf = scf
        self.region = region

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """See `Product.check`."""
        require(credential, f"cls:{action}", f"cls/topic/{take(body, 'TopicId', str)}")

    async def act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Search; see `Product.act`."""
        topic, start, end = take(body, "TopicId", str), count(body, "From", 0), count(body, "To", 0)
        if take(body, "SyntaxRule", int, 0) != 1:
            raise ApiError("InvalidParameter", "Only SyntaxRule 1 (CQL) is understood here.")
        groups = _groups(take(body, "Query", str))
        logs = [
            (spec.name, self._scf.log_of(key))
            for key, spec in self._scf.deployment.functions.items()
            if (spec.logs[1] if spec.logs is not None else DEFAULT_TOPIC) == topic
        ]
        if not logs:
            raise ApiError("ResourceNotFound.TopicNotExist", "There is no such topic.")
        found = await asyncio.to_thread(
            lambda: [each for name, log in logs for each in _entries(topic, name, log)]
        )
        found = [each for each in found if start <= each["Time"] <= end and _fits(each, groups)]
        order = take(body, "Sort", str, "desc")
        found.sort(key=lambda each: (each["Time"], each["PkgId"], each["PkgLogId"]), reverse=order == "desc")
        passed = int(take(body, "Context", str, "") or 0)
        shown = found[passed : passed + min(count(body, "Limit", 100), _MOST)]
        over = passed + len(shown) >= len(found)
        return {
            "Context": "" if over else str(passed + len(shown)),
            "ListOver": over,
            "Analysis": False,
            "Results": [{**each, "LogJson": json.dumps(each["LogJson"])} for each in shown],
        }


def _groups(query: str) -> list[list[tuple[str, str]]]:
    if query in {"", "*"}:
        return []
    groups = []
    for part in query.split(" AND "):
        terms = [_TERM.fullmatch(term) for term in part.removeprefix("(").removesuffix(")").split(" OR ")]
        if None in terms:
            raise ApiError("FailedOperation.SyntaxError", "The query is not understood by the local cloud.")
        groups.append([(term[1], term[2]) for term in terms if term is not None])
    return groups


def _fits(entry: dict[str, Any], groups: list[list[tuple[str, str]]]) -> bool:
    fields = entry["LogJson"]
    return all(any(text in str(fields.get(name, "")) for name, text in group) for group in groups)


def _entries(topic: str, function: str, log: Path) -> list[dict[str, Any]]:
    return [
        {
            "Time": each.time_ms,
            "TopicId": topic,
            "TopicName": topic,
            "Source": "127.0.0.1",
            "FileName": "",
            "PkgId": log.name,
            "PkgLogId": str(each.offset),
            "LogJson": _fields(function, each),
        }
        for each in lines(log)
    ]


def _fields(function: str, line: Line) -> dict[str, Any]:
    # "Log structure" of SCF: the fields of its short form.
    return {
        "SCF_FunctionName": function,
        "SCF_Namespace": "default",
        "SCF_LogTime": line.time_ms * 1_000_000,
        "SCF_RequestId": line.request_id,
        "SCF_Qualifier": "$LATEST",
        "SCF_Type": "Platform" if line.platform else "Custom",
        "SCF_Message": line.text,
        "SCF_RetryNum": 0,
    }
