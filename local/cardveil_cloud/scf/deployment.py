"""Reads Tencent's `component: multi-scf` file as the vendor's own formatter does, refusing what SCF would."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import yaml

from cardveil_cloud.scf.variables import ConfigurationError, resolve

#: SCF quotas: seconds, megabytes, bytes of environment, layers a function.
TIMEOUTS: Final = range(1, 901)
MEMORY_SIZES: Final = frozenset({64, *range(128, 3073, 128)})
ENVIRONMENT_LIMIT: Final = 4096
LAYER_LIMIT: Final = 5
#: The alias that every function has; what triggers call that say nothing of it.
DEFAULT_ALIAS: Final = "$DEFAULT"


@dataclass(frozen=True, slots=True)
class FunctionSpec:
    """One function as it is deployed.

    Attributes
    ----------
    key : str
        Its key in the file, by which triggers refer to it.
    name : str
        Its name on the platform, `name-stage-app-key` unless the file says otherwise.
    source : Path
        The folder that is its zip.
    layers : tuple of str
        Layer names, in search order.
    layer_versions : mapping
        The version of each layer that the file names.
    mounted_layers : Path, optional
        The folder of all layers together, for a function that runs from its zip: then nothing else is to be
        found, and it runs by the platform's Python where there is one.
    role : str
        The role by whose permissions it works.
    dead_letter : tuple of str, optional
        Type and name of the queue for events that no retry could save.
    logs : tuple of str, optional
        Log set and log topic.
    reserved_mb : int, optional
        Memory that the function's instances have together: how many can run at a time.
    """

    key: str
    name: str
    source: Path
    handler: str
    runtime: str = "Python3.10"
    memory_mb: int = 128
    timeout_s: int = 3
    init_timeout_s: int = 65
    namespace: str = "default"
    environment: Mapping[str, str] = field(default_factory=dict)
    layers: tuple[str, ...] = ()
    layer_versions: Mapping[str, int] = field(default_factory=dict)
    mounted_layers: Path | None = None
    role: str = ""
    description: str = ""
    dead_letter: tuple[str, str] | None = None
    logs: tuple[str, str] | None = None
    reserved_mb: int | None = None


@dataclass(frozen=True, slots=True)
class CosTrigger:
    """Objects of a bucket that start a function; `events` may end in `*`."""

    name: str
    function: str
    bucket: str
    events: tuple[str, ...]
    prefix: str = ""
    suffix: str = ""
    enabled: bool = False
    qualifier: str = DEFAULT_ALIAS


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """A seven-field cron expression that starts a function; `argument` becomes the event's Message."""

    name: str
    function: str
    cron: str
    argument: str = ""
    enabled: bool = False
    qualifier: str = DEFAULT_ALIAS


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """A function URL; `auth` is `NONE` or `CAM`.

    Attributes
    ----------
    intranet, extranet
        From where it can be reached.
    """

    function: str
    auth: str
    name: str = "url-trigger"
    intranet: bool = False
    extranet: bool = False
    enabled: bool = True
    qualifier: str = DEFAULT_ALIAS


@dataclass(frozen=True, slots=True)
class Deployment:
    """Everything that the file deploys."""

    functions: Mapping[str, FunctionSpec]
    cos: tuple[CosTrigger, ...] = ()
    timers: tuple[TimerTrigger, ...] = ()
    http: tuple[HttpTrigger, ...] = ()


def load(path: Path, variables: Mapping[str, str]) -> Deployment:
    """Read a multi-scf file.

    Parameters
    ----------
    path
        The file; `src` in it is relative to its folder.
    variables
        Values for its `${…}` variables. `stage`, `app` and `name` come from the file itself.

    Raises
    ------
    ConfigurationError
        If the file is not a multi-scf file, or names something SCF does not accept.
    """
    document = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(document, Mapping) or document.get("component") != "multi-scf":
        raise ConfigurationError(f"{path.name}: not a file of the multi-scf component")
    heads: dict[str, str] = {"stage": "dev", "app": str(document.get("name", "")), **variables}
    for head in ("stage", "app", "name"):
        if document.get(head):
            heads[head] = resolve(str(document[head]), heads, head)
    inputs = resolve(document.get("inputs") or {}, heads, "inputs")
    root = source_root(path, inputs)
    functions = {
        str(key): _function(str(key), inputs, entry or {}, root, heads)
        for key, entry in _entries(inputs.get("functions"))
    }
    triggers = [] if inputs.get("ignoreTriggers") else list(inputs.get("triggers") or [])
    return _with_triggers(functions, triggers)


def source_root(path: Path, inputs: Mapping[str, Any]) -> Path:
    """Return the folder that a file's functions are below, and that the vendor's tool uploads."""
    return (path.parent / _folder(inputs.get("src"), "./")).resolve()


def _entries(functions: Any) -> Iterable[tuple[str, Mapping[str, Any]]]:
    # Older files list the functions, each with a `name` that serves as its key.
    if isinstance(functions, list):
        return [(str(entry["name"]), entry) for entry in functions]
    return list((functions or {}).items())


