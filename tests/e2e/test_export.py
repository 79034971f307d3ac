"""Exports by the real functions and the command: who gets what, in parts, and as a file of their own."""

from __future__ import annotations

import csv
import io
import json
import stat
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import kept
from tests.support.command import cardveil

from cardveil.core.spreadsheet import BOM
from cardveil.storage.keys import source_digest
from cardveil_cli.commands.endpoint import take

KEYS = ("inbox/=cmd|'calc'!A0.jpg", "inbox/CANARY-张三.jpg", "inbox/broken.jpg")
ALL = ("export", "read", "read_text")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("export") / "cloud"


@pytest.fixture(scope="module")
def api(data: Path) -> Iterator[Api]:
    with api_bench(data, environment={"CARDVEIL_GENERAL_OCR": "off"}) as found:
        take(data, found.bench.endpoint)
        for key in KEYS:
            found.bench.upload(key, b"no picture" if "broken" in key else kept("id-front-flat.jpg"))
        found.bench.settle()
        yield found


def table(text: str) -> list[dict[str, str]]:
    assert text.startswith(BOM)
    return list(csv.DictReader(io.StringIO(text.removeprefix(BOM), newline=""), strict=True))


def test_csv_over_http(api: Api) -> None:
    answer = api.call("GET", "/v1/export?format=csv&texts=all", roles=ALL)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cards.csv"'
    assert "Link" not in answer.headers
    rows = table(answer.content.decode())
    assert {row["key"].removeprefix("'") for row in rows} == set(KEYS)
    assert sorted(row["state"] for row in rows) == ["redacted", "redacted", "rejected"]
    assert {row["name"] for row in rows} > {""}
    assert all(len(row["source_sha256"]) == 64 for row in rows)


def test_json_lines_over_http_by_role(api: Api) -> None:
    answer = api.call("GET", "/v1/export?format=jsonl", roles=("export",))
    rows = [json.loads(line) for line in answer.text.splitlines()]
    assert "CANARY" not in answer.text
    assert {row["source_sha256"] for row in rows} == set(map(source_digest, KEYS))
    assert {row["key"] for row in rows} == {None}
    one = api.call("GET", "/v1/export?format=jsonl&prefix=inbox/CANARY&texts=kept", roles=ALL)
    (row,) = [json.loads(line) for line in one.text.splitlines()]
    assert row["key"] == KEYS[1]
    assert (row["name"], row["id_number"], row["sex"]) == (None, None, row["sex"])
    assert api.call("GET", "/v1/export?format=jsonl&since=2999-01-01", roles=ALL).text == ""


@pytest.mark.parametrize(
    ("query", "roles", "status", "code"),
    [
        ("format=csv", ("read", "read_text", "review", "submit", "erase"), 403, "role_missing"),
        ("format=csv&texts=kept", ("export", "read"), 403, "role_missing"),
        ("format=csv&prefix=inbox/", ("export",), 403, "role_missing"),
        ("format=csv&prefix=elsewhere/", ALL, 422, "prefix_refused"),
        ("format=csv&since=soon", ALL, 422, "since_refused"),
        ("format=csv&cursor=AAAA", ALL, 422, "cursor_refused"),
        ("format=xlsx", ALL, 422, "request_invalid"),
        ("", ALL, 422, "request_invalid"),
    ],
)
def test_refusals(api: Api, query: str, roles: tuple[str, ...], status: int, code: str) -> None:
    problem(api.call("GET", f"/v1/export?{query}", roles=roles), status, code)


def test_a_link_leads_to_the_next_part() -> None:
    from cardveil.api.export import Part, headers_of

    part = Part("", "a+b/=", 1)
    link = headers_of(part, {"format": "csv", "prefix": "inbox/a b", "since": "", "texts": "none"})["Link"]
    target, _, relation = link.partition(">; ")
    assert relation == 'rel="next"'
    assert urljoin("https://fn.example.com/v1/export?format=csv", target[1:]) == (
        "https://fn.example.com/v1/export?format=csv&prefix=inbox%2Fa+b&texts=none&cursor=a%2Bb%2F%3D"
    )


def test_the_command_writes_a_file_of_its_owner_s(api: Api, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "cards.csv"
    done = cardveil("export", "--data", str(data), "--out", str(out), "--keys", "--texts", "all")
    assert (done.code, done.out, done.err) == (0, "", "cardveil: 3 cards\n")
    assert stat.S_IMODE(out.stat().st_mode) == 0o600
    rows = table(out.read_bytes().decode())
    assert {row["key"].removeprefix("'") for row in rows} == set(KEYS)
    assert [path.name for path in tmp_path.iterdir()] == ["cards.csv"]
    printed = cardveil("export", "--data", str(data), "--format", "jsonl")
    assert printed.out.count("\n") == 3
    assert "CANARY" not in printed.out
    assert "CANARY" not in api.bench.logs()


@pytest.mark.parametrize(
    "wrong", [("--since", "soon"), ("--prefix", "elsewhere/"), ("--texts", "some"), ("--format", "xlsx")]
)
def test_the_command_refuses(api: Api, data: Path, wrong: tuple[str, str]) -> None:
    done = cardveil("export", "--data", str(data), *wrong)
    assert (done.code, done.out) == (2, "")
    assert wrong[1] not in done.err or wrong[0] in {"--texts", "--format"}
