"""Tells of finished jobs: by HTTP to addresses on this machine, or through a queue to a function."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import secrets
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final
from urllib.parse import urlsplit

import requests

from cardveil_cloud.ci.job_xml import callback_json, callback_xml
from cardveil_cloud.ci.jobs_store import Job
from cardveil_cloud.dispatch import OWN_HOSTS

_log = logging.getLogger(__name__)
#: How long an address may take to answer, in seconds: longer than a function may run here.
_TIMEOUT_S: Final = (3.0, 90.0)

#: Callbacks under way at a time.
_SENDERS: Final = 16

#: Takes a queue's message to a function: the queue's name, and the event.
Deliver = Callable[[str, Mapping[str, Any]], None]


class Callbacks:
    """Sends callbacks.

    Parameters
    ----------
    proxy_url
        The local cloud's own address, which also reaches function URLs under their real host names.
    deliver
        Takes queue messages to functions.
    """

    def __init__(self, proxy_url: str, deliver: Deliver, region: str) -> None:
        self._proxy_url = proxy_url
        self._deliver = deliver
        self._region = region
        # Threads of their own: each waits for a function that may itself need one of the shared ones.
        self._pool = ThreadPoolExecutor(max_workers=_SENDERS, thread_name_prefix="callback")

    def close(self) -> None:
        """Let go of the threads; nothing further is sent."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    async def send(self, job: Job, delay_s: float = 0.0) -> None:
        """Tell of a job, once; nobody tries again, since nothing says that CI does."""
        await asyncio.sleep(delay_s)
        notify = job.notify
        if notify.kind == "TDMQ":
            self._deliver(notify.address, self._tdmq_event(job))
        elif notify.address and notify.address.lower() != "no":
            loop = asyncio.get_running_loop()
            body = self._body(job)
            status = await loop.run_in_executor(self._pool, self._post, notify.address, body, notify.form)
            if status != 200:
                _log.info("a callback was answered with %d", status)

    def _body(self, job: Job) -> bytes:
        if job.notify.form == "XML":
            return callback_xml(job)
        # Both forms that the samples show, decided by the job's id.
        return json.dumps(
            callback_json(job, as_list=int(job.job_id[-1], 16) % 2 == 0), ensure_ascii=False
        ).encode()

    def _tdmq_event(self, job: Job) -> dict[str, Any]:
        return {
            "specversion": "1.0",
            "id": secrets.token_hex(16),
            "source": "tdmq.cloud.tencent",
            "type": "connector:tdmq",
            "subject": f"qcs::tdmq:{self._region}::{job.notify.address}",
            "region": self._region,
            "datacontenttype": "application/json;charset=utf-8",
            "data": {
                "topic": f"persistent://local/{job.notify.address}",
                "tags": "TaskFinish",
                "msgId": secrets.token_hex(8),
                "msgBody": self._body(job).decode(),
            },
        }

    def _post(self, url: str, body: bytes, form: str) -> int:
        host = urlsplit(url).hostname or ""
        own = host in OWN_HOSTS or host == "::1"
        if not own and not host.endswith(".tencentscf.com"):
            _log.warning("a callback to another host than this machine was not sent")
            return 0
        if not own:
            # The real name, reached through this very proxy, which speaks plain HTTP only.
            url = re.sub(r"^https:", "http:", url)
        media_type = "application/json" if form == "JSON" else "application/xml"
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.post(
                    url,
                    data=body,
                    headers={"Content-Type": media_type},
                    timeout=_TIMEOUT_S,
                    allow_redirects=False,
                    proxies={} if own else {"http": self._proxy_url},
                )
        except requests.RequestException:
            return 0
        return answer.status_code
