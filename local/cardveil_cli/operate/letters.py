"""Dead letters sent again: each at most once in a run, and deleted only when its function has taken it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.operate.deployed import Deployed
from cardveil_cli.operate.queues import Message, Queue

#: What a letter is that its function took, and that is gone from its queue.
ACCEPTED: Final = "accepted"


@dataclass(frozen=True, slots=True)
class Redelivery:
    """What became of one letter.

    Attributes
    ----------
    state
        ``accepted``; ``refused`` (its function did not take it), ``unreadable``, ``not_deleted`` (it was
        taken, and will be found again), ``foreign`` (of a function that is none of these).
    request_id, became
        Of the event that failed, and of the one that was made of it.
    reason
        In words, where it was not accepted; nothing of the event.
    """

    state: str
    function: str
    request_id: str
    became: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Letter:
    function: str
    request_id: str
    event: str


def redeliver(found: Deployed, queue: Queue) -> Iterator[Redelivery]:
    """Send the letters of a queue again and yield what became of each.

    What is not accepted stays in the queue. A letter whose event fails again comes back as another letter,
    under the request id that it got here: this run leaves it alone.

    Raises
    ------
    DeployError
        Where the queue does not answer.
    """
    seen: set[str] = set()
    for message in queue.receive():
        letter = _read(message)
        name = letter.request_id if letter is not None else message.body
        if name in seen:
            continue
        seen.add(name)
        if letter is None:
            yield Redelivery("unreadable", "", "", reason="it is no dead letter of SCF's form")
            continue
        done = _sent(found, queue, message, letter)
        seen.add(done.became)
        yield done


def _sent(found: Deployed, queue: Queue, message: Message, letter: _Letter) -> Redelivery:
    name, old = letter.function, letter.request_id
    if found.function(name) is None:
        return Redelivery("foreign", name, old, reason="its function is not one of this deployment")
    try:
        became = found.invoke(name, letter.event)
    except DeployError as refused:
        return Redelivery("refused", name, old, reason=str(refused))
    try:
        queue.delete(message)
    except DeployError as refused:
        return Redelivery("not_deleted", name, old, became, str(refused))
    return Redelivery(ACCEPTED, name, old, became)


def _read(message: Message) -> _Letter | None:
    try:
        letter = json.loads(message.body)
        body = letter["Body"]
        event = body["ClientContext"]
        json.loads(event)
        return _Letter(str(body["FunctionName"]), str(letter["RequestId"]), event)
    except (ValueError, KeyError, TypeError):
        return None
