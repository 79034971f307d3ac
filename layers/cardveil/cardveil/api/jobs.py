"""Cards that are read later: submitted to the vendor as a job, and asked after."""

from __future__ import annotations

from typing import Any

from cardveil.api.cards import read
from cardveil.api.context import RequestContext
from cardveil.api.models import JobRequest
from cardveil.api.problems import Problem
from cardveil.api.refs import keys_meant, reference, unknown
from cardveil.card.model import CardType
from cardveil.pipeline.options import ProcessOptions
from cardveil.storage.keys import source_digest
from cardveil.storage.source import is_source

DONE = "done"


def submit(context: RequestContext, request: JobRequest) -> dict[str, Any]:
    """Submit a picture of the inbox as a job; one that is done already is not submitted again.

    Raises
    ------
    Problem
        404 for a picture that is not there, 422 for a key outside the inbox, 503 ``jobs_not_configured``.
    CardveilError
        As `CardProcessor.process`.
    """
    if not context.settings.job_secrets:
        raise Problem(
            503, "jobs_not_configured", "set CARDVEIL_JOB_SECRETS: jobs need a secret for their references"
        )
    if not is_source(request.key, context.settings):
        raise Problem(422, "key_refused", "give the key of a picture in the inbox")
    options = ProcessOptions(execution="job", card_type=CardType(request.card_type))
    outcome = context.processor.process(context.source(request.key), options=options)
    if outcome.kind == "gone":
        raise unknown()
    return _answer(request.key, "submitted" if outcome.kind == "submitted" else DONE)


def state(context: RequestContext, named: str) -> dict[str, Any]:
    """Return how far a job has come: the vendor's state in lower case, or ``done``.

    Raises
    ------
    Problem
        404 when there is neither a job nor a result.
    """
    for key in keys_meant(named, context.settings):
        if note := context.processor.notes.get(source_digest(key)):
            return _answer(key, (note.state or "submitted").lower())
        if read(context, key):
            return _answer(key, DONE)
    raise unknown()


def _answer(key: str, state_: str) -> dict[str, Any]:
    return {"id": reference(key), "state": state_, "key": key, "ref": reference(key)}
