"""Selections, timer messages and settings that make no sense are refused before any work."""

from __future__ import annotations

from typing import Any

import pytest

from cardveil.core.errors import Halt
from cardveil.settings import Settings, from_environment
from cardveil.settings.regions import located
from cardveil.sweep.estimate import Estimate, calls_of
from cardveil.sweep.selection import selection_of, selection_of_message

SETTINGS = Settings()


@pytest.mark.parametrize(
    "document",
    [
        {"prefix": "redacted/"},
        {"prefix": "sidecars/2026/"},
        {"prefix": ".cardveil/"},
        {"prefix": "inb"},  # the inbox and more
        {"prefix": 3},
        {"suffix": ["SECRET"]},
        {"states": ["SECRET"]},
        {"states": "missing"},
        {"min_age_s": -1},
        {"max_age_s": "SECRET"},
        {"keys": ["elsewhere/SECRET.jpg"]},
        {"keys": ["inbox/a.jpg"] * 10_001},
        {"keys": ["inbox/a.jpg"], "inventory": "m.json"},
        {"SECRET": 1},
    ],
    ids=lambda document: "-".join(document),
)
def test_what_makes_no_sense_is_refused_without_its_value(document: dict[str, Any]) -> None:
    with pytest.raises(Halt) as caught:
        selection_of(document, SETTINGS)
    assert caught.value.code == "sweep_selection_invalid"
    assert "SECRET" not in str(caught.value)


def test_results_inside_an_inbox_without_a_prefix_are_no_sources() -> None:
    everything = from_environment({"CARDVEIL_INBOX_PREFIX": ""})
    assert selection_of({}, everything).prefix == ""
    with pytest.raises(Halt, match="outside the results"):
        selection_of({"prefix": "redacted/2026/"}, everything)


@pytest.mark.parametrize("message", ["{", "[]", "7", "null", '"SECRET"', 7, {"prefix": "inbox/"}])
def test_an_unreadable_message_is_refused(message: Any) -> None:
    with pytest.raises(Halt) as caught:
        selection_of_message(message, SETTINGS)
    assert caught.value.code == "timer_message_unreadable"


def test_no_message_selects_the_inbox() -> None:
    for message in ("", None):
        selection = selection_of_message(message, SETTINGS)
        assert (selection.prefix, selection.min_age_s) == ("inbox/", 900.0)
        assert selection.whole
    part = selection_of_message('{"suffix": ".jpg"}', SETTINGS)
    assert not part.whole
    assert part.digest != selection.digest


def test_a_sweeps_cost_follows_the_rules_by_key() -> None:
    chosen = from_environment(
        {
            "CARDVEIL_CARD_RULES": "inbox/licences/=DriverLicense;inbox/backs/=IDCard/back",
            "CARDVEIL_PRICES": "AILicenseRec=0.1; IDCardOCR = 0.15",
            "CARDVEIL_SWEEP_CALLS_PER_SECOND": "2",
            "CARDVEIL_SWEEP_CALLS_PER_RUN": "5",
            "CARDVEIL_WITNESS": "off",
        }
    )
    settings = located(chosen, "ap-shanghai")
    assert calls_of("inbox/licences/a.jpg", settings) == {"AILicenseRec": 1}
    assert calls_of("inbox/backs/a.jpg", settings) == {"IDCardOCR": 1, "OCR": 1}
    found = Estimate(settings, card_s=0.1)
    for key in ("inbox/a.jpg", "inbox/b.jpg", "inbox/licences/c.jpg"):
        found.add("missing", calls_of(key, settings))
    told = found.as_dict()
    assert told["calls"] == {"AILicenseRec": 3, "IDCardOCR": 2}
    assert told["money"] == 0.6
    assert found.seconds == 1.5
    assert told["within_budget"]
    found.add("missing", calls_of("inbox/backs/d.jpg", settings))
    assert found.as_dict()["money"] is None, "one of the APIs has no price"
    assert not found.as_dict()["within_budget"]


@pytest.mark.parametrize(
    ("general", "witness", "count"), [("on", "on", 1), ("on", "off", 0), ("off", "on", 0)]
)
def test_a_sweeps_cost_knows_the_witness(general: str, witness: str, count: int) -> None:
    rules = "inbox/licences/=DriverLicense;inbox/backs/=IDCard/back"
    settings = from_environment(
        {"CARDVEIL_CARD_RULES": rules, "CARDVEIL_GENERAL_OCR": general, "CARDVEIL_WITNESS": witness}
    )
    assert calls_of("inbox/a.jpg", settings)["OCR"] == count
    assert calls_of("inbox/licences/a.jpg", settings)["OCR"] == count
    assert calls_of("inbox/backs/a.jpg", settings)["OCR"] == (general == "on")
