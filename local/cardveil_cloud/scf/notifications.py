"""Bucket notifications: which functions a change of an object starts, and with what event."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from fnmatch import fnmatchcase

from cardveil_cloud.cos.contracts import ObjectEvent
from cardveil_cloud.faults import FaultHook
from cardveil_cloud.scf.deployment import CosTrigger, FunctionSpec
from cardveil_cloud.scf.environment import Platform
from cardveil_cloud.scf.events import cos_event
from cardveil_cloud.scf.queue import AsyncInvoker, EventRefusedError

_log = logging.getLogger(__name__)


def matches(trigger: CosTrigger, event: ObjectEvent) -> bool:
    """Whether an event starts the trigger's function: bucket, event name, prefix and suffix."""
    return (
        trigger.enabled
        and trigger.bucket == event.bucket
        and any(fnmatchcase(event.name, pattern) for pattern in trigger.events)
        and event.key.startswith(trigger.prefix)
        and event.key.endswith(trigger.suffix)
    )


class Notifier:
    """Turns object events into asynchronous invocations; called by COS once a change is committed.

    Delivery is at least once: the fault hook may ask for duplicates and for delays that reorder.
    """

    def __init__(
        self,
        triggers: Sequence[CosTrigger],
        functions: dict[str, FunctionSpec],
        platform: Platform,
        invoker: AsyncInvoker,
        faults: FaultHook,
    ) -> None:
        self._triggers = tuple(triggers)
        self._functions = functions
        self._platform = platform
        self._invoker = invoker
        self._faults = faults

    async def __call__(self, event: ObjectEvent) -> None:
        """Queue the event for every function whose trigger it matches."""
        for trigger in self._triggers:
            if matches(trigger, event):
                self._deliver(trigger.function, event)

    def _deliver(self, function: str, event: ObjectEvent) -> None:
        payload = cos_event(
            event,
            region=self._platform.region,
            app_id=self._platform.app_id,
            function_name=self._functions[function].name,
        )
        for delay_s in self._faults.deliveries(function, payload):
            try:
                self._invoker.submit(function, payload, "TRIGGER_COS", delay_s)
            except EventRefusedError as error:
                _log.error("an object event for function %s was refused (%d)", function, error.status)