def _function(
    key: str, shared: Mapping[str, Any], own: Mapping[str, Any], root: Path, heads: Mapping[str, str]
) -> FunctionSpec:
    place = f"functions.{key}"
    merged = {**shared, **own}
    source = (root / _folder(own.get("src"), "./")).resolve()
    if not source.is_dir():
        raise ConfigurationError(f"{place}.src: there is no such folder")
    handler = str(merged.get("handler", ""))
    if "." not in handler:
        raise ConfigurationError(f"{place}.handler: FileName.FunctionName is expected")
    runtime = str(merged.get("runtime", "Python3.10"))
    if not runtime.startswith("Python3"):
        raise ConfigurationError(f"{place}.runtime: only Python 3 functions run here")
    spec = FunctionSpec(
        key=key,
        name=str(own.get("name") or f"{heads.get('name', '')}-{heads['stage']}-{heads['app']}-{key}"),
        source=source,
        handler=handler,
        runtime=runtime,
        memory_mb=_number(merged, "memorySize", 128, place),
        timeout_s=_number(merged, "timeout", 3, place),
        init_timeout_s=_number(merged, "initTimeout", 65, place),
        namespace=str(merged.get("namespace", "default")),
        environment=_environment(merged, place),
        layers=tuple(str(layer["name"]) for layer in merged.get("layers") or ()),
        layer_versions={str(layer["name"]): int(layer["version"]) for layer in merged.get("layers") or ()},
        role=str(merged.get("role") or ""),
        description=str(merged.get("description") or ""),
        dead_letter=_pair(merged.get("deadLetter"), "type", "name"),
        logs=_pair(merged.get("cls"), "logsetId", "topicId"),
        reserved_mb=_number(merged, "reservedConcurrency", 0, place) or None,
    )
    if spec.memory_mb not in MEMORY_SIZES:
        raise ConfigurationError(f"{place}.memorySize: 64, or 128 to 3072 in steps of 128")
    if spec.timeout_s not in TIMEOUTS:
        raise ConfigurationError(f"{place}.timeout: 1 to 900 seconds")
    if len(spec.layers) > LAYER_LIMIT:
        raise ConfigurationError(f"{place}.layers: at most {LAYER_LIMIT}")
    return spec


def _pair(value: Any, first: str, second: str) -> tuple[str, str] | None:
    # Left empty, for example by a variable, it is not there.
    if not isinstance(value, Mapping) or not value.get(second):
        return None
    return str(value.get(first) or ""), str(value[second])


def _number(settings: Mapping[str, Any], name: str, default: int, place: str) -> int:
    try:
        return int(settings.get(name, default))
    except (TypeError, ValueError):
        raise ConfigurationError(f"{place}.{name}: a whole number is expected") from None


def _environment(settings: Mapping[str, Any], place: str) -> Mapping[str, str]:
    # A function's own list replaces the shared one. The vendor's formatter loses what has another form.
    entries = settings.get("environments") or []
    if "environment" in settings or not isinstance(entries, list):
        raise ConfigurationError(
            f"{place}.environments: a list of key and value is expected, and nothing else"
        )
    found = {str(entry["key"]): _text(entry["value"]) for entry in entries}
    size = sum(len(key.encode()) + len(text.encode()) for key, text in found.items())
    if size > ENVIRONMENT_LIMIT:
        raise ConfigurationError(f"{place}.environments: {size} bytes, and SCF takes {ENVIRONMENT_LIMIT}")
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _folder(src: Any, default: str) -> str:
    return str((src.get("src") if isinstance(src, Mapping) else src) or default)


def _with_triggers(functions: Mapping[str, FunctionSpec], triggers: list[Mapping[str, Any]]) -> Deployment:
    cos: list[CosTrigger] = []
    timers: list[TimerTrigger] = []
    http: list[HttpTrigger] = []
    for index, trigger in enumerate(triggers):
        place = f"triggers[{index}]"
        kind, function = str(trigger.get("type")), str(trigger.get("function"))
        if function not in functions:
            raise ConfigurationError(f"{place}.function: no function of that key")
        parameters: Mapping[str, Any] = trigger.get("parameters") or {}
        name = str(parameters.get("name", f"{kind}{index}"))
        qualifier = str(parameters.get("qualifier") or DEFAULT_ALIAS)
        # The documentation's default: a trigger that does not say `enable: true` is off, but for a URL.
        enabled = _true(parameters.get("enable", kind == "http"))
        if kind == "cos":
            events, rule = parameters.get("events", "cos:ObjectCreated:*"), parameters.get("filter") or {}
            cos.append(
                CosTrigger(
                    name=name,
                    function=function,
                    bucket=_bucket(parameters, place),
                    events=tuple(events) if isinstance(events, list) else (str(events),),
                    prefix=str(rule.get("prefix") or ""),
                    suffix=str(rule.get("suffix") or ""),
                    enabled=enabled,
                    qualifier=qualifier,
                )
            )
        elif kind == "timer":
            argument = _text(parameters.get("argument", ""))
            cron = str(parameters["cronExpression"])
            timers.append(TimerTrigger(name, function, cron, argument, enabled, qualifier))
        elif kind == "http":
            auth = str(parameters.get("authType", "")).upper()
            if auth not in {"NONE", "CAM"}:
                raise ConfigurationError(f"{place}.parameters.authType: NONE or CAM")
            net = parameters.get("netConfig") or {}
            http.append(
                HttpTrigger(
                    function,
                    auth,
                    name=str(parameters.get("name") or "url-trigger"),
                    intranet=_true(net.get("enableIntranet", False)),
                    extranet=_true(net.get("enableExtranet", False)),
                    enabled=enabled,
                    qualifier=qualifier,
                )
            )
        else:
            raise ConfigurationError(f"{place}.type: only cos, timer and http triggers run here")
    return Deployment(functions, tuple(cos), tuple(timers), tuple(http))


def _true(value: Any) -> bool:
    return str(value).lower() in {"true", "1", "open"}


def _bucket(parameters: Mapping[str, Any], place: str) -> str:
    # Written as `name-appid`, or as the bucket's host name.
    bucket = str(parameters.get("bucket") or "").split(".")[0]
    if not bucket:
        raise ConfigurationError(f"{place}.parameters.bucket: missing")
    return bucket
