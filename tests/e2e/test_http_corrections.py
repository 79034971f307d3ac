"""What a person puts right: only what was named changes, and every place that was found stays covered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.api_fixture import Api, rewritten

PLACE = [[10, 500], [300, 500], [300, 600], [10, 600]]


def decided(api: Api, told: dict[str, Any], decision: str, **more: Any) -> dict[str, Any]:
    body = {"decision": decision, "version": told["version"], **more}
    answer = api.call("POST", f"/v1/cards/{told['ref']}/review", body)
    assert answer.status_code == 200, answer.text
    sidecar: dict[str, Any] = answer.json()["sidecar"]
    return sidecar


def found_twice(api: Api, front: bytes) -> dict[str, Any]:
    """Return a card whose name was found in a second place, too."""
    told = api.submitted(front)
    card = told["sidecar"]["cards"][0]
    (name,) = (field for field in card["fields"] if field["name"] == "name")
    second = {**name, "text": None, "normalized": None, "polygon": PLACE}
    return rewritten(api, told, cards=[{**card, "fields": [*card["fields"], second]}])


def places(sidecar: dict[str, Any], name: str) -> list[Any]:
    return [field["polygon"] for field in sidecar["cards"][0]["fields"] if field["name"] == name]


def covered(sidecar: dict[str, Any], name: str, place: Sequence[Sequence[float]]) -> bool:
    """Say whether a region of a field reaches around an upright place."""
    for region in sidecar["redaction"]["regions"]:
        xs, ys = [x for x, _ in region["polygon"]], [y for _, y in region["polygon"]]
        around = min(xs) <= place[0][0] and min(ys) <= place[0][1]
        if region["field"] == name and around and max(xs) >= place[2][0] and max(ys) >= place[2][1]:
            return True
    return False


def test_a_corrected_text_leaves_a_second_place_covered(api: Api, front: bytes) -> None:
    told = found_twice(api, front)
    done = decided(api, told, "correct", fields=[{"name": "name", "text": "王小明"}])
    assert places(done, "name") == places(told["sidecar"], "name")
    assert covered(done, "name", PLACE)
    texts = [field["text"] for field in done["cards"][0]["fields"] if field["name"] == "name"]
    assert texts == ["王小明", None]


def test_a_corrected_place_takes_the_place_of_all(api: Api, front: bytes) -> None:
    told = found_twice(api, front)
    other = [[400, 500], [700, 500], [700, 600], [400, 600]]
    done = decided(api, told, "correct", fields=[{"name": "name", "polygon": other}])
    assert places(done, "name") == [other]
    assert covered(done, "name", other)
    assert not covered(done, "name", PLACE)


def test_a_corrected_text_is_checked_anew_and_the_old_one_s_checks_are_gone(api: Api, front: bytes) -> None:
    told = api.submitted(front)
    before = {field["name"]: field for field in told["sidecar"]["cards"][0]["fields"]}
    assert {"name": "providers_agree", "passed": True} in before["birth_date"]["checks"]
    done = decided(api, told, "correct", fields=[{"name": "birth_date", "text": "1901年2月3日"}])
    after = {field["name"]: field for field in done["cards"][0]["fields"]}
    assert after["birth_date"]["checks"] == [{"name": "agrees_with_id_number", "passed": False}]
    assert "region_unknown" in done["findings"], "what needs no review is still told"


def test_what_was_accepted_is_settled_and_the_rest_is_still_told(api: Api, front: bytes) -> None:
    told = rewritten(api, api.submitted(front), findings=["several_cards", "low_score", "of_tomorrow"])
    done = decided(api, told, "accept")
    assert [code for code in done["findings"] if code != "witness_missing"] == ["low_score"]
    assert done["history"][-1]["settled"] == ["several_cards", "of_tomorrow"]


def test_another_side_keeps_what_was_found_and_covers_it(api: Api, front: bytes) -> None:
    told = api.submitted(front)
    fields = [
        {"name": "authority", "polygon": PLACE},
        {"name": "valid_period", "polygon": [[400, 500], [700, 500], [700, 600], [400, 600]]},
    ]
    done = decided(api, told, "correct", side="back", fields=fields, policy="strict")
    assert (done["cards"][0]["type"], done["cards"][0]["side"]) == ("IDCard", "back")
    found = {field["name"] for field in told["sidecar"]["cards"][0]["fields"]}
    assert {region["field"] for region in done["redaction"]["regions"]} == {
        *found,
        "authority",
        "valid_period",
    }


def test_a_reason_is_for_those_who_may_read_texts(api: Api, front: bytes) -> None:
    """It is free text: a person may well write down what the card says."""
    told = api.submitted(front)
    decided(api, told, "correct", reason="the name is 王小明", fields=[{"name": "name", "text": "王小明"}])
    read = api.call("GET", f"/v1/cards/{told['ref']}", roles=("read",))
    assert "王小明" not in read.text
    assert [entry["decision"] for entry in read.json()["sidecar"]["history"]] == ["correct"]
    full = api.call("GET", f"/v1/cards/{told['ref']}", roles=("read", "read_text")).json()
    assert full["sidecar"]["history"][0]["reason"] == "the name is 王小明"


def test_a_card_of_the_first_schema_is_read_and_decided_over(api: Api, front: bytes) -> None:
    """Buckets are full of them: a card, and what a witness saw, beside each other."""
    told = api.submitted(front)
    whole = dict(told["sidecar"])
    card = dict(whole.pop("cards")[0])
    del card["outline"]
    seen = card.pop("texts", [])
    old = {**whole, "schema": "cardveil.sidecar/1", "card": card, "texts": seen}
    read = rewritten(api, {**told, "sidecar": old})
    assert read["sidecar"] == {
        **told["sidecar"],
        "cards": [{**told["sidecar"]["cards"][0], "outline": None, "texts": seen}],
    }
    done = decided(api, read, "correct", fields=[{"name": "name", "text": "王小明"}])
    assert done["schema"] == "cardveil.sidecar/2"
    assert done["cards"][0]["outline"]
    assert done["cards"][0]["texts"] == seen
