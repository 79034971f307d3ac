"""What a function sees of the platform: its process environment and the dict that SCF passes as context."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from cardveil_cloud.scf.deployment import FunctionSpec


class RoleCredentials(Protocol):
    """Temporary credentials of a function's role."""

    @property
    def secret_id(self) -> str: ...
    @property
    def secret_key(self) -> str: ...
    @property
    def token(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Platform:
    """What all functions of one local cloud have in common.

    Attributes
    ----------
    proxy_url : str
        The local cloud's own address: functions reach `*.myqcloud.com` through it as a proxy.
    layers : mapping
        Folder of each layer by name; what would be unpacked to `/opt`.
    logs : Path
        Folder of the functions' logs.
    python : str
        The interpreter of functions that run from their zips.
    begin : callable
        Starts a process as `asyncio.create_subprocess_exec` does.
    """

    region: str
    app_id: str
    uin: str
    proxy_url: str
    logs: Path
    layers: Mapping[str, Path] = field(default_factory=dict)
    python: str = sys.executable
    begin: Callable[..., Awaitable[Any]] = asyncio.create_subprocess_exec


def process_environment(spec: FunctionSpec, platform: Platform) -> dict[str, str]:
    """Return the environment a worker is started with; nothing of the server's own environment is in it.

    Third-party packages come from the interpreter's own site-packages, after the function's folder and its
    layers; on the platform they are a layer like the others.
    """
    if spec.mounted_layers is not None:
        layers = [str(spec.mounted_layers)]
    else:
        layers = [str(platform.layers[name]) for name in spec.layers if name in platform.layers]
    return {
        "PATH": os.defpath,
        "LANG": "en_US.UTF-8",
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "HOME": "/tmp",  # noqa: S108 - the only folder a function may write to on the platform
        "PYTHONPATH": os.pathsep.join([str(spec.source), *layers]),
        "SCF_FUNCTIONNAME": spec.name,
        "SCF_FUNCTIONVERSION": "$LATEST",
        "SCF_NAMESPACE": spec.namespace,
        "SCF_RUNTIME": spec.runtime,
        "TENCENTCLOUD_RUNENV": "SCF",
        "TENCENTCLOUD_REGION": platform.region,
        "TENCENTCLOUD_APPID": platform.app_id,
        "TENCENTCLOUD_UIN": platform.uin,
        "USER_CODE_ROOT": f"{spec.source}/",
        # Both spellings, since clients differ in which of them they read. NO_PROXY stays unset.
        "http_proxy": platform.proxy_url,
        "HTTP_PROXY": platform.proxy_url,
        **spec.environment,
    }


def credential_environment(credentials: RoleCredentials) -> dict[str, str]:
    """Return the variables by which SCF hands over the role's credentials."""
    return {
        "TENCENTCLOUD_SECRETID": credentials.secret_id,
        "TENCENTCLOUD_SECRETKEY": credentials.secret_key,
        "TENCENTCLOUD_SESSIONTOKEN": credentials.token or "",
    }


def context(
    spec: FunctionSpec, platform: Platform, request_id: str, credentials: Mapping[str, str]
) -> dict[str, Any]:
    """Return the context of one invocation: a dict, as SCF passes it, with all of its keys."""
    variables = {"SCF_NAMESPACE": spec.namespace, **credentials, **spec.environment}
    return {
        "memory_limit_in_mb": spec.memory_mb,
        "time_limit_in_ms": spec.timeout_s * 1000,
        "request_id": request_id,
        "environment": json.dumps(variables, ensure_ascii=False),
        "environ": "".join(f"{key}={value};" for key, value in variables.items()),
        "function_version": "$LATEST",
        "function_name": spec.name,
        "namespace": spec.namespace,
        "tencentcloud_region": platform.region,
        "tencentcloud_appid": platform.app_id,
        "tencentcloud_uin": platform.uin,
    }
