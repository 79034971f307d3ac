"""Timer triggers: fired by hand in tests, or by the clock when the scheduler is on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.scf.deployment import TimerTrigger
from cardveil_cloud.scf.events import timer_event
from cardveil_cloud.scf.queue import AsyncInvoker


class Timers:
    """The timer triggers of a deployment.

    Parameters
    ----------
    clock
        Seconds since the epoch.

    Raises
    ------
    ValueError
        If a trigger's cron expression is not understood.
    """

    def __init__(
        self,
        triggers: Sequence[TimerTrigger],
        invoker: AsyncInvoker,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._crons = {trigger.name: (trigger, Cron.parse(trigger.cron)) for trigger in triggers}
        self._invoker = invoker
        self._clock = clock
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all timer triggers, enabled or not."""
        return tuple(self._crons)

    def fire(self, name: str) -> str:
        """Send a trigger's event now, and return the request id.

        Raises
        ------
        KeyError
            If there is no such trigger.
        """
        trigger, _ = self._crons[name]
        event = timer_event(name, self._clock(), trigger.argument)
        return self._invoker.submit(trigger.function, event, "TRIGGER_TIMER")

    def start(self) -> None:
        """Start firing the enabled triggers by the clock."""
        for trigger, cron in self._crons.values():
            if trigger.enabled:
                self._tasks.append(asyncio.ensure_future(self._run(trigger.name, cron)))

    async def stop(self) -> None:
        """Stop firing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    async def _run(self, name: str, cron: Cron) -> None:
        at = self._clock()
        while (following := cron.next_after(at)) is not None:
            await asyncio.sleep(max(0.0, following - self._clock()))
            self.fire(name)
            at = following
