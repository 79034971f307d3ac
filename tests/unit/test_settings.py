"""Settings are refused before any work, with the variable named and its value never repeated."""

from __future__ import annotations

import dataclasses
from dataclasses import fields
from pathlib import Path

import pytest

from cardveil.card.model import CardType, Side
from cardveil.core.errors import Halt
from cardveil.recognition import ai_license, general_ocr, id_card_ocr, mainland_id_card_ocr
from cardveil.recognition.warnings import API_WARNINGS, CI_WARNINGS
from cardveil.redaction.policy import BUILT_IN
from cardveil.settings import (
    APIS,
    POLICIES,
    WARNINGS,
    Settings,
    from_environment,
    problems,
    table,
    variable,
)
from cardveil.settings.kinds import CardRule
from cardveil_cli.runbook.settings_page import page

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


#: Texts that each kind of value must refuse, by the settings of that kind.
WRONG = {
    "inbox_prefix sidecar_prefix redacted_prefix state_prefix": [
        "/a/",
        "a//b/",
        "a/../b/",
        "../",
        "a/./b/",
        "a\nb/",
        "a\x7f/",
        "a\u202eb/",
        "a\ud800/",
        "a*/",
        "a?/",
        "a\\/",
        "x" * 426,
        "//",
        ".",
        "/",
    ],
    "result_bucket bucket": [
        "evil.com/x",
        "cards",
        "Cards-125",
        "cards-",
        "-1",
        "a b-1",
        "cards_1-1250000000",
        "cards-1250000000.cos",
        "cards-1250000000\n",
        "https://cards-1",
    ],
    "result_names": ["KEY", "name", ""],
    "encryption": ["", "aes256", "KMS", "kms:", "kms:../x", "kms:key", "AES256:key", "none ", "cos/kms"],
    "source_deleted": ["", "delete", "Erase"],
    "policy": ["strcit", "", "Strict", "../x.yml", "a/../b.yml", "strict.txt", "x\n.yml", "/etc/passwd"],
    "engine": ["Embedded", "", "vendor,embedded", "on"],
    "text_provider": ["idcardocr", "", "IDCardOCR,none"],
    "sidecar_texts": ["tokens", "", "ALL", "masked"],
    "cross_border": ["on", "", "Allowed", "allowed "],
    "general_ocr witness": ["", "maybe", "2"],
    "proof": ["", "none"],
    "card_rules": [
        "inbox/=Card",
        "IDCard",
        "inbox/=IDCard/left",
        "inbox/=IDCard/",
        "/a=IDCard",
        "a//=IDCard",
        "a/=IDCard;a/=IDCard",
    ],
    "harmless_warnings": ["zz", "blurred,zz", "blurred;doctored", "BLURRED", "9101"],
    "max_bytes": ["0", "-1", "536870913", "1e6", "1_000", "\u0661", " 5", "5 ", "0x10", "inf", ""],
    "call_timeout_s": ["0", "nan", "901", "inf", "1e2", "-1", "", "\uff11", "1_0"],
    "call_attempts": ["0", "11", "2.5"],
    "ocr_region": [
        "x y",
        "",
        "singapore",
        "ap-singapore/",
        "AP-SINGAPORE",
        "ap-singapore\n",
        "ap-singapore.evil",
    ],
    "ocr_endpoint": [
        "http://x",
        "evil.com",
        "evil.com/x",
        "ocr.tencentcloudapi.com/x",
        "ocr.tencentcloudapi.com.evil.com",
        "",
        "ocr.tencentcloudapi.com:443",
        "user@ocr.tencentcloudapi.com",
        "xtencentcloudapi.com",
        "a..tencentcloudapi.com",
        "localhost.evil.com",
        "ocr.tencentcloudapi-com",
    ],
    "scheme": ["ftp", "HTTPS", ""],
    "ca_directory": ["relative", "/a/../b", "/a b", "/a\n", "off"],
    "turbojpeg": ["relative.so", "/a/../b.so", "on"],
    "log_level": ["debug", "", "TRACE"],
    "execution": ["jobs", "invoke", ""],
    "job_secrets token_secrets text_key": [
        "short",
        "s" * 31,
        f"{'s' * 32},short",
        "s" * 32 + "\n" + "s" * 32,
        "\u5bc6" * 40,
    ],
    "revoked_tokens": ["a b", "\u5bc6", "a" * 129],
    "job_callback": [
        "http://evil.com/",
        "ftp://x.com/",
        "https://",
        "https://x",
        "https://a.com/ b",
        "https://a.com/\n",
        "http://localhost.evil.com/",
        "http://127.0.0.1@evil.com/",
        "https://u:p@a.com/",
        "javascript:alert(1)",
    ],
    "job_callback_format": ["json", ""],
    "job_queue": [
        "sh/Topic",
        "sh/Topic/",
        "xx/Topic/cards",
        "sh/topic/cards",
        "sh/Topic/a/b",
        "sh/Topic/a b",
    ],
    "job_level": ["3", "-1", "1.0"],
    "job_overdue_s": ["0", "86401", "nan"],
    "job_patience_s": ["0", "604801"],
    "calls_per_second": ["-1", "1001", "nan", "inf"],
    "breaker_probe_s": ["0", "86401"],
    "answers_kept_s": ["-1", "86401"],
    "sweep_execution": ["on", "Direct", ""],
    "ledger": ["", "true", "Strict"],
    "retention": [
        "source",
        "source=30",
        "source=30m",
        "source=0d",
        "copies=30d",
        "source=30d;source=31d",
        "ledger=183d",
        "inbox/:ledger=3y",
        ":source=3d",
        "inbox/*:source=3d",
        "source=101y",
        "source=-1d",
    ],
    "purpose": ["", "on", "Required"],
    "sweep_calls_per_second": ["0", "0.001", "1001"],
    "sweep_in_flight": ["0", "257"],
    "sweep_calls_per_run sweep_calls_per_day": ["-1", "1000000001"],
    "sweep_every_s": ["0", "31622401"],
    "sweep_min_age_s": ["-1", "31622401"],
    "sweep_function": ["a", "1a", "a/b", "a_", "", "a" * 61],
    "prices": ["AILicenseRec", "GeneralOCR=1", "OCR=-1", "OCR=nan", "OCR=1e9", "OCR=1;OCR=2", "=1"],
    "cors_origins": [
        "*",
        "desk.example.com",
        "https://desk.example.com/",
        "null",
        "http://desk.example.com",
        "https://x",
    ],
    "link_seconds": ["9", "3601"],
    "webhook": [
        "http://hooks.example.com/",
        "https://10.0.0.1/",
        "https://[::1]/",
        "https://hooks.example.com:8443/",
        "https://user:word@hooks.example.com/",
        "https://metadata.tencentyun.com/",
        "https://hooks",
        "ftp://hooks.example.com/",
        "https://hooks.example.com/ a",
    ],
    "webhook_secret": ["short", "whsec_not Base64, as it should be", "s" * 31, "\u5bc6" * 40],
    "webhook_keys": ["", "sometimes"],
    "webhook_attempts": ["0", "31", "1.5"],
}


