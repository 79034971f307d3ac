"""`cardveil serve` and `cardveil token`, as a person types them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from cardveil.api.tokens import verify
from cardveil_cli import group

SECRET = "0123456789abcdef0123456789abcdef"


def test_serve_prints_a_link_that_lets_in(tmp_path: Path) -> None:
    data = tmp_path / "cloud"
    command = [
        sys.executable,
        "-m",
        "cardveil_cli",
        "serve",
        "--port",
        "0",
        "--data",
        str(data),
        "--no-samples",
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout
        link = ""
        while not link and (line := process.stdout.readline()):
            found = re.search(r"(http://\S+)/#token=(\S+)", line)
            link = found[0] if found else ""
        url, token = link.split("/#token=")
        page = requests.get(f"{url}/", timeout=60)
        assert "<title>Cardveil</title>" in page.text
        headers = {"Authorization": f"Bearer {token}"}
        assert requests.get(f"{url}/v1/cards", headers=headers, timeout=60).json() == {
            "cards": [],
            "next": None,
        }
        # A token of the command, by the secret that the folder keeps.
        made = run("token", "Frau Müller", "--role", "read", "--data", str(data))
        again = {"Authorization": f"Bearer {made.strip()}"}
        assert requests.get(f"{url}/v1/cards", headers=again, timeout=60).status_code == 200
        assert (data / "token-secret").stat().st_mode & 0o077 == 0
    finally:
        process.terminate()
        process.wait(timeout=60)


def run(*arguments: str, code: int = 0, **environment: str) -> str:
    result = CliRunner().invoke(group, list(arguments), env=environment)
    assert result.exit_code == code, result.output
    return result.output


def test_a_token_of_the_environment_s_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    before = time.time()
    text = run(
        "token",
        "a",
        "--role",
        "read",
        "--role",
        "review",
        "--hours",
        "1",
        CARDVEIL_TOKEN_SECRETS=f"{SECRET},x",
    )
    caller = verify(text.strip(), [SECRET], now=before + 3590)
    assert (caller.subject, set(caller.roles)) == ("a", {"read", "review"})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("a",), "--role"),
        (("a", "--role", "admin"), "admin"),
        (("a", "--role", "read"), "CARDVEIL_TOKEN_SECRETS"),
        (("", "--role", "read"), "subject"),
        (("a", "--role", "read", "--hours", "0"), "hours"),
    ],
)
def test_wrong_use(arguments: tuple[str, ...], said: str) -> None:
    secret = SECRET if said == "subject" else ""
    assert said in run("token", *arguments, code=2, CARDVEIL_TOKEN_SECRETS=secret)


def test_help_names_every_role() -> None:
    text = run("token", "--help")
    for role in ("submit", "read", "read_text", "review"):
        assert role in text
    assert os.environ.get("CARDVEIL_TOKEN_SECRETS") is None
