"""Tells the receiver of webhooks what cards came to: right after the commit, and by the schedule after that.

Nothing here may delay or fail a card: it begins when the card is done and its lease is given back, has a time
of its own, and what goes wrong leaves the note where the schedule finds it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import orjson

from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
from cardveil.core.frozen import dataclass
from cardveil.core.outbound import Outbound
from cardveil.core.webhook import TOLD, Receiver
from cardveil.storage.notices import ERASED, Notice, Notices, Tries, Waiting

if TYPE_CHECKING:
    from cardveil.core.rate_limit import Pause
    from cardveil.pipeline.pipeline import Pipeline

#: Longest that the receiver may take for one message, in seconds.
MESSAGE_S: Final = 5.0
#: How long a process leaves a receiver alone that did not take a message in time, in seconds.
PAUSE_S: Final = 60.0
#: Pauses before a note is told again, in seconds: doubled from the first to the last.
_FIRST_S: Final = 60.0
_LAST_S: Final = 6 * 3600.0
#: Messages that the schedule sends at a time; when as many on end are not taken, it is the receiver.
_SIDE_BY_SIDE: Final = 8
#: How long a dead letter is kept, in seconds: 30 days.
_DEAD_S: Final = 30 * 86400.0


@dataclass(frozen=True, slots=True)
class Teller:
    """Tells one receiver of the cards of one bucket.

    Attributes
    ----------
    on_metric : callable
        Called with a metric's name and its code.
    judged : callable
        Says of a refusal whether it is one object's or the account's.
    """

    notices: Notices
    receiver: Receiver
    on_metric: Callable[[str, str], None]
    now: Callable[[], float] = time.time
    judged: Callable[[CardveilError], CardveilError] = lambda refusal: refusal

    def tell(self, notice: Notice, tries: Tries, limit_s: float) -> bool:
        """Tell one note, and write down what became of it; say whether the receiver took it."""
        notices, settings = self.notices, self.notices.settings
        body = body_of(notice, tries.made + 1, with_key=settings.webhook_keys)
        became = self.receiver.tell(notice.id, body, self.now(), limit_s)
        if became == TOLD:
            self.on_metric("WebhookTold", "")
            notices.done(notice.source, notice.id, tried=bool(tries.made))
            return True
        made = tries.made + 1
        dead = made >= settings.webhook_attempts
        self.on_metric("WebhookFailed", became)
        if dead:
            self.on_metric("WebhookDead", became)
        at = self.now() + (0.0 if dead else pause_after(made))
        notices.failed(Waiting(notice.source, notice.id, tries), Tries(made, dead, at))
        return False

    def tell_fresh(self, limit_s: float) -> bool:
        """Tell what this process has committed; say whether the receiver took all of it in time."""
        deadline = time.monotonic() + limit_s
        while self.notices.fresh:
            left = deadline - time.monotonic()
            if left <= 0 or not self.tell(self.notices.fresh.pop(0), Tries(), min(left, MESSAGE_S)):
                return False
        return True

    def tell_due(self, over: Callable[[], bool]) -> Counter[str]:
        """Tell what is due, while there is time and the receiver takes something; count what became of it.

        What was told in vain before comes last: a message that is never taken keeps no other one waiting.
        """
        counts: Counter[str] = Counter()
        with ThreadPoolExecutor(_SIDE_BY_SIDE) as pool:
            for due in (self._never_told(), self._told_in_vain(counts)):
                while batch := [] if over() else list(islice(due, _SIDE_BY_SIDE)):
                    became = list(pool.map(self._told_later, batch))
                    counts.update(became)
                    if len(batch) == _SIDE_BY_SIDE and set(became) == {"webhooks_failed"}:
                        return counts
        return counts

    def _never_told(self) -> Iterator[Waiting]:
        return (waiting for waiting in self.notices.waiting() if not waiting.tries.made)

    def _told_in_vain(self, counts: Counter[str]) -> Iterator[Waiting]:
        def forget(source: str, id: str) -> None:
            self._unless_refused(partial(self._forgotten, source, id))

        for waiting in self.notices.waiting(forget):
            if waiting.tries.dead:
                if waiting.tries.at + _DEAD_S < self.now():
                    counts[self._unless_refused(partial(self._dropped, waiting))] += 1
            elif waiting.tries.made and waiting.tries.at <= self.now():
                yield waiting

    def _told_later(self, waiting: Waiting) -> str:
        """Tell a note that was found in the bucket, unless its state never came about."""
        return self._unless_refused(partial(self._told_if_it_came_about, waiting))

    def _dropped(self, waiting: Waiting) -> str:
        self.notices.done(waiting.source, waiting.id, tried=True)
        return "webhooks_dropped"

    def _forgotten(self, source: str, id: str) -> str:
        self.notices.forget(source, id)
        return "webhooks_forgotten"

    def _unless_refused(self, action: Callable[[], str]) -> str:
        """Do something with one note; what is refused of it alone waits, and keeps no other waiting."""
        try:
            return action()
        except (Halt, Reject, Review) as refusal:
            judged = self.judged(refusal)
            if isinstance(judged, Halt | Retry):
                raise judged from None
            return "webhooks_refused"

    def _told_if_it_came_about(self, waiting: Waiting) -> str:
        notice = self.notices.read(waiting.source, waiting.id)
        if notice is None:
            return "webhooks_elsewhere"
        came_about = self.notices.came_about(notice)
        if came_about is None:
            return "webhooks_undecided"
        if not came_about:
            self.notices.done(waiting.source, waiting.id, tried=bool(waiting.tries.made))
            return "webhooks_void"
        told = self.tell(notice, waiting.tries, MESSAGE_S)
        return "webhooks_told" if told else "webhooks_failed"


def teller_of(pipeline: Pipeline, on_metric: Callable[[str, str], None]) -> Teller | None:
    """Return who tells of a pipeline's cards, None where there is no receiver."""
    settings, notices = pipeline.settings, pipeline.results.notices
    if notices is None:
        return None
    outbound = Outbound(loopback=settings.scheme == "http")
    receiver = Receiver(settings.webhook, settings.webhook_secret, outbound)
    return Teller(notices, receiver, on_metric, judged=pipeline.judged)


