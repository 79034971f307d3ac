"""A person's decisions through the HTTP API: each is made once, on what that person saw, and stands."""

from __future__ import annotations

import io
import json
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import orjson
import requests
from PIL import Image
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import kept, known

from cardveil.card.model import Polygon
from cardveil.settings import Settings
from cardveil.storage.archive import MOST
from cardveil.storage.keys import keys_of
from cardveil.storage.sidecar import schema
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownLine, Pixels, TableRecogniser

BACK = "id-back-photo.jpg"
FRONT = "id-front-flat.jpg"


def decide(api: Api, told: dict[str, Any], decision: str, **more: Any) -> requests.Response:
    return api.call(
        "POST",
        f"/v1/cards/{told['ref']}/review",
        {"decision": decision, "version": told["version"], **more},
    )


class StillRead(TableRecogniser):
    """Reads one line in every picture that it does not know: as if each copy still showed it."""

    line = ""

    def read_text(self, picture: Pixels) -> tuple[KnownLine, ...]:
        box = Polygon.of([[10, 10], [90, 10], [90, 30], [10, 30]])
        return super().read_text(picture) or ((KnownLine(self.line, 99.0, box),) if self.line else ())


class TestProvenByRecognition:
    """With that setting no decision publishes a copy that was not read again."""

    def test_what_can_still_be_read_is_not_published(self, tmp_path: Path) -> None:
        known_ones = {picture.read(): known(picture) for picture in kept_pictures()}
        recogniser = StillRead(known_ones)
        environment = {"CARDVEIL_PROOF": "recognise"}
        with api_bench(tmp_path, environment=environment, recogniser=lambda: recogniser) as api:
            told = api.submitted(kept(FRONT))
            copy = told["sidecar"]["redaction"]["output"]["key"]
            before = api.bench.get(copy)
            fields = {field["name"]: field for field in told["sidecar"]["cards"][0]["fields"]}
            recogniser.line = fields["id_number"]["text"]
            # A kept field: only what is shown elsewhere makes another copy than the one that was read before.
            moved = [{"name": "sex", "polygon": [[10, 500], [300, 500], [300, 600], [10, 600]]}]
            problem(decide(api, told, "correct", fields=moved), 409, "proof_failed")
            assert api.bench.get(copy) == before
            assert not api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"].get("history")
            # Another card: what services have read of a copy they say again of the same bytes.
            recogniser.line = ""
            told = api.submitted(kept("licence-flat.jpg"))
            elsewhere = [{"name": "vehicle_class", "polygon": [[10, 400], [300, 400], [300, 500], [10, 500]]}]
            done = decide(api, told, "correct", fields=elsewhere).json()["sidecar"]
            assert done["redaction"]["proof"]["recognised"] is True
            assert api.bench.get(done["redaction"]["output"]["key"]) is not None
            assert api.bench.listing(".cardveil/") == []


