"""What the functions have logged, from the log service: all of it, of one source, or as it comes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cardveil.core.privacy import digest
from cardveil_cli.deploy.access import call_api
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.operate.deployed import Deployed

_CLS: Final = ("cls", "2020-10-16")
#: Lines of one page: the most that the log service gives is 1,000.
_PAGE: Final = 500
#: A line may be found so long after it was written; the same line is shown once, in seconds.
_LATE_S: Final = 60.0
#: Requests that are asked for at once; a query has at most 12 KB.
_REQUESTS: Final = 50


@dataclass(frozen=True, slots=True)
class LogLine:
    """One line; `place` tells it from all others, `time_ms` is in milliseconds since the epoch."""

    time_ms: int
    function: str
    request_id: str
    text: str
    place: tuple[str, str]


class Logs:
    """The lines of some functions.

    Parameters
    ----------
    functions
        Their names; all that are deployed by default.

    Raises
    ------
    DeployError
        If one of the functions has no topic.
    """

    def __init__(self, found: Deployed, functions: Sequence[str] = ()) -> None:
        self._access = found.access
        self._topics: dict[str, list[str]] = {}
        for each in found.functions:
            if functions and each.name not in functions:
                continue
            if not each.topic:
                raise DeployError(
                    f"function {each.name} logs to no topic: give it one by cls in serverless.yml"
                )
            self._topics.setdefault(each.topic, []).append(each.name)

    def between(self, start_s: float, end_s: float, words: Sequence[str] = ()) -> list[LogLine]:
        """Return the lines of a time, oldest first.

        Parameters
        ----------
        start_s, end_s
            Seconds since the epoch.
        words
            Further groups of CQL that a line must fit, such as ``SCF_Message:"…"``.
        """
        found: list[LogLine] = []
        for topic, names in self._topics.items():
            query = " AND ".join([_any_of("SCF_FunctionName", names), *words])
            found += self._search(topic, query, start_s, end_s)
        return sorted(found, key=lambda line: (line.time_ms, line.place[0], int(line.place[1] or 0)))

    def of_source(self, key: str, start_s: float, end_s: float) -> list[LogLine]:
        """Return all lines of the invocations that name a source's digest."""
        named = self.between(start_s, end_s, [f'SCF_Message:"{digest(key)}"'])
        ids = list(dict.fromkeys(line.request_id for line in named))
        found: list[LogLine] = []
        for first in range(0, len(ids), _REQUESTS):
            group = _any_of("SCF_RequestId", ids[first : first + _REQUESTS])
            found += self.between(start_s, end_s, [group])
        return sorted(found, key=lambda line: (line.time_ms, line.place[0], int(line.place[1] or 0)))

    def follow(self, start_s: float, key: str = "", pause_s: float = 1.0) -> Iterator[list[LogLine]]:
        """Yield new lines for ever, also those that are found late; an empty list when there was none."""
        shown: dict[tuple[str, str], int] = {}
        while True:
            now = time.time()
            since = max(start_s, now - _LATE_S) if shown else start_s
            found = self.of_source(key, since, now + 1) if key else self.between(since, now + 1)
            fresh = [line for line in found if line.place not in shown]
            shown |= {line.place: line.time_ms for line in fresh}
            shown = {place: at for place, at in shown.items() if at >= (since - _LATE_S) * 1000}
            yield fresh
            time.sleep(pause_s)

    def _search(self, topic: str, query: str, start_s: float, end_s: float) -> Iterator[LogLine]:
        parameters: dict[str, Any] = {
            "TopicId": topic,
            "From": int(start_s * 1000),
            "To": int(end_s * 1000),
            "Query": query,
            "SyntaxRule": 1,
            "Sort": "asc",
            "Limit": _PAGE,
        }
        while True:
            answer = call_api(self._access, *_CLS, "SearchLog", parameters)
            if answer is None:
                raise DeployError(
                    f"there is no topic {topic} in the log service: correct cls in serverless.yml"
                )
            yield from map(_line, answer.get("Results") or [])
            if answer.get("ListOver", True) or not answer.get("Context"):
                return
            parameters["Context"] = answer["Context"]


def _any_of(field: str, texts: Sequence[str]) -> str:
    terms = " OR ".join(f'{field}:"{text}"' for text in texts)
    return f"({terms})" if len(texts) > 1 else terms


def _line(entry: dict[str, Any]) -> LogLine:
    fields = json.loads(entry["LogJson"])
    return LogLine(
        time_ms=int(entry["Time"]),
        function=str(fields.get("SCF_FunctionName", "")),
        request_id=str(fields.get("SCF_RequestId", "")),
        text=str(fields.get("SCF_Message", "")).rstrip("\n"),
        place=(str(entry.get("PkgId", "")), str(entry.get("PkgLogId", ""))),
    )
