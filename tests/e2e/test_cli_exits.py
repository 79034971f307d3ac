"""How the command ends: with one of four codes, and never with a traceback; and what its help says."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner
from tests.support.command import Ended, cardveil

from cardveil.core.errors import Halt
from cardveil_cli import _COMMANDS, group
from cardveil_cli.base import Command
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.exits import Debugging, ExitCode, outcome, shown

COMMANDS = sorted(_COMMANDS)
ENDPOINT = Endpoint("http://127.0.0.1:9", "id", "key", "ap-shanghai", "1250000000", "cards-1250000000")


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").write_text("text", "utf-8")
    Path("binary").write_bytes(bytes(range(256)))
    Path("README.md").write_text("# Heading\n\n- *a*: `b`\n", "utf-8")
    Path("deep.yml").write_text("[" * 5000, "utf-8")
    Path("killed").mkdir()
    Path("killed/endpoint.json").write_bytes(ENDPOINT.to_line())
    Path("foreign").mkdir()
    Path("foreign/endpoint.json").write_text('["mine"]', "utf-8")
    Path("damaged").mkdir()
    Path("damaged/token-secret").write_bytes(b"\xff\xfe")
    Path("others").mkdir()
    for name in ("README.md", "runbook.md", "alarms.json", "dashboard.json", "deployer.json"):
        Path("others", name).write_text("mine", "utf-8")
    Path("loop").symlink_to("loop")


def run(*arguments: str, **environment: str | None) -> Ended:
    done = CliRunner().invoke(group, list(arguments), env=environment)
    return Ended(done.exit_code, done.stdout, done.stderr)


PLACE = ["--bucket", "cards-1250000000", "--region", "ap-shanghai"]
REFUSED: tuple[tuple[str, ...], ...] = (
    (),
    ("nothing",),
    ("redact",),
    ("redact", "file", "--out", "file"),
    ("redact", "file", "--out", "file/below"),
    ("redact", "file", "--out", "loop"),
    ("redact", "file", "--out", "/proc/nowhere"),
    ("redact", "file", "--out", "o", "--policy", "nothing"),
    ("redact", "file", "--out", "o", "--policy", "killed"),
    ("redact", "file", "--out", "o", "--policy", "binary"),
    ("redact", "file", "--out", "o", "--policy", "README.md"),
    ("redact", "file", "--out", "o", "--policy", "deep.yml"),
    ("redact", "file", "--out", "o", "--fields", "killed"),
    ("redact", "file", "--out", "o", "--fields", "binary"),
    ("redact", "loop", "--out", "o"),
    ("redact", "killed", "--out", "o"),
    ("up", "--serverless", "README.md", "--data", "d"),
    ("up", "--serverless", "binary", "--data", "d"),
    ("up", "--serverless", "file", "--data", "d"),
    ("up", "--serverless", "deep.yml", "--data", "d"),
    ("up", "--data", "file"),
    ("up", "--data", "file/below"),
    ("up", "--data", "/proc/nowhere"),
    ("up", "--data", "loop"),
    ("up", "--data", "foreign"),
    ("up", "--data", "d", "--set", "NOTHING"),
    ("serve", "--data", "file"),
    ("serve", "--data", "/proc/nowhere"),
    ("serve", "--data", "foreign"),
    ("serve", "--data", "damaged"),
    ("token", "a", "--role", "read", "--data", "damaged"),
    ("token", "a", "--role", "read", "--data", "nowhere"),
    ("token", "a\nb", "--role", "read"),
    ("put", "file", "--data", "nowhere"),
    ("put", "file", "--data", "foreign"),
    ("put", "file", "--data", "killed"),
    ("sweep",),
    ("sweep", "--data", "nowhere"),
    ("sweep", "--data", "foreign"),
    ("sweep", *PLACE, "--keys", "binary"),
    ("sweep", *PLACE, "--keys", "killed"),
    ("sweep", *PLACE, "--set", "CARDVEIL_NOTHING=1"),
    ("sweep", *PLACE, "--set", "CARDVEIL_MAX_BYTES=x"),
    ("policies", *PLACE, "--out", "file"),
    ("policies", *PLACE, "--out", "/proc/nowhere"),
    ("policies", *PLACE, "--out", "others"),
    ("policies", *PLACE, "--out", "o", "--set", "CARDVEIL_NOTHING=1"),
    ("policies", *PLACE, "--out", "o", "--set", "x"),
    ("policies", "--bucket", "cards", "--region", "x", "--out", "o"),
    ("operations", "--out", "file"),
    ("operations", "--out", "file/below"),
    ("operations", "--out", "others"),
    ("demo", "--out", "file"),
    ("demo", "--out", "/proc/nowhere"),
    ("demo", "--out", "loop"),
    ("status", "--local", "nowhere"),
    ("status", "--local", "killed"),
    ("status", "--file", "binary"),
    ("get",),
    ("get", "inbox/a.jpg", "--local", "foreign"),
    ("get", "inbox/a.jpg", "--copy", "file", "--local", "killed"),
    ("get", "inbox/a.jpg", "--copy", "killed"),
    ("logs", "--local", "nowhere"),
    ("logs", "--since", "x"),
    ("logs", "--follow", "--local", "killed"),
    ("redeliver", "--local", "nowhere"),
    ("redeliver", "--file", "deep.yml", "--local", "killed"),
    ("deploy", "--plan", "--file", "binary"),
    ("deploy", "--plan", "--local", "foreign"),
)


@pytest.mark.parametrize("arguments", REFUSED, ids=" ".join)
def test_what_cannot_be_begun_is_refused_in_words(arguments: tuple[str, ...], tmp_path: Path) -> None:
    """Code 2, what is wrong on standard error, nothing on standard output, and no file of others touched."""
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    ended = run(*arguments, CARDVEIL_TOKEN_SECRETS="0123456789abcdef0123456789abcdef")
    assert ended.code == ExitCode.REFUSED, ended
    assert "Traceback" not in ended.err
    assert ended.err.strip()
    assert "cardveil: unexpected fault" not in ended.err
    assert ended.out == ""
    assert {path: path.read_bytes() for path in before} == before


@pytest.mark.parametrize("debug", ["", "--debug", "CARDVEIL_DEBUG"])
def test_an_unexpected_fault_is_one_line_unless_asked(monkeypatch: pytest.MonkeyPatch, debug: str) -> None:
    def fails(*_: Any) -> None:
        raise ValueError("郑鑫红")

    monkeypatch.setattr("cardveil_cli.commands.token.secret_from", fails)
    options = [debug] if debug.startswith("--") else []
    environment = {debug: "1"} if debug.startswith("CARD") else {}
    for place in ([*options, "token"], ["token", *options]):
        ended = run(*place, "a", "--role", "read", **environment)
        assert ended.code == ExitCode.REFUSED
        if debug:
            assert "Traceback" in ended.err
            assert "郑鑫红" in ended.err
        else:
            assert ended.err.count("\n") == 1
            assert "unexpected fault (ValueError at cardveil_cli/commands/token.py:" in ended.err
            assert "--debug" in ended.err


def _raising(error: BaseException) -> Any:
    def run_it() -> None:
        raise error

    return run_it


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "interrupted"),
        (click.Abort(), 130, "interrupted"),
        (click.ClickException("words"), 2, "words"),
        (click.UsageError("words"), 2, "words"),
        (Halt("code_of_it", "do this"), 2, "do this"),
        (FileNotFoundError(2, "No such file", "a\nb"), 2, "a\\nb: No such file"),
        (OSError("secret"), 2, "unexpected fault (OSError"),
        (ZeroDivisionError("secret"), 2, "unexpected fault (ZeroDivisionError"),
        (SystemExit(), 0, ""),
        (SystemExit(3), 3, ""),
        (SystemExit(7), 2, ""),
        (SystemExit("text"), 2, ""),
    ],
    ids=repr,
)
def test_every_end_is_one_of_four(
    error: BaseException, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert outcome(_raising(error), Debugging()) is ExitCode(code)
    printed = capsys.readouterr().err
    assert said in printed
    assert "secret" not in printed


def test_the_codes_are_four() -> None:
    assert {int(code) for code in ExitCode} == {0, 2, 3, 130}


def test_a_fault_in_a_thread_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    def work() -> None:
        thread = threading.Thread(target=_raising(ValueError("secret")))
        thread.start()
        thread.join()

    assert outcome(work, Debugging()) is ExitCode.DONE
    printed = capsys.readouterr().err
    assert "Traceback" not in printed + "secret" * ("secret" in printed)
    assert printed.count("\n") == 1


@pytest.mark.parametrize(
    ("name", "as_shown"),
    [
        ("身份证 1.jpg", "身份证 1.jpg"),
        ("a[/]b[red].jpg", "a[/]b[red].jpg"),
        ("a\nb\tc\r\x1b[31m\x07", "a\\nb\\tc\\r\\x1b[31m\\x07"),
        (os.fsdecode(b"\xc0\xee.jpg"), "\\xc0\\xee.jpg"),
        ("\u202egpj.a", "\\u202egpj.a"),
        ("全角\u3000空格", "全角\u3000空格"),
    ],
)
def test_a_name_is_shown_as_it_is_but_controls_nothing(name: str, as_shown: str) -> None:
    assert shown(Path(name)) == as_shown


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_is_explained_and_every_example_is_accepted(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An example is parsed as it stands, apart from files that are not here."""
    command = group.get_command(click.Context(group), name)
    assert isinstance(command, Command)
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert not [option.opts for option in options if not option.help]
    assert command.examples
    for option in options:
        if isinstance(option.type, click.Path):
            option.type.exists = False
        if isinstance(option.type, click.File):
            monkeypatch.setattr(option, "type", click.STRING)
    for typed, _ in command.examples:
        words = shlex.split(typed.partition("|")[0])
        assert words[0] == name
        command.make_context(name, words[1:])
    text = run(name, "--help").out
    for code in ExitCode:
        assert f"\n  {int(code)} " in text
    assert f"cardveil {command.examples[0][0]}" in text


