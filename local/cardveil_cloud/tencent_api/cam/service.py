"""Access management's API: roles, what is attached to them, and what that allows."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any, Final, Protocol, runtime_checkable

from cardveil_cloud.accounts import Credential, Policy
from cardveil_cloud.tencent_api.errors import ApiError, require
from cardveil_cloud.tencent_api.scf.fields import count, take

#: Of a cloud whose roles are not limited, each role of any name is there and may do everything.
_EVERYTHING: Final[Mapping[str, Any]] = {
    "version": "2.0",
    "statement": [{"effect": "allow", "action": ["*"], "resource": ["*"]}],
}
_TRUST: Final = {
    "version": "2.0",
    "statement": [
        {"effect": "allow", "action": "name/sts:AssumeRole", "principal": {"service": "scf.qcloud.com"}}
    ],
}


@runtime_checkable
class Documented(Protocol):
    """A policy that is made from a document."""

    @property
    def document(self) -> Mapping[str, Any]: ...


class AccessManagement:
    """The product behind ``cam.tencentcloudapi.com``.

    Parameters
    ----------
    roles
        What each role may do; with none at all, every role is there and may do everything.
    """

    name = "cam"
    version = "2019-01-16"
    actions = ("GetPolicy", "GetRole", "ListAttachedRolePolicies")

    def __init__(self, roles: Mapping[str, Policy], region: str) -> None:
        self.region = region
        self._limited = bool(roles)
        self._names = sorted(roles)
        self._documents = {
            name: policy.document for name, policy in roles.items() if isinstance(policy, Documented)
        }

    def check(self, credential: Credential, action: str, body: dict[str, Any]) -> None:
        """See `Product.check`."""
        role = body.get("RoleName")
        require(credential, f"cam:{action}", f"cam/roleName/{role}" if role else "*")

    async def act(self, credential: Credential, action: str, body: dict[str, Any]) -> dict[str, Any]:  # noqa: ARG002
        """Tell of a role or a policy; see `Product.act`."""
        if action == "GetPolicy":
            return self._policy(count(body, "PolicyId", 0))
        name = take(body, "RoleName", str)
        if self._limited and name not in self._names:
            raise ApiError("InvalidParameter.RoleNotExist", "The role does not exist.")
        if action == "GetRole":
            return {
                "RoleInfo": {
                    "RoleId": self._number(name),
                    "RoleName": name,
                    "PolicyDocument": json.dumps(_TRUST),
                }
            }
        policy = {
            "PolicyId": self._number(name),
            "PolicyName": self._name_of(name),
            "PolicyType": "User",
            "AddTime": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(0)),
        }
        return {"List": [policy], "TotalNum": 1}

    def _policy(self, number: int) -> dict[str, Any]:
        if not self._limited and number == 0:
            return {"PolicyName": self._name_of(""), "Type": 1, "PolicyDocument": json.dumps(_EVERYTHING)}
        if not 0 < number <= len(self._names):
            raise ApiError("ResourceNotFound.PolicyIdNotExist", "The policy does not exist.")
        name = self._names[number - 1]
        document = self._documents.get(name, _EVERYTHING)
        return {"PolicyName": self._name_of(name), "Type": 1, "PolicyDocument": json.dumps(document)}

    def _number(self, name: str) -> int:
        return self._names.index(name) + 1 if self._limited else 0

    def _name_of(self, role: str) -> str:
        return role if self._limited else "local-everything"
