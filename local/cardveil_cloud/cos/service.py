"""The ASGI application that speaks COS's XML API for ``<bucket-appid>.cos.<region>.myqcloud.com``."""

from __future__ import annotations

import base64
import logging
import secrets
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from cardveil_cloud.accounts import CredentialStore
from cardveil_cloud.cos.call import Call, Context, Target, target_of
from cardveil_cloud.cos.casing import cased
from cardveil_cloud.cos.contracts import AnswerInstead, CiProcessor, DropConnection, Faults, ObjectEvent
from cardveil_cloud.cos.cors import headers_for, preflight
from cardveil_cloud.cos.errors import CosError, error_response
from cardveil_cloud.cos.form import post_object
from cardveil_cloud.cos.outbox import Outbox
from cardveil_cloud.cos.processing import check_process, convert, picture_rule, process
from cardveil_cloud.cos.routing import is_form, operation_of, resource_of
from cardveil_cloud.cos.signature import verify
from cardveil_cloud.cos.store import ObjectStore
from cardveil_cloud.cos.uploads import Uploads

_log = logging.getLogger(__name__)


class CosService:
    """A local COS of one region and account.

    Run it with uvicorn and `cardveil_cloud.http.PromptProtocol` (httptools) as an HTTP proxy for
    ``*.myqcloud.com``: a proxied request carries an absolute URL, of which httptools hands on the bare path
    and the real ``Host``. Give uvicorn ``server_header=False``.

    Parameters
    ----------
    store, credentials
        Where objects are kept, and who may sign.
    region, app_id
        The region in the host names; the number at the end of every bucket's name.
    clock
        Seconds since the epoch; signatures are checked against it.
    ci
        Answers requests with ``ci-process``; without one they are refused with 400.
    on_event
        Told of every committed change, before the client gets its answer; at least once, if the process
        dies between (see `start`).
    faults
        Asked before and after every effect.
    restore_s
        How long an archived object takes to be restored; minutes to hours with the real service.
    demanded_encryption
        ``AES256`` or ``cos/kms``: what is uploaded without asking for it is refused, as by a bucket's policy.
    """

    def __init__(
        self,
        store: ObjectStore,
        credentials: CredentialStore,
        *,
        region: str,
        app_id: str,
        clock: Callable[[], float] = time.time,
        ci: CiProcessor | None = None,
        on_event: Callable[[ObjectEvent], Awaitable[None]] | None = None,
        faults: Faults | None = None,
        restore_s: float = 0.0,
        demanded_encryption: str = "",
    ) -> None:
        self._context = Context(
            store,
            Uploads(store),
            Outbox(store, on_event),
            credentials,
            region,
            app_id,
            clock,
            ci=ci,
            faults=faults,
            restore_s=restore_s,
            demanded_encryption=demanded_encryption,
        )

    async def start(self) -> None:
        """Tell of changes that were committed by a process that died before it had told of them."""
        await self._context.outbox.drain()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            raise RuntimeError("only HTTP is served here")
        request = Request(scope, receive)
        request_id = new_request_id(self._context.clock())
        resource = request.headers.get("host", "")
        target: Target | None = None
        refuse = partial(error_response, method=request.method, request_id=request_id)
        try:
            target = target_of(request)
            resource = target.resource
            response = await self._answer(request, target, request_id)
        except CosError as error:
            response = refuse(error, resource=resource)
        except AnswerInstead as instead:
            response = instead.response
        except ClientDisconnect:
            return
        except DropConnection:
            await drop_connection(receive, send)
            return
        except Exception:  # noqa: BLE001 - logged, and told to the client as COS would
            _log.exception("a COS request failed unexpectedly")
            response = refuse(CosError("InternalError"), resource=resource)
        if target is not None:
            response.headers.update(
                headers_for(self._context, target.bucket, request.method, request.headers)
            )
        closes = request.headers.get("connection", "").lower() == "close"
        response.headers.setdefault("connection", "close" if closes else "keep-alive")
        response.headers.setdefault("x-cos-request-id", request_id)
        response.headers.setdefault("server", "tencent-cos")
        await response(scope, receive, cased(send))

    async def _answer(self, request: Request, target: Target, request_id: str) -> Response:
        context = self._context
        if target.region not in ("", context.region):
            raise CosError("NoSuchBucket")
        if request.method == "OPTIONS":
            effect = partial(_preflight, context, request, target)
            return await self._run("cos", "OptionsObject", request, effect)
        if is_form(request.method, target):
            effect = partial(post_object, context, request, target, request_id)
            return await self._run("cos", "PostObject", request, effect)
        principal = verify(
            request.method, target.path, target.query, request.headers, context.credentials, context.clock()
        )
        call = Call(context, request, target, principal, request_id)
        process_name = target.query.get("ci-process")
        if process_name is None and (rule := picture_rule(call)):
            return await self._run("ci", "imageMogr2", request, partial(convert, call, rule))
        if process_name is not None:
            check_process(call)
        if process_name is None or request.method == "PUT":
            plain = target if process_name is None else replace(target, query={})
            operation = operation_of(request.method, plain, request.headers)
            principal.require(operation.permission, resource_of(operation, target))
            response = await self._run("cos", operation.name, request, partial(operation.handler, call))
            if process_name is None:
                return response
        return await self._run("ci", process_name, request, partial(process, call))

    async def _run(
        self, service: str, name: str, request: Request, effect: Callable[[], Awaitable[Response]]
    ) -> Response:
        faults = self._context.faults
        if faults is None:
            return await effect()
        await faults.before(service, name, request)
        try:
            return await effect()
        finally:
            await faults.after(service, name, request)  # a refusal is an answer too


def new_request_id(now: float) -> str:
    """A request id of the form that COS gives out."""
    text = f"{int(now):x}_{secrets.token_hex(4)}_{secrets.token_hex(6)}"
    return base64.b64encode(text.encode()).decode()


async def _preflight(context: Context, request: Request, target: Target) -> Response:
    return preflight(context, request, target)


async def drop_connection(receive: Receive, send: Send) -> None:
    """Reset the client's connection without an answer; ``send`` must be the server's own.

    ASGI has no word for it, so this reaches for uvicorn's transport. Under another server it raises
    `RuntimeError`: a fault that was not injected must not go unseen.
    """
    transport = getattr(getattr(send, "__self__", None), "transport", None)
    if transport is None:
        raise RuntimeError("connections can be dropped under uvicorn only")
    transport.abort()
    while (await receive())["type"] != "http.disconnect":
        pass
