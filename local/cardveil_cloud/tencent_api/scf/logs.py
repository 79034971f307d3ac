"""A function's log as GetFunctionLogs tells it, read from the file that the local cloud writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_START: Final = re.compile(r"START RequestId: (?P<id>\S+)")
_END: Final = re.compile(r"END RequestId: (?P<id>\S+)")
_REPORT: Final = re.compile(
    r"REPORT RequestId: (?P<id>\S+) Duration: (?P<duration>\d+)ms Memory: \d+MB"
    r" MemUsage: (?P<memory>[\d.]+)MB"
)
#: Of a long log the end is read.
_MOST_BYTES: Final = 8 << 20


@dataclass(slots=True)
class _Invocation:
    request_id: str
    lines: list[str] = field(default_factory=list)
    duration_ms: int = 0
    memory_mb: float = 0.0
    finished: bool = False


def invocations(log: Path, function: str) -> list[dict[str, Any]]:
    """Return what a log file tells of each try, oldest first.

    Where several instances ran at a time, the lines between one's beginning and its end may be another's.
    """
    found: list[_Invocation] = []
    running: list[_Invocation] = []
    for line in _lines(log):
        if started := _START.fullmatch(line):
            running.append(_Invocation(started["id"]))
            found.append(running[-1])
        elif ended := _END.fullmatch(line):
            for each in [each for each in running if each.request_id == ended["id"]]:
                each.finished = True
                running.remove(each)
        elif report := _REPORT.match(line):
            for each in [each for each in found if each.request_id == report["id"]][-1:]:
                each.duration_ms, each.memory_mb = int(report["duration"]), float(report["memory"])
        elif running:
            running[-1].lines.append(line)
    return [_told(each, function) for each in found]


def _told(each: _Invocation, function: str) -> dict[str, Any]:
    error = next(filter(None, map(_error, each.lines)), None)
    return {
        "FunctionName": function,
        "RequestId": each.request_id,
        "RetCode": 0 if error is None else 1,
        "RetMsg": "" if error is None else str(error.get("errorMessage", "")),
        "InvokeFinished": int(each.finished),
        "Duration": each.duration_ms,
        "BillDuration": each.duration_ms,
        "MemUsage": int(each.memory_mb * 1024 * 1024),
        "Log": "\n".join(each.lines),
        "Level": "INFO" if error is None else "ERROR",
        "Source": "",
        "StartTime": "",
        "RetryNum": 0,
    }


def _error(line: str) -> dict[str, Any] | None:
    """The platform's own line after an error, or None."""
    if not line.startswith('{"errorCode"'):
        return None
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said if isinstance(said, dict) else None


def _lines(log: Path) -> list[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _MOST_BYTES))
            return file.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []
