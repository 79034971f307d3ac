"""The queues of dead letters: how many there are, receiving some, deleting one (TDMQ for CMQ)."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from cardveil_cli.deploy.access import Access, call_api
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.operate.deployed import Deployed
from cardveil_cloud.tencent_api.tdmq.letters import UNNAMED_QUEUE

_CONTROL: Final = ("tdmq", "2020-02-17")
_PATH: Final = "/v2/index.php"
_METHOD: Final = "HmacSHA256"
_PATIENCE_S: Final = 30
#: Most messages of one call, and CMQ's code for a queue that has none.
_MOST: Final = 16
_EMPTY: Final = 7000
#: CMQ's names of regions, in its hosts.
SHORT_REGIONS: Final = {
    "ap-guangzhou": "gz", "ap-shanghai": "sh", "ap-beijing": "bj", "ap-hongkong": "hk", "ap-chengdu": "cd",
    "na-toronto": "ca", "na-siliconvalley": "usw", "ap-singapore": "sg",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Message:
    """One message that was received; nobody else gets it for some seconds."""

    handle: str
    body: str


def queues_of(found: Deployed) -> list[str]:
    """Return the queues of dead letters that the functions name.

    The local cloud keeps the letters of functions that name none, too.
    """
    names = dict.fromkeys(each.queue for each in found.functions if each.queue)
    return [*names, *([UNNAMED_QUEUE] if found.access.proxy else [])]


def waiting(access: Access, queue: str) -> int:
    """Return how many messages are in a queue.

    Raises
    ------
    DeployError
        If it is not there, or the account refuses.
    """
    answer = call_api(access, *_CONTROL, "DescribeCmqQueueDetail", {"QueueName": queue})
    if answer is None:
        raise DeployError(f"there is no queue {queue}: make it, or correct deadLetter in serverless.yml")
    told = answer["QueueDescribe"]
    return int(told.get("ActiveMsgNum") or 0) + int(told.get("InactiveMsgNum") or 0)


class Queue:
    """The messages of one queue.

    Parameters
    ----------
    endpoint
        Where the queues' data interface is; the queue's page in the console tells it.
    """

    def __init__(self, access: Access, name: str, endpoint: str = "") -> None:
        self._access = access
        self._name = name
        short = SHORT_REGIONS.get(access.region, access.region)
        scheme = "http" if access.proxy else "https"
        self._url = (endpoint.rstrip("/") or f"{scheme}://cmq-{short}.public.tencenttdmq.com") + _PATH

    def receive(self) -> Iterator[Message]:
        """Yield all messages that can be received now; raises DeployError where the queue does not answer."""
        while True:
            answer = self._call("BatchReceiveMessage", numOfMsg=str(_MOST), pollingWaitSeconds="0")
            if answer is None:
                return
            for each in answer["msgInfoList"]:
                yield Message(str(each["receiptHandle"]), str(each["msgBody"]))

    def delete(self, message: Message) -> None:
        """Delete a message that was received; raises DeployError where that is refused."""
        self._call("DeleteMessage", receiptHandle=message.handle)

    def _call(self, action: str, **parameters: str) -> dict[str, Any] | None:
        """Call one action; None when the queue has no message."""
        import requests

        values = self._signed({"Action": action, "queueName": self._name, **parameters})
        proxies = {"http": self._access.proxy} if self._access.proxy else None
        try:
            answer = requests.post(self._url, data=values, proxies=proxies, timeout=_PATIENCE_S)
            told: dict[str, Any] = answer.json()
        except (requests.RequestException, json.JSONDecodeError):
            raise DeployError(
                f"queue {self._name} does not answer at {self._url}: its page in the console tells the "
                "--queue-endpoint"
            ) from None
        code = int(told.get("code", -1))
        if code == _EMPTY:
            return None
        if code != 0:
            raise DeployError(f"queue {self._name}: {action}: {code} {told.get('message', '')}")
        return told

    def _signed(self, values: dict[str, str]) -> dict[str, str]:
        from tencentcloud.common.sign import Sign

        access = self._access
        values |= {
            "SecretId": access.secret_id,
            "SignatureMethod": _METHOD,
            "Timestamp": str(int(time.time())),
            "Nonce": str(secrets.randbelow(2**31 - 1) + 1),
            "RequestClient": "cardveil",
            **({"Token": access.token} if access.token else {}),
        }
        pairs = "&".join(f"{name}={values[name]}" for name in sorted(values))
        text = f"POST{self._url.partition('://')[2]}?{pairs}"
        return {**values, "Signature": Sign.sign(access.secret_key, text, _METHOD)}
