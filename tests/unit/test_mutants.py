"""The table of rules keeps up with the code: each rule's code stands once, and its test is there."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]


@cache
def whole(folder: str) -> str:
    return "\n".join(path.read_text("utf-8") for path in sorted((ROOT / folder).rglob("*.py")))


def test_each_rule_s_code_stands_once_and_its_test_is_there() -> None:
    rules = yaml.safe_load((ROOT / "tools" / "mutants.yml").read_text("utf-8"))
    assert len(rules) > 200
    folders = {"": "layers", "cli": "local/cardveil_cli"}
    lost = [rule["rule"] for rule in rules if whole(folders[rule.get("in", "")]).count(rule["from"]) != 1]
    assert lost == []
    assert [rule["rule"] for rule in rules if f"def {rule['test']}(" not in whole("tests")] == []
