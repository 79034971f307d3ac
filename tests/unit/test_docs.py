"""The pages of documentation: short, in step with each other, and without a link that leads nowhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.support.cloud_fixture import ROOT
from tests.support.docs_blocks import blocks_of, pages, shows

from cardveil_cli.runbook.settings_page import page as settings_page

ENGLISH, CHINESE = ((ROOT / name).read_text("utf-8") for name in ("README.md", "README.zh-CN.md"))
OTHERS = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]


def outside_of_blocks(text: str) -> str:
    return re.sub(r"```\w+\n.*?```\n", "", text, flags=re.DOTALL)


def test_the_readme_is_read_in_minutes() -> None:
    assert len(ENGLISH.splitlines()) <= 150
    assert len(ENGLISH.split()) <= 1600
    assert len(CHINESE.splitlines()) <= 150


def shape(text: str) -> list[str]:
    """Return what must be the same in both languages: headings, tables, lists, links, names."""
    prose = outside_of_blocks(text)
    found = [line.split(" ")[0] for line in prose.splitlines() if re.match(r"#+ ", line)]
    found += [f"row of {line.count('|')}" for line in prose.splitlines() if line.startswith("|")]
    found += ["*" for line in prose.splitlines() if re.match(r"(- |\d\. )", line)]
    found += sorted(link for link in re.findall(r"\]\(([^)]+)\)", prose) if not link.startswith("README"))
    return found + sorted(re.findall(r"`[^`]+`", prose))


def test_both_languages_say_the_same() -> None:
    assert shape(CHINESE) == shape(ENGLISH)
    assert [b.text for b in blocks_of(CHINESE)] == [b.text for b in blocks_of(ENGLISH)]


@pytest.mark.parametrize("page", [*pages(), *OTHERS], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", outside_of_blocks(page.read_text("utf-8"))):
        assert link.startswith("https://") or (page.parent / link).exists(), link


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_every_block_of_every_page_can_be_run(page: Path) -> None:
    assert page.name == "settings.md" or page.read_text("utf-8").startswith("# ")
    blocks_of(page.read_text("utf-8"))


def test_the_page_of_settings_is_the_one_that_the_code_makes() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == settings_page()


@pytest.mark.parametrize(("text", "said"), [
    ("```\nls\n```\n", "line 2: a block is one of"),
    ("```console\n$ ls\n```\n", "line 2: a block is one of"),
    ("```sh skip\nls\n```\n", "line 2: a block is one of"),
    ("~~~ruby\nputs 1\n~~~\n", "line 2: a block is one of"),
    ("Run\n\n    ls\n", "line 3: a block stands between fences"),
    ("```sh\nls\n", "line 2: the block is not closed"),
    ("```text\nprinted\n```\n", "line 2: nothing before this block prints it"),
    ("```yaml\na: 1\n```\n```text\nprinted\n```\n", "line 5: nothing before this block prints it"),
])  # fmt: skip
def test_a_block_that_nothing_would_run_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        blocks_of(text)


@pytest.mark.parametrize(("shown", "printed", "same"), [
    ("a\nb\n", "a\nb\n", True), ("a\nb\n", "a\nb", True), ("a\n", "a\nb\n", False), ("b\n", "a\nb\n", False),
    ("…\nb\n", "a\nb\n", True), ("…\nb\n", "b\n", True), ("a\n…\n", "a\nb\nc\n", True),
    ("a…c\n", "abc\n", True), ("a…c\n", "ab\nc\n", False), ("a.c\n", "abc\n", False), ("x…\n", "ab\n", False),
    ("a …  b\n", "a 12  b\n", True), ("a  \n", "a\n", True), ("a\n", "a   \n", True), ("a\n", "", False),
])  # fmt: skip
def test_what_is_shown_is_what_was_printed(shown: str, printed: str, same: bool) -> None:
    assert shows(shown, printed) is same
