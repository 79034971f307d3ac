"""The API's document is valid, and the API keeps to it whatever is sent."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from tests.support.api_fixture import api_bench
from tests.support.cloud_fixture import kept

from cardveil.api.app import application
from cardveil.api.documentation import documentation
from cardveil.api.openapi import document

#: What a caller may rely on; that wrong input is refused with 4xx, and how, has tests of its own.
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "ignored_auth",
)


def test_the_document_is_valid() -> None:
    api = document(application())
    OpenAPIV31SpecValidator(api).validate()
    assert api["openapi"].startswith("3.1")
    for item in api["paths"].values():
        for operation in item.values():
            assert operation["summary"]
            assert "500" in operation["responses"]


def test_the_documentation_shows_all_of_it_and_loads_nothing() -> None:
    api = document(application())
    page = documentation(api, "")
    for path, item in api["paths"].items():
        for method in item:
            assert f"{method.upper()} {path}" in page
    for name in api["components"]["schemas"]:
        assert f'id="model-{name}"' in page
    assert not re.search(r'(src|href)="(https?:)?//', page)
    assert "<script" not in page
    anchors = set(re.findall(r'id="([^"]+)"', page))
    assert set(re.findall(r'href="#([^"]+)"', page)) <= anchors


@pytest.mark.timeout(240)
def test_no_input_gets_a_server_error_or_an_answer_that_is_not_in_the_document(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment={"CARDVEIL_JOB_SECRETS": "j" * 40}) as api:
        ref = api.submit(kept("id-front-flat.jpg")).json()["ref"]
        # Real names for what paths name, so that more than 404 is seen.
        config = tmp_path / "schemathesis.toml"
        config.write_text(f'[parameters]\n"path.key" = "{ref}"\n"path.id" = "{ref}"\n', "utf-8")
        command = [
            *(sys.executable, "-m", "schemathesis.cli", "--config-file", str(config)),
            *("run", f"{api.url}/openapi.json", "--url", api.url, "--no-color"),
            *("-H", f"Authorization: Bearer {api.token()}"),
            # A request waits for a lease, or on a busy machine for its turn, longer than the usual 10 s.
            *("--request-timeout", "60"),
            *(
                "--checks",
                ",".join(CHECKS),
                "--phases",
                "coverage,fuzzing",
                "--max-examples",
                "3",
                "--seed",
                "1",
            ),
        ]
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=220,
            check=False,
            cwd=tmp_path,
            env={**os.environ, "NO_PROXY": "127.0.0.1"},
        )
        assert done.returncode == 0, done.stdout[-12000:] + done.stderr[-2000:]
        operations = sum(len(item) for item in api.call("GET", "/openapi.json").json()["paths"].values())
        assert f"Tested: {operations}" in done.stdout
        assert '"fault"' not in api.bench.logs()
