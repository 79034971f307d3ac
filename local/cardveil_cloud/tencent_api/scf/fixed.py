"""What SCF's API tells of a function that was not deployed, but runs from serverless.yml."""

from __future__ import annotations

from typing import Any

from cardveil_cloud.scf.deployment import DEFAULT_ALIAS, FunctionSpec
from cardveil_cloud.tencent_api.scf.logs import DEFAULT_TOPIC
from cardveil_cloud.tencent_api.scf.records import LATEST


def told(spec: FunctionSpec, action: str) -> dict[str, Any]:
    """Answer GetAlias or GetFunction."""
    if action == "GetAlias":
        return {"Name": DEFAULT_ALIAS, "FunctionVersion": LATEST, "Description": ""}
    return {
        "FunctionName": spec.name,
        "FunctionVersion": LATEST,
        "Namespace": spec.namespace,
        "Handler": spec.handler,
        "Runtime": spec.runtime,
        "MemorySize": spec.memory_mb,
        "Timeout": spec.timeout_s,
        "Role": spec.role,
        "Description": spec.description,
        "Status": "Active",
        "Environment": {
            "Variables": [{"Key": key, "Value": text} for key, text in sorted(spec.environment.items())]
        },
        **log_topic(spec.logs),
        "DeadLetterConfig": dead_letters(spec.dead_letter),
    }


def log_topic(logs: tuple[str, str] | None) -> dict[str, str]:
    """Return where a function logs: every function has a topic, if only the account's own."""
    logset, topic = logs or ("local-logset", DEFAULT_TOPIC)
    return {"ClsLogsetId": logset, "ClsTopicId": topic}


def dead_letters(queue: tuple[str, str] | None) -> dict[str, str]:
    """Return a function's queue of dead letters, in the form of the API."""
    return {"Type": queue[0], "Name": queue[1]} if queue is not None else {}
