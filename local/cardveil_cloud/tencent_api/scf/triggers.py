"""What a trigger's description may say, checked before anything is kept: it is read again at each start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.tencent_api.errors import ApiError


@dataclass(frozen=True, slots=True)
class Description:
    """A trigger's description; what its type has no use for is empty."""

    cron: str = ""
    event: str = ""
    prefix: str = ""
    suffix: str = ""
    auth: str = ""
    intranet: bool = False
    extranet: bool = False


def read(kind: str, text: str) -> Description:
    """Read the description of a trigger.

    Parameters
    ----------
    kind
        ``timer``: a cron expression, as it is or in an object as ``cron``. ``cos``: an object with ``event``
        and ``filter``. ``http``: an object with ``AuthType`` and ``NetConfig``.

    Raises
    ------
    ApiError
        ``InvalidParameterValue.Type``, ``InvalidParameterValue.TriggerDesc``.
    """
    if kind == "timer":
        return Description(cron=_cron(text))
    if kind not in ("cos", "http"):
        raise ApiError("InvalidParameterValue.Type", "Only cos, timer and http triggers are served here.")
    said = _object(text)
    if kind == "http":
        if said.get("AuthType") not in ("NONE", "CAM"):
            raise _refused("AuthType is NONE or CAM")
        net = said.get("NetConfig") or {}
        if not isinstance(net, dict):
            raise _refused("NetConfig is an object")
        intranet, extranet = net.get("EnableIntranet") is True, net.get("EnableExtranet") is True
        return Description(auth=said["AuthType"], intranet=intranet, extranet=extranet)
    rule = said.get("filter") or {}
    event = said.get("event")
    if not isinstance(event, str) or not event.startswith("cos:Object") or not isinstance(rule, dict):
        raise _refused("event and filter are expected")
    prefix, suffix = rule.get("Prefix") or "", rule.get("Suffix") or ""
    if not isinstance(prefix, str) or not isinstance(suffix, str):
        raise _refused("Prefix and Suffix are texts")
    return Description(event=event, prefix=prefix, suffix=suffix)


def _cron(text: str) -> str:
    said: Any = text.strip()
    if said.startswith("{"):
        said = _object(text).get("cron")
    try:
        Cron.parse(said)
    except (ValueError, AttributeError):
        raise _refused("a cron expression of seven fields is expected") from None
    return str(said)


def _object(text: str) -> dict[str, Any]:
    try:
        said = json.loads(text)
    except ValueError:
        raise _refused("it is no JSON") from None
    if not isinstance(said, dict):
        raise _refused("it is no JSON object")
    return said


def _refused(why: str) -> ApiError:
    return ApiError("InvalidParameterValue.TriggerDesc", f"TriggerDesc: {why}.")
