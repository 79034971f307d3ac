"""serverless.yml: in order itself, and every kind of mistake is told with its line."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cardveil_cloud.scf.deployment import load
from cardveil_cloud.scf.schema import check

ROOT = Path(__file__).parents[2]
FILE = ROOT / "serverless.yml"
VARIABLES = {"CARDVEIL_STAGE": "t", "CARDVEIL_BUCKET": "b-1", "TENCENTCLOUD_REGION": "ap-shanghai"}


def test_the_file_is_in_order() -> None:
    assert check(FILE) == []


def test_every_function_has_what_an_operator_needs() -> None:
    deployment = load(FILE, {**VARIABLES, "CARDVEIL_TOKEN_SECRETS": ""})
    assert {path.name for path in (ROOT / "functions").iterdir() if path.is_dir()} == set(
        deployment.functions
    )
    by_url = {trigger.function for trigger in deployment.http}
    for key, spec in deployment.functions.items():
        assert spec.role == spec.name == f"cardveil-{key.replace('_', '-')}"
        assert spec.reserved_mb is not None
        assert spec.reserved_mb % spec.memory_mb == 0
    triggered = {each.function for each in deployment.cos} | {each.function for each in deployment.timers}
    assert triggered | by_url == set(deployment.functions)
    assert all(each.enabled for each in deployment.cos)
    assert all(each.enabled for each in deployment.timers)


@pytest.mark.parametrize(
    ("old", "new", "line_of", "told"),
    [
        ("component: multi-scf", "component: scf", "component", "multi-scf is expected"),
        ("  memorySize: 512", "  memorySize: 500", "memorySize", "64, or 128 to 3072"),
        ("  memorySize: 512", "  memoriSize: 512", "memoriSize", "is memorySize meant?"),
        ("  timeout: 60\n", "  timeout: 901\n", "timeout: 901", "1 to 900 seconds"),
        ("  runtime: Python3.10", "  runtime: Python3.12", "runtime", "Python3.10"),
        ("index.main_handler\n", "main_handler\n", "handler: main_handler", "FileName.FunctionName"),
        ("name: cardveil-on-upload", "name: 1-cardveil", "1-cardveil", "a letter first"),
        ("./on_upload", "./gone", "gone", "is not there"),
        ("CARDVEIL_POLICY\n", "CARDVEIL_POLICI\n", "CARDVEIL_POLICI", "is CARDVEIL_POLICY meant?"),
        ("authType: NONE", "authType: OPEN", "authType: OPEN", "NONE or CAM"),
        ("type: timer", "type: apigw", "type: apigw", "apigw is gone"),
        ("events: cos:ObjectCreated:*", "events: created", "events", "ObjectCreated"),
        ('"0 */5 * * * * *"', '"*/5 * * * *"', "cronExpression", "seven fields"),
        ("function: on_upload", "function: on_uplaod", "function: on_uplaod", "no function of that key"),
        (
            "reservedConcurrency: 5120",
            "reservedConcurrency: 100",
            "reservedConcurrency: 100",
            "multiple of 128",
        ),
        ("enable: true", "enable: yes please", "yes please", "true or false"),
        ("  region: ${env:TENCENTCLOUD_REGION}\n", "", "src:", "it is missing"),
        ("  region:", "  timeout: 3\n  region:", "timeout: 60", "it stands here twice"),
        ("  functions:", "  functions: [", "", "YAML"),
        ("  triggers:\n", "  triggers: none\n  other:\n", "triggers: none", "a list is expected"),
        # What is not acted on, or not by both tools alike.
        ("  timeout: 60\n", "  timeout: 60\n  namespace: prod\n", "namespace", "default, the only one"),
        ("  timeout: 60\n", "  timeout: 60\n  publicAccess: false\n", "publicAccess", "public network"),
        ("  timeout: 60\n", "  timeout: 60\n  vpc: {vpcId: v}\n", "vpc", "there is no such key"),
        (
            "        qualifier: $DEFAULT\n",
            "        qualifier: $LATEST\n",
            "$LATEST",
            "the alias that is moved",
        ),
        ("          enableExtranet: true\n", "", "enableIntranet", "it is missing"),
        ("enableExtranet: true", "enableExtranet: perhaps", "perhaps", "true or false"),
        ("    src: ./functions\n", "    src: ./\n", "src: ./", "is no function: keep only functions in it"),
        ("  functions:\n", "  environments: []\n  functions:\n", "environments: []", "replaces this one"),
        ("memorySize: 512", "memorySize: 0512", "0512", "64, or 128"),
        ("memorySize: 512", "memorySize: \uff15\uff11\uff12", "\uff15", "64, or 128"),
        ("value: standard", "value: on", "value: on", "in quotes"),
        ("value: standard", "value: 0o17", "value: 0o17", "in quotes"),
        # Values of settings, and settings that functions do not agree on.
        ("value: standard", "value: strcit", "CARDVEIL_POLICY", "set CARDVEIL_POLICY to strict"),
        ("value: /opt/authorities", "value: authorities", "CARDVEIL_CA_DIRECTORY", "an absolute path"),
        ("        - *policy\n", "", "*text_provider", "give all functions the same"),
        (
            "        - *policy\n",
            "        - {key: CARDVEIL_POLICY, value: strict}\n",
            "CARDVEIL_POLICY, value: strict",
            "another value: give all the same",
        ),
        ("prefix: inbox/", "prefix: in/", "prefix: in/", "begin it with CARDVEIL_INBOX_PREFIX"),
        ("          prefix: inbox/\n", "          suffix: .jpg\n", "type: cos", "begin it with"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, old: str, new: str, line_of: str, told: str) -> None:
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    text = FILE.read_text("utf-8")
    assert old in text
    changed = text.replace(old, new, 1)
    path = tmp_path / "serverless.yml"
    path.write_text(changed, "utf-8")
    problems = check(path)
    assert any(told in str(problem) for problem in problems), [str(each) for each in problems]
    assert all(str(problem).startswith("serverless.yml:") for problem in problems)
    if line_of:
        lines = changed.splitlines()
        assert any(line_of in lines[each.line - 1] for each in problems if told in str(each))


def places_of(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every mapping of a document; the keys of `functions` are the functions' own."""
    if isinstance(node, dict):
        yield place
        for key, value in node.items():
            yield from places_of(value, (*place, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            yield from places_of(value, (*place, index))


PLACES = [
    place for place in places_of(yaml.safe_load(FILE.read_text("utf-8"))) if place != ("inputs", "functions")
]


@pytest.mark.parametrize("place", PLACES, ids=lambda place: ".".join(map(str, place)) or "file")
def test_a_key_that_nobody_acts_on_is_refused_wherever_it_stands(
    tmp_path: Path, place: tuple[Any, ...]
) -> None:
    # By way of JSON, so that what is written once stands in each place of its own.
    inner = document = json.loads(json.dumps(yaml.safe_load(FILE.read_text("utf-8"))))
    for name in place:
        inner = inner[name]
    inner["nobody"] = "acts on it"
    (tmp_path / "functions").symlink_to(ROOT / "functions")
    path = tmp_path / "serverless.yml"
    path.write_text(yaml.safe_dump(document, sort_keys=False), "utf-8")
    (found,) = [each for each in check(path) if each.place.endswith("nobody")]
    assert "there is no such key" in found.expected
    assert path.read_text("utf-8").splitlines()[found.line - 1].strip(" -") == "nobody: acts on it"
