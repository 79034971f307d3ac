"""What each action does to the records; the parameters and answers are those of the API's own pages."""

from __future__ import annotations

import base64
import binascii
import time
import zipfile
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from cardveil_cloud.scf.platform import SCF_ZIP
from cardveil_cloud.tencent_api.errors import ApiError
from cardveil_cloud.tencent_api.scf import fixed, triggers
from cardveil_cloud.tencent_api.scf.fields import BLANK, configuration, count, name_of, take
from cardveil_cloud.tencent_api.scf.mounting import Mounts
from cardveil_cloud.tencent_api.scf.records import LATEST, Function, LayerVersion, Records

#: After a change so many looks find the function still changing.
_LOOKS: Final = 1
#: Reads a zip that was put into COS: bucket, without the app id, and key.
FromCos = Callable[[str, str], Awaitable[bytes]]
Body = Mapping[str, Any]


class Actions:
    """The actions on one account's functions."""

    def __init__(self, records: Records, mounts: Mounts, from_cos: FromCos) -> None:
        self._records = records
        self._mounts = mounts
        self._from_cos = from_cos

    async def list_functions(self, body: Body) -> dict[str, Any]:
        """Tell all functions, in order of their names."""
        found = [
            {
                "FunctionName": each.name,
                "Runtime": each.versions[LATEST]["Runtime"],
                "Namespace": each.versions[LATEST]["Namespace"],
                "Description": each.versions[LATEST]["Description"],
                "Status": "Active",
                "Type": "Event",
                "AddTime": each.added,
                "ModTime": each.added,
                "FunctionId": f"lam-{each.name}",
            }
            for each in sorted(self._records.functions.values(), key=lambda each: each.name)
        ]
        start = count(body, "Offset", 0)
        return {"Functions": found[start : start + count(body, "Limit", 20)], "TotalCount": len(found)}

    async def get_function(self, body: Body) -> dict[str, Any]:
        """Tell one function."""
        function = self._records.function(name_of(body))
        version = function.resolve(take(body, "Qualifier", str, LATEST))
        found = function.versions[version]
        status = "Updating" if function.changing else "Active"
        if function.changing:
            function.changing -= 1
        shown = {name: value for name, value in found.items() if name not in {"Code", "Published"}}
        return {
            **shown,
            **({} if found["ClsTopicId"] else fixed.log_topic(None)),
            "FunctionName": function.name,
            "FunctionVersion": version,
            "CodeSize": self._mounts.size(found["Code"]),
            "Status": status,
            "Type": "Event",
            "AddTime": function.added,
            "Layers": [
                {
                    "LayerName": each["LayerName"],
                    "LayerVersion": each["LayerVersion"],
                    "CompatibleRuntimes": ["Python3.10"],
                    "AddTime": function.added,
                }
                for each in found["Layers"]
            ],
            "Triggers": [dict(trigger) for trigger in function.triggers],
        }

    async def create_function(self, body: Body) -> dict[str, Any]:
        """Make a function."""
        name = name_of(body)
        if name in self._records.functions:
            raise ApiError("ResourceInUse.FunctionName", "There is a function of that name.")
        config = configuration(body, BLANK)
        self._check_layers(config)
        config["Code"] = await self._code(take(body, "Code", dict))
        self._records.functions[name] = Function(name, {LATEST: config}, added=_now(), changing=_LOOKS)
        return {}

    async def update_function_code(self, body: Body) -> dict[str, Any]:
        """Give the latest version other code."""
        function = self._idle(body)
        code = body.get("Code") or body
        config = dict(function.versions[LATEST])
        config["Code"] = await self._code(code)
        config["Handler"] = take(body, "Handler", str, config["Handler"])
        function.versions[LATEST] = config
        function.changing = _LOOKS
        return {}

    async def update_function_configuration(self, body: Body) -> dict[str, Any]:
        """Give the latest version other settings."""
        function = self._idle(body)
        config = configuration(body, function.versions[LATEST])
        self._check_layers(config)
        function.versions[LATEST] = config
        function.changing = _LOOKS
        return {}

    async def delete_function(self, body: Body) -> dict[str, Any]:
        """Remove a function, or one version of it that no alias points at."""
        function = self._records.function(name_of(body))
        version = take(body, "Qualifier", str, "")
        if not version:
            del self._records.functions[function.name]
            return {}
        if version == LATEST or version not in function.versions:
            raise ApiError("ResourceNotFound.FunctionVersion", "The function has no such version.")
        if any(alias["FunctionVersion"] == version for alias in function.aliases.values()):
            raise ApiError("FailedOperation.DeleteFunction", "An alias points at the version.")
        del function.versions[version]
        return {}

    async def list_namespaces(self, _: Body) -> dict[str, Any]:
        """Tell the account's namespaces: the one that every account has."""
        found = [{"Name": "default", "Type": "default", "Description": "", "AddTime": "", "ModTime": ""}]
        return {"Namespaces": found, "TotalCount": len(found)}

    async def publish_version(self, body: Body) -> dict[str, Any]:
        """Keep the latest version, as it is now, under the next number."""
        function = self._idle(body)
        number = str(1 + max((int(each) for each in function.versions if each != LATEST), default=0))
        description = take(body, "Description", str, "")
        function.versions[number] = {
            **function.versions[LATEST],
            "Description": description,
            "Published": _now(),
        }
        return {"FunctionVersion": number, "Description": description}

    async def list_version_by_function(self, body: Body) -> dict[str, Any]:
        """Tell all versions, the latest first."""
        function = self._records.function(name_of(body))
        numbers = sorted((each for each in function.versions if each != LATEST), key=int, reverse=True)
        found = [LATEST, *numbers]
        start, most = count(body, "Offset", 0), count(body, "Limit", 20)
        return {
            "FunctionVersion": found[start : start + most],
            "Versions": [
                {
                    "Version": each,
                    "Description": function.versions[each]["Description"],
                    "AddTime": function.versions[each].get("Published", function.added),
                    "Status": "Active",
                }
                for each in found[start : start + most]
            ],
            "TotalCount": len(found),
        }

    async def get_alias(self, body: Body) -> dict[str, Any]:
        """Tell where an alias points."""
        function = self._records.function(name_of(body))
        name = take(body, "Name", str)
        if name not in function.aliases:
            raise ApiError("ResourceNotFound.Alias", "The function has no such alias.")
        return {"Name": name, **function.aliases[name]}

    async def list_aliases(self, body: Body) -> dict[str, Any]:
        """Tell a function's aliases, those of one version if that is asked for."""
        function = self._records.function(name_of(body))
        version = take(body, "FunctionVersion", str, "")
        found = [
            {"Name": name, **alias}
            for name, alias in sorted(function.aliases.items())
            if version in ("", alias["FunctionVersion"])
        ]
        start = count(body, "Offset", 0)
        return {"Aliases": found[start : start + count(body, "Limit", 20)], "TotalCount": len(found)}

    async def create_alias(self, body: Body) -> dict[str, Any]:
        """Make an alias."""
        function = self._records.function(name_of(body))
        name = take(body, "Name", str)
        if name in function.aliases:
            raise ApiError("ResourceInUse.Alias", "There is an alias of that name.")
        self._point(function, name, body)
        return {}

    async def update_alias(self, body: Body) -> dict[str, Any]:
        """Point an alias at another version."""
        function = self._records.function(name_of(body))
        await self.get_alias(body)
        self._point(function, take(body, "Name", str), body)
        return {}

    async def list_triggers(self, body: Body) -> dict[str, Any]:
        """Tell a function's triggers."""
        found = self._records.function(name_of(body)).triggers
        return {"Triggers": [dict(each) for each in found], "TotalCount": len(found)}

    async def create_trigger(self, body: Body) -> dict[str, Any]:
        """Make a trigger."""
        function = self._records.function(name_of(body))
        kind, name = take(body, "Type", str), take(body, "TriggerName", str)
        triggers.read(kind, take(body, "TriggerDesc", str))
        qualifier = take(body, "Qualifier", str, LATEST)
        function.resolve(qualifier)
        trigger = {
            "Type": kind,
            "TriggerName": name,
            "TriggerDesc": take(body, "TriggerDesc", str),
            "Qualifier": qualifier,
            "Enable": 1 if take(body, "Enable", str, "OPEN") == "OPEN" else 0,
            "CustomArgument": take(body, "CustomArgument", str, ""),
            "Description": take(body, "Description", str, ""),
            "AddTime": _now(),
        }
        if any(_same(each, trigger) for each in function.triggers):
            raise ApiError("ResourceInUse.Trigger", "The function has this trigger already.")
        function.triggers.append(trigger)
        return {"TriggerInfo": dict(trigger)}

    async def update_trigger(self, body: Body) -> dict[str, Any]:
        """Change a trigger: its description, its argument, whether it is on."""
        function = self._records.function(name_of(body))
        kind, name = take(body, "Type", str), take(body, "TriggerName", str)
        qualifier = take(body, "Qualifier", str, LATEST)
        found = [
            each
            for each in function.triggers
            if (each["Type"], each["TriggerName"], each["Qualifier"]) == (kind, name, qualifier)
        ]
        if not found:
            raise ApiError("ResourceNotFound.Trigger", "The function has no such trigger.")
        trigger = found[0]
        description = take(body, "TriggerDesc", str, trigger["TriggerDesc"])
        triggers.read(kind, description)
        trigger["TriggerDesc"] = description
        trigger["CustomArgument"] = take(body, "CustomArgument", str, trigger["CustomArgument"])
        trigger["Description"] = take(body, "Description", str, trigger["Description"])
        enabled = take(body, "Enable", str, "OPEN" if trigger["Enable"] else "CLOSE")
        if enabled not in {"OPEN", "CLOSE"}:
            raise ApiError("InvalidParameterValue.Enable", "Enable is OPEN or CLOSE.")
        trigger["Enable"] = int(enabled == "OPEN")
        return {"TriggerInfo": dict(trigger)}

    async def delete_layer_version(self, body: Body) -> dict[str, Any]:
        """Remove one version of a layer that no function uses."""
        name, version = take(body, "LayerName", str), take(body, "LayerVersion", int)
        gone = self._records.layer(name, version)
        users = [
            each
            for function in self._records.functions.values()
            for config in function.versions.values()
            for each in config["Layers"]
        ]
        if {"LayerName": name, "LayerVersion": version} in users:
            raise ApiError("FailedOperation.DeleteLayerVersion", "A function uses the layer's version.")
        self._records.layers[name].remove(gone)
        return {}

    async def delete_trigger(self, body: Body) -> dict[str, Any]:
        """Remove a trigger."""
        function = self._records.function(name_of(body))
        kind, name = take(body, "Type", str), take(body, "TriggerName", str)
        description = body.get("TriggerDesc")
        found = [
            each
            for each in function.triggers
            if (each["Type"], each["TriggerName"]) == (kind, name)
            and (kind != "cos" or each["TriggerDesc"] == description)
        ]
        if not found:
            raise ApiError("ResourceNotFound.Trigger", "The function has no such trigger.")
        function.triggers = [each for each in function.triggers if each not in found]
        return {}

    async def list_layers(self, _: Body) -> dict[str, Any]:
        """Tell the newest version of each layer."""
        found = [
            _layer_info(name, versions[-1])
            for name, versions in sorted(self._records.layers.items())
            if versions
        ]
        return {"Layers": found, "TotalCount": len(found)}

    async def list_layer_versions(self, body: Body) -> dict[str, Any]:
        """Tell all versions of a layer, the newest first; none for a layer that was never published."""
        name = take(body, "LayerName", str)
        return {
            "LayerVersions": [
                _layer_info(name, each) for each in reversed(self._records.layers.get(name, []))
            ]
        }

    async def publish_layer_version(self, body: Body) -> dict[str, Any]:
        """Publish a layer under the next number."""
        name = take(body, "LayerName", str)
        code = await self._code(take(body, "Content", dict))
        versions = self._records.layers.setdefault(name, [])
        versions.append(
            LayerVersion(
                version=1 + max((each.version for each in versions), default=0),
                code=code,
                description=take(body, "Description", str, ""),
                runtimes=take(body, "CompatibleRuntimes", list),
                licence=take(body, "LicenseInfo", str, ""),
                added=_now(),
            )
        )
        return {"LayerVersion": versions[-1].version}

    async def put_reserved_concurrency_config(self, body: Body) -> dict[str, Any]:
        """Set a function's share of the account's memory, in MB."""
        self._records.function(name_of(body)).reserved = take(body, "ReservedConcurrencyMem", int)
        return {}

    async def get_reserved_concurrency_config(self, body: Body) -> dict[str, Any]:
        """Tell a function's share of the account's memory."""
        reserved = self._records.function(name_of(body)).reserved
        return {} if reserved is None else {"ReservedMem": reserved}

    def _idle(self, body: Body) -> Function:
        function = self._records.function(name_of(body))
        if function.changing:
            raise ApiError("FailedOperation.FunctionStatusError", "The function is still changing.")
        return function

    def _check_layers(self, config: Mapping[str, Any]) -> None:
        for each in config["Layers"]:
            self._records.layer(each["LayerName"], each["LayerVersion"])

    def _point(self, function: Function, name: str, body: Body) -> None:
        version = take(body, "FunctionVersion", str)
        if version not in function.versions:
            raise ApiError("ResourceNotFound.FunctionVersion", "The function has no such version.")
        function.aliases[name] = {
            "FunctionVersion": version,
            "Description": take(body, "Description", str, ""),
        }

    async def _code(self, code: Body) -> str:
        if code.get("CosBucketName"):
            data = await self._from_cos(
                take(code, "CosBucketName", str), take(code, "CosObjectName", str).lstrip("/")
            )
        else:
            try:
                data = base64.b64decode(take(code, "ZipFile", str), validate=True)
            except binascii.Error:
                raise ApiError("InvalidParameterValue.Code", "ZipFile is not Base64.") from None
            # What comes by way of COS is bounded by its unpacked size alone ("Quota limits").
            if len(data) > SCF_ZIP:
                raise ApiError("LimitExceeded.Code", "The zip is larger than 50 MB.")
        kept = self._mounts.keep(data)
        try:
            self._mounts.mount([kept])
        except (ValueError, zipfile.BadZipFile):
            raise ApiError("InvalidParameterValue.Code", "The code is not a zip.") from None
        return kept


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    if (one["Type"], one["TriggerName"]) != (other["Type"], other["TriggerName"]):
        return False
    return bool(one["Type"] != "cos" or one["TriggerDesc"] == other["TriggerDesc"])


def _layer_info(name: str, layer: LayerVersion) -> dict[str, Any]:
    return {
        "LayerName": name,
        "LayerVersion": layer.version,
        "Description": layer.description,
        "CompatibleRuntimes": layer.runtimes,
        "AddTime": layer.added,
        "Status": "Active",
    }


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime())
