"""Settings are refused before any work, with the variable named and its value never repeated."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
import yaml

from cardveil.card.model import CardType, Side
from cardveil.core.errors import Halt
from cardveil.setting_values import CardRule
from cardveil.settings import Settings, from_environment, variable

ROOT = Path(__file__).parents[2]


def test_nothing_set_gives_the_defaults() -> None:
    assert from_environment({"PATH": "/bin"}) == Settings()


def test_every_setting_is_read() -> None:
    settings = from_environment(
        {
            "CARDVEIL_INBOX_PREFIX": "in/",
            "CARDVEIL_RESULT_NAMES": "digest",
            "CARDVEIL_GENERAL_OCR": "off",
            "CARDVEIL_MAX_BYTES": "1000",
            "CARDVEIL_CALL_TIMEOUT_S": "2.5",
            "CARDVEIL_HARMLESS_WARNINGS": "doctored, blurred",
            "CARDVEIL_CARD_RULES": "in/=IDCard/front; in/licences/=DriverLicense",
        }
    )
    assert settings.inbox_prefix == "in/"
    assert settings.general_ocr is False
    assert settings.max_bytes == 1000
    assert settings.harmless_warnings == {"doctored", "blurred"}
    # The longest prefix stands first, since it decides.
    assert settings.card_rules == (
        CardRule("in/licences/", CardType.DRIVER_LICENSE),
        CardRule("in/", CardType.ID_CARD, Side.FRONT),
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CARDVEIL_RESULT_NAMES", "SECRET"),
        ("CARDVEIL_GENERAL_OCR", "SECRET"),
        ("CARDVEIL_MAX_BYTES", "0"),
        ("CARDVEIL_MAX_BYTES", "SECRET"),
        ("CARDVEIL_CALL_TIMEOUT_S", "nan"),
        ("CARDVEIL_CALL_TIMEOUT_S", "901"),
        ("CARDVEIL_CALL_ATTEMPTS", "0"),
        ("CARDVEIL_TEXT_PROVIDER", "SECRET"),
        ("CARDVEIL_PROOF", "SECRET"),
        ("CARDVEIL_SCHEME", "ftp"),
        ("CARDVEIL_LOG_LEVEL", "SECRET"),
        ("CARDVEIL_INBOX_PREFIX", "/inbox/"),
        ("CARDVEIL_CARD_RULES", "inbox/=SECRET"),
        ("CARDVEIL_CARD_RULES", "IDCard"),
        ("CARDVEIL_SIDECAR_PREFIX", ""),
    ],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Halt) as caught:
        from_environment({name: value})
    assert caught.value.code == "setting_invalid"
    assert name in str(caught.value)
    assert "SECRET" not in str(caught.value)


def test_a_mistyped_setting_is_not_lost() -> None:
    with pytest.raises(Halt, match="CARDVEIL_POLICI"):
        from_environment({"CARDVEIL_POLICI": "strict"})


@pytest.mark.parametrize(
    "environment",
    [
        {"CARDVEIL_REDACTED_PREFIX": "inbox/"},
        {"CARDVEIL_REDACTED_PREFIX": "in"},  # the inbox itself would count as output
        {"CARDVEIL_SIDECAR_PREFIX": "redacted/"},
        {"CARDVEIL_SIDECAR_PREFIX": "redacted/json/"},
        {"CARDVEIL_INBOX_PREFIX": "redacted/new/"},
    ],
    ids=str,
)
def test_prefixes_that_would_loop_or_lose_are_refused(environment: dict[str, str]) -> None:
    with pytest.raises(Halt) as caught:
        from_environment(environment)
    assert caught.value.code == "setting_invalid"


def test_every_setting_has_a_line_in_the_readme_and_its_docstring() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    for field in fields(Settings):
        assert f"`{variable(field.name)}`" in readme
        assert field.name in (Settings.__doc__ or "")


def test_every_variable_of_the_deployment_is_a_setting() -> None:
    document = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
    names = {variable(field.name) for field in fields(Settings)}
    entries = list(document["inputs"]["environments"])
    for function in document["inputs"]["functions"].values():
        entries += function.get("environments", [])
    assert entries
    assert {entry["key"] for entry in entries} <= names
