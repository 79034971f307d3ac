"""The multi-scf file as the local SCF reads it, and its seven-field cron."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.scf.deployment import load
from cardveil_cloud.scf.variables import ConfigurationError

_HEAD = """
app: cards
component: multi-scf
name: cardveil
inputs:
  src: {src: ./}
  functions:
    one:
      handler: index.main_handler
"""
_BEIJING = timezone(timedelta(hours=8))


def _write(folder: Path, text: str) -> Path:
    path = folder / "serverless.yml"
    path.write_text(text, "utf-8")
    return path


def test_defaults_are_those_of_the_platform(tmp_path: Path) -> None:
    spec = load(_write(tmp_path, _HEAD), {}).functions["one"]
    assert (spec.memory_mb, spec.timeout_s, spec.namespace) == (128, 3, "default")
    assert spec.name == "cardveil-dev-cards-one"
    assert spec.source == tmp_path.resolve()


def test_a_functions_own_list_replaces_the_shared_one(tmp_path: Path) -> None:
    shared = "  environments: [{key: A, value: shared}, {key: D, value: '${env:D}'}]\n"
    own = "      environments: [{key: A, value: a}, {key: B, value: 1}, {key: C, value: true}]\n"
    file = _write(tmp_path, _HEAD + own + shared)
    assert load(file, {"D": "d"}).functions["one"].environment == {"A": "a", "B": "1", "C": "true"}
    file = _write(tmp_path, _HEAD + shared)
    assert load(file, {"D": "d"}).functions["one"].environment == {"A": "shared", "D": "d"}


@pytest.mark.parametrize(
    "value", ["${env:A, b}", "${env.A}", "${ env:A }", "${output:x}", "${A}", "${}", "${env:}"]
)
def test_only_variables_that_the_vendor_fills_in_are_taken(tmp_path: Path, value: str) -> None:
    file = _write(tmp_path, f"{_HEAD}      environments: [{{key: A, value: '{value}'}}]\n")
    with pytest.raises(ConfigurationError, match="without a default"):
        load(file, {"A": "a"})


def test_triggers_are_read_as_documented(tmp_path: Path) -> None:
    text = _HEAD + (
        "  triggers:\n"
        "    - {type: cos, function: one, parameters: {name: c, bucket: b-1, "
        "events: ['cos:ObjectCreated:Put'], filter: {prefix: in/, suffix: .jpg}, enable: true}}\n"
        "    - {type: timer, function: one, parameters: {name: t, cronExpression: '0 0 3 * * * *'}}\n"
        "    - {type: http, function: one, parameters: {authType: none}}\n"
    )
    deployment = load(_write(tmp_path, text), {})
    (cos,), (timer,), (http,) = deployment.cos, deployment.timers, deployment.http
    assert (cos.bucket, cos.events, cos.prefix, cos.suffix) == (
        "b-1",
        ("cos:ObjectCreated:Put",),
        "in/",
        ".jpg",
    )
    assert (cos.enabled, timer.enabled, http.auth) == (True, False, "NONE")
    assert (http.enabled, http.intranet, http.extranet) == (True, False, False)
    assert {cos.qualifier, timer.qualifier, http.qualifier} == {"$DEFAULT"}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("component: scf\n", "serverless.yml"),
        (_HEAD + "      memorySize: 100\n", "functions.one.memorySize"),
        (_HEAD + "      timeout: 901\n", "functions.one.timeout"),
        (_HEAD + "      timeout: soon\n", "functions.one.timeout"),
        (_HEAD + "      src: nowhere\n", "functions.one.src"),
        (_HEAD + "      runtime: Nodejs18\n", "functions.one.runtime"),
        (_HEAD + "      environment: {A: b}\n", "functions.one.environments"),
        (_HEAD + "      environments: {A: b}\n", "functions.one.environments"),
        (_HEAD + f"      environments: [{{key: A, value: {'x' * 4096}}}]\n", "functions.one.environments"),
        (
            _HEAD + "      environments: [{key: A, value: '${env:UNSET}'}]\n",
            "inputs.functions.one.environments[0].value",
        ),
        (_HEAD + "  triggers: [{type: cos, function: two}]\n", "triggers[0].function"),
        (_HEAD + "  triggers: [{type: cos, function: one}]\n", "triggers[0].parameters.bucket"),
        (_HEAD + "  triggers: [{type: http, function: one}]\n", "triggers[0].parameters.authType"),
        (_HEAD + "  triggers: [{type: apigw, function: one}]\n", "triggers[0].type"),
    ],
)
def test_what_scf_would_refuse_is_refused_with_its_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        load(_write(tmp_path, text), {})
    assert str(caught.value).startswith(place + ":")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/5 * * * * * *", "2026-01-01 08:00:05"),
        ("0 0 3 * * * *", "2026-01-02 03:00:00"),
        ("0 15 10 1 * * *", "2026-01-01 10:15:00"),
        ("0 0 0 * * MON *", "2026-01-05 00:00:00"),
        ("0 0 12 29 2 * *", "2028-02-29 12:00:00"),
        ("0 0 9 15 * FRI *", "2026-01-02 09:00:00"),
        ("0 30 8-10/2 * JAN,MAR * 2026", "2026-01-01 08:30:00"),
    ],
)
def test_cron_runs_in_beijing_time(expression: str, expected: str) -> None:
    start = datetime(2026, 1, 1, 8, 0, 0, tzinfo=_BEIJING).timestamp()
    found = Cron.parse(expression).next_after(start)
    assert found is not None
    assert datetime.fromtimestamp(found, _BEIJING).strftime("%Y-%m-%d %H:%M:%S") == expected


@pytest.mark.parametrize("expression", ["* * * * *", "60 * * * * * *", "x * * * * * *", "5-1 * * * * * *"])
def test_cron_that_is_not_understood_is_refused(expression: str) -> None:
    with pytest.raises(ValueError, match=r"field|literal|range"):
        Cron.parse(expression)


def test_cron_in_the_past_never_comes() -> None:
    assert Cron.parse("0 0 0 1 1 * 2020").next_after(1767225600.0) is None
