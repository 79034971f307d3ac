"""SCF's API as its official SDK calls it: what is refused is not kept; what was deployed is operated."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tencentcloud.common.credential import Credential
from tencentcloud.common.exception.tencent_cloud_sdk_exception import TencentCloudSDKException
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models, scf_client
from tests.support.fixtures.toy import toy_cloud

from cardveil_cli.package.trees import zipped
from cardveil_cli.permissions.documents import CamPolicy
from cardveil_cloud.options import Ready
from cardveil_cloud.server import LocalCloud

HANDLER = (
    b'def main_handler(event, context):\n    print("said by the function")\n    return 1 / event["by"]\n'
)
EVERYTHING: dict[str, Any] = {
    "version": "2.0",
    "statement": [{"effect": "allow", "action": ["scf:CreateFunction"], "resource": ["*"]}],
}
Call = Callable[..., Any]


def calling(ready: Ready, secret_id: str = "", secret_key: str = "") -> Call:
    """A function that makes one call of the official SDK, by the action's name."""
    profile = HttpProfile(protocol="http", endpoint=ready.ocr_endpoint)
    credential = Credential(secret_id or ready.secret_id, secret_key or ready.secret_key)
    client = scf_client.ScfClient(credential, ready.region, ClientProfile(httpProfile=profile))

    def call(action: str, **parameters: Any) -> Any:
        request = getattr(models, f"{action}Request")()
        request.from_json_string(json.dumps(parameters))
        return getattr(client, action)(request)

    return call


def creation(**change: Any) -> dict[str, Any]:
    code = {"ZipFile": base64.b64encode(zipped({"index.py": HANDLER})).decode()}
    return {
        "FunctionName": "toy",
        "Handler": "index.main_handler",
        "Runtime": "Python3.10",
        "Code": code,
        **change,
    }


@pytest.fixture
def cloud(tmp_path: Path) -> LocalCloud:
    return toy_cloud(tmp_path, scf_api=True)


@pytest.fixture
def call(cloud: LocalCloud) -> Iterator[Call]:
    """Calls to a cloud in which one function is deployed."""
    with cloud.running() as ready:
        made = calling(ready)
        made("CreateFunction", **creation())
        made("GetFunction", FunctionName="toy")  # it is changing until somebody has looked
        yield made


def refused(call: Call, action: str, **parameters: Any) -> str:
    with pytest.raises(TencentCloudSDKException) as caught:
        call(action, **parameters)
    return str(caught.value.code)


@pytest.mark.parametrize("description", ["0 */5 * * * * *", '{"cron": "0 */5 * * * * *"}', " 0 0 3 * * * * "])
def test_a_timer_s_description_in_each_documented_form(call: Call, description: str) -> None:
    made = call("CreateTrigger", FunctionName="toy", TriggerName="t", Type="timer", TriggerDesc=description)
    assert made.TriggerInfo.TriggerName == "t"
    assert call("ListTriggers", FunctionName="toy").TotalCount == 1


@pytest.mark.parametrize(
    ("kind", "description"),
    [
        ("timer", "every day"),
        ("timer", "0 */5 * * * *"),
        ("timer", "99 * * * * * *"),
        ("timer", '{"cron": 5}'),
        ("timer", "{}"),
        ("timer", "{"),
        ("timer", ""),
        ("cos", "cos:ObjectCreated:*"),
        ("cos", "[]"),
        ("cos", '{"event": 1}'),
        ("cos", '{"event": "cos:ObjectCreated:*", "filter": "inbox/"}'),
        ("cos", '{"event": "cos:ObjectCreated:*", "filter": {"Prefix": 1}}'),
        ("http", "{}"),
        ("http", '{"AuthType": "none"}'),
        ("http", "no"),
        ("kafka", "{}"),
    ],
)
def test_a_trigger_that_is_none_is_not_kept(
    tmp_path: Path, cloud: LocalCloud, kind: str, description: str
) -> None:
    trigger = {"FunctionName": "toy", "TriggerName": "t", "Type": kind}
    with cloud.running() as ready:
        call = calling(ready)
        call("CreateFunction", **creation())
        code = refused(call, "CreateTrigger", **trigger, TriggerDesc=description)
        assert code.startswith(("InvalidParameter", "MissingParameter"))
        assert call("ListTriggers", FunctionName="toy").TotalCount == 0
        call("CreateTrigger", FunctionName="toy", TriggerName="ok", Type="timer", TriggerDesc="0 0 3 * * * *")
        code = refused(
            call, "UpdateTrigger", **{**trigger, "TriggerName": "ok"}, TriggerDesc=description or "x"
        )
        assert code.startswith(("InvalidParameter", "ResourceNotFound"))
    with toy_cloud(tmp_path, scf_api=True).running() as ready:
        assert ready.found == ()
        assert calling(ready)("ListTriggers", FunctionName="toy").TotalCount == 1


