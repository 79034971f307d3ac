"""A function's log as GetFunctionLogs tells it, read from the file that the local cloud writes."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, Final

_START: Final = re.compile(r"START RequestId: (?P<id>\S+)(?: Time: (?P<time>\S+))?")
_END: Final = re.compile(r"END RequestId: (?P<id>\S+)")
_REPORT: Final = re.compile(
    r"REPORT RequestId: (?P<id>\S+) Duration: (?P<duration>\d+)ms Memory: \d+MB"
    r" MemUsage: (?P<memory>[\d.]+)MB"
)
#: Where functions log that name no topic, as the platform gives every account a topic of its own.
DEFAULT_TOPIC: Final = "local-logs"
#: Of a long log the end is read.
_MOST_BYTES: Final = 8 << 20


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a log.

    Attributes
    ----------
    offset
        Where it begins in the file, in bytes.
    time_ms
        When its invocation began, or what the line itself says, in milliseconds since the epoch.
    platform
        Whether the platform wrote it, not the function.
    """

    offset: int
    time_ms: int
    request_id: str
    platform: bool
    text: str


@dataclass(slots=True)
class _Invocation:
    request_id: str
    lines: list[str] = field(default_factory=list)
    duration_ms: int = 0
    memory_mb: float = 0.0
    finished: bool = False


def lines(log: Path) -> list[Line]:
    """Return a log's lines, each with the invocation it belongs to.

    Where several instances ran at a time, a line belongs to the one that it names (as JSON), else to the one
    that began last.
    """
    found: list[Line] = []
    running: list[str] = []
    now_ms = 0
    for offset, text in _lines(log):
        platform, request_id = True, ""
        if start := _START.fullmatch(text):
            request_id, text = start["id"], f"START RequestId: {start['id']}"
            now_ms = max(now_ms, _milliseconds(start["time"] or ""))
            running.append(request_id)
        elif end := _END.fullmatch(text):
            request_id = end["id"]
            running = [each for each in running if each != request_id]
        elif report := _REPORT.match(text):
            request_id = report["id"]
        else:
            said = _json(text)
            platform = "errorCode" in said
            named = said.get("function_request_id") or said.get("requestId")
            request_id = str(named or (running[-1] if running else ""))
            now_ms = max(now_ms, _milliseconds(str(said.get("timestamp", ""))))
        if request_id:
            found.append(Line(offset, now_ms, request_id, platform, text))
    return found


def invocations(log: Path, function: str) -> list[dict[str, Any]]:
    """Return what a log file tells of each try, oldest first."""
    found: list[_Invocation] = []
    last: dict[str, _Invocation] = {}
    for line in lines(log):
        if _START.fullmatch(line.text):
            last[line.request_id] = _Invocation(line.request_id)
            found.append(last[line.request_id])
        elif (each := last.get(line.request_id)) is None:
            continue
        elif _END.fullmatch(line.text):
            each.finished = True
        elif report := _REPORT.match(line.text):
            each.duration_ms, each.memory_mb = int(report["duration"]), float(report["memory"])
        else:
            each.lines.append(line.text)
    return [_told(each, function) for each in found]


def _told(each: _Invocation, function: str) -> dict[str, Any]:
    error = next((said for said in map(_json, each.lines) if "errorCode" in said), None)
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


def _json(line: str) -> dict[str, Any]:
    """What a line of JSON says: the platform's own after an error, and those of the function's logger."""
    if not line.startswith("{"):
        return {}
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _milliseconds(text: str) -> int:
    try:
        return int(datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp() * 1000)
    except ValueError:
        return 0


def _lines(log: Path) -> list[tuple[int, str]]:
    try:
        with log.open("rb") as file:
            offset = max(0, log.stat().st_size - _MOST_BYTES)
            file.seek(offset)
            found = []
            for line in file:
                found.append((offset, line.decode("utf-8", "replace").rstrip("\r\n")))
                offset += len(line)
            return found
    except FileNotFoundError:
        return []
