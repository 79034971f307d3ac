#!/usr/bin/env python3
"""Breaks each rule of tools/mutants.yml by one change, in a copy of the tree, and sees its test fail.

python tools/mutants.py            all rules
python tools/mutants.py lease …    those whose text holds one of these words
python tools/mutants.py 1-40       those with these numbers, which are told with each

Code and tests are found by their text, so that the table outlives moves: in the layers, or, with `in: cli`,
in the command. A rule whose code is not found once, or whose test passes although the rule is broken, ends
the run with exit status 1.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
NOT_COPIED = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "out", "docs")


def the_file(text: str, folder: Path) -> Path:
    """Return the one Python file below a folder that holds a text, once."""
    found = [path for path in folder.rglob("*.py") for _ in range(path.read_text("utf-8").count(text))]
    if len(found) != 1:
        raise LookupError(f"found {len(found)} times: {text!r}")
    return found[0]


def tested(tree: Path, names: list[str]) -> tuple[int, str]:
    """Run tests, without those that are lost.

    Returns
    -------
    int, str
        Pytest's status, 0 when all passed and 1 when one failed; and what it printed.
    """
    files = set()
    for name in names:
        with suppress(LookupError):
            files.add(str(the_file(f"def {name}(", tree / "tests")))
    if not files:
        return 0, ""
    environment = {
        **{name: text for name, text in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "PYTHONPATH": os.pathsep.join(str(tree / folder) for folder in ("layers/cardveil", "local")),
        # Plugins that no test needs take longer to import than most tests to run.
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    options = ["-qx", "-p", "no:cacheprovider", "-p", "pytest_timeout", "-k", " or ".join(names)]
    command = [sys.executable, "-m", "pytest", *options]
    done = subprocess.run(
        [*command, *sorted(files)], cwd=tree, env=environment, capture_output=True, text=True
    )
    return done.returncode, done.stdout


def broken(tree: Path, number: int, rule: dict[str, str]) -> str:
    """Break one rule, run its test, and put the rule back; return what is wrong, or nothing."""
    try:
        path = the_file(rule["from"], tree / ("local/cardveil_cli" if rule.get("in") == "cli" else "layers"))
        the_file(f"def {rule['test']}(", tree / "tests")
        whole = path.read_text("utf-8")
        path.write_text(whole.replace(rule["from"], rule["to"]), "utf-8")
        # A time that no other has: bytecode is told to be out of date by whole seconds.
        os.utime(path, (number, number))
        status, _ = tested(tree, [rule["test"]])
        path.write_text(whole, "utf-8")
    except LookupError as lost:
        return str(lost)
    return {0: "its test passes", 1: ""}.get(status, f"its test could not be run: {status}")


def is_named(number: int, rule: dict[str, str], words: list[str]) -> bool:
    """Say whether a rule is one of those that were asked for."""
    for word in words:
        first, dash, last = word.partition("-")
        if dash and first.isdecimal() and last.isdecimal():
            if int(first) <= number <= int(last):
                return True
        elif word in rule["rule"]:
            return True
    return not words


def main(words: list[str]) -> int:
    rules = yaml.safe_load((ROOT / "tools" / "mutants.yml").read_text("utf-8"))
    chosen = {n: rule for n, rule in enumerate(rules, start=1) if is_named(n, rule, words)}
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        shutil.copytree(ROOT, tree, ignore=NOT_COPIED)
        status, said = tested(tree, sorted({rule["test"] for rule in chosen.values()}))
        if status:
            print(f"{said}\nthe tests fail although no rule is broken", file=sys.stderr)
            return 1
        wrong = 0
        for number, rule in chosen.items():
            problem = broken(tree, number, rule)
            wrong += bool(problem)
            said = f"{'WRONG' if problem else 'noted'} {number:4} {rule['rule']}"
            print(f"{said}{problem and ': ' + problem}", flush=True)
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
