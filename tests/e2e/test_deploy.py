"""From the zips: deployed to the local cloud by the official SDK, run, changed, rolled back, and refused."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest
import requests
import yaml
from click.testing import CliRunner
from qcloud_cos.ai_recognition import AIRecognitionClient
from starlette.requests import Request
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tencentcloud.scf.v20180416 import models, scf_client
from tests.support.cloud_fixture import ROOT, kept
from tests.support.deploy_fixture import (
    BUCKET,
    invoke,
    role_policies,
    scene,
    stored_policy,
    without,
)
from tests.support.documents import table, three_pages

from cardveil.core.errors import Halt, PermissionMissing
from cardveil_cli import group
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.deploy.access import Access, access_from
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import wanted
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.deploy.plan import Planner
from cardveil_cli.deploy.roles import lacking
from cardveil_cli.deploy.rollback import rollback_plan
from cardveil_cli.deploy.urls import url_of
from cardveil_cli.package.build import Package, build, rehearsal_minor
from cardveil_cli.package.trees import zipped
from cardveil_cli.permissions.documents import CamPolicy
from cardveil_cloud.cos.contracts import DropConnection
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.scf import schema
from cardveil_cloud.scf.deployment import load
from cardveil_cloud.scf.platform import unzip

FRONT = "id-front-flat.jpg"


def test_packaging_again_gives_the_same_bytes(package: Package) -> None:
    again = build(ROOT, ROOT / "build" / "wheels", rehearsal_minor())
    assert again.functions == package.functions
    assert again.layers == package.layers
    assert again.manifest() == package.manifest()


def test_the_package_holds_what_it_must_and_nothing_more(
    package: Package, folder: Path, tmp_path: Path
) -> None:
    unzip(package.layers["cardveil-runtime"], tmp_path)
    there = {path.name for path in tmp_path.iterdir()}
    assert {
        "qcloud_cos",
        "tencentcloud",
        "PIL",
        "pypdfium2",
        "pypdfium2_raw",
        "orjson",
        "authorities",
        "licences",
    } <= there
    assert not {"tests", "PKG-INFO"} & there
    assert not list(tmp_path.glob("*.dist-info"))
    bill = json.loads((folder / "sbom.cdx.json").read_text("utf-8"))
    assert bill["bomFormat"] == "CycloneDX"
    names = {component["name"] for component in bill["components"]}
    assert {"pillow", "orjson", "cos-python-sdk-v5", "pycryptodome"} <= names
    assert not {"charset-normalizer"} & names
    for component in bill["components"]:
        assert component["licenses"]
        assert component["hashes"][0]["content"]
        assert (tmp_path / "licences" / component["name"].lower()).is_dir() or component["name"].startswith(
            "lib"
        )
    for key, data in package.functions.items():
        unzip(data, tmp_path / key)
        assert (tmp_path / key / "index.py").is_file()


def test_the_vendors_tool_finds_functions_and_nothing_else(package: Package, tmp_path: Path) -> None:
    deploy = tmp_path / "deploy"
    (deploy / "functions").mkdir(parents=True)
    (deploy / "functions" / "card.jpg").write_bytes(b"of a run before")
    package.write(tmp_path)
    there = {path.relative_to(deploy).as_posix() for path in deploy.rglob("*") if path.is_file()}
    zips = {key: zipfile.ZipFile(io.BytesIO(data)).namelist() for key, data in package.functions.items()}
    packed = {f"functions/{key}/{name}" for key, names in zips.items() for name in names}
    assert there == {"serverless.yml", *packed}
    assert schema.check(deploy / "serverless.yml") == []
    inputs = yaml.safe_load((deploy / "serverless.yml").read_text("utf-8"))["inputs"]
    assert (deploy / inputs["src"]["src"]).resolve() == (deploy / "functions").resolve()


def test_deployed_changed_and_rolled_back(folder: Path, tmp_path: Path) -> None:
    everything = {name: CamPolicy(document) for name, document in role_policies().items()}
    with scene(folder, tmp_path, deployer=CamPolicy(stored_policy("deployer")), roles=everything) as here:
        first, other = here.wanted(), here.wanted(CARDVEIL_POLICY="strict")
        assert here.bench.listing() == []
        assert [line[0] for line in here.plan(first).lines()][:3] == ["+", "+", "+"]
        here.deploy(first)
        assert here.plan(first).lines() == [], "a second time there is nothing to do"
        assert here.bench.listing(".cardveil/deploy/") == [], "zips are taken away again"
        assert here.policy_of("one.jpg") == "standard"

        lines = here.plan(other).lines()
        assert len(lines) == 2 * len(first.functions)
        assert all("CARDVEIL_POLICY standard → strict" in line or "set $DEFAULT" in line for line in lines), (
            lines
        )
        here.deploy(other)
        assert here.policy_of("two.jpg") == "strict"

        for step in rollback_plan(here.account, first).steps:
            step.action()
        assert here.policy_of("three.jpg") == "standard"
        # What is wanted is published already: only the alias moves.
        assert here.deploy(other) == [
            f"function {each.spec.name}: $DEFAULT is version 2" for each in other.functions
        ]
        assert here.policy_of("four.jpg") == "strict"
        assert "cold" in here.bench.logs()


def test_every_function_runs_from_its_zip(folder: Path, tmp_path: Path) -> None:
    secrets, document = "a secret of this test that is long enough", three_pages()
    with scene(folder, tmp_path, pictures=table(document)) as here:
        here.deploy(here.wanted(CARDVEIL_TOKEN_SECRETS=secrets, CARDVEIL_JOB_SECRETS=secrets))
        session = requests.Session()
        session.trust_env = False
        urls = f"{here.bench.endpoint.proxy}/fn"
        health = session.get(f"{urls}/cardveil-on-request.DEFAULT/v1/health", timeout=60)
        assert (health.status_code, health.json()["status"]) == (200, "ok")
        page = session.get(f"{urls}/cardveil-on-request.DEFAULT/", timeout=60)
        assert page.status_code == 200
        # A stranger's callback is answered, not obeyed.
        assert session.post(f"{urls}/cardveil-on-callback.DEFAULT", data=b"{}", timeout=60).status_code == 400
        # Its pages are drawn by what is in the runtime layer.
        pages = here.bench.run("a.pdf", document)["pages"]
        assert [[card["side"] for card in page["cards"]] for page in pages] == [["front"], [], ["back"]]
        assert (here.bench.get("redacted/a.pdf") or b"")[:5] == b"%PDF-"
        here.bench.cloud.fire_timer("every-five-minutes")
        here.bench.settle()
        assert here.bench.cloud.dead_letters == []


def test_the_vendors_command_line_can_list_it(folder: Path, tmp_path: Path) -> None:
    # As `tccli scf ListFunctions --endpoint http://127.0.0.1:PORT` sets the SDK up: scheme in the endpoint.
    with scene(folder, tmp_path) as here:
        here.deploy(here.wanted())
        endpoint = here.bench.endpoint
        profile = ClientProfile(
            httpProfile=HttpProfile(reqTimeout=60, reqMethod="POST", endpoint=endpoint.proxy)
        )
        credential = Credential(endpoint.secret_id, endpoint.secret_key)
        client = scf_client.ScfClient(credential, endpoint.region, profile)
        found = client.ListFunctions(models.ListFunctionsRequest())
        assert {each.FunctionName for each in found.Functions} == {
            "cardveil-on-upload",
            "cardveil-on-callback",
            "cardveil-on-schedule",
            "cardveil-on-request",
        }


def test_what_was_deployed_is_there_after_a_restart(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        here.deploy(here.wanted())
    with scene(folder, tmp_path) as here:
        assert here.plan(here.wanted()).lines() == []
        assert here.policy_of("one.jpg") == "standard"


class Broken(NoFaults):
    """Lets so many changes through, and then drops every connection."""

    def __init__(self, changes: int) -> None:
        self.left = changes

    async def before(self, service: str, operation: str, request: Request) -> None:
        if service == "scf" and operation.startswith(("Create", "Update", "Publish", "Put")):
            if self.left == 0:
                raise DropConnection
            self.left -= 1


def test_an_interrupted_deployment_goes_on_from_where_it_was(folder: Path, tmp_path: Path) -> None:
    faults = Broken(0)
    with scene(folder, tmp_path, faults=faults) as here:
        state, tries, told = here.wanted(), 0, list[str]()
        while True:
            faults.left, tries = 5, tries + 1
            try:
                here.deploy(state)
            except DeployError as error:
                told.append(str(error))
            else:
                break
            assert tries < 12
        assert tries > 3
        assert all("it goes on from there" in each for each in told)
        assert here.plan(state).lines() == []
        for function in state.functions:
            found = here.account.call("ListVersionByFunction", FunctionName=function.spec.name)
            assert len(found["Versions"]) == 2, "the latest, and one that was published once"
        layers = here.account.call("ListLayerVersions", LayerName="cardveil-runtime")["LayerVersions"]
        assert len(layers) == 1
        assert here.policy_of("one.jpg") == "standard"


@pytest.mark.parametrize(
    "action", ["scf:PublishLayerVersion", "scf:CreateFunction", "scf:PublishVersion", "scf:CreateTrigger"]
)
def test_a_permission_that_the_deployer_lacks_is_named(folder: Path, tmp_path: Path, action: str) -> None:
    with (
        scene(folder, tmp_path, deployer=CamPolicy(without(stored_policy("deployer"), action))) as here,
        pytest.raises(DeployError, match=f"not permitted: grant {action}"),
    ):
        here.deploy(here.wanted())


@pytest.mark.parametrize(
    ("action", "call"), [("cos:PutObject", "PutObject"), ("ci:CreateIDCardOCRJob", "IDCardOCR")]
)
def test_a_permission_that_a_role_lacks_is_named(
    folder: Path, tmp_path: Path, action: str, call: str
) -> None:
    roles = {name: CamPolicy(without(document, action)) for name, document in role_policies().items()}
    with scene(folder, tmp_path, roles=roles) as here:
        here.deploy(here.wanted())
        here.bench.upload("inbox/one.jpg", kept(FRONT))
        here.bench.settle()
        assert here.bench.sidecar("one.jpg") is None
        (letter,) = here.bench.cloud.dead_letters
        assert "permission_missing" in letter["ErrorMessage"]
        # After the first refusal of a paid call none is made any more: the log has named it by then.
        assert call in letter["ErrorMessage"] + here.bench.logs()
        assert any(kind.__name__ in letter["ErrorMessage"] for kind in (Halt, PermissionMissing))


def test_nothing_is_touched_that_others_made(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        state = here.wanted()
        code = here.account.code(zipped({"index.py": b"def main_handler(e, c): return 1\n"}))
        here.account.call(
            "CreateFunction", FunctionName="cardveil-on-upload", Code=code, Description="Theirs."
        )
        with pytest.raises(DeployError, match="cardveil-on-upload was not made by cardveil"):
            here.plan(state)
        with pytest.raises(DeployError, match="no version to go back to"):
            rollback_plan(here.account, state)


def test_a_trigger_of_others_stays_and_one_of_ours_is_replaced(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        state = here.wanted()
        here.deploy(state)
        theirs = {
            "FunctionName": "cardveil-on-schedule",
            "TriggerName": "theirs",
            "Type": "timer",
            "TriggerDesc": '{"cron":"0 0 0 1 * * *"}',
            "Qualifier": "$DEFAULT",
        }
        here.account.call("CreateTrigger", **theirs)
        plan = here.plan(state)
        assert plan.steps == []
        assert any("left alone" in line for line in plan.lines())
        schedule = next(each for each in state.functions if each.key == "on_schedule")
        (timer,) = schedule.triggers
        slower = replace(timer, parameters={"cron": "0 0 * * * * *"})
        functions = tuple(
            replace(each, triggers=(slower,)) if each is schedule else each for each in state.functions
        )
        changed = replace(state, functions=functions)
        signs = [step.sign for step in here.plan(changed).steps]
        assert signs == ["-", "+"], "first what is gone: one name cannot be twice"
        here.deploy(changed)
        found = here.account.call("ListTriggers", FunctionName="cardveil-on-schedule")["Triggers"]
        assert {each["TriggerName"]: json.loads(each["TriggerDesc"])["cron"] for each in found} == {
            "theirs": "0 0 0 1 * * *",
            "every-five-minutes": "0 0 * * * * *",
        }


def test_two_stages_do_not_take_each_other_over(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        here.deploy(here.wanted())
        with pytest.raises(DeployError, match="for this app and stage"):
            here.plan(here.wanted(app="another"))


@pytest.mark.parametrize("name", ["TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_REGION"])
def test_missing_credentials_are_named(name: str) -> None:
    names = {"TENCENTCLOUD_SECRETID", "TENCENTCLOUD_SECRETKEY", "TENCENTCLOUD_REGION"}
    with pytest.raises(DeployError, match=f"{name} is not set"):
        access_from(dict.fromkeys(names - {name}, "x"))


def test_a_wrong_key_is_refused_without_being_shown(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        access = Access("ap-shanghai", "AKIDwrong", "SECRET", proxy=here.bench.endpoint.proxy)
        with pytest.raises(DeployError, match="the key was refused") as refused:
            Planner(Account(access, BUCKET), here.wanted()).plan()
        assert "SECRET" not in str(refused.value)


def test_without_a_package_it_says_so(tmp_path: Path) -> None:
    deployment = load(
        ROOT / "serverless.yml",
        {
            "CARDVEIL_STAGE": "t",
            "CARDVEIL_BUCKET": BUCKET,
            "CARDVEIL_TOKEN_SECRETS": "",
            "TENCENTCLOUD_REGION": "r",
        },
    )
    with pytest.raises(DeployError, match="run `cardveil package` first"):
        wanted(deployment, tmp_path, app="a", stage="t", region="r")


def test_the_command_plans_deploys_and_rolls_back(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        (tmp_path / "endpoint.json").write_bytes(here.bench.endpoint.to_line())
        common = ["deploy", "--local", str(tmp_path), "--package", str(folder)]

        def run(*arguments: str) -> tuple[int, str]:
            done = CliRunner().invoke(group, [*common, *arguments])
            return done.exit_code, done.output

        code, planned = run("--plan")
        assert code == 0
        assert "+ function cardveil-on-upload: create" in planned
        assert "done" not in planned
        assert here.account.call("ListFunctions", Limit=20)["TotalCount"] == 0
        code, done = run("--json")
        assert code == 0
        told = [json.loads(line) for line in done.splitlines()]
        assert next(line for line in told if "done" in line) == {"done": "layer cardveil: version 1"}
        urls = dict(line["url"].split(": ", 1) for line in told if "url" in line)
        assert set(urls) == {"cardveil-on-callback", "cardveil-on-request"}
        session = requests.Session()
        session.trust_env = False
        health = session.get(urls["cardveil-on-request"] + "/v1/health", timeout=60)
        assert health.status_code == 200
        code, again = run()
        assert code == 0
        assert "nothing to do" in again
        assert f"bucket {BUCKET}: reachable, not versioned" in again
        # 12 an hour, at half a gigabyte.
        assert "about 0.49 yuan a month, for 8,640 calls by timers" in again
        code, refused = run("--rollback")
        assert code == 2
        assert "no version to go back to" in refused


def test_a_change_is_shown_old_and_new_but_no_secret(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        old, new = "OLD" * 12, "NEW" * 12
        here.deploy(here.wanted(CARDVEIL_TOKEN_SECRETS=old, CARDVEIL_LINK_SECONDS="60", OTHER="OLD"))
        state = here.wanted(CARDVEIL_TOKEN_SECRETS=new, CARDVEIL_PROOF="recognise", OTHER="NEW")
        text = "\n".join(here.plan(state).lines())
        assert "~CARDVEIL_TOKEN_SECRETS (not shown)" in text
        assert "~OTHER (not shown)" in text
        assert "CARDVEIL_LINK_SECONDS 60 → unset" in text
        assert "CARDVEIL_PROOF unset → recognise" in text
        assert "OLD" not in text
        assert "NEW" not in text


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"CARDVEIL_BUCKET": "evil.com/x"}, "set CARDVEIL_BUCKET to a bucket's full name"),
        ({"CARDVEIL_TOKEN_SECRETS": "SHORT"}, "set CARDVEIL_TOKEN_SECRETS to one or more secrets"),
        ({"CARDVEIL_BUCKET": "others-1250000000"}, "bucket others-1250000000 cannot be reached"),
    ],
)
def test_what_variables_bring_is_checked_by_the_plan(
    folder: Path, tmp_path: Path, environment: dict[str, str], told: str
) -> None:
    with scene(folder, tmp_path) as here:
        code, output = invoke(here, tmp_path, "deploy", "--plan", **environment)
        assert code == 2
        assert told in output
        assert "SHORT" not in output
        assert here.account.call("ListFunctions", Limit=20)["TotalCount"] == 0


def test_an_entry_is_changed_and_what_is_left_is_told(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        state = here.wanted()
        first, *others = state.functions
        queue = replace(first, spec=replace(first.spec, dead_letter=("Queue", "letters"), reserved_mb=1024))
        here.deploy(replace(state, functions=(queue, *others)))
        entry = replace(first, spec=replace(first.spec, handler="index.another", reserved_mb=None))
        changed = replace(state, functions=(entry, *others))
        name = first.spec.name
        lines = here.plan(changed).lines()
        assert f"~ function {name}: Handler index.main_handler → index.another" in lines
        assert (
            f"  left alone: dead letters of {name} still go to letters: the console takes that back" in lines
        )
        assert f"  left alone: 1024 MB stay reserved for {name}: the console takes that back" in lines
        here.deploy(changed)
        for version in ("$LATEST", "2"):
            found = here.account.call("GetFunction", FunctionName=name, Qualifier=version)
            assert found["Handler"] == "index.another"
        assert here.plan(changed).steps == []
        other = replace(
            state, functions=(replace(first, spec=replace(first.spec, reserved_mb=2048)), *others)
        )
        assert any(
            "reserve 2048 MB for its instances, 1024 before" in line for line in here.plan(other).lines()
        )


def test_the_plan_says_where_pictures_go_and_refuses_what_leaves_the_country_unasked(
    folder: Path, tmp_path: Path
) -> None:
    text, file = (ROOT / "serverless.yml").read_text("utf-8"), tmp_path / "serverless.yml"
    far = text.replace("value: auto", "value: RecognizeMainlandIDCardOCR")
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    with scene(folder, tmp_path) as here:
        file.write_text(far, "utf-8")
        for arguments in (("--plan",), ()):
            code, output = invoke(here, tmp_path, "deploy", "--file", str(file), *arguments)
            assert code == (3 if arguments else 2), output
            assert "missing: settings: change CARDVEIL_TEXT_PROVIDER, or set CARDVEIL_CROSS_BORDER" in output
        assert here.account.call("ListFunctions", Limit=20)["TotalCount"] == 0
        file.write_text(far.replace("value: refused", "value: allowed"), "utf-8")
        code, output = invoke(here, tmp_path, "deploy", "--plan", "--file", str(file))
        told = (
            "their text by RecognizeMainlandIDCardOCR in ap-singapore; sent to another country: ap-singapore"
        )
        assert (code, told in output) == (0, True)


def test_the_plan_says_what_roles_and_ci_lack(folder: Path, tmp_path: Path) -> None:
    documents = role_policies()
    documents["cardveil-on-upload"] = without(documents["cardveil-on-upload"], "cos:PutObject")
    request = documents["cardveil-on-request"]
    narrowed = [{**each, "resource": each["resource"][:1]} for each in request["statement"]]
    documents["cardveil-on-request"] = {**request, "statement": narrowed}
    del documents["cardveil-on-schedule"]
    roles = {name: CamPolicy(document) for name, document in documents.items()}
    with scene(folder, tmp_path, roles=roles) as here:
        client = AIRecognitionClient(here.bench.client.get_conf())
        client.ci_close_ai_bucket(BUCKET)
        code, output = invoke(here, tmp_path, "deploy", "--plan")
        assert code == 3
        lines = output.splitlines()
        fit = "there, with cardveil-on-callback; all that the code calls is allowed"
        assert f"check: role cardveil-on-callback: {fit}" in lines
        added = "to be added from policies/cardveil-on-upload.json: cos:PutObject"
        assert f"missing: role cardveil-on-upload: has cardveil-on-upload; {added}" in lines
        assert "missing: role cardveil-on-schedule: not there; make it for SCF, with policies/" in output
        (narrow,) = [line for line in lines if "role cardveil-on-request" in line]
        assert narrow.startswith("missing: ")
        assert "cos:GetObject" in narrow
        assert f"check: bucket {BUCKET}: bound to Cloud Infinite" in lines
        assert (
            f"missing: bucket {BUCKET}: AI recognition is off, as far as this key sees; switch it on" in lines
        )
        client.ci_close_pic_bucket(BUCKET)
        client.ci_open_ai_bucket(BUCKET)
        code, output = invoke(here, tmp_path, "deploy")
        assert code == 2
        assert "nothing was made: first what is missing" in output
        assert f"check: bucket {BUCKET}: AI recognition is on" in output
        assert f"missing: bucket {BUCKET}: not bound to Cloud Infinite" in output
        assert here.account.call("ListFunctions", Limit=20)["TotalCount"] == 0


def test_what_the_deployer_may_not_see_is_not_known(folder: Path, tmp_path: Path) -> None:
    policy = without(without(stored_policy("deployer"), "cam:GetRole"), "ci:DescribeMediaBuckets")
    with scene(folder, tmp_path, operator=CamPolicy(policy)) as here:
        code, output, _ = here.run("deploy", "--plan", "--package", str(folder))
        assert "not known: whether the roles are there" in output
        assert "grant cam:GetRole to the key that is used" in output
        assert "not bound to Cloud Infinite, as far as this key sees" in output
        assert code == 3


@pytest.mark.parametrize(
    ("allowed", "place", "fits"),
    [
        ("*", "qcs::cos:r:uid/1:b-1/inbox/*", True),
        ("qcs::cos:r:uid/1:b-1/*", "qcs::cos:r:uid/1:b-1/inbox/*", True),
        ("qcs::cos::uid/1:b-1/*", "qcs::cos:r:uid/1:b-1/inbox/*", True),
        ("qcs::cos:r:uid/1:b-1/inbox/*", "qcs::cos:r:uid/1:b-1/*", False),
        ("qcs::cos:r:uid/1:b-2/*", "qcs::cos:r:uid/1:b-1/inbox/*", False),
        ("qcs::cos:r:uid/2:b-1/*", "qcs::cos:r:uid/1:b-1/inbox/*", False),
        ("qcs::scf:r:uid/1:b-1/*", "qcs::cos:r:uid/1:b-1/inbox/*", False),
        ("qcs::cos", "qcs::cos:r:uid/1:b-1/inbox/*", False),
    ],
)
def test_a_permission_covers_the_places_that_it_names(allowed: str, place: str, fits: bool) -> None:
    needed = {"statement": [{"action": ["cos:GetObject"], "resource": [place]}]}
    for actions in (["cos:GetObject"], "name/cos:*", ["cos:Put*", "cos:Get*"], "*"):
        granted = [{"action": actions, "resource": allowed}]
        assert lacking(needed, granted) == ([] if fits else ["cos:GetObject"])
    assert lacking(needed, [{"action": "cos:Head*", "resource": "*"}]) == ["cos:GetObject"]


def test_a_variable_without_use_and_a_bucket_that_was_versioned_are_told(
    folder: Path, tmp_path: Path
) -> None:
    with scene(folder, tmp_path) as here:
        here.bench.endpoint.cos_client().put_bucket_versioning(BUCKET, "Suspended")
        code, output = invoke(here, tmp_path, "deploy", "--plan", CARDVEIL_POLICY="strict")
        assert code == 0
        assert "not used: CARDVEIL_POLICY is set here, and serverless.yml does not name it" in output
        assert "was versioned: old versions stay" in output


def test_nothing_is_deployed_where_what_is_deleted_would_stay(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        here.bench.endpoint.cos_client().put_bucket_versioning(BUCKET, "Enabled")
        for plan in (["--plan"], []):
            code, output = invoke(here, tmp_path, "deploy", *plan)
            assert code == 2
            assert f"bucket {BUCKET} is versioned" in output
        assert here.account.call("ListFunctions", Limit=20)["TotalCount"] == 0


def test_what_was_deployed_is_checked_and_taken_away_again(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        zipped_theirs = here.account.code(zipped({"index.py": b"def main_handler(e, c): return 1\n"}))
        here.account.call("CreateFunction", FunctionName="theirs", Code=zipped_theirs, Description="Theirs.")
        here.deploy(here.wanted())
        code, output = invoke(here, tmp_path, "check")
        assert code == 0, output
        assert "status: redacted" in output
        assert "copy: redacted/cardveil-check-" in output
        here.bench.settle()
        assert here.bench.listing("inbox/") == []
        assert here.bench.listing("sidecars/") == []
        assert here.bench.listing("redacted/") == []

        stranger = {
            "FunctionName": "cardveil-on-schedule",
            "TriggerName": "stranger",
            "Type": "timer",
            "TriggerDesc": '{"cron":"0 0 0 1 * * *"}',
            "Qualifier": "$DEFAULT",
        }
        here.account.call("CreateTrigger", **stranger)
        code, output = invoke(here, tmp_path, "undeploy")
        assert code == 0
        assert "left alone: function cardveil-on-schedule, which has a trigger" in output
        assert "left alone: the layers" in output
        names = {each["FunctionName"] for each in here.account.call("ListFunctions", Limit=20)["Functions"]}
        assert names == {"theirs", "cardveil-on-schedule"}

        here.account.call("DeleteTrigger", **{k: v for k, v in stranger.items() if k != "TriggerDesc"})
        assert invoke(here, tmp_path, "undeploy")[0] == 0
        names = {each["FunctionName"] for each in here.account.call("ListFunctions", Limit=20)["Functions"]}
        assert names == {"theirs"}
        for layer in ("cardveil", "cardveil-runtime"):
            assert not here.account.call("ListLayerVersions", LayerName=layer)["LayerVersions"]
        assert "nothing to do" in invoke(here, tmp_path, "undeploy")[1]


def test_a_check_that_finds_nothing_at_work_fails_and_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        code, output = invoke(here, tmp_path, "check", "--timeout", "1")
        assert code == 2
        assert "no result after 1 s: cardveil logs --local" in output
        assert here.bench.listing() == []


def test_a_url_is_what_the_platform_tells() -> None:
    net = {"EnableExtranet": True, "ExtranetUrl": "https://1250000000-x.ap-shanghai.tencentscf.com"}
    trigger = {"Type": "http", "TriggerDesc": json.dumps({"AuthType": "NONE", "NetConfig": net})}
    assert url_of([{"Type": "timer", "TriggerDesc": "{}"}, trigger]) == net["ExtranetUrl"]
    assert url_of([{"Type": "http", "TriggerDesc": "{}"}]) == ""


def test_the_command_refuses_a_file_with_mistakes(tmp_path: Path) -> None:
    (tmp_path / "endpoint.json").write_bytes(
        Endpoint("http://127.0.0.1:1", "i", "k", "ap-shanghai", "1250000000", BUCKET).to_line()
    )
    path = tmp_path / "serverless.yml"
    path.write_text(
        (ROOT / "serverless.yml").read_text("utf-8").replace("timeout: 60", "timeout: 0"), "utf-8"
    )
    done = CliRunner().invoke(group, ["deploy", "--local", str(tmp_path), "--file", str(path)])
    assert done.exit_code == 2
    assert "timeout: 1 to 900 seconds" in done.output