@pytest.mark.parametrize(
    "change",
    [
        {"Environment": {"Variables": [{"Key": "A"}]}},
        {"Layers": [{"LayerName": "no-such", "LayerVersion": 1}]},
        {"MemorySize": 100},
        {"Timeout": 0},
        {"Code": {"ZipFile": "no zip"}},
        {"Code": {"ZipFile": base64.b64encode(b"no zip").decode()}},
    ],
)
def test_a_function_that_cannot_run_is_not_kept(
    tmp_path: Path, cloud: LocalCloud, change: dict[str, Any]
) -> None:
    with cloud.running() as ready:
        code = refused(calling(ready), "CreateFunction", **creation(**change))
        assert not code.startswith("InternalError")
        assert calling(ready)("ListFunctions").TotalCount == 0
    with toy_cloud(tmp_path, scf_api=True).running() as ready:
        assert (ready.found, calling(ready)("ListFunctions").TotalCount) == ((), 0)


def test_a_bad_trigger_of_an_earlier_version_does_not_stop_a_start(tmp_path: Path, cloud: LocalCloud) -> None:
    with cloud.running() as ready:
        call = calling(ready)
        call("CreateFunction", **creation())
        call("CreateTrigger", FunctionName="toy", TriggerName="t", Type="timer", TriggerDesc="0 0 3 * * * *")
    path = tmp_path / "scf" / "deployed.json"
    path.write_text(path.read_text().replace("0 0 3 * * * *", "at three"))
    with toy_cloud(tmp_path, scf_api=True).running() as ready:
        assert "toy" in ready.found[0]
        assert calling(ready)("ListTriggers", FunctionName="toy").TotalCount == 0
        assert calling(ready)("ListFunctions").TotalCount == 1


def test_a_trigger_is_changed(cloud: LocalCloud, call: Call) -> None:
    trigger = {"FunctionName": "toy", "TriggerName": "t", "Type": "timer"}
    call("CreateTrigger", **trigger, TriggerDesc="0 0 3 * * * *", Enable="OPEN")
    call("UpdateTrigger", **trigger, TriggerDesc="0 0 4 * * * *", Enable="CLOSE", CustomArgument="sweep")
    (found,) = call("ListTriggers", FunctionName="toy").Triggers
    assert (found.TriggerDesc, found.Enable, found.CustomArgument) == ("0 0 4 * * * *", 0, "sweep")
    (running,) = [each for each in cloud.scf.deployment.timers if each.function == "toy"]
    assert (running.cron, running.enabled, running.argument) == ("0 0 4 * * * *", False, "sweep")
    half = {"TriggerDesc": "0 0 5 * * * *", "Enable": "PERHAPS"}
    assert refused(call, "UpdateTrigger", **trigger, **half) == "InvalidParameterValue.Enable"
    (found,) = call("ListTriggers", FunctionName="toy").Triggers
    assert found.TriggerDesc == "0 0 4 * * * *", "a refused change changes nothing"
    assert refused(call, "UpdateTrigger", **{**trigger, "TriggerName": "x"}) == "ResourceNotFound.Trigger"


