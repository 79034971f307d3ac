"""Mounts what was deployed as the platform does: a function's zip as one folder, its layers as one other."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cardveil_cloud import files
from cardveil_cloud.scf.deployment import CosTrigger, Deployment, FunctionSpec, HttpTrigger, TimerTrigger
from cardveil_cloud.scf.platform import unzip
from cardveil_cloud.tencent_api.scf import triggers
from cardveil_cloud.tencent_api.scf.records import LATEST, Function, Records


class Mounts:
    """Zips by their SHA-256, and the folders that they were unpacked to; nothing is unpacked twice."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, data: bytes) -> str:
        """Store a zip and return its SHA-256."""
        name = hashlib.sha256(data).hexdigest()
        path = self._folder / "zips" / name
        if not path.exists():
            files.make_folder(path.parent)
            files.write(path, data)
        return name

    def size(self, code: str) -> int:
        """Return the bytes of a stored zip."""
        return (self._folder / "zips" / code).stat().st_size

    def mount(self, codes: list[str]) -> Path:
        """Unpack zips over one another, in order, and return the folder.

        Raises
        ------
        ValueError
            If one is no zip, or names a file outside its folder.
        """
        name = hashlib.sha256(" ".join(codes).encode()).hexdigest()[:32]
        folder = self._folder / "mounted" / name
        done = folder.with_suffix(".done")
        if not done.exists():
            files.make_folder(folder)
            for code in codes:
                unzip((self._folder / "zips" / code).read_bytes(), folder)
            files.close_to_others([folder])
            files.write(done, b"")
        return folder


def deployment(records: Records, mounts: Mounts, region: str) -> Deployment:
    """Return what has to run, one entry for each function and qualifier that may be invoked."""
    functions: dict[str, FunctionSpec] = {}
    cos: list[CosTrigger] = []
    timers: list[TimerTrigger] = []
    http: list[HttpTrigger] = []
    for function in records.functions.values():
        qualifiers = {LATEST, *function.aliases, *(each["Qualifier"] for each in function.triggers)}
        for qualifier in sorted(qualifiers):
            functions[key_of(function.name, qualifier)] = _spec(function, qualifier, records, mounts)
        for trigger in function.triggers:
            _add_trigger(key_of(function.name, trigger["Qualifier"]), trigger, region, cos, timers, http)
    return Deployment(functions, tuple(cos), tuple(timers), tuple(http))


def key_of(name: str, qualifier: str) -> str:
    """Return the key under which a function's qualifier runs."""
    return name if qualifier == LATEST else f"{name}.{qualifier.lstrip('$')}"


def _spec(function: Function, qualifier: str, records: Records, mounts: Mounts) -> FunctionSpec:
    version = function.versions[function.resolve(qualifier)]
    layers = [records.layer(each["LayerName"], each["LayerVersion"]).code for each in version["Layers"]]
    return FunctionSpec(
        key=key_of(function.name, qualifier),
        name=function.name,
        source=mounts.mount([version["Code"]]),
        handler=version["Handler"],
        runtime=version["Runtime"],
        memory_mb=version["MemorySize"],
        timeout_s=version["Timeout"],
        init_timeout_s=version["InitTimeout"],
        namespace=version["Namespace"],
        environment={each["Key"]: each["Value"] for each in version["Environment"]["Variables"]},
        layers=tuple(each["LayerName"] for each in version["Layers"]),
        mounted_layers=mounts.mount(layers),
        role=version["Role"],
        dead_letter=_pair(version["DeadLetterConfig"], "Type", "Name"),
        logs=_pair(version, "ClsLogsetId", "ClsTopicId"),
        reserved_mb=function.reserved,
    )


def _pair(found: Mapping[str, Any], first: str, second: str) -> tuple[str, str] | None:
    return (str(found.get(first, "")), str(found[second])) if found.get(second) else None


def _add_trigger(
    function: str,
    trigger: dict[str, Any],
    region: str,
    cos: list[CosTrigger],
    timers: list[TimerTrigger],
    http: list[HttpTrigger],
) -> None:
    said = triggers.read(trigger["Type"], trigger["TriggerDesc"])
    enabled = bool(trigger["Enable"])
    if trigger["Type"] == "cos":
        cos.append(
            CosTrigger(
                name=f"{function}.{trigger['TriggerName']}",
                function=function,
                bucket=trigger["TriggerName"].removesuffix(f".cos.{region}.myqcloud.com"),
                events=(said.event,),
                prefix=said.prefix,
                suffix=said.suffix,
                enabled=enabled,
            )
        )
    elif trigger["Type"] == "timer":
        argument = trigger.get("CustomArgument", "")
        timers.append(TimerTrigger(trigger["TriggerName"], function, said.cron, argument, enabled))
    elif enabled:
        http.append(HttpTrigger(function, said.auth, intranet=said.intranet, extranet=said.extranet))
