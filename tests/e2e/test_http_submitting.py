"""Submitting through the HTTP API: pictures and objects come back as sidecars, each role sees its part."""

from __future__ import annotations

import base64
import io
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests
from PIL import Image
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import kept

from cardveil.storage.sidecar import schema

COVERED = {"name", "birth_date", "address", "id_number"}


class TestSubmitting:
    def test_a_picture_comes_back_as_its_sidecar(self, api: Api, front: bytes) -> None:
        answer = api.submit(front)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        told = answer.json()
        jsonschema.validate(told["sidecar"], schema())
        assert told["sidecar"]["status"] == "redacted"
        assert told["masked"] == [[]]
        assert told["sidecar"]["cards"][0]["fields"][0]["text"]
        assert "crops" not in told
        proxies = {"http": api.bench.endpoint.proxy}
        source = requests.get(told["links"]["source"], proxies=proxies, timeout=60)
        assert source.content == front
        copy = requests.get(told["links"]["redacted"], proxies=proxies, timeout=60)
        assert Image.open(io.BytesIO(copy.content)).size == (1000, 630)

    def test_the_bucket_s_own_event_costs_nothing_more(self, api: Api, front: bytes) -> None:
        before = sum(api.bench.cloud.usage.by_operation().values())
        # What other tests have left: the cloud is theirs, too.
        kept = api.bench.listing(".cardveil/")
        api.submit(front)
        api.bench.settle()
        assert sum(api.bench.cloud.usage.by_operation().values()) - before == 2
        assert api.bench.listing(".cardveil/") == kept

    def test_text_and_pictures_are_for_their_roles(self, api: Api, front: bytes) -> None:
        told = api.submit(front, roles=("submit",)).json()
        texts = {field["name"]: field["text"] for field in told["sidecar"]["cards"][0]["fields"]}
        assert set(told["masked"][0]) == COVERED
        assert {name for name, text in texts.items() if text is None} >= COVERED
        assert texts["sex"], "what the copy shows is told"
        assert set(told["links"]) == {"expires_at"}
        read = api.call("GET", f"/v1/cards/{told['ref']}", roles=("read",)).json()
        assert set(read["masked"][0]) == COVERED
        assert set(read["links"]) == {"expires_at", "redacted"}
        full = api.call("GET", f"/v1/cards/{told['ref']}").json()
        for field in full["sidecar"]["cards"][0]["fields"]:
            if field["name"] in COVERED:
                assert field["text"] not in json.dumps(read, ensure_ascii=False)
        assert set(
            api.call("GET", f"/v1/cards/{told['ref']}", roles=("read", "read_text")).json()["links"]
        ) == {
            "expires_at",
            "redacted",
            "source",
        }

    def test_a_submission_that_is_sent_again_is_found_and_not_paid_again(
        self, api: Api, front: bytes
    ) -> None:
        def send(
            data: bytes, key: str | None = None, subject: str = "tester", **more: Any
        ) -> requests.Response:
            source = {"kind": "image", "base64": base64.b64encode(data).decode(), "name": "again.jpg"}
            bearer = {"Authorization": f"Bearer {api.token('submit', subject=subject)}"}
            headers = {**bearer, **({"Idempotency-Key": key} if key else {})}
            return api.call("POST", "/v1/cards", {"source": {**source, **more}}, roles=(), headers=headers)

        first = send(front).json()
        paid = sum(api.bench.cloud.usage.by_operation().values())
        assert send(front).json()["version"] == first["version"]
        assert sum(api.bench.cloud.usage.by_operation().values()) == paid
        named = send(front, '"one"').json()
        assert named["ref"] != first["ref"], "the caller says that it is another"
        assert send(front, "one").json()["version"] == named["version"]
        other = front + b"\0"
        problem(send(other, "one"), 422, "idempotency_key_reused")
        problem(send(front, "one", name="b.jpg"), 422, "idempotency_key_reused")
        problem(send(front, '""'), 422, "idempotency_key_refused")
        assert send(front, "one", "another").json()["ref"] != named["ref"], "each caller's keys are its own"
        assert send(other).json()["ref"] != first["ref"]
        with ThreadPoolExecutor(4) as pool:
            refs = {answer.json()["ref"] for answer in pool.map(send, [front] * 4, ["at once"] * 4)}
        assert len(refs) == 1

    def test_crops_quality_and_warnings(self, api: Api, front: bytes) -> None:
        problem(api.submit(front, roles=("submit",), crops=["card"]), 403, "role_missing")
        told = api.submit(front, crops=["card", "portrait"], quality=True, warnings=False).json()
        card = Image.open(io.BytesIO(base64.b64decode(told["crops"][0]["card"])))
        portrait = Image.open(io.BytesIO(base64.b64decode(told["crops"][0]["portrait"])))
        assert card.width / card.height == pytest.approx(85.6 / 54, rel=0.03)
        assert portrait.height > portrait.width
        assert 0 <= told["quality"]["sharpness"] <= 100
        assert told["quality"]["card_width"] == pytest.approx(1000, rel=0.1)
        assert told["sidecar"]["warnings"] == []

    def test_a_blurred_picture_is_less_sharp(self, api: Api, front: bytes) -> None:
        blurred = io.BytesIO()
        Image.open(io.BytesIO(front)).resize((250, 158)).resize((1000, 630)).save(blurred, "JPEG")
        scores = [
            api.submit(data, quality=True).json()["quality"]["sharpness"]
            for data in (blurred.getvalue(), front)
        ]
        assert scores[0] < scores[1]

    def test_an_object_of_the_inbox(self, api: Api, front: bytes) -> None:
        api.upload("object.jpg", front)
        before = sum(api.bench.cloud.usage.by_operation().values())
        told = api.call("POST", "/v1/cards", {"source": {"kind": "object", "key": "inbox/object.jpg"}}).json()
        assert told["sidecar"]["source"]["key"] == "inbox/object.jpg"
        assert sum(api.bench.cloud.usage.by_operation().values()) == before, "it was done already"

    @pytest.mark.parametrize(
        ("source", "status", "code"),
        [
            ({"kind": "object", "key": "inbox/gone.jpg"}, 404, "card_unknown"),
            ({"kind": "object", "key": "elsewhere/a.jpg"}, 422, "key_refused"),
            ({"kind": "object", "key": "sidecars/a.jpg.json"}, 422, "key_refused"),
            ({"kind": "object", "key": "inbox/"}, 422, "key_refused"),
            ({"kind": "object", "key": "inbox/a\ud800.jpg"}, 400, "json_invalid"),
            ({"kind": "object"}, 422, "request_invalid"),
            ({"kind": "image", "base64": "not Base64!"}, 422, "base64_refused"),
            ({"kind": "image", "base64": "QUJD\nREVG"}, 422, "base64_refused"),
            ({"kind": "image", "base64": "QUJ"}, 422, "base64_refused"),
            ({"kind": "image", "base64": "_-__"}, 422, "base64_refused"),
            ({"kind": "image", "base64": ""}, 422, "request_invalid"),
            ({"kind": "image", "base64": "QUJD", "name": "a/b"}, 422, "request_invalid"),
            ({"kind": "image", "base64": "QUJD", "name": "a.json"}, 422, "name_refused"),
            ({"kind": "url", "detect_url": "http://127.0.0.1:8411/"}, 422, "url_refused"),
            ({"kind": "url", "detect_url": "http://localhost/"}, 422, "url_refused"),
            ({"kind": "url", "detect_url": "http://no-such-host.example.com/"}, 422, "url_unreachable"),
            ({"kind": "other"}, 422, "request_invalid"),
            ("inbox/a.jpg", 422, "request_invalid"),
        ],
    )
    def test_sources_that_cannot_be_taken(self, api: Api, source: Any, status: int, code: str) -> None:
        raw = json.dumps({"source": source}).encode()
        problem(api.call("POST", "/v1/cards", raw=raw), status, code)

    def test_what_is_no_card_has_a_sidecar_that_says_so(self, api: Api) -> None:
        told = api.submit(b"not a picture", quality=True, crops=["card"]).json()
        assert told["sidecar"]["status"] == "rejected"
        assert told["sidecar"]["findings"] == ["not_a_picture"]
        assert told["quality"] is None
        assert told["crops"] == []

    def test_another_policy_is_applied_and_stands(self, api: Api, front: bytes) -> None:
        told = api.submitted(front, policy="strict", roles=("submit",))
        assert told["sidecar"]["redaction"]["policy"] == "strict"
        assert not told["decided"], "a machine has chosen it, and no person decided"
        assert told["sidecar"]["pipeline"]["chosen"] == "strict"
        jsonschema.validate(told["sidecar"], schema())
        key = told["sidecar"]["source"]["key"]
        assert api.bench.deliver(key) == {"already": 1}
        problem(api.submit(front, policy="minimal", roles=("submit",)), 403, "role_missing")
        source = {"kind": "object", "key": key}
        for name in ("standard", "minimal"):
            asked = {"source": source, "policy": name}
            problem(api.call("POST", "/v1/cards", asked, roles=("submit",)), 403, "role_missing")
        before = sum(api.bench.cloud.usage.by_operation().values())
        weaker = api.call("POST", "/v1/cards", {"source": source, "policy": "minimal"}).json()
        assert weaker["sidecar"]["redaction"]["policy"] == "minimal"
        assert weaker["decided"], "who may review has said so"
        assert sum(api.bench.cloud.usage.by_operation().values()) == before, "its places were known"
        assert [entry["decision"] for entry in weaker["sidecar"]["history"]] == ["policy"]
        asked = {"source": source, "policy": "strict"}
        problem(api.call("POST", "/v1/cards", asked, roles=("submit",)), 409, "decided_by_person")
        same = api.call("POST", "/v1/cards", {"source": source, "policy": "minimal"}).json()
        assert same["version"] == weaker["version"]

    def test_storing_and_reading_are_one_request_where_ci_reads(self, tmp_path: Path, front: bytes) -> None:
        with api_bench(tmp_path / "cloud", environment={"CARDVEIL_TEXT_PROVIDER": "IDCardOCR"}) as api:
            told = api.submit(front, card_type="IDCard", side="front").json()
            assert told["sidecar"]["status"] == "redacted"
            assert {call["api"] for call in told["sidecar"]["calls"]} == {"IDCardOCR", "AILicenseRec", "OCR"}
            assert api.bench.cloud.usage.of_picture(front) == {"IDCardOCR": 1, "AILicenseRec": 1, "OCR": 1}
            no_card = io.BytesIO()
            Image.new("RGB", (400, 300), "white").save(no_card, "JPEG")
            told = api.submit(no_card.getvalue()).json()
            assert told["sidecar"]["findings"] == ["no_card"]
            licence = kept("licence-flat.jpg")
            assert api.submit(licence, card_type="DriverLicense").json()["sidecar"]["status"] == "redacted"
            assert api.bench.cloud.usage.of_picture(licence) == {"AILicenseRec": 1, "OCR": 1}
            api.bench.settle()  # each picture's own event holds a lease for a moment
            assert api.bench.cloud.usage.of_picture(licence) == {"AILicenseRec": 1, "OCR": 1}
            assert not api.bench.listing(".cardveil/")