def test_every_setting_is_tried_with_what_it_must_refuse() -> None:
    assert {name for names in WRONG for name in names.split()} == {each.name for each in fields(Settings)}


@pytest.mark.parametrize(
    ("name", "value"),
    [(name, value) for names, values in WRONG.items() for name in names.split() for value in values],
)
def test_a_wrong_value_is_refused_by_name(name: str, value: str) -> None:
    with pytest.raises(Halt) as caught:
        from_environment({variable(name): value})
    assert caught.value.code == "setting_invalid"
    assert variable(name) in str(caught.value)
    assert not value.strip() or str(caught.value) == str(refusal(name))
    assert list(problems({variable(name): value})) == [variable(name)]


def refusal(name: str) -> Halt:
    """What is said of every wrong value of a setting: so nothing of the value can be in it."""
    return Halt("setting_invalid", f"set {variable(name)} to {table()[variable(name)].kind.expected}")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("inbox_prefix", ["", "inbox/", "in", "\u8bc1\u4ef6/2026 a/", ".hidden/"]),
        ("bucket", ["", "cards-1250000000", "a-1"]),
        ("policy", ["strict", "mine.yml", "policies/mine.yaml", "/var/user/mine.yml", "\u6211\u7684.yml"]),
        ("ocr_region", ["ap-singapore", "ap-beijing-1", "na-siliconvalley", "ap-shanghai-fsi"]),
        (
            "ocr_endpoint",
            ["ocr.intl.tencentcloudapi.com", "ocr.ap-singapore.tencentcloudapi.com", "127.0.0.1:8411"],
        ),
        ("job_callback", ["", "https://a.example.com/x?y=1", "http://127.0.0.1:80/", "http://localhost/"]),
        ("cors_origins", ["", "https://a.example.com, https://b.example.com:8443", "http://localhost:3000"]),
        ("turbojpeg", ["", "off", "/usr/lib/x86_64-linux-gnu/libturbojpeg.so.0"]),
        ("prices", ["", "AILicenseRec=0.1; OCR = 2"]),
        ("max_bytes", ["1", "536870912"]),
        ("call_timeout_s", ["0.1", "900", "2.5"]),
    ],
)
def test_right_values_are_taken(name: str, values: list[str]) -> None:
    for value in values:
        from_environment({variable(name): value})


def test_every_default_can_be_written_as_its_own_variable() -> None:
    defaults = Settings()
    for name, setting in table().items():
        value = getattr(defaults, name.removeprefix("CARDVEIL_").lower())
        assert setting.kind.parse(setting.kind.show(value)) == value, name


def test_the_names_that_are_taken_are_those_of_their_own_tables() -> None:
    assert set(POLICIES) == set(BUILT_IN)
    assert set(WARNINGS) == {*CI_WARNINGS.values(), *API_WARNINGS.values(), "unknown"}
    assert set(APIS) == {each.API for each in (ai_license, general_ocr, id_card_ocr, mainland_id_card_ocr)}


