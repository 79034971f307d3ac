"""Warnings by rule: every code of both APIs can be had, for a key or a picture, where it was asked for."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from tencentcloud.common.common_client import CommonClient
from tencentcloud.common.credential import Credential
from tencentcloud.common.profile.client_profile import ClientProfile
from tencentcloud.common.profile.http_profile import HttpProfile
from tests.support.fixtures.ci import CiWorld

from cardveil_cloud.ci.warning_rules import API_CODES, CI_CODES, WarningRules

PICTURE = "id-front-photo"
OPTIONS = ("InvalidDateWarn", "BorderCheckWarn", "CopyWarn", "ReshootWarn", "TempIdWarn", "DetectPsWarn")


class NoKeys:
    """A store without objects."""

    def keys_of(self, md5: bytes) -> list[str]:
        return []


def rule(world: CiWorld, **rules: Any) -> requests.Response:
    return requests.put(f"{world.ready.proxy_url}/_local/warnings", json=rules, timeout=60)


@pytest.fixture
def world(ci_world: CiWorld) -> Iterator[CiWorld]:
    """The cloud, without rules before and after."""
    rule(ci_world)
    yield ci_world
    rule(ci_world)


def ci_codes(world: CiWorld, key: str, *options: str) -> set[int]:
    config = json.dumps(dict.fromkeys(options, True))
    _, data = world.client.cos_ai_id_card_ocr(Bucket=world.bucket, ObjectKey=key, Config=config)
    found = (data.get("AdvancedInfo") or {}).get("WarnInfos") or []
    return {int(code) for code in (found if isinstance(found, list) else [found])}


def api_codes(world: CiWorld, **picture: str) -> set[int]:
    ready = world.ready
    profile = HttpProfile(protocol="http", endpoint=ready.ocr_endpoint)
    client = CommonClient(
        "ocr",
        "2018-11-19",
        Credential(ready.secret_id, ready.secret_key),
        "ap-singapore",
        ClientProfile(httpProfile=profile),
    )
    answer = client.call_json("RecognizeMainlandIDCardOCR", dict(picture))
    return set(answer["Response"]["WarnCardInfos"])


def test_every_code_of_ci_for_a_key(world: CiWorld) -> None:
    key = world.put(world.unseen(PICTURE))
    assert not ci_codes(world, key, *OPTIONS) & {9103, 9104, 9106}
    assert rule(world, **{"pictures/*": sorted(CI_CODES)}).status_code == 200
    assert ci_codes(world, key, *OPTIONS) == CI_CODES
    assert ci_codes(world, key, "ReshootWarn") == {9103}
    assert ci_codes(world, key) == set()
    rule(world, **{"inbox/*": [9103]})
    assert 9103 not in ci_codes(world, key, *OPTIONS)


def test_every_code_of_the_api_for_a_key(world: CiWorld) -> None:
    data = world.unseen(PICTURE)
    picture = base64.b64encode(data).decode()
    plain = api_codes(world, ImageBase64=picture)
    assert not plain & {-9103, -9104, -9109}
    key = world.put(data)
    rule(world, **{key: sorted(API_CODES)})
    assert api_codes(world, ImageBase64=picture) == API_CODES
    other = world.unseen(PICTURE)
    assert api_codes(world, ImageBase64=base64.b64encode(other).decode()) == plain


def test_a_rule_for_a_picture_wherever_it_is(world: CiWorld) -> None:
    data = world.unseen(PICTURE)
    key = world.put(data)
    rule(world, **{hashlib.sha256(data).hexdigest(): [9104, -9104]})
    assert 9104 in ci_codes(world, key, *OPTIONS)
    assert -9104 in api_codes(world, ImageBase64=base64.b64encode(data).decode())
    assert 9104 not in ci_codes(world, world.put(world.unseen(PICTURE)), *OPTIONS)


@pytest.mark.parametrize(
    "rules", [{"*": [9107]}, {"*": [-9100]}, {"*": [0]}, {"*": 9103}, [], "x", {"*": [[]]}]
)
def test_rules_that_are_none_are_refused(world: CiWorld, rules: Any) -> None:
    answer = requests.put(f"{world.ready.proxy_url}/_local/warnings", json=rules, timeout=60)
    assert answer.status_code == 400


def test_a_page_of_another_origin_sets_no_rules(world: CiWorld) -> None:
    answer = requests.put(
        f"{world.ready.proxy_url}/_local/warnings",
        json={"*": [9103]},
        headers={"Origin": "http://evil.example"},
        timeout=60,
    )
    assert answer.status_code == 403


def test_the_codes_are_those_of_the_pages() -> None:
    assert sorted(CI_CODES) == list(range(9100, 9107))
    assert sorted(API_CODES, reverse=True) == list(range(-9101, -9110, -1))
    with pytest.raises(ValueError, match="9100"):
        WarningRules(NoKeys(), {"x": [1]})
