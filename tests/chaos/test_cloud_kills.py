"""The local cloud is killed during a few uploads; `python -m benchmarks.cloud_kills` does it twenty times."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cloud_kills import run


@pytest.mark.timeout(300)
def test_no_upload_is_lost_and_none_is_done_twice(tmp_path: Path) -> None:
    tally = run(tmp_path / "run", uploads=9, kills=2, timeout_s=6)
    assert not tally.broken, tally
