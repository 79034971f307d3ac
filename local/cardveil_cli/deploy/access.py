"""Whose account it is, how its APIs are reached, and what their refusals mean to whoever calls them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from cardveil_cli.deploy.errors import DeployError

_DENIED: Final = ("UnauthorizedOperation", "AuthFailure.UnauthorizedOperation")
_OPERATION: Final = re.compile(r"operation \(([a-z]+:[A-Za-z]+)\)")
#: What API 3.0 answers for what is not there, in the words of its products.
_MISSING: Final = ("ResourceNotFound", "InvalidParameter.RoleNotExist")


@dataclass(frozen=True, slots=True)
class Access:
    """Whose account it is and how it is reached; its secrets never show in its `repr`.

    Attributes
    ----------
    proxy
        The local cloud, as an HTTP proxy; empty for the real one.
    """

    region: str
    secret_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str = field(default="", repr=False)
    proxy: str = ""


def access_from(environment: Mapping[str, str]) -> Access:
    """Read the key of whoever deploys.

    Raises
    ------
    DeployError
        Naming the variable that is missing.
    """
    for name in ("TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_REGION"):
        if not environment.get(name):
            raise DeployError(f"{name} is not set: deploying needs a key pair and a region")
    return Access(
        region=environment["TENCENTCLOUD_REGION"],
        secret_id=environment["TENCENTCLOUD_SECRETID"],
        secret_key=environment["TENCENTCLOUD_SECRETKEY"],
        token=environment.get("TENCENTCLOUD_SESSIONTOKEN", ""),
    )


class NotPermittedError(DeployError):
    """The key may not do this; the text names the permission that it lacks."""


def client_profile(access: Access, service: str) -> Any:
    """Return the SDK's profile for one service of API 3.0."""
    from tencentcloud.common.profile.client_profile import ClientProfile
    from tencentcloud.common.profile.http_profile import HttpProfile

    http = HttpProfile(
        protocol="http" if access.proxy else "https",
        endpoint=f"{service}.tencentcloudapi.com",
        reqTimeout=60,
    )
    http.proxy = access.proxy or None
    return ClientProfile(language="en-US", httpProfile=http)


def call_api(
    access: Access, service: str, version: str, action: str, parameters: Mapping[str, Any]
) -> dict[str, Any] | None:
    """Call one action of any service by the SDK's common client; None when what it asks for is not there.

    Raises
    ------
    DeployError
        If it is refused; the text names the action, and the permission when that is what is missing.
    """
    from tencentcloud.common.common_client import CommonClient
    from tencentcloud.common.credential import Credential
    from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException

    credential = Credential(access.secret_id, access.secret_key, access.token or None)
    client = CommonClient(service, version, credential, access.region, client_profile(access, service))
    try:
        answer = client.call_json(action, dict(parameters))["Response"]
    except TencentCloudSDKException as error:
        if str(error.code).startswith(_MISSING):
            return None
        raise refusal(f"{service}:{action}", error) from None
    # With a charset in its type the SDK hands an error out as an answer.
    if "Error" in answer:
        raise DeployError(f"{service}:{action}: {answer['Error'].get('Code')}")
    found: dict[str, Any] = answer
    return found


def refusal(call: str, error: Any) -> DeployError:
    """Return what a refused call of API 3.0 means to whoever made it."""
    code, message = str(error.code), str(error.message)
    if code.startswith(_DENIED):
        match = _OPERATION.search(message)
        return NotPermittedError(
            f"not permitted: grant {match[1] if match else call} to the key that is used"
        )
    if code in {"ClientNetworkError", "ServerNetworkError"}:
        return DeployError(f"{call}: no answer; run it again, it goes on from there")
    if code.startswith("AuthFailure"):
        return DeployError(f"the key was refused ({code}): check id, key and token, and the clock")
    return DeployError(f"{call}: {code}: {message}")
