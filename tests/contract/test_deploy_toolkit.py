"""serverless.yml deployed by `cardveil deploy` and by Tencent's own toolkit: the same requests by both."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from tests.support.npm import installed

from cardveil_cli.deploy.access import Access
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import MADE, wanted
from cardveil_cli.deploy.plan import Planner
from cardveil_cli.package.trees import read_tree, zipped
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.options import Options
from cardveil_cloud.scf import schema
from cardveil_cloud.scf.deployment import load
from cardveil_cloud.server import LocalCloud, Ready

ROOT = Path(__file__).parents[2]
PINS = Path(__file__).parent / "toolkit"
VARIABLES: Final = {
    "CARDVEIL_STAGE": "test",
    "CARDVEIL_BUCKET": "cards-1250000000",
    "TENCENTCLOUD_REGION": "ap-shanghai",
    "CARDVEIL_TOKEN_SECRETS": "an invented secret".replace(" ", "-") * 2,
    "CARDVEIL_LOGSET": "set",
    "CARDVEIL_LOG_TOPIC": "topic",
    "CARDVEIL_DEAD_LETTER_TYPE": "Queue",
    "CARDVEIL_DEAD_LETTER_QUEUE": "cards-dead",
    "CARDVEIL_JOB_SECRETS": "j" * 32,
    "CARDVEIL_JOB_CALLBACK": "https://1250000000-callback.ap-shanghai.tencentscf.com/",
    "CARDVEIL_TEXT_KEY": "t" * 32,
    "CARDVEIL_WEBHOOK": "https://hooks.example.com/cards",
    "CARDVEIL_WEBHOOK_SECRET": "w" * 32,
}
#: What the toolkit sends beside our fields, with the values that the platform takes when it is not told
#: ("CreateFunction", SCF's API).
PLATFORM: Final = {"DeployMode": "code", "L5Enable": "FALSE", "InstallDependency": "FALSE", "DiskSize": 512}
Requests = dict[tuple[str, str], dict[str, Any]]


@pytest.fixture(scope="module")
def toolkit() -> Path:
    return installed(PINS)


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Ready]:
    empty = LocalCloud(
        tmp_path / "cloud",
        recogniser_factory=lambda: TableRecogniser({}),
        options=Options(scf_api=True),
    )
    with empty.running() as ready:
        yield ready


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """serverless.yml beside the functions, for a test to change."""
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    return Path(shutil.copy(ROOT / "serverless.yml", tmp_path))


class Recorder(Account):
    """The account of a local cloud, and what it was asked for."""

    def __init__(self, ready: Ready) -> None:
        access = Access(ready.region, ready.secret_id, ready.secret_key, proxy=ready.proxy_url)
        super().__init__(access, ready.bucket, sleep=lambda _: None)
        self.sent: list[dict[str, Any]] = []

    def find(self, action: str, **parameters: Any) -> dict[str, Any] | None:
        self.sent.append({"Action": action, **parameters})
        return super().find(action, **parameters)


def by_cardveil(file: Path, ready: Ready) -> Requests:
    deployment = load(file, VARIABLES)
    package = file.parent / "dist"
    for part in ("functions", "layers"):
        (package / part).mkdir(parents=True, exist_ok=True)
    for key, spec in deployment.functions.items():
        (package / "functions" / f"{key}.zip").write_bytes(zipped(read_tree(spec.source)))
        for name in spec.layers:
            (package / "layers" / f"{name}.zip").write_bytes(zipped({f"{name}.txt": name.encode()}))
    account = Recorder(ready)
    state = wanted(deployment, package, app="cardveil", stage="test", region=ready.region)
    for step in Planner(account, state).plan().steps:
        step.action()
    return requests(account.sent)


def by_the_toolkit(file: Path, modules: Path) -> tuple[dict[str, Any], Requests]:
    done = subprocess.run(
        ["node", str(PINS / "requests.js")],
        env={
            "PATH": os.environ["PATH"],
            **VARIABLES,
            "CARDVEIL_TEST": json.dumps({"modules": str(modules), "file": str(file)}),
        },
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer, requests(answer["sent"])


def requests(sent: list[dict[str, Any]]) -> Requests:
    """What makes functions and triggers, in one form: lists in order, JSON read."""
    found: Requests = {}
    for each in sent:
        request = {name: value for name, value in each.items() if name not in {"Action", "Version", "Code"}}
        if each["Action"] == "CreateFunction":
            variables = request["Environment"]["Variables"]
            request["Environment"] = {entry["Key"]: entry["Value"] for entry in variables}
            assert len(request["Environment"]) == len(variables)
            found["function", each["FunctionName"]] = request
        elif each["Action"] == "CreateTrigger":
            description = each["TriggerDesc"]
            # A timer's may be written as the expression alone.
            request["TriggerDesc"] = (
                json.loads(description) if description.startswith("{") else {"cron": description}
            )
            found[each["Type"], each["FunctionName"]] = request
    return found


def assert_alike(file: Path, ready: Ready, modules: Path) -> Requests:
    """Both tools ask for the same; returns it."""
    ours = by_cardveil(file, ready)
    _, theirs = by_the_toolkit(file, modules)
    assert ours.keys() == theirs.keys()
    for key, request in ours.items():
        told = theirs[key]
        # Ours say who made it, and keep the words of the file after that.
        words = told.pop("Description", "")
        description = request.pop("Description")
        assert description.startswith(MADE)
        assert description.endswith(words)
        if key[0] == "function":
            assert {name: told.pop(name) for name in PLATFORM} == PLATFORM
        assert request == told, key
    return ours


def test_both_tools_ask_for_the_same(file: Path, cloud: Ready, toolkit: Path) -> None:
    asked = assert_alike(file, cloud, toolkit)
    functions = {name: request for (kind, name), request in asked.items() if kind == "function"}
    assert {name: request["Role"] for name, request in functions.items()} == {
        name: name for name in functions
    }
    for request in functions.values():
        assert request["Environment"]["CARDVEIL_POLICY"] == "standard"
        assert "${" not in json.dumps(request)
        assert "undefined" not in json.dumps(request)
    urls = [request for (kind, _), request in asked.items() if kind == "http"]
    assert [each["TriggerDesc"]["NetConfig"]["EnableExtranet"] for each in urls] == [True, True]
    assert len(asked) == 8


def test_with_everything_optional_both_still_do(file: Path, cloud: Ready, toolkit: Path) -> None:
    optional = (
        r"(?m)^( *)# ( *(?:cls:|deadLetter:|logsetId:|topicId:|(?:type|name): \$|- [&*]|key: |value: ).*)$"
    )
    text, count = re.subn(optional, r"\1\2", file.read_text("utf-8"))
    assert count == 56
    # Jobs are the vendor's, and what is optional has both.
    file.write_text(text.replace("value: embedded", "value: both"), "utf-8")
    assert schema.check(file) == []
    asked = assert_alike(file, cloud, toolkit)
    for (kind, name), request in asked.items():
        if kind == "function":
            assert request["ClsTopicId"] == "topic"
            assert request["Environment"]["CARDVEIL_EXECUTION"] == "job"
            assert request["Environment"]["CARDVEIL_JOB_SECRETS"] == VARIABLES["CARDVEIL_JOB_SECRETS"]
            assert (request.get("DeadLetterConfig") is None) == (name == "cardveil-on-request")


#: Another value for every key that a function may have. `reservedConcurrency` the toolkit does not know.
FUNCTION_KEYS: Final[dict[str, Any]] = {
    "runtime": "Python3.10",
    "memorySize": 1024,
    "timeout": 7,
    "initTimeout": 9,
    "namespace": "default",
    "role": "another",
    "description": "Words of ours",
    "layers": [{"name": "cardveil-runtime", "version": 1}],
    "environments": [{"key": "CARDVEIL_POLICY", "value": "strict"}],
    "cls": {"logsetId": "s", "topicId": "t"},
    "deadLetter": {"type": "Topic", "name": "n"},
    "publicAccess": True,
    "handler": "index.another",
    "name": "another-name",
}
TRIGGER_KEYS: Final[dict[str, dict[str, Any]]] = {
    "cos": {
        "bucket": "others-1250000000.cos.ap-shanghai.myqcloud.com",
        "events": "cos:ObjectCreated:Put",
        "filter": {"prefix": "inbox/a/", "suffix": ".jpg"},
        "enable": False,
        "qualifier": "$DEFAULT",
    },
    "timer": {
        "name": "another",
        "cronExpression": "0 0 3 * * * *",
        "enable": False,
        "argument": "words",
        "qualifier": "$DEFAULT",
    },
    "http": {
        "authType": "CAM",
        "netConfig": {"enableIntranet": False, "enableExtranet": False},
        "qualifier": "$DEFAULT",
        "name": "another",
        "enable": False,
    },
}


def test_every_key_that_is_taken_is_tried_here() -> None:
    taken = {name.lstrip("!") for name in schema.FUNCTION}
    assert taken == {*FUNCTION_KEYS, "src", "reservedConcurrency"}
    for kind, keys in schema.TRIGGERS.items():
        assert {name.lstrip("!") for name in keys} == TRIGGER_KEYS[kind].keys()


def test_every_key_is_acted_on_alike(file: Path, cloud: Ready, toolkit: Path) -> None:
    """All keys at once on one function and its triggers, and one by one in what both tools ask for."""
    document = yaml.safe_load(file.read_text("utf-8"))
    inputs = document["inputs"]
    inputs["functions"]["on_schedule"] |= FUNCTION_KEYS
    inputs["triggers"] = [
        {"type": kind, "function": "on_schedule", "parameters": parameters}
        for kind, parameters in TRIGGER_KEYS.items()
    ]
    file.write_text(yaml.safe_dump(document), "utf-8")
    asked = assert_alike(file, cloud, toolkit)
    changed = asked["function", "another-name"]
    assert changed["Environment"] == {"CARDVEIL_POLICY": "strict"}
    assert (changed["MemorySize"], changed["Timeout"], changed["Role"]) == (1024, 7, "another")
    assert asked["http", "another-name"]["TriggerDesc"]["NetConfig"] == {
        "EnableIntranet": False,
        "EnableExtranet": False,
    }
    assert asked["timer", "another-name"]["CustomArgument"] == "words"
    assert {asked[kind, "another-name"]["Enable"] for kind in TRIGGER_KEYS} == {"CLOSE"}


def test_nothing_but_the_functions_is_uploaded(file: Path, toolkit: Path) -> None:
    """The vendor's tool packs one folder: it must hold functions, and the check says so when it does not."""
    answer, _ = by_the_toolkit(file, toolkit)
    uploaded = (file.parent / answer["src"]["src"]).resolve()
    assert uploaded == (ROOT / "functions").resolve()
    assert schema.check(file) == []
    file.write_text(file.read_text("utf-8").replace("src: ./functions\n", "src: ./\n"), "utf-8")
    assert any("all of this folder is uploaded" in each.expected for each in schema.check(file))
