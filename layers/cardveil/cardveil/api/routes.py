"""The routes: what each takes, whom it lets in, and which room does the work."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body, Header, Path, Query
from pydantic import BaseModel

from cardveil.api import cards, images, jobs, listing
from cardveil.api import erase as erasures
from cardveil.api import export as exports
from cardveil.api import hold as holding
from cardveil.api import restore as restoring
from cardveil.api import review as reviews
from cardveil.api import submit as submissions
from cardveil.api.auth import ALWAYS, requires_role
from cardveil.api.context import RequestContext
from cardveil.api.models import (
    CardAnswer,
    CardPage,
    ErasureAnswer,
    ErasureReason,
    HealthAnswer,
    HoldAnswer,
    HoldRequest,
    JobAnswer,
    JobRequest,
    RestoreAnswer,
    RestoreRequest,
    ReviewRequest,
    StatusName,
    SubmitRequest,
    UploadAnswer,
    UploadRequest,
    ViewAnswer,
)
from cardveil.api.openapi import described
from cardveil.api.refs import reference
from cardveil.api.resolver import UrlResolver
from cardveil.core.timing import iso
from cardveil.pipeline.examine import PIPELINE_VERSION
from cardveil.storage.encryption import encryption_headers

CardKey = Annotated[
    str,
    Path(
        description="The source's key, percent-encoded, or its `ref`, which no proxy on the way can change.",
        min_length=1,
    ),
]

PageNumber = Annotated[
    int | None, Query(ge=0, lt=1000, description="Which page of a document, from 0; the first without one.")
]


def add_routes(app: UrlResolver) -> None:
    """Add every route of the API to `app`; the request's `RequestContext` stands in its context."""

    def context() -> RequestContext:
        found: RequestContext = app.context["context"]
        return found

    @app.get("/v1/health", **described("Say that the function answers", HealthAnswer))
    @requires_role(ALWAYS)
    def health() -> Response[Any]:
        return _reply(HealthAnswer, {"status": "ok", "version": PIPELINE_VERSION})

    @app.post("/v1/cards", **described("Read and redact a card now", CardAnswer, role="submit"))
    @requires_role("submit")
    def submit(
        request: Annotated[SubmitRequest, Body()],
        idempotency_key: Annotated[
            str | None,
            Header(
                alias="idempotency-key",
                max_length=257,
                description="Names the submission: sent again, it is not read, or paid for, a second time.",
            ),
        ] = None,
    ) -> Response[Any]:
        if request.crops:
            context().require("read_text")
        context().describe(*request.crops, *([f"policy:{request.policy}"] if request.policy else []))
        done = submissions.submit(context(), request, idempotency_key)
        app.context["access_log"].submitted.append(done)
        answer = cards.response(context(), done.found, warnings=request.warnings)
        if request.crops:
            answer["crops"] = images.crops(context(), done.found, request.crops)
        if request.quality:
            answer["quality"] = images.quality(context(), done.found)
        return _reply(CardAnswer, answer)

    @app.get("/v1/cards", **described("List the inbox's cards with their states", CardPage, role="read"))
    @requires_role("read")
    def list_cards(
        status: Annotated[StatusName | Literal["pending"] | None, Query(description="Only these.")] = None,
        prefix: Annotated[str, Query(max_length=850, description="Only keys that begin so.")] = "",
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
        cursor: Annotated[
            str | None, Query(max_length=2000, description="As the page before gave it.")
        ] = None,
    ) -> Response[Any]:
        return _reply(
            CardPage, listing.page(context(), status=status, prefix=prefix, limit=limit, cursor=cursor)
        )

    @app.get(
        "/v1/export",
        **described("Export all cards", None, role="export", media_types=tuple(exports.MEDIA_TYPES.values())),
    )
    @requires_role("export")
    def export(
        format: Annotated[Literal["csv", "jsonl"], Query(description="CSV for spreadsheets, or JSON lines.")],
        prefix: Annotated[
            str, Query(max_length=850, description="Only keys that begin so; wants the role read.")
        ] = "",
        since: Annotated[
            str, Query(max_length=40, description="Only what is as new as this, in ISO 8601.")
        ] = "",
        texts: Annotated[
            Literal["none", "kept", "all"],
            Query(description="Texts that the copy shows, or all; wants the role read_text."),
        ] = "none",
        cursor: Annotated[
            str | None, Query(max_length=2000, description="As the part before gave it in `Link`.")
        ] = None,
    ) -> Response[Any]:
        asked = {"format": format, "prefix": prefix, "since": since, "texts": texts}
        part = exports.export(
            context(), format=format, prefix=prefix, since=since, texts=texts, cursor=cursor
        )
        return Response(200, exports.MEDIA_TYPES[format], part.content, exports.headers_of(part, asked))

    @app.post("/v1/cards/<key>/review", **described("Decide over a card", CardAnswer, role="review"))
    @requires_role("review")
    def review(key: CardKey, request: Annotated[ReviewRequest, Body()]) -> Response[Any]:
        found = cards.find(context(), key)
        context().enter_first(found.key, request.decision)
        found = reviews.review(context(), found, request)
        app.context["access_log"].decision = request.decision
        return _reply(CardAnswer, cards.response(context(), found))

    @app.get(
        "/v1/cards/<key>/pictures/source",
        **described("Look at the source", ViewAnswer, role="read_text"),
    )
    @requires_role("read_text")
    def source_view(key: CardKey, page: PageNumber = None) -> Response[Any]:
        return _reply(ViewAnswer, images.view(context(), cards.find(context(), key), "source", page=page))

    @app.get(
        "/v1/cards/<key>/pictures/redacted",
        **described("Look at the redacted copy", ViewAnswer, role="read"),
    )
    @requires_role("read")
    def redacted_view(
        key: CardKey,
        purpose: Annotated[
            str, Query(max_length=30, description="What it is handed on for: written over the copy.")
        ] = "",
        page: PageNumber = None,
    ) -> Response[Any]:
        found = cards.find(context(), key)
        return _reply(ViewAnswer, images.view(context(), found, "redacted", purpose, page))

    @app.post(
        "/v1/cards/<key>/hold",
        **described("Hold a card: nothing of it is removed", HoldAnswer, role="hold"),
    )
    @requires_role("hold")
    def hold(key: CardKey, request: Annotated[HoldRequest, Body()]) -> Response[Any]:
        return _reply(HoldAnswer, holding.hold(context(), key, request.reason))

    # Before the next one, whose key takes everything.
    @app.delete("/v1/cards/<key>/hold", **described("Release a card from its hold", HoldAnswer, role="hold"))
    @requires_role("hold")
    def release(key: CardKey) -> Response[Any]:
        return _reply(HoldAnswer, holding.let_go(context(), key))

    @app.delete(
        "/v1/cards/<key>",
        **described("Erase a card: source, results, all that was kept", ErasureAnswer, role="erase"),
    )
    @requires_role("erase")
    def erase(
        key: CardKey, reason: Annotated[ErasureReason, Query(description="Why; no other words are kept.")]
    ) -> Response[Any]:
        return _reply(ErasureAnswer, erasures.erase(context(), key, reason))

    @app.post(
        "/v1/cards/<key>/restore",
        **described("Open the texts that a sidecar keeps sealed", RestoreAnswer, role="restore"),
    )
    @requires_role("restore")
    def restore(key: CardKey, request: Annotated[RestoreRequest, Body()]) -> Response[Any]:
        return _reply(RestoreAnswer, restoring.restore(context(), key, request))

    @app.get("/v1/cards/<key>", **described("Read a card's sidecar", CardAnswer, role="read"))
    @requires_role("read")
    def card(key: CardKey) -> Response[Any]:
        return _reply(CardAnswer, cards.response(context(), cards.find(context(), key)))

    @app.post(
        "/v1/uploads", **described("Ask for a link to upload a picture by", UploadAnswer, role="submit")
    )
    @requires_role("submit")
    def upload(request: Annotated[UploadRequest, Body()]) -> Response[Any]:
        key = submissions.new_key(context(), request.name)
        seconds = context().settings.link_seconds
        headers = {
            **submissions.hint_headers(request.card_type, request.side),
            **encryption_headers(context().settings.encryption),
        }
        return _reply(
            UploadAnswer,
            {
                "key": key,
                "ref": reference(key),
                "method": "PUT",
                "url": context().inbox.upload_link(key, seconds, headers),
                "headers": headers,
                "expires_at": iso(context().now() + seconds),
            },
        )

    @app.post("/v1/jobs", **described("Have a card read and redacted later", JobAnswer, role="submit"))
    @requires_role("submit")
    def submit_job(request: Annotated[JobRequest, Body()]) -> Response[Any]:
        return _reply(JobAnswer, jobs.submit(context(), request))

    @app.get("/v1/jobs/<id>", **described("Ask what became of a job", JobAnswer, role="read"))
    @requires_role("read")
    def job(
        id: Annotated[str, Path(description="As the submission gave it.")],
    ) -> Response[Any]:
        return _reply(JobAnswer, jobs.state(context(), id))


def _reply(model: type[BaseModel], content: dict[str, Any]) -> Response[Any]:
    """Answer in the form that the document promises, whatever the rooms gave."""
    body = model.model_validate(content).model_dump_json(exclude_none=False, exclude_unset=True)
    return Response(200, "application/json", body)
