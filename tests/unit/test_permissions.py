"""Least privilege: no call without its permission, no permission without its call, files as they are made."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cardveil.settings import Settings
from cardveil_cli.permissions.calls import Call, PackageCode, UnknownCallError
from cardveil_cli.permissions.documents import CamPolicy, Place, UngroundedError, function_policy, missing
from cardveil_cli.permissions.grants import grants
from cardveil_cli.permissions.write import calls_by_function, files

ROOT = Path(__file__).parents[2]
REGION = "ap-shanghai"
PLACE = Place(REGION, "1250000000", "cards-1250000000")
FUNCTIONS = ("on_upload", "on_callback", "on_schedule", "on_request")


@pytest.fixture(scope="module")
def calls() -> dict[str, tuple[Call, ...]]:
    """What each function calls; read once."""
    return calls_by_function(ROOT)


def test_the_stored_policies_are_those_of_the_code() -> None:
    made = files(ROOT, PLACE, Settings(), jobs=False)
    assert {path.name: path.read_text("utf-8") for path in (ROOT / "policies").iterdir()} == made


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_call_has_its_permission_under_some_settings(
    function: str, calls: dict[str, tuple[Call, ...]]
) -> None:
    everything = [
        *grants(Settings(sweep_execution="invoke"), REGION, jobs=True),
        *grants(Settings(encryption="kms"), "ap-singapore", jobs=True),
    ]
    assert missing(function, calls[function], everything) == []
    # The check itself notices what is taken away.
    less = [grant for grant in everything if grant.action != "cos:DeleteObject"]
    assert missing(function, calls[function], less) == ["cos:DeleteObject"]


def test_a_permission_that_nothing_calls_is_refused(calls: dict[str, tuple[Call, ...]]) -> None:
    granted = grants(Settings(), REGION, jobs=False)
    extra = replace(granted[0], action="cos:PutBucketPolicy")
    with pytest.raises(UngroundedError, match="cos:PutBucketPolicy"):
        function_policy("on_upload", calls["on_upload"], [*granted, extra], PLACE)


def test_a_call_that_nobody_has_judged_is_refused(tmp_path: Path) -> None:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "new.py").write_text("def go(client):\n    client.delete_bucket()\n")
    entry = tmp_path / "index.py"
    entry.write_text("from cardveil.new import go\n")
    with pytest.raises(UnknownCallError, match=r"cardveil\.new:2 calls delete_bucket"):
        PackageCode(tmp_path / "package").calls_of(entry)


def test_settings_decide_what_is_granted() -> None:
    def actions(settings: Settings, *, jobs: bool = False) -> set[str]:
        return {grant.action for grant in grants(settings, REGION, jobs=jobs)}

    near, far = "ci:CreateIDCardOCRJob", "ocr:RecognizeMainlandIDCardOCR"
    assert {near, far} & actions(Settings()) == {near}
    abroad = Settings(text_provider="RecognizeMainlandIDCardOCR", cross_border="allowed")
    assert {near, far} & actions(abroad) == {far}
    assert {near, far} & {each.action for each in grants(Settings(), "ap-singapore", jobs=False)} == {far}
    assert not {near, far} & actions(Settings(text_provider="none"))
    assert "ci:CreateOCRJob" not in actions(Settings(general_ocr=False))
    assert "ci:CreateOCRJob" in actions(Settings(general_ocr=False, proof="recognise"))
    assert not [
        each for each in actions(Settings(engine="embedded", proof="recognise")) if each[:3] in ("ci:", "ocr")
    ]
    assert "ci:CreateOCRJob" not in actions(Settings(engine="both", proof="recognise"))
    assert {"ci:CreateAILicenseRecognitionJob", near} <= actions(Settings(engine="both"))
    keys = {"kms:GenerateDataKey", "kms:Decrypt"}
    assert not keys & actions(Settings())
    assert keys <= actions(Settings(encryption="kms"))
    assert {"ci:CreateMediaJobs", "cam:PassRole"} <= actions(Settings(), jobs=True)


def test_no_role_reaches_beyond_its_places() -> None:
    for path in (ROOT / "policies").glob("cardveil-*.json"):
        policy = CamPolicy(json.loads(path.read_text("utf-8")))
        bucket = "cos/cards-1250000000"
        assert policy.allows("cos:GetObject", f"{bucket}/inbox/a.jpg")
        erases = path.name in {"cardveil-on-request.json", "cardveil-on-schedule.json"}
        for action in ("cos:DeleteObject", "cos:GetBucketObjectVersions"):
            assert policy.allows(action, f"{bucket}/inbox/a.jpg") is erases, "who erases"
        assert not policy.allows("cos:DeleteObject", f"{bucket}/.cardveil/erased/a.json"), "receipts stay"
        assert not policy.allows("cos:GetObject", f"{bucket}/.cardveil/deploy/a.zip")
        assert not policy.allows("cos:GetObject", "cos/others-1250000000/inbox/a.jpg")
        assert not policy.allows("cos:GetBucket", f"{bucket}/")
        assert policy.allows("cos:GetObject", f"{bucket}/sidecars/a.jpg.json"), "to mark it as replaced"
        listed = policy.allows("cos:GetObject", f"{bucket}/.cardveil/revoked-tokens.txt")
        assert listed is (path.name == "cardveil-on-request.json")
        text = path.read_text("utf-8")
        assert '"cos:*"' not in text
        assert '"name/*"' not in text


def test_only_what_is_understood_is_taken() -> None:
    with pytest.raises(ValueError, match="allow"):
        CamPolicy({"statement": [{"effect": "deny", "action": ["a"], "resource": ["*"]}]})
