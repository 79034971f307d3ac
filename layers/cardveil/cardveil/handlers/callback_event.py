"""Callbacks of finished jobs in every form in which they come: by URL or queue, JSON or XML, one or many."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from cardveil.core.errors import Reject
from cardveil.core.frozen import dataclass

#: A callback of a job with its whole result is some kilobytes; what is larger is not read at all.
MAX_BYTES: Final = 256 * 1024
#: A callback tells of one job; a list of more than this is nobody's callback.
_MAX_JOBS: Final = 20


@dataclass(frozen=True, slots=True)
class JobCallback:
    """What a callback says of one job: a hint from a stranger, to be checked."""

    job_id: str
    user_data: str | None


@dataclass(frozen=True, slots=True)
class Delivery:
    """One invocation's callbacks.

    Attributes
    ----------
    http : bool
        Whether somebody waits for an HTTP answer; queues are answered by returning or failing.
    method : str
        HTTP method, empty for queues.
    bodies : tuple of str
        The callbacks, unread; empty for a record that holds none.
    """

    http: bool
    method: str
    bodies: tuple[str, ...]


def read_delivery(event: Any) -> Delivery:
    """Take the callbacks out of a function URL's, CKafka's, CMQ's or TDMQ's event.

    Raises
    ------
    Reject
        ``event_unreadable``; the text holds nothing of the event.
    """
    if isinstance(event, Mapping):
        if "httpMethod" in event:
            return Delivery(True, str(event["httpMethod"]).upper(), (_text(event.get("body")),))
        if str(event.get("type", "")).startswith("connector:"):
            # TDMQ through EventBridge.
            data = event.get("data")
            if isinstance(data, Mapping) and "msgBody" in data:
                return Delivery(False, "", (_text(data["msgBody"]),))
        records = event.get("Records")
        messages = [_message(record) for record in records] if isinstance(records, list) else []
        if any(message is not None for message in messages):
            # One record that is no queue's does not keep the others from being read.
            return Delivery(False, "", tuple(message or "" for message in messages))
    raise _unreadable_event()


def read_callback(body: str) -> tuple[JobCallback, ...]:
    """Read what a callback says, JSON or XML by its first character.

    Raises
    ------
    Reject
        ``callback_too_large`` or ``callback_unreadable``; the text holds nothing of the callback.
    """
    if len(body) > MAX_BYTES or len(body.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Reject("callback_too_large", f"send at most {MAX_BYTES} bytes")
    text = body.lstrip("\ufeff \t\r\n")
    jobs = _of_xml(text) if text.startswith("<") else _of_json(text)
    if not 0 < len(jobs) <= _MAX_JOBS:
        raise _unreadable()
    return jobs


def _message(record: Any) -> str | None:
    if isinstance(record, Mapping):
        for name in ("Ckafka", "CMQ"):
            inner = record.get(name)
            if isinstance(inner, Mapping) and "msgBody" in inner:
                return _text(inner["msgBody"])
    return None


def _text(body: Any) -> str:
    """Return a body as text; queues' connectors hand JSON on as an object now and then."""
    if body is None:
        return ""
    return body if isinstance(body, str) else json.dumps(body)


def _of_json(text: str) -> tuple[JobCallback, ...]:
    try:
        # Not by orjson, whose import costs a stranger's callback more than all else here.
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise _unreadable() from None
    if isinstance(document, Mapping) and isinstance(document.get("Response"), Mapping):
        document = document["Response"]
    details = document.get("JobsDetail") if isinstance(document, Mapping) else None
    # The vendor's samples show one job both as an object and as a list.
    if isinstance(details, Mapping):
        details = [details]
    if not isinstance(details, list) or not all(isinstance(detail, Mapping) for detail in details):
        raise _unreadable()
    return tuple(_of_detail(detail) for detail in details)


def _of_detail(detail: Mapping[str, Any]) -> JobCallback:
    operation = detail.get("Operation")
    user_data = operation.get("UserData") if isinstance(operation, Mapping) else None
    job_id = detail.get("JobId")
    return JobCallback(
        job_id if isinstance(job_id, str) else "", user_data if isinstance(user_data, str) else None
    )


def _of_xml(text: str) -> tuple[JobCallback, ...]:
    from xml.etree import ElementTree

    class NoDoctype(ElementTree.TreeBuilder):
        """Refuses a document type before anything in it is read: without one no entity can be declared."""

        def doctype(self, _name: str, _pubid: str | None, _system: str | None) -> None:
            raise _unreadable()

    parser = ElementTree.XMLParser(target=NoDoctype())  # noqa: S314 - no DTD, and no more than MAX_BYTES
    try:
        parser.feed(text)
        root = parser.close()
    except (ElementTree.ParseError, ValueError):
        raise _unreadable() from None
    if root.tag.rpartition("}")[2] != "Response":
        raise _unreadable()
    return tuple(
        JobCallback(detail.findtext("JobId") or "", detail.findtext("Operation/UserData"))
        for detail in root.findall("JobsDetail")
    )


def _unreadable() -> Reject:
    return Reject("callback_unreadable", "send the callback of a job, in JSON or XML")


def _unreadable_event() -> Reject:
    return Reject("event_unreadable", "invoke this function by its URL or from a queue")
