"""The bill that `cardveil cost` works out: every price is an input, and one that is missing is named."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from cardveil.settings import Settings
from cardveil_cli.commands.cost import Usage, bill, command
from cardveil_cli.commands.prices import list_prices


def run(*arguments: str) -> str:
    done = CliRunner().invoke(command, arguments, obj=None)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize(("count", "yuan"), [
    (0, 0.0), (1000, 0.0), (1001, 0.15), (10_000, 1350.0), (10_001, 900.1), (100_000, 9900.0),
    (2_000_000, 119_940.0),
])  # fmt: skip
def test_the_step_that_a_month_reaches_prices_all_calls_but_the_free_ones(count: int, yuan: float) -> None:
    assert list_prices().of_calls("IDCardOCR", count) == pytest.approx(yuan)


def test_a_month_of_ten_thousand_cards_by_hand() -> None:
    usage = Usage(10_000, megabytes=4.0, seconds=1.5, memory_mb=512, log_kb=4.0)
    items = bill(
        usage, Settings(text_provider="IDCardOCR"), list_prices(), {"AILicenseRec": 0.1, "OCR": 0.05}
    )
    assert {item.name: item.yuan for item in items} == {
        "AILicenseRec calls": pytest.approx(1000.0),
        "IDCardOCR calls": pytest.approx(1350.0),
        "OCR calls": pytest.approx(500.0),
        "SCF work": pytest.approx(10_000 * 1.5 * 0.5 * 0.00011108),
        "SCF invocations": pytest.approx(0.0133),
        "COS storage": pytest.approx(40_000 / 1024 * 0.118),
        "COS requests": pytest.approx(0.16),
        "logs": pytest.approx(40_000 / 1024**2 * (0.53 + 30 * 0.0115)),
    }


def test_pages_without_a_card_are_looked_at_for_any_card() -> None:
    none, some = ({i["name"]: i["quantity"] for i in json.loads(run("--json", *more))["items"]}
                  for more in ((), ("--pages", "1000")))  # fmt: skip
    more = {name: some[name] - none[name] for name in some}
    assert (more["AILicenseRec calls"], more["IDCardOCR calls"], more["OCR calls"]) == (2000, 1000, 1000)
    assert more["COS requests"] == 2 * 1000 + 4000


def test_a_price_that_nobody_knows_is_named_and_not_taken_for_nothing() -> None:
    told = json.loads(run("--json"))
    assert told["without_price"] == ["AILicenseRec", "OCR"]
    assert told["sum"] == pytest.approx(sum(item["yuan"] or 0 for item in told["items"]), abs=0.01)
    own = ["--price", "AILicenseRec=0.1", "--price", "OCR=0.1"]
    more = json.loads(run("--json", *own))
    assert more["without_price"] == []
    assert more["sum"] == pytest.approx(told["sum"] + 2000)
    assert "not known" in run()
    assert "not known" not in run(*own)


def test_settings_decide_over_the_calls() -> None:
    off = json.loads(run("--json", "--set", "CARDVEIL_WITNESS=off"))
    assert [item["name"] for item in off["items"]][:2] == [
        "AILicenseRec calls",
        "IDCardOCR calls",
    ]


@pytest.mark.parametrize("wrong", ["OCR", "OCR=x", "OCR=-1", "OCR=nan", "Other=1"])
def test_a_wrong_price_is_refused(wrong: str) -> None:
    done = CliRunner().invoke(command, ["--price", wrong], obj=None)
    assert done.exit_code == 2
    assert "API=YUAN" in done.output
