"""A decoder that dies, hangs or takes all memory ends in an outcome, and this process goes on."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path

import pytest

from cardveil.core.errors import Reject, Review
from cardveil.imaging.children import ChildLimits, run_child

HEAD = "import os, sys\n\ndef work(data, told, out):\n"
LIMITS = ChildLimits(seconds=1, memory=200 * 2**20)


def _run(folder: Path, body: str, data: bytes = b"picture", limits: ChildLimits = LIMITS) -> bytes:
    script = folder / "child.py"
    script.write_text(HEAD + textwrap.indent(body, "    ") + "\n    return 0\n")
    return run_child(script, {}, data, limits)


def test_what_it_writes_is_returned(tmp_path: Path) -> None:
    large = os.urandom(3_000_000)
    assert _run(tmp_path, "out.write(data)", large) == large


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("os.kill(os.getpid(), 11)", "decoding_failed"),
        ("os.abort()", "decoding_failed"),
        ("raise KeyError('an error that nobody thought of')", "decoding_failed"),
        ("while True: pass", "decoding_too_costly"),
        ("import time; time.sleep(60)", "decoding_too_costly"),
        ("bytearray(2**40)", "picture_too_large"),
        ("large = [bytes(9**7) for _ in range(99)]", "picture_too_large"),
        ("import a_decoder_that_is_not_there", "decoder_missing"),
        ("return 3", "picture_corrupt"),
        ("return 5", "format_not_supported"),
        ("return 6", "document_encrypted"),
        ("return 7", "document_too_long"),
    ],
)
def test_it_ends_in_an_outcome(tmp_path: Path, body: str, code: str) -> None:
    begun = time.monotonic()
    with pytest.raises((Reject, Review), match=code):
        _run(tmp_path, body)
    assert time.monotonic() - begun < 20


def test_one_that_does_not_read_its_file_to_the_end_does_no_harm(tmp_path: Path) -> None:
    script = tmp_path / "child.py"
    script.write_text("import sys; sys.exit(3)")  # before its `work` is asked for
    with pytest.raises(Reject, match="picture_corrupt"):
        run_child(script, {}, bytes(5_000_000), LIMITS)


def test_it_sees_nothing_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRETKEY", "CANARY-3301")
    assert b"CANARY" not in _run(tmp_path, "out.write(repr(dict(os.environ)).encode())")