def tell_committed(
    pipeline: Pipeline, pause: Pause, limit_s: float, on_metric: Callable[[str, str], None]
) -> None:
    """Tell what a pipeline has just committed, for at most so many seconds; the schedule does the rest.

    In a thread, since a name server may take longer than any limit; whatever of it is not done by then has
    its note. After a receiver that was too slow, or took nothing, this process leaves it alone for a while.
    """
    teller = teller_of(pipeline, on_metric)
    limit_s = min(limit_s, pipeline.invocation.remaining_s() / 2)
    if teller is None or not teller.notices.fresh or not pause.over():
        return
    took: list[bool] = []

    def run() -> None:
        try:
            took.append(teller.tell_fresh(limit_s))
        except CardveilError:
            on_metric("WebhookFailed", "bucket")

    thread = threading.Thread(target=run, name="webhook", daemon=True)
    thread.start()
    thread.join(limit_s)
    if not any(took):
        pause.begin(PAUSE_S)


def body_of(notice: Notice, attempt: int, *, with_key: bool) -> bytes:
    """Return what the receiver is told: digests, codes and times, nothing that a card or a key says."""
    data: dict[str, Any] = {"source_sha256": notice.source, "state": notice.state}
    if notice.state == ERASED:
        data["reason"] = notice.reason
    else:
        data |= {"status": notice.status, "findings": list(notice.findings), "etag": notice.etag}
    if with_key and notice.key:
        data["key"] = notice.key
    at = datetime.fromtimestamp(notice.at, timezone.utc).isoformat(timespec="milliseconds")
    return orjson.dumps(
        {
            "type": f"card.{notice.state}",
            "id": notice.id,
            "timestamp": at.replace("+00:00", "Z"),
            "attempt": attempt,
            "data": data,
        }
    )


def pause_after(tries: int) -> float:
    """Return the seconds after which a note is told again that was told in vain so many times."""
    return float(min(_LAST_S, _FIRST_S * 2.0 ** (tries - 1)))
