"""The JSON that triggers hand to functions, key by key as SCF sends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from cardveil_cloud.cos.contracts import ObjectEvent

#: Real events carry the uploader's signature, which functions must never log. A text of its own makes a leak
#: findable, and opens nothing.
CANARY_AUTHORIZATION: Final = (
    "q-sign-algorithm=sha1&q-ak=CANARY-DO-NOT-LOG&q-sign-time=0;1&q-key-time=0;1"
    "&q-header-list=host&q-url-param-list=&q-signature=canary-do-not-log"
)

#: Short codes that COS puts into `cosBucket.region`.
REGION_CODES: Final[Mapping[str, str]] = {
    "ap-beijing-1": "tj",
    "ap-beijing": "bj",
    "ap-guangzhou": "gz",
    "ap-shanghai": "sh",
    "ap-chengdu": "cd",
    "ap-hongkong": "hk",
    "ap-singapore": "spg",
    "na-toronto": "ca",
    "eu-frankfurt": "ger",
}


def cos_event(event: ObjectEvent, *, region: str, app_id: str, function_name: str) -> dict[str, Any]:
    """Return the event of a COS trigger.

    Parameters
    ----------
    event
        What happened in the bucket; `meta` is passed on as the headers of the stored object.
    region, app_id
        Of the bucket.
    function_name
        The function's name on the platform, part of `eventQueue`.
    """
    path = quote(event.key, safe="/~")
    short_bucket = event.bucket.removesuffix(f"-{app_id}")
    meta = {
        **event.meta,
        "ETag": event.etag,
        "x-cos-request-id": event.request_id,
        "x-cos-storage-class": event.storage_class.capitalize() or "Standard",
    }
    return {
        "Records": [
            {
                "cos": {
                    "cosBucket": {
                        "appid": app_id,
                        "cosRegion": region,
                        "name": short_bucket,
                        "region": REGION_CODES.get(region, region),
                        "s3Region": region,
                    },
                    # Spelt so in the events that SCF sends.
                    "cosNotificationId": "unkown",
                    "cosObject": {
                        "key": f"/{app_id}/{short_bucket}/{event.key}",
                        "meta": meta,
                        "size": event.size,
                        "url": f"http://{event.bucket}.cos.{region}.myqcloud.com/{path}",
                        "vid": "",
                    },
                    "cosSchemaVersion": "1.0",
                },
                "event": {
                    "eventName": event.name,
                    "eventQueue": f"qcs:0:scf:{region}:appid/{app_id}:default.{function_name}.$DEFAULT",
                    "eventSource": "qcs::cos",
                    "eventTime": int(event.time),
                    "eventVersion": "1.0",
                    "reqid": 0,
                    "requestParameters": {
                        "requestHeaders": {"Authorization": CANARY_AUTHORIZATION},
                        "requestSourceIP": event.source_ip,
                    },
                    "reservedInfo": "",
                },
            }
        ]
    }


def timer_event(trigger_name: str, at: float, message: str) -> dict[str, Any]:
    """Return the event of a timer trigger; `at` in seconds since the epoch."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
    return {"Type": "Timer", "TriggerName": trigger_name, "Time": moment, "Message": message}


def url_event(
    method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes, source_ip: str
) -> dict[str, Any]:
    """Return the event of a function URL: no `requestContext`, no `isBase64Encoded`, the body as text."""
    return {
        "body": body.decode("utf-8", "replace"),
        "headers": {**headers, "x-scf-remote-addr": source_ip},
        "httpMethod": method,
        "path": path,
        "queryString": dict(query),
    }
