"""README's rehearsal as it is printed, in an empty folder, with its relative paths."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from tests.support.cloud_fixture import ROOT


@pytest.mark.timeout(420)
def test_the_rehearsal_works_as_printed(tmp_path: Path) -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    block = text[text.index("- **Rehearse it**") :]
    lines = re.findall(
        r"^      (\.venv/bin/cardveil .*)$", block[: block.index("- **AWS Lambda**")], re.MULTILINE
    )
    assert [line.split()[1] for line in lines] == ["package", "up", "deploy", "check", "undeploy"]
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CARDVEIL_")}
    told: dict[str, str] = {}
    up: subprocess.Popen[str] | None = None
    try:
        for line in lines:
            name = line.split()[1]
            if name == "up":
                command = line.partition("&")[0].split()
                up = subprocess.Popen(
                    command,
                    cwd=tmp_path,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    text=True,
                )
                assert up.stdout is not None
                told[name] = up.stdout.readline()
                continue
            done = subprocess.run(
                line, shell=True, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=200
            )
            assert done.returncode == 0, (line, done.stdout, done.stderr)
            told[name] = done.stdout
    finally:
        if up is not None:
            up.send_signal(signal.SIGINT)
            up.communicate(timeout=60)
    assert '"proxy"' in told["up"]
    assert "url: cardveil-on-request: http://127.0.0.1:" in told["deploy"]
    assert "status: redacted" in told["check"]
    assert "done: function cardveil-on-upload: removed" in told["undeploy"]
    assert sorted(path.name for path in tmp_path.iterdir()) == [".venv", "out"]