def test_a_function_is_deleted_with_what_waits_for_it(cloud: LocalCloud, call: Call) -> None:
    call("CreateTrigger", FunctionName="toy", TriggerName="t", Type="timer", TriggerDesc="0 0 3 * * * *")
    call("Invoke", FunctionName="toy", InvocationType="Event", ClientContext='{"by": 0}')
    call("DeleteFunction", FunctionName="toy")
    assert refused(call, "GetFunction", FunctionName="toy") == "ResourceNotFound.Function"
    assert refused(call, "Invoke", FunctionName="toy").startswith("ResourceNotFound")
    cloud.wait_idle()
    assert "t" not in cloud.scf.timers.names
    (letter,) = cloud.dead_letters
    assert letter["Body"]["FunctionName"] == "toy"
    call("CreateFunction", **creation())
    call("Invoke", FunctionName="toy", InvocationType="Event", ClientContext='{"by": 1}')
    cloud.wait_idle()
    assert len(cloud.dead_letters) == 1
    assert refused(call, "DeleteFunction", FunctionName="no-such") == "ResourceNotFound.Function"


def test_a_version_is_deleted_unless_an_alias_points_at_it(call: Call) -> None:
    call("PublishVersion", FunctionName="toy")
    call("CreateAlias", FunctionName="toy", Name="live", FunctionVersion="1")
    code = refused(call, "DeleteFunction", FunctionName="toy", Qualifier="1")
    assert code == "FailedOperation.DeleteFunction"
    call("PublishVersion", FunctionName="toy")
    call("DeleteFunction", FunctionName="toy", Qualifier="2")
    assert call("ListVersionByFunction", FunctionName="toy").FunctionVersion == ["$LATEST", "1"]


def test_aliases_and_namespaces_are_listed(call: Call) -> None:
    call("PublishVersion", FunctionName="toy")
    for name in ("live", "old"):
        call("CreateAlias", FunctionName="toy", Name=name, FunctionVersion="1")
    assert [each.Name for each in call("ListAliases", FunctionName="toy").Aliases] == [
        "$DEFAULT",
        "live",
        "old",
    ]
    assert call("ListAliases", FunctionName="toy", FunctionVersion="$LATEST").TotalCount == 1
    assert [each.Name for each in call("ListNamespaces").Namespaces] == ["default"]


def test_logs_tell_of_each_try(call: Call) -> None:
    good = call("Invoke", FunctionName="toy", ClientContext='{"by": 1}').Result.FunctionRequestId
    bad = call("Invoke", FunctionName="toy", ClientContext='{"by": 0}').Result.FunctionRequestId
    told = call("GetFunctionLogs", FunctionName="toy")
    assert [each.RequestId for each in told.Data] == [bad, good]
    assert [each.RetCode for each in told.Data] == [1, 0]
    assert all("said by the function" in each.Log for each in told.Data)
    assert all(each.InvokeFinished == 1 for each in told.Data)
    (only,) = call("GetFunctionLogs", FunctionName="toy", FunctionRequestId=good).Data
    assert only.RequestId == good
    failed = call("GetFunctionLogs", FunctionName="toy", Filter={"RetCode": "not0"}, Order="asc")
    assert [each.RequestId for each in failed.Data] == [bad]
    assert call("GetFunctionLogs", FunctionName="toy", Limit=1, Offset=1).Data[0].RequestId == good


@pytest.mark.parametrize("roles", [["qcs::cam:::roleName/reader"], ["qcs::cam:::roleName/*"], ["*"], []])
def test_a_role_is_given_only_by_who_may_pass_it(cloud: LocalCloud, roles: list[str]) -> None:
    document = {**EVERYTHING, "statement": [*EVERYTHING["statement"]]}
    if roles:
        document["statement"].append({"effect": "allow", "action": ["cam:PassRole"], "resource": roles})
    with cloud.running() as ready:
        cloud.credentials.add_permanent("AKIDdeployer", "a-key", CamPolicy(document))
        call = calling(ready, "AKIDdeployer", "a-key")
        if "reader" in str(roles):
            assert refused(call, "CreateFunction", **creation(Role="writer")) == "UnauthorizedOperation.CAM"
        if not roles:
            assert refused(call, "CreateFunction", **creation(Role="reader")) == "UnauthorizedOperation.CAM"
            call("CreateFunction", **creation())
        else:
            call("CreateFunction", **creation(Role="reader"))
        assert calling(ready)("ListFunctions").TotalCount == 1
