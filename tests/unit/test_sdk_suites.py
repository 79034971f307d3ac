"""The list of what fails in the SDKs' own suites: each test once, under a reason; what differs is told."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
import yaml
from benchmarks.sdk_suites import __main__ as suites

EXPECTED = yaml.safe_load((Path(suites.__file__).parent / "expected.yml").read_text("utf-8"))


@pytest.mark.parametrize("suite", suites.REPOSITORIES)
def test_each_test_of_the_list_has_one_reason(suite: str) -> None:
    counts = Counter(name for names in EXPECTED[suite].values() for name in names)
    assert counts
    assert set(counts.values()) == {1}
    assert all(len(reason) > 10 for reason in EXPECTED[suite])


def test_what_differs_from_the_list_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    faults = {"good": "", "listed": "x", "new": "boom", "mended": ""}
    wrong = suites.told("python", faults, {"a reason why": ["listed", "mended", "gone"]}, details=True)
    told = capsys.readouterr().out
    assert wrong == 3
    for line in (
        "python: 2 of 4 pass",
        "  new: boom",
        "  fails and is not listed: new",
        "  is listed and does not fail: gone",
        "  is listed and does not fail: mended",
        "    3 a reason why",
    ):
        assert f"{line}\n" in told
    assert suites.told("python", {"listed": "x"}, {"a reason why": ["listed"]}, details=False) == 0
    for fault in ("", "x"):
        assert suites.told("python", {"so so": fault}, {"unsteady: a race": ["so so"]}, details=False) == 0
