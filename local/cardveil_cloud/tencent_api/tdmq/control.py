"""TDMQ's API 3.0, as far as it tells of a queue how many messages are in it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from cardveil_cloud.accounts import Credential
from cardveil_cloud.tencent_api.errors import ApiError, require
from cardveil_cloud.tencent_api.scf.fields import take
from cardveil_cloud.tencent_api.tdmq.letters import LetterQueues


class QueueControl:
    """The product behind ``tdmq.tencentcloudapi.com``."""

    name = "tdmq"
    version = "2020-02-17"
    actions = ("DescribeCmqQueueDetail",)

    def __init__(self, queues: LetterQueues, region: str, clock: Callable[[], float] = time.time) -> None:
        self._queues = queues
        self.region = region
        self._clock = clock

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """See `Product.check`."""
        require(credential, f"tdmq:{action}", f"tdmq/queue/{take(body, 'QueueName', str)}")

    async def act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Tell one queue; see `Product.act`."""
        name = take(body, "QueueName", str)
        if name not in self._queues.names:
            raise ApiError("ResourceNotFound", "There is no such queue.")
        active, inactive = self._queues.counts(name, self._clock())
        return {
            "QueueDescribe": {
                "QueueName": name,
                "ActiveMsgNum": active,
                "InactiveMsgNum": inactive,
                "Status": 0,
            }
        }
