"""Holding a card over HTTP: while a hold stands, neither retention nor erasure removes anything of it."""

from __future__ import annotations

from typing import Any

from cardveil.api.context import RequestContext
from cardveil.api.problems import Problem
from cardveil.api.refs import keys_meant, unknown
from cardveil.core.timing import iso
from cardveil.pipeline.erasing import eraser_of
from cardveil.storage.holds import Hold, put_hold, release
from cardveil.storage.keys import keys_of


def hold(context: RequestContext, named: str, reason: str) -> dict[str, Any]:
    """Hold the card that a path names; a hold that stands is told again, with its own reason.

    Raises
    ------
    Problem
        404 ``card_unknown``; 409 ``erasure_wanted`` when it is to be erased already.
    """
    eraser = eraser_of(context.processor)
    for key in keys_meant(named, context.settings):
        if not eraser.anything(key):
            continue
        context.enter_first(key, reason)
        # Under the lease, as retention removes: it has removed the card before, or sees the hold.
        with context.pipeline.held(keys_of(key, context.settings)):
            before = eraser.hold(key)
            sources, settings = context.pipeline.sources, context.settings
            found = put_hold(sources, settings, key, context.caller.subject, reason, context.now())
            if eraser.task(key) and not before:
                release(sources, settings, key)
                raise Problem(409, "erasure_wanted", "nothing: the card is to be erased already")
        return _answer(found, held=True)
    raise unknown()


def let_go(context: RequestContext, named: str) -> dict[str, Any]:
    """Release the card that a path names, and tell the hold that stood.

    Raises
    ------
    Problem
        404 ``not_held``.
    """
    eraser = eraser_of(context.processor)
    for key in keys_meant(named, context.settings):
        if eraser.hold(key):
            context.enter_first(key)
            found = release(context.pipeline.sources, context.settings, key)
            if found:
                return _answer(found, held=False)
    raise Problem(404, "not_held", "nothing: the card is not on hold")


def _answer(hold: Hold, *, held: bool) -> dict[str, Any]:
    return {
        "source_sha256": hold.source,
        "held": held,
        "by": hold.by,
        "reason": hold.reason,
        "at": iso(hold.at),
    }