def test_a_variable_that_was_not_filled_in_is_refused() -> None:
    with pytest.raises(Halt, match=r"CARDVEIL_TOKEN_SECRETS a value where it is deployed"):
        from_environment({"CARDVEIL_TOKEN_SECRETS": "${env:CARDVEIL_TOKEN_SECRETS_OF_THE_DESK}"})


def test_everything_that_is_wrong_is_told_at_once() -> None:
    wrong = {"CARDVEIL_POLICY": "SECRET", "CARDVEIL_PROOF": "SECRET", "CARDVEIL_POLICI": "SECRET"}
    found = problems({**wrong, "CARDVEIL_SCHEME": "https", "PATH": "/bin"})
    assert set(found) == set(wrong)
    assert "SECRET" not in str(found)


def test_the_term_of_the_longest_prefix_decides() -> None:
    text = "inbox/hr/:source=7d;source=30d;copy=1y;sidecar=1y;ledger=3y"
    settings = from_environment({"CARDVEIL_RETENTION": text})
    assert settings.term("inbox/hr/a.jpg", "source") == 7
    assert settings.term("inbox/hr/a.jpg", "copy") == 365
    assert settings.term("inbox/a.jpg", "source") == 30
    assert settings.term("", "ledger") == 3 * 365
    assert Settings().term("inbox/a.jpg", "source") is None


@pytest.mark.parametrize(
    "text",
    ["sidecar=30d", "source=30d;sidecar=29d", "source=30d;sidecar=30d;inbox/a/:source=31d", "x/:source=3d"],
)
def test_terms_must_agree(text: str) -> None:
    with pytest.raises(Halt, match="CARDVEIL_RETENTION"):
        from_environment({"CARDVEIL_RETENTION": text})


def test_purposes_need_a_ledger_that_keeps_them() -> None:
    with pytest.raises(Halt, match="CARDVEIL_LEDGER"):
        from_environment({"CARDVEIL_PURPOSE": "required"})
    from_environment({"CARDVEIL_PURPOSE": "required", "CARDVEIL_LEDGER": "on"})


@pytest.mark.parametrize("name", ["execution", "sweep_execution"])
def test_jobs_need_a_secret(name: str) -> None:
    with pytest.raises(Halt, match="CARDVEIL_JOB_SECRETS"):
        from_environment({variable(name): "job"})
    from_environment({variable(name): "job", "CARDVEIL_JOB_SECRETS": "s" * 32})
    from_environment({variable(name): "job", "CARDVEIL_JOB_SECRETS": "s" * 32, "CARDVEIL_ENGINE": "both"})


@pytest.mark.parametrize("jobs", [{"CARDVEIL_EXECUTION": "job"}, {"CARDVEIL_SWEEP_EXECUTION": "job"}, {}])
def test_the_engine_alone_has_no_jobs(jobs: dict[str, str]) -> None:
    with pytest.raises(Halt, match="CARDVEIL_ENGINE"):
        from_environment({**jobs, "CARDVEIL_JOB_SECRETS": "s" * 32, "CARDVEIL_ENGINE": "embedded"})


def test_a_receiver_needs_a_secret_and_https() -> None:
    secret = {"CARDVEIL_WEBHOOK_SECRET": f"{'s' * 32}, whsec_{'c2VjcmV0' * 5}"}
    with pytest.raises(Halt, match="CARDVEIL_WEBHOOK_SECRET"):
        from_environment({"CARDVEIL_WEBHOOK": "https://hooks.example.com/a?token=b"})
    taken = from_environment({"CARDVEIL_WEBHOOK": "https://hooks.example.com/a?token=b", **secret})
    assert len(taken.webhook_secret) == 2
    here = {"CARDVEIL_WEBHOOK": "http://127.0.0.1:8000/", **secret}
    with pytest.raises(Halt, match=r"CARDVEIL_WEBHOOK .*local cloud"):
        from_environment(here)
    assert from_environment({**here, "CARDVEIL_SCHEME": "http"}).webhook


def test_secrets_never_show() -> None:
    hook = {"CARDVEIL_WEBHOOK": "https://hooks.example.com/private", "CARDVEIL_WEBHOOK_SECRET": "w" * 32}
    assert "private" not in repr(told := from_environment(hook))
    assert "www" not in repr(told)
    settings = from_environment({"CARDVEIL_JOB_SECRETS": "j" * 32, "CARDVEIL_TOKEN_SECRETS": "t" * 32})
    assert "jjj" not in repr(settings)
    assert "ttt" not in repr(settings)
    assert "jjj" not in repr(dataclasses.replace(settings, policy="strict"))


def test_a_mistyped_setting_is_not_lost() -> None:
    with pytest.raises(Halt, match="CARDVEIL_POLICI, no setting: is CARDVEIL_POLICY meant"):
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


def test_the_page_of_settings_is_that_of_the_table() -> None:
    assert (ROOT / "docs" / "settings.md").read_text("utf-8") == page()