class TestDeciding:
    def test_a_corrected_text_and_place(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        before = api.bench.get(told["sidecar"]["redaction"]["output"]["key"])
        polygon = [[10, 500], [300, 500], [300, 600], [10, 600]]
        fields = [
            {"name": "name", "text": "王小明"},
            {"name": "sex", "polygon": polygon},
            {"name": "address", "polygon": polygon},
        ]
        done = decide(api, told, "correct", fields=fields, reason="read by eye").json()
        sidecar = done["sidecar"]
        jsonschema.validate(sidecar, schema())
        card = {field["name"]: field for field in sidecar["cards"][0]["fields"]}
        assert (card["name"]["text"], card["name"]["score"]) == ("王小明", None)
        assert card["name"]["sources"][-1] == "person"
        assert card["sex"]["polygon"] == polygon
        assert done["decided"]
        (entry,) = sidecar["history"]
        assert (entry["by"], entry["decision"], entry["reason"]) == ("tester", "correct", "read by eye")
        assert (entry["before"], entry["after"]) == ("redacted", "redacted")
        assert entry["fields"] == ["name", "sex", "address"]
        assert entry["at"].startswith("20")
        assert "王小明" not in json.dumps(entry, ensure_ascii=False)
        after = api.bench.get(sidecar["redaction"]["output"]["key"])
        assert after is not None
        assert after != before
        copy = Image.open(io.BytesIO(after)).convert("L")
        assert max(copy.crop((20, 510, 290, 590)).tobytes()) < 8, "the new place is covered"
        assert api.bench.deliver(sidecar["source"]["key"]) == {"already": 1}, "a later event undoes nothing"
        assert api.call("GET", f"/v1/cards/{told['ref']}").json()["version"] == done["version"]

    def test_a_card_without_places_is_marked_by_hand(self, api: Api) -> None:
        api.upload("back.jpg", kept(BACK))
        told = api.call("GET", "/v1/cards/inbox/back.jpg").json()
        assert told["sidecar"]["status"] == "needs_review"
        assert "positions_missing" in told["sidecar"]["findings"]
        strict = decide(api, told, "accept", policy="strict")
        missing = problem(strict, 409, "fields_missing")["faults"]
        names = [fault["where"] for fault in missing if fault["what"] == "place_missing"]
        assert names == [["fields", "authority"], ["fields", "valid_period"]]
        fields = [
            {"name": "authority", "polygon": [[300, 400], [700, 400], [700, 440], [300, 440]]},
            {"name": "valid_period", "polygon": [[300, 480], [700, 480], [700, 520], [300, 520]]},
        ]
        done = decide(api, told, "correct", fields=fields, policy="strict").json()["sidecar"]
        jsonschema.validate(done, schema())
        assert done["status"] == "redacted"
        assert {region["field"] for region in done["redaction"]["regions"]} == {"authority", "valid_period"}
        assert "positions_missing" in done["history"][0]["settled"]
        assert "positions_missing" not in done["findings"]

    def test_accepted_rejected_and_accepted_again(self, api: Api) -> None:
        api.upload("three-times.jpg", kept("id-front-flat.jpg"))
        told = api.call("GET", "/v1/cards/inbox/three-times.jpg").json()
        accepted = decide(api, told, "accept").json()
        assert accepted["sidecar"]["status"] == "redacted"
        rejected = decide(api, accepted, "reject", reason="expired").json()
        jsonschema.validate(rejected["sidecar"], schema())
        assert rejected["sidecar"]["status"] == "rejected"
        assert rejected["sidecar"]["findings"][0] == "rejected_by_person"
        assert api.bench.get("redacted/three-times.jpg") is None, "its copy is withdrawn"
        again = decide(api, rejected, "accept").json()
        assert again["sidecar"]["status"] == "redacted"
        assert [entry["after"] for entry in again["sidecar"]["history"]] == [
            "redacted",
            "rejected",
            "redacted",
        ]
        listed = api.call("GET", "/v1/cards?prefix=inbox/three-times").json()["cards"]
        assert [(card["status"], card["decided"]) for card in listed] == [("redacted", True)]

    def test_a_rejection_is_taken_back(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        problem(decide(api, told, "reopen"), 409, "not_rejected")
        rejected = decide(api, told, "reject", reason="a slip").json()
        back = decide(api, rejected, "reopen").json()
        jsonschema.validate(back["sidecar"], schema())
        assert back["sidecar"]["status"] == "needs_review", "nothing is published by taking it back alone"
        assert back["sidecar"]["redaction"] is None
        assert back["sidecar"]["findings"] == ["rejection_withdrawn", *told["sidecar"]["findings"]]
        assert back["sidecar"]["cards"] == rejected["sidecar"]["cards"]
        problem(decide(api, back, "reopen"), 409, "not_rejected")
        done = decide(api, back, "accept").json()["sidecar"]
        assert (done["status"], done["findings"]) == ("redacted", told["sidecar"]["findings"])
        assert [entry["decision"] for entry in done["history"]] == ["reject", "reopen", "accept"]

    def test_what_was_no_card_stays_rejected_when_a_rejection_is_taken_back(self, api: Api) -> None:
        told = api.submitted(b"no picture")
        rejected = decide(api, told, "reject", reason="a slip").json()
        back = decide(api, rejected, "reopen").json()["sidecar"]
        jsonschema.validate(back, schema())
        assert (back["status"], back["findings"]) == ("rejected", told["sidecar"]["findings"])

    def test_what_cannot_be_decided(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        field = [{"name": "name", "text": "x"}]
        problem(decide(api, told, "accept", fields=field), 422, "fields_refused")
        problem(decide(api, {**told, "version": "0"}, "accept"), 409, "changed_meanwhile")
        for polygon in (
            [[0, 0]] * 3,
            [[0, 0], [1, 0], [1, 1], [0, "x"]],
            [[0, 0], [1, 0], [1, 1], [0, 1e9]],
            "0,0 1,1",
        ):
            body = [{"name": "name", "polygon": polygon}]
            problem(decide(api, told, "correct", fields=body), 422, "request_invalid")
        outside = [{"name": "name", "polygon": [[2000, 0], [2100, 0], [2100, 50], [2000, 50]]}]
        problem(decide(api, told, "correct", fields=outside), 422, "polygon_outside")
        empty = api.submitted(b"x")
        problem(decide(api, empty, "accept"), 422, "card_type_missing")
        problem(decide(api, empty, "accept", card_type="IDCard"), 422, "picture_unreadable")
        assert decide(api, empty, "reject").status_code == 200
        problem(decide(api, {"ref": "~eA", "version": "0"}, "accept"), 404, "card_unknown")

    def test_a_picture_that_was_replaced_is_not_decided_over(self, api: Api, front: bytes) -> None:
        api.upload("replaced.jpg", front)
        told = api.call("GET", "/v1/cards/inbox/replaced.jpg").json()
        sidecar = api.bench.get("sidecars/replaced.jpg.json")
        head = api.bench.client.head_object(Bucket=api.bench.bucket, Key="sidecars/replaced.jpg.json")
        api.upload("replaced.jpg", kept("licence-flat.jpg"))
        meta = {name: value for name, value in head.items() if name.lower().startswith("x-cos-meta-")}
        api.bench.client.put_object(
            Bucket=api.bench.bucket, Key="sidecars/replaced.jpg.json", Body=sidecar, Metadata=meta
        )
        problem(decide(api, told, "accept"), 409, "source_changed")
        problem(api.call("GET", "/v1/cards/inbox/replaced.jpg/pictures/source"), 409, "source_changed")

    def test_a_decision_waits_for_who_holds_the_card(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        lease = keys_of(told["sidecar"]["source"]["key"], Settings()).lease_prefix + f"{1:08d}"
        api.bench.upload(lease, orjson.dumps({"owner": "another", "expires": time.time() + 300}))
        with ThreadPoolExecutor(1) as pool:
            deciding = pool.submit(decide, api, told, "reject")
            time.sleep(0.5)
            assert not deciding.done()
            assert not api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"].get("history")
            api.bench.client.delete_object(Bucket=api.bench.bucket, Key=lease)
            assert deciding.result().status_code == 200

    def test_a_machine_s_policy_waits_for_the_person_and_changes_nothing(
        self, api: Api, front: bytes
    ) -> None:
        """It looks, a person rejects, and only then it has the card: what it saw counts no more."""
        told = api.submitted(front)
        key = told["sidecar"]["source"]["key"]
        asked = {"source": {"kind": "object", "key": key}, "policy": "strict"}
        lease = keys_of(key, Settings()).lease_prefix + f"{1:08d}"
        api.bench.upload(lease, orjson.dumps({"owner": "another", "expires": time.time() + 300}))
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(api.call, "POST", "/v1/cards", asked, roles=("submit",))
            time.sleep(0.5)
            # The holder of the lease is the person's request.
            head = api.bench.client.head_object(Bucket=api.bench.bucket, Key=f"sidecars/{key[6:]}.json")
            meta = {name: value for name, value in head.items() if name.startswith("x-cos-meta-")}
            meta |= {"x-cos-meta-decided": "yes", "x-cos-meta-status": "rejected"}
            document = {**told["sidecar"], "status": "rejected", "redaction": None}
            api.bench.client.put_object(
                Bucket=api.bench.bucket,
                Key=f"sidecars/{key[6:]}.json",
                Body=orjson.dumps(document),
                Metadata=meta,
            )
            api.bench.client.delete_object(Bucket=api.bench.bucket, Key=f"redacted/{key[6:]}")
            api.bench.client.delete_object(Bucket=api.bench.bucket, Key=lease)
            problem(asking.result(), 409, "decided_by_person")
        assert api.bench.get(f"redacted/{key[6:]}") is None
        assert api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"]["status"] == "rejected"

    def test_what_a_person_decided_no_machine_changes(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        source = {"kind": "object", "key": told["sidecar"]["source"]["key"]}
        for decision, policy in (("accept", "strict"), ("reject", None)):
            told = decide(api, told, decision, policy=policy).json()
            for name in ("strict", "standard", "minimal"):
                if (decision, name) != ("accept", "strict"):
                    for roles in (("submit",), ("submit", "review")):
                        answer = api.call(
                            "POST", "/v1/cards", {"source": source, "policy": name}, roles=roles
                        )
                        assert answer.status_code in {403, 409}
                        assert name == "minimal" or answer.json()["code"] == "decided_by_person"
            assert api.call("GET", f"/v1/cards/{told['ref']}").json()["version"] == told["version"]
            assert api.call("POST", "/v1/cards", {"source": source}).json()["version"] == told["version"]

    def test_who_names_no_policy_uncovers_nothing(self, api: Api, front: bytes) -> None:
        told = api.submitted(front, policy="strict", roles=("submit",))
        accepted = decide(api, told, "accept").json()
        assert accepted["sidecar"]["redaction"]["policy"] == "strict"
        weaker = decide(api, accepted, "accept", policy="minimal").json()
        assert weaker["sidecar"]["redaction"]["policy"] == "minimal"
        corrected = decide(api, weaker, "correct", fields=[{"name": "name", "text": "王小明"}]).json()
        assert corrected["sidecar"]["redaction"]["policy"] == "minimal", "a person has chosen that"

    def test_a_long_history_is_moved_into_an_archive(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        key = told["sidecar"]["source"]["key"]
        for _ in range(MOST):
            told = decide(api, told, "reject", reason="证" * 500).json()
        assert "archived" not in told["sidecar"]
        told = decide(api, told, "reject", reason="the last").json()
        jsonschema.validate(told["sidecar"], schema())
        history = told["sidecar"]["history"]
        assert len(history) + told["sidecar"]["archived"] == MOST + 1
        assert history[-1]["reason"] == "the last"
        (archive,) = api.bench.listing(keys_of(key, Settings()).history)
        assert len(orjson.loads(api.bench.get(archive) or b"")) == told["sidecar"]["archived"]

    def test_two_at_the_same_time_make_one_decision(self, api: Api, front: bytes) -> None:
        told = api.submitted(front)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda d: decide(api, told, d), ["accept", "reject"]))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert {answer.json().get("code") for answer in answers} == {None, "changed_meanwhile"}
        final = api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"]
        assert len(final["history"]) == 1
