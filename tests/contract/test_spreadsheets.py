"""CSV in other people's program: LibreOffice, told to evaluate all that it can, evaluates none of our cells.

`make spreadsheet` installs it and runs this. Without it `tests/unit/test_spreadsheet.py` stands alone.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from html import unescape
from pathlib import Path

import pytest
from tests.unit.test_spreadsheet import HARMFUL, HARMLESS

from cardveil.core.spreadsheet import BOM, line

SOFFICE = shutil.which("soffice")
#: "Filter Options for CSV": separators (all at once in the second), quotes, UTF-8, no quoted field is text,
#: numbers are looked for, spaces are trimmed in the second, formulas are evaluated.
FILTERS = (
    "CSV:44,34,76,1,,0,false,true,false,false,false,-1,true",
    "CSV:44/59/9,34,76,1,,0,false,true,false,false,true,-1,true",
)
pytestmark = pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed: make spreadsheet")


def opened(folder: Path, text: str, way: str) -> tuple[list[str], list[str]]:
    """Open a CSV in LibreOffice; the formulas that it then has, and the texts of its cells."""
    (folder / "cards.csv").write_text(text, "utf-8", newline="")
    subprocess.run(
        [
            str(SOFFICE), "--headless", f"-env:UserInstallation={(folder / 'profile').as_uri()}",
            f"--infilter={way}", "--convert-to", "fods", "--outdir", str(folder), str(folder / "cards.csv"),
        ],
        capture_output=True, check=True, timeout=120,
    )  # fmt: skip
    document = (folder / "cards.fods").read_text("utf-8")
    table = document[document.index("<table:table ") :]
    cells = re.findall(r"<table:table-cell[^>]*office:value-type[^>]*>(.*?)</table:table-cell>", table, re.S)
    shown = [unescape(re.sub(r"<text:s/>", " ", re.sub(r"</text:p>\s*<text:p>", "\n", c))) for c in cells]
    return re.findall(r'table:formula="([^"]*)"', document), [
        re.sub("<[^>]*>", "", each).strip() for each in shown
    ]


def test_left_as_it_is_it_would_evaluate(tmp_path: Path) -> None:
    """Otherwise the test below would show nothing."""
    formulas, _ = opened(tmp_path, '"a","=1+1"\r\n', FILTERS[0])
    assert formulas == ["of:=1+1"]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("way", FILTERS, ids=["commas", "all separators, trimmed"])
def test_no_cell_is_evaluated(tmp_path: Path, way: str) -> None:
    texts = [*HARMFUL, *HARMLESS]
    formulas, shown = opened(tmp_path, BOM + "".join(line([text, "end"]) for text in texts), way)
    assert formulas == []
    assert shown.count("end") == len(texts), "every line is a row of its own"
    assert "张三" in shown
    assert "11010519491231002X" in shown
