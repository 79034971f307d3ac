"""Erasing a card over HTTP: everything of it, every version, with a receipt that holds nothing of it."""

from __future__ import annotations

from typing import Any

from cardveil.api.context import RequestContext
from cardveil.api.problems import Problem
from cardveil.api.refs import keys_meant, unknown
from cardveil.core.errors import Retry
from cardveil.core.timing import iso
from cardveil.pipeline.erasing import eraser_of
from cardveil.storage.eraser import Eraser
from cardveil.storage.erasure import Task, Tombstone
from cardveil.storage.keys import source_digest


def erase(context: RequestContext, named: str, reason: str) -> dict[str, Any]:
    """Erase the card that a path names, or go on with it; what was erased before is told again.

    Where somebody is at work on it, or the bucket does not answer, the schedule finishes: it is written down.

    Raises
    ------
    Problem
        404 ``card_unknown`` when nothing is, or ever was, known of it; 409 ``card_held``.
    """
    eraser = eraser_of(context.processor)
    keys = keys_meant(named, context.settings)
    for key in keys:
        task = eraser.task(key)
        if task or eraser.anything(key):
            if hold := eraser.hold(key):
                raise Problem(409, "card_held", f"release it first: it is on hold for {hold.reason}")
            context.enter_first(key, reason)
            return _receipt(_erased(eraser, task or eraser.want(key, context.caller.subject, reason)))
    for key in keys:
        if stones := eraser.tombstones(key):
            context.enter_first(key, reason)
            return _receipt(stones[-1])
    raise unknown()


def _erased(eraser: Eraser, task: Task) -> Tombstone:
    try:
        done = eraser.carry_out(task)
    except Retry:
        done = None
    return done or Tombstone(task.id, source_digest(task.key), task.by, task.reason, task.at, "erasing", {})


def _receipt(stone: Tombstone) -> dict[str, Any]:
    return {
        "id": stone.id,
        "source_sha256": stone.source,
        "state": stone.state,
        "by": stone.by,
        "reason": stone.reason,
        "at": iso(stone.at),
        "removed": dict(stone.removed),
    }
