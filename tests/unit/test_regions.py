"""Which country a region lies in: what is not known is abroad, and nothing goes there unasked."""

from __future__ import annotations

import pytest

from cardveil.core.errors import Halt
from cardveil.settings import Settings
from cardveil.settings.regions import COUNTRIES, SHORT, abroad, is_abroad, located, region_of

NEAR, FAR = "IDCardOCR", "RecognizeMainlandIDCardOCR"
SECRET = ("s" * 32,)
SHANGHAI = "ap-shanghai"


@pytest.mark.parametrize(
    ("home", "region", "away"),
    [
        (SHANGHAI, "ap-beijing", False),
        (SHANGHAI, "ap-shenzhen-fsi", False),
        (SHANGHAI, "ap-hongkong", True),
        ("ap-hongkong", SHANGHAI, True),
        (SHANGHAI, "ap-taipei", True),
        (SHANGHAI, "ap-singapore", True),
        ("na-ashburn", "na-siliconvalley", False),
        ("ap-nowhere", "ap-nowhere", False),
        ("ap-nowhere", "ap-elsewhere", True),
        (SHANGHAI, "ap-nowhere", True),
        ("ap-nowhere", SHANGHAI, True),
        (SHANGHAI, "", True),
        ("", SHANGHAI, True),
    ],
)
def test_another_country_or_one_that_nobody_knows_is_abroad(home: str, region: str, away: bool) -> None:
    assert is_abroad(home, region) is away


def test_every_short_name_is_of_a_known_region() -> None:
    assert set(SHORT.values()) <= set(COUNTRIES)


@pytest.mark.parametrize("home", [*COUNTRIES, "ap-nowhere"])
def test_as_shipped_nothing_leaves_any_country(home: str) -> None:
    settings = located(Settings(), home)
    assert settings.text_provider == (FAR if home == "ap-singapore" else NEAR)
    assert abroad(settings, home) == ()
    for api in ("AILicenseRec", "OCR", NEAR):
        assert region_of(api, settings, home) == home
    assert region_of(FAR, settings, home) == "ap-singapore"
    assert region_of("", settings, home) == ""


@pytest.mark.parametrize(
    ("settings", "home", "variable"),
    [
        (Settings(text_provider=FAR), SHANGHAI, "TEXT_PROVIDER"),
        (Settings(text_provider=FAR), "ap-hongkong", "TEXT_PROVIDER"),
        (Settings(text_provider=FAR), "ap-nowhere", "TEXT_PROVIDER"),
        (Settings(text_provider=FAR, ocr_region="ap-hongkong"), "ap-singapore", "TEXT_PROVIDER"),
        # A region of the mainland does not bring the international site there, nor a host elsewhere.
        (Settings(text_provider=FAR, ocr_region="ap-guangzhou"), SHANGHAI, "OCR_ENDPOINT"),
        (
            Settings(
                text_provider=FAR,
                ocr_region="ap-guangzhou",
                ocr_endpoint="ocr.ap-singapore.tencentcloudapi.com",
            ),
            SHANGHAI,
            "OCR_ENDPOINT",
        ),
        (Settings(job_secrets=SECRET, job_queue="hk/Topic/cards"), SHANGHAI, "JOB_QUEUE"),
        (Settings(job_secrets=SECRET, job_queue="sh/Topic/cards"), "ap-singapore", "JOB_QUEUE"),
        (
            Settings(job_secrets=SECRET, job_callback="https://1-x.ap-singapore.tencentscf.com/"),
            SHANGHAI,
            "JOB_CALLBACK",
        ),
    ],
)
def test_what_would_be_sent_abroad_is_refused_until_it_is_allowed(
    settings: Settings, home: str, variable: str
) -> None:
    with pytest.raises(Halt, match=f"CARDVEIL_{variable}, or set CARDVEIL_CROSS_BORDER=allowed") as refused:
        located(settings, home)
    assert refused.value.code == "cross_border"
    values = {name: getattr(settings, name) for name in Settings.__slots__}
    allowed = located(Settings(**{**values, "cross_border": "allowed"}), home)
    assert abroad(allowed, home)[0].setting == f"CARDVEIL_{variable}"
    if settings.text_provider == FAR:
        assert is_abroad(home, region_of(FAR, allowed, home))


@pytest.mark.parametrize(
    "settings",
    [
        Settings(text_provider="none"),
        Settings(text_provider=NEAR),
        Settings(text_provider=FAR, ocr_region="ap-guangzhou", ocr_endpoint="ocr.tencentcloudapi.com"),
        Settings(job_secrets=SECRET, job_queue="bj/Queue/cards"),
        Settings(job_secrets=SECRET, job_callback="https://1-x.ap-beijing.tencentscf.com/a"),
        Settings(job_secrets=SECRET, job_callback="https://cards.example.com/ap-singapore.x"),
        Settings(job_queue="hk/Queue/cards"),  # without a secret there are no jobs
    ],
)
def test_what_stays_in_the_country_needs_no_permission(settings: Settings) -> None:
    assert abroad(located(settings, SHANGHAI), SHANGHAI) == ()


def test_allowed_does_not_mean_wanted() -> None:
    assert located(Settings(cross_border="allowed"), SHANGHAI).text_provider == NEAR