def test_the_help_names_commands_completion_and_codes() -> None:
    text = run("--help").out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert "_CARDVEIL_COMPLETE=bash_source" in text
    assert "130" in text


def test_the_version_is_the_packages() -> None:
    from importlib.metadata import version

    assert run("--version").out.strip() == f"cardveil, version {version('cardveil')}"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_there(shell: str) -> None:
    ended = cardveil(_CARDVEIL_COMPLETE=f"{shell}_source")
    assert (ended.code, "_cardveil" in ended.out) == (0, True)


@pytest.fixture
def up(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str]]]:
    """A running local cloud without functions."""
    data = tmp_path / "cloud"
    command = [sys.executable, "-m", "cardveil_cli", "up", "--bare", "--data", str(data)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout
        process.stdout.readline()
        yield data, process
        process.kill()


def test_a_folder_in_use_is_refused_and_left_alone(up: tuple[Path, subprocess.Popen[str]]) -> None:
    data, process = up
    before = (data / "endpoint.json").read_bytes()
    for command in (("up", "--bare"), ("serve", "--port", "0", "--no-samples")):
        ended = cardveil(*command, "--data", data)
        assert (ended.code, "in use" in ended.err, "Traceback" in ended.err) == (2, True, False)
    assert (data / "endpoint.json").read_bytes() == before
    assert (data / "endpoint.json").stat().st_mode & 0o077 == 0
    assert data.stat().st_mode & 0o077 == 0
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        ended = cardveil("up", "--bare", "--port", str(port), "--data", data.with_name("other"))
    assert (ended.code, f"port {port}" in ended.err) == (2, True)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 0
    assert not (data / "endpoint.json").exists()


def test_put_goes_on_after_a_file_that_fails(up: tuple[Path, subprocess.Popen[str]]) -> None:
    """Of several files each is uploaded or told; two of one name do not become one."""
    data, _ = up
    for folder in ("x", "y"):
        Path(folder).mkdir()
        Path(folder, "same.jpg").write_bytes(folder.encode())
    odd = os.fsdecode(b"\xc0\xee.jpg")
    Path(odd).write_bytes(b"odd")
    Path("last.jpg").write_bytes(b"last")
    ended = cardveil(
        "put", "x/same.jpg", "y/same.jpg", odd, "missing.jpg", "loop", "x", "last.jpg", "--data", data
    )
    assert ended.code == 3
    assert ended.out.splitlines() == ["inbox/same.jpg", "inbox/last.jpg"]
    assert len(ended.err.splitlines()) == 5
    assert "Traceback" not in ended.err
    endpoint = Endpoint.of_folder(data)
    stored = endpoint.cos_client().get_object(Bucket=endpoint.bucket, Key="inbox/same.jpg")["Body"]
    assert stored.get_raw_stream().read() == b"x"
