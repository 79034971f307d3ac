"""`cardveil up --set` takes only what the functions would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from cardveil_cli import group


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("CARDVEIL_NONSENSE=1", "CARDVEIL_NONSENSE, no setting"),
        ("CARDVEIL_POLICI=strict", "is CARDVEIL_POLICY meant?"),
        ("CARDVEIL_POLICY=SECRET", "set CARDVEIL_POLICY to strict, standard, minimal"),
        ("CARDVEIL_SIDECAR_PREFIX=redacted/", "prefixes apart from each other"),
        ("CARDVEIL_EXECUTION=job", "set CARDVEIL_JOB_SECRETS"),
        ("POLICY=strict", "--set takes CARDVEIL_NAME=VALUE"),
    ],
)
def test_a_wrong_setting_starts_nothing(tmp_path: Path, setting: str, told: str) -> None:
    data = tmp_path / "cloud"
    done = CliRunner().invoke(group, ["up", "--data", str(data), "--set", setting])
    assert done.exit_code == 2
    assert told in done.output.replace("\n", " ")
    assert "SECRET" not in done.output.replace("JOB_SECRETS", "")
    assert not data.exists()
