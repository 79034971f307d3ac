"""The HTTP API through its function URL: every route, every role, every error, with a real client."""

from __future__ import annotations

import base64
import hashlib
import hmac
import io
import itertools
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import orjson
import pytest
import requests
import yaml
from PIL import Image

from cardveil.bucket.keys import keys_of
from cardveil.http.access import role_of
from cardveil.http.application import application
from cardveil.http.references import reference
from cardveil.http.tokens import ROLES, mint
from cardveil.settings import Settings, from_environment
from cardveil.sidecar import schema
from cardveil_local.apibench import SECRET, Api, api_bench
from cardveil_local.samples.kept import kept_pictures
from cardveil_local.scf import urls
from cardveil_local.testbench import bench, kept

BACK = "id-back-photo.redacted.jpg"
ROOT = Path(__file__).parents[2]
COVERED = {"name", "birth_date", "address", "id_number"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A cloud in which backs go to review."""
    environment = {"CARDVEIL_GENERAL_OCR": "off", "CARDVEIL_CORS_ORIGINS": "https://desk.example.com"}
    with api_bench(tmp_path_factory.mktemp("api"), environment=environment) as found:
        yield found


@pytest.fixture
def front() -> bytes:
    return kept("id-front-flat.redacted.jpg")


def submitted(api: Api, data: bytes, **options: Any) -> dict[str, Any]:
    """Submit a picture and wait for its own event too: it holds the lease for a moment, after the answer."""
    told: dict[str, Any] = api.submit(data, **options).json()
    api.bench.settle()
    return told


def problem(answer: requests.Response, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document["code"]) == (status, code), answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert document["status"] == status
    assert document["detail"]
    assert document["request_id"] == answer.headers["X-Request-Id"]
    return document


def routes() -> list[tuple[str, str, str]]:
    app = application()
    found = []
    for route in app._static_routes + app._dynamic_routes:
        role = role_of(route.func)
        assert role, f"{route.path} does not say whom it lets in"
        found.append((route.method, route.path.replace("<key>", "inbox/x.jpg").replace("<id>", "x"), role))
    return sorted(found)


ROUTES = routes()
GUARDED = [(method, path, role) for method, path, role in ROUTES if role in ROLES]


class TestWhoMayCall:
    def test_every_route_of_the_document_is_tried(self, api: Api) -> None:
        document = api.call("GET", "/openapi.json", roles=()).json()
        told = {
            (m.upper(), p.replace("{key}", "inbox/x.jpg").replace("{id}", "x"))
            for p, i in document["paths"].items()
            for m in i
        }
        assert told == {(m, p) for m, p, _ in ROUTES if p.startswith("/v1/")}

    @pytest.mark.parametrize(("method", "path", "role"), GUARDED)
    def test_a_route_lets_in_whoever_has_its_role(self, api: Api, method: str, path: str, role: str) -> None:
        body: Any = {} if method == "POST" else None
        problem(api.call(method, path, body, roles=()), 401, "token_missing")
        others = tuple(other for other in ROLES if other != role)
        problem(api.call(method, path, body, roles=others), 403, "role_missing")
        assert api.call(method, path, body, roles=(role,)).status_code in {200, 404, 422}

    @pytest.mark.parametrize(("method", "path", "role"), [r for r in ROUTES if r[2] not in ROLES])
    def test_the_page_its_documents_and_health_are_for_everybody(
        self, api: Api, method: str, path: str, role: str
    ) -> None:
        answer = api.call(method, path, roles=())
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"

    def test_bad_tokens(self, api: Api) -> None:
        good = api.token("read")
        for token, code in {
            good[:-2]: "token_malformed",
            good[:-43] + "A" * 43: "token_refused",
            mint(
                "another secret that is long enough too", "a", ROLES, lifetime_s=60, now=2e9
            ): "token_refused",
            mint(SECRET, "a", ROLES, lifetime_s=60, now=1e9): "token_expired",
            mint(SECRET, "a", ROLES, lifetime_s=60, now=4e9): "token_not_yet_valid",
        }.items():
            headers = {"Authorization": f"Bearer {token}"}
            problem(api.call("GET", "/v1/cards", roles=(), headers=headers), 401, code)

    def test_without_a_secret_only_health_answers(self, tmp_path: Path) -> None:
        with bench(tmp_path / "cloud") as cloud:
            api = Api(cloud)
            for method, path, role in ROUTES:
                answer = api.call(method, path, {} if method == "POST" else None)
                if role == "always":
                    assert answer.json()["status"] == "ok"
                else:
                    problem(answer, 503, "not_configured")


class TestSubmitting:
    def test_a_picture_comes_back_as_its_sidecar(self, api: Api, front: bytes) -> None:
        answer = api.submit(front)
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"
        told = answer.json()
        jsonschema.validate(told["sidecar"], schema())
        assert told["sidecar"]["status"] == "redacted"
        assert told["masked"] == []
        assert told["sidecar"]["card"]["fields"][0]["text"]
        assert "crops" not in told
        proxies = {"http": api.bench.endpoint.proxy}
        source = requests.get(told["links"]["source"], proxies=proxies, timeout=60)
        assert source.content == front
        copy = requests.get(told["links"]["redacted"], proxies=proxies, timeout=60)
        assert Image.open(io.BytesIO(copy.content)).size == (1000, 630)

    def test_the_bucket_s_own_event_costs_nothing_more(self, api: Api, front: bytes) -> None:
        before = sum(api.bench.cloud.usage.by_operation().values())
        api.submit(front)
        api.bench.settle()
        assert sum(api.bench.cloud.usage.by_operation().values()) - before == 2
        assert not api.bench.listing(".cardveil/")

    def test_text_and_pictures_are_for_their_roles(self, api: Api, front: bytes) -> None:
        told = api.submit(front, roles=("submit",)).json()
        texts = {field["name"]: field["text"] for field in told["sidecar"]["card"]["fields"]}
        assert set(told["masked"]) == COVERED
        assert {name for name, text in texts.items() if text is None} >= COVERED
        assert texts["sex"], "what the copy shows is told"
        assert set(told["links"]) == {"expires_at"}
        read = api.call("GET", f"/v1/cards/{told['ref']}", roles=("read",)).json()
        assert set(read["masked"]) == COVERED
        assert set(read["links"]) == {"expires_at", "redacted"}
        full = api.call("GET", f"/v1/cards/{told['ref']}").json()
        for field in full["sidecar"]["card"]["fields"]:
            if field["name"] in COVERED:
                assert field["text"] not in json.dumps(read, ensure_ascii=False)
        assert set(
            api.call("GET", f"/v1/cards/{told['ref']}", roles=("read", "read_text")).json()["links"]
        ) == {
            "expires_at",
            "redacted",
            "source",
        }

    def test_crops_quality_and_warnings(self, api: Api, front: bytes) -> None:
        problem(api.submit(front, roles=("submit",), crops=["card"]), 403, "role_missing")
        told = api.submit(front, crops=["card", "portrait"], quality=True, warnings=False).json()
        card = Image.open(io.BytesIO(base64.b64decode(told["crops"]["card"])))
        portrait = Image.open(io.BytesIO(base64.b64decode(told["crops"]["portrait"])))
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
        assert told["crops"] == {}

    def test_another_policy_is_applied_and_stands(self, api: Api, front: bytes) -> None:
        told = submitted(api, front, policy="strict", roles=("submit",))
        assert told["sidecar"]["redaction"]["policy"] == "strict"
        assert told["decided"]
        key = told["sidecar"]["source"]["key"]
        assert api.bench.deliver(key) == {"already": 1}
        problem(api.submit(front, policy="minimal", roles=("submit",)), 403, "role_missing")
        before = sum(api.bench.cloud.usage.by_operation().values())
        source = {"kind": "object", "key": key}
        weaker = api.call("POST", "/v1/cards", {"source": source, "policy": "minimal"}).json()["sidecar"]
        assert weaker["redaction"]["policy"] == "minimal"
        assert sum(api.bench.cloud.usage.by_operation().values()) == before, "its places were known"
        assert [entry["decision"] for entry in weaker["history"]] == ["policy"]

    def test_storing_and_reading_are_one_request_where_ci_reads(self, tmp_path: Path, front: bytes) -> None:
        with api_bench(tmp_path / "cloud", environment={"CARDVEIL_TEXT_PROVIDER": "IDCardOCR"}) as api:
            told = api.submit(front, card_type="IDCard", side="front").json()
            assert told["sidecar"]["status"] == "redacted"
            assert {call["api"] for call in told["sidecar"]["calls"]} == {"IDCardOCR", "AILicenseRec"}
            assert api.bench.cloud.usage.of_picture(front) == {"IDCardOCR": 1, "AILicenseRec": 1}
            no_card = io.BytesIO()
            Image.new("RGB", (400, 300), "white").save(no_card, "JPEG")
            told = api.submit(no_card.getvalue()).json()
            assert told["sidecar"]["findings"] == ["no_card"]
            licence = kept("licence-flat.redacted.jpg")
            assert api.submit(licence, card_type="DriverLicense").json()["sidecar"]["status"] == "redacted"
            assert api.bench.cloud.usage.of_picture(licence) == {"AILicenseRec": 1}
            api.bench.settle()  # each picture's own event holds a lease for a moment
            assert api.bench.cloud.usage.of_picture(licence) == {"AILicenseRec": 1}
            assert not api.bench.listing(".cardveil/")


class TestReading:
    @pytest.mark.parametrize(
        "key", ["inbox/a b/证件+1.jpg", "inbox/100%.jpg", "inbox/a%20b.jpg", "inbox/~odd.jpg"]
    )
    def test_a_card_is_found_by_its_key_and_by_its_reference(self, api: Api, front: bytes, key: str) -> None:
        api.upload(key.removeprefix("inbox/"), front)
        for named in (quote(key, safe=""), quote(key), reference(key)):
            answer = api.call("GET", f"/v1/cards/{named}")
            assert answer.status_code == 200, named
            assert answer.json()["sidecar"]["source"]["key"] == key

    @pytest.mark.parametrize(
        "named", ["inbox/none.jpg", "sidecars/x.json", "~", "~!", "~aW5ib3gv", "~////", "..", "inbox/%00",
        "%ff", "a" * 2000]
    )  # fmt: skip
    def test_what_is_not_there(self, api: Api, named: str) -> None:
        assert api.call("GET", f"/v1/cards/{named}").json()["code"] in {"card_unknown", "path_unknown"}

    def test_a_picture_whose_result_is_not_there_yet(self, api: Api, front: bytes) -> None:
        api.upload("waits.jpg", front)
        api.bench.client.delete_object(Bucket=api.bench.bucket, Key="sidecars/waits.jpg.json")
        answer = api.call("GET", "/v1/cards/inbox/waits.jpg")
        problem(answer, 404, "result_pending")
        assert answer.headers["Retry-After"]
        page = api.call("GET", "/v1/cards?prefix=inbox/waits&status=pending").json()
        assert [card["key"] for card in page["cards"]] == ["inbox/waits.jpg"]

    def test_views_are_upright_and_say_the_frame(self, api: Api) -> None:
        for number, picture in enumerate(kept_pictures()):
            if picture.verdict != "redacted":
                continue
            api.upload(f"views/{number}", picture.read())
            sidecar = api.call("GET", f"/v1/cards/inbox/views/{number}").json()["sidecar"]
            for kind in ("source", "redacted"):
                if kind == "redacted" and not sidecar["redaction"]:
                    continue
                view = api.call("GET", f"/v1/cards/inbox/views/{number}/pictures/{kind}").json()
                shown = Image.open(io.BytesIO(base64.b64decode(view["base64"])))
                assert (view["width"], view["height"]) == (
                    sidecar["source"]["width"],
                    sidecar["source"]["height"],
                )
                assert shown.size == (view["shown_width"], view["shown_height"])
                assert shown.getexif().get(274, 1) == 1
                assert shown.width / shown.height == pytest.approx(view["width"] / view["height"], rel=0.01)

    def test_no_copy_no_view(self, api: Api) -> None:
        api.submit(b"x").json()
        api.upload("nothing.jpg", b"x")
        problem(api.call("GET", "/v1/cards/inbox/nothing.jpg/pictures/redacted"), 404, "picture_missing")
        assert api.call("GET", "/v1/cards/inbox/nothing.jpg/pictures/source").status_code == 422


class TestListing:
    def test_pages_and_filters(self, api: Api, front: bytes) -> None:
        for number in range(5):
            api.bench.upload(f"inbox/pages/{number}.jpg", front if number % 2 else b"no picture")
        api.bench.settle()
        keys: list[str] = []
        cursor = ""
        for _ in itertools.count():
            page = api.call("GET", f"/v1/cards?prefix=inbox/pages/&limit=2{cursor}").json()
            keys += [card["key"] for card in page["cards"]]
            assert len(page["cards"]) <= 2
            if page["next"] is None:
                break
            cursor = f"&cursor={quote(page['next'])}"
        assert keys == [f"inbox/pages/{number}.jpg" for number in range(5)]
        rejected = api.call("GET", "/v1/cards?prefix=inbox/pages/&status=rejected&limit=2").json()
        assert [card["key"] for card in rejected["cards"]] == ["inbox/pages/0.jpg", "inbox/pages/2.jpg"]
        assert rejected["next"]
        assert api.call("GET", "/v1/cards?prefix=inbox/pages/&status=needs_review").json()["cards"] == []

    @pytest.mark.parametrize(
        ("query", "code"),
        [
            ("limit=0", "request_invalid"),
            ("limit=101", "request_invalid"),
            ("limit=x", "request_invalid"),
            ("status=unknown", "request_invalid"),
            ("cursor=!", "cursor_refused"),
            ("cursor=_w==", "cursor_refused"),
            ("prefix=sidecars/", "prefix_refused"),
        ],
    )
    def test_questions_that_make_no_sense(self, api: Api, query: str, code: str) -> None:
        problem(api.call("GET", f"/v1/cards?{query}"), 422, code)


class TestDeciding:
    def decide(self, api: Api, told: dict[str, Any], decision: str, **more: Any) -> requests.Response:
        return api.call(
            "POST",
            f"/v1/cards/{told['ref']}/review",
            {"decision": decision, "version": told["version"], **more},
        )

    def test_a_corrected_text_and_place(self, api: Api, front: bytes) -> None:
        told = submitted(api, front)
        before = api.bench.get(told["sidecar"]["redaction"]["output"]["key"])
        polygon = [[10, 500], [300, 500], [300, 600], [10, 600]]
        fields = [
            {"name": "name", "text": "王小明"},
            {"name": "sex", "polygon": polygon},
            {"name": "address", "polygon": polygon},
        ]
        done = self.decide(api, told, "correct", fields=fields, reason="read by eye").json()
        sidecar = done["sidecar"]
        jsonschema.validate(sidecar, schema())
        card = {field["name"]: field for field in sidecar["card"]["fields"]}
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
        strict = self.decide(api, told, "accept", policy="strict")
        problem(strict, 409, "fields_missing")
        fields = [
            {"name": "authority", "polygon": [[300, 400], [700, 400], [700, 440], [300, 440]]},
            {"name": "valid_period", "polygon": [[300, 480], [700, 480], [700, 520], [300, 520]]},
        ]
        done = self.decide(api, told, "correct", fields=fields, policy="strict").json()["sidecar"]
        jsonschema.validate(done, schema())
        assert done["status"] == "redacted"
        assert {region["field"] for region in done["redaction"]["regions"]} == {"authority", "valid_period"}
        assert "positions_missing" in done["history"][0]["settled"]
        assert "positions_missing" not in done["findings"]

    def test_accepted_rejected_and_accepted_again(self, api: Api) -> None:
        api.upload("three-times.jpg", kept("id-front-flat.redacted.jpg"))
        told = api.call("GET", "/v1/cards/inbox/three-times.jpg").json()
        accepted = self.decide(api, told, "accept").json()
        assert accepted["sidecar"]["status"] == "redacted"
        rejected = self.decide(api, accepted, "reject", reason="expired").json()
        jsonschema.validate(rejected["sidecar"], schema())
        assert rejected["sidecar"]["status"] == "rejected"
        assert rejected["sidecar"]["findings"][0] == "rejected_by_person"
        assert api.bench.get("redacted/three-times.jpg") is None, "its copy is withdrawn"
        again = self.decide(api, rejected, "accept").json()
        assert again["sidecar"]["status"] == "redacted"
        assert [entry["after"] for entry in again["sidecar"]["history"]] == [
            "redacted",
            "rejected",
            "redacted",
        ]
        listed = api.call("GET", "/v1/cards?prefix=inbox/three-times").json()["cards"]
        assert [(card["status"], card["decided"]) for card in listed] == [("redacted", True)]

    def test_what_cannot_be_decided(self, api: Api, front: bytes) -> None:
        told = submitted(api, front)
        field = [{"name": "name", "text": "x"}]
        problem(self.decide(api, told, "accept", fields=field), 422, "fields_refused")
        problem(self.decide(api, {**told, "version": "0"}, "accept"), 409, "changed_meanwhile")
        for polygon in (
            [[0, 0]] * 3,
            [[0, 0], [1, 0], [1, 1], [0, "x"]],
            [[0, 0], [1, 0], [1, 1], [0, 1e9]],
            "0,0 1,1",
        ):
            body = [{"name": "name", "polygon": polygon}]
            problem(self.decide(api, told, "correct", fields=body), 422, "request_invalid")
        outside = [{"name": "name", "polygon": [[2000, 0], [2100, 0], [2100, 50], [2000, 50]]}]
        problem(self.decide(api, told, "correct", fields=outside), 422, "polygon_outside")
        empty = submitted(api, b"x")
        problem(self.decide(api, empty, "accept"), 422, "card_type_missing")
        problem(self.decide(api, empty, "accept", card_type="IDCard"), 422, "picture_unreadable")
        assert self.decide(api, empty, "reject").status_code == 200
        problem(self.decide(api, {"ref": "~eA", "version": "0"}, "accept"), 404, "card_unknown")

    def test_a_picture_that_was_replaced_is_not_decided_over(self, api: Api, front: bytes) -> None:
        api.upload("replaced.jpg", front)
        told = api.call("GET", "/v1/cards/inbox/replaced.jpg").json()
        sidecar = api.bench.get("sidecars/replaced.jpg.json")
        head = api.bench.client.head_object(Bucket=api.bench.bucket, Key="sidecars/replaced.jpg.json")
        api.upload("replaced.jpg", kept("licence-flat.redacted.jpg"))
        meta = {name: value for name, value in head.items() if name.lower().startswith("x-cos-meta-")}
        api.bench.client.put_object(
            Bucket=api.bench.bucket, Key="sidecars/replaced.jpg.json", Body=sidecar, Metadata=meta
        )
        problem(self.decide(api, told, "accept"), 409, "source_changed")
        problem(api.call("GET", "/v1/cards/inbox/replaced.jpg/pictures/source"), 409, "source_changed")

    def test_a_decision_waits_for_who_holds_the_card(self, api: Api, front: bytes) -> None:
        told = submitted(api, front)
        lease = keys_of(told["sidecar"]["source"]["key"], Settings()).lease_prefix + f"{1:08d}"
        api.bench.upload(lease, orjson.dumps({"owner": "another", "expires": time.time() + 300}))
        with ThreadPoolExecutor(1) as pool:
            deciding = pool.submit(self.decide, api, told, "reject")
            time.sleep(0.5)
            assert not deciding.done()
            assert not api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"].get("history")
            api.bench.client.delete_object(Bucket=api.bench.bucket, Key=lease)
            assert deciding.result().status_code == 200

    def test_two_at_the_same_time_make_one_decision(self, api: Api, front: bytes) -> None:
        told = submitted(api, front)
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda d: self.decide(api, told, d), ["accept", "reject"]))
        assert sorted(answer.status_code for answer in answers) == [200, 409]
        assert {answer.json().get("code") for answer in answers} == {None, "changed_meanwhile"}
        final = api.call("GET", f"/v1/cards/{told['ref']}").json()["sidecar"]
        assert len(final["history"]) == 1


class TestUploads:
    def test_a_browser_s_way_for_large_files(self, api: Api, front: bytes) -> None:
        link = api.call(
            "POST", "/v1/uploads", {"name": "大 图.jpg", "card_type": "IDCard"}, roles=("submit",)
        ).json()
        proxies = {"http": api.bench.endpoint.proxy}
        without = requests.put(link["url"], data=front, proxies=proxies, timeout=60)
        assert without.status_code == 403, "the card type is part of the signature"
        sent = requests.put(link["url"], data=front, headers=link["headers"], proxies=proxies, timeout=60)
        assert sent.status_code == 200
        api.bench.settle()
        told = api.call("GET", f"/v1/cards/{link['ref']}").json()
        assert told["sidecar"]["status"] == "redacted"
        assert told["sidecar"]["source"]["key"] == link["key"]
        assert link["key"].endswith("/大 图.jpg")

    @pytest.mark.parametrize("name", ["a.json", "..", "a/b.jpg", "a\\b.jpg", "a\nb", "", "x" * 101])
    def test_names_that_are_refused(self, api: Api, name: str) -> None:
        assert api.call("POST", "/v1/uploads", {"name": name}).status_code == 422


class TestJobs:
    def test_a_job_is_submitted_and_asked_after(self, tmp_path: Path, front: bytes) -> None:
        environment = {"CARDVEIL_JOB_SECRETS": "j" * 40}
        with api_bench(tmp_path / "cloud", environment=environment) as api:
            api.bench.upload("elsewhere/a.jpg", front)  # no trigger there
            api.bench.client.copy_object(
                Bucket=api.bench.bucket,
                Key="inbox/a.jpg",
                CopySource={
                    "Bucket": api.bench.bucket,
                    "Key": "elsewhere/a.jpg",
                    "Region": api.bench.endpoint.region,
                },
                CopyStatus="Replaced",
                Metadata={"x-cos-meta-execution": "job"},
            )
            body = {"key": "inbox/a.jpg", "card_type": "IDCard"}
            job = api.call("POST", "/v1/jobs", body, roles=("submit",)).json()
            assert job["state"] in {"submitted", "done"}
            found = api.call("GET", f"/v1/jobs/{job['id']}", roles=("read",)).json()
            assert found["state"] in {"submitted", "running", "success", "done"}
            assert found["ref"] == reference("inbox/a.jpg")
            api.upload("b.jpg", front)
            done = api.call("POST", "/v1/jobs", {**body, "key": "inbox/b.jpg"}).json()
            assert done["state"] == "done", "it was read directly before"
            assert api.call("GET", f"/v1/jobs/{done['id']}").json()["state"] == "done"
            problem(api.call("POST", "/v1/jobs", {**body, "key": "inbox/none.jpg"}), 404, "card_unknown")
            problem(api.call("POST", "/v1/jobs", {**body, "key": "none.jpg"}), 422, "key_refused")
            problem(api.call("GET", f"/v1/jobs/{reference('inbox/none.jpg')}"), 404, "card_unknown")

    def test_without_a_secret_for_references_there_are_none(self, api: Api) -> None:
        answer = api.call("POST", "/v1/jobs", {"key": "inbox/a.jpg", "card_type": "IDCard"})
        problem(answer, 503, "jobs_not_configured")


class TestWhatIsWrongWithARequest:
    @pytest.mark.parametrize(
        ("raw", "status", "code"),
        [
            (b"{", 400, "json_invalid"),
            (b"\xff\xfe", 400, "json_invalid"),
            (b"[" * 10_000 + b"]" * 10_000, 400, "json_invalid"),
            (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, 400, "json_invalid"),
            (b'{"source": ' + b"[" * 500 + b"]" * 500 + b"}", 422, "request_invalid"),
            (b"null", 422, "request_invalid"),
            (b"[]", 422, "request_invalid"),
            (b'"x"', 422, "request_invalid"),
            (b"", 422, "request_invalid"),
            (b'{"source": {"kind": "object", "key": "inbox/a.jpg"}, "extra": 1}', 422, "request_invalid"),
            (b"NaN", 400, "json_invalid"),
        ],
        ids=lambda value: repr(value)[:20],
    )
    def test_bodies(self, api: Api, raw: bytes, status: int, code: str) -> None:
        found = problem(api.call("POST", "/v1/cards", raw=raw), status, code)
        if code == "request_invalid":
            assert found["faults"]

    def test_what_was_sent_is_not_repeated(self, api: Api) -> None:
        raw = b'{"source": {"kind": "object", "key": 990101199001011234}}'
        assert "990101199001011234" not in api.call("POST", "/v1/cards", raw=raw).text

    @pytest.mark.parametrize(
        "kind", ["text/plain", "multipart/form-data", "application/x-www-form-urlencoded",
        "application/xml", "application/jsonx"]
    )  # fmt: skip
    def test_content_types(self, api: Api, kind: str) -> None:
        answer = api.call("POST", "/v1/cards", raw=b"{}", headers={"Content-Type": kind})
        problem(answer, 415, "content_type_refused")

    def test_six_megabytes(self, api: Api) -> None:
        # Base64 of 4.4 MB: with its frame just under the 6 MB of an event.
        largest = api.submit(b"\x89PNG" + b"x" * 4_600_000)
        assert largest.status_code == 200
        assert largest.json()["sidecar"]["status"] == "rejected"
        beyond = api.submit(b"x" * 4_800_000)
        assert beyond.status_code == 406, "the platform refuses it before the function runs"
        assert api.call("GET", "/v1/health").status_code == 200

    def test_paths_and_methods(self, api: Api) -> None:
        for path in ("/v1", "/v1/", "/v2/cards", "/v1/card", "/index.html", "/v1/jobs/a/b", "/.git/config"):
            problem(api.call("GET", path), 404, "path_unknown")
        for method, path, allowed in (
            ("DELETE", "/v1/cards", "GET, POST"),
            ("PUT", "/v1/cards/inbox/a.jpg", "GET"),
            ("POST", "/v1/health", "GET"),
            ("PATCH", "/v1/cards/inbox/a.jpg/review", "GET, POST"),
        ):
            answer = api.call(method, path)
            problem(answer, 405, "method_not_allowed")
            assert answer.headers["Allow"] == allowed

    def test_fifty_at_once(self, api: Api, front: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
        # Two instances do all the work here: on a busy machine the last waits longer than one usually may.
        monkeypatch.setattr(urls, "_WAIT_S", 60.0)
        ref = api.submit(front).json()["ref"]

        def ask(number: int) -> int:
            if number % 5 == 0:
                return api.submit(front).status_code
            return api.call("GET", f"/v1/cards/{ref}").status_code

        with ThreadPoolExecutor(50) as pool:
            assert set(pool.map(ask, range(50))) == {200}


class TestFromElsewhere:
    def test_only_named_origins_may_read(self, api: Api) -> None:
        origin = {"Origin": "https://desk.example.com"}
        answer = api.call("GET", "/v1/health", headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        assert answer.headers["Vary"] == "Origin"
        other = api.call("GET", "/v1/health", headers={"Origin": "https://evil.example.com"})
        assert "Access-Control-Allow-Origin" not in other.headers
        asked = {
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        preflight = api.call("OPTIONS", "/v1/cards", roles=(), headers=asked)
        assert preflight.status_code == 204
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        refused = api.call(
            "OPTIONS",
            "/v1/cards",
            roles=(),
            headers={**asked, "Origin": "https://desk.example.com.evil.example"},
        )
        assert "Access-Control-Allow-Origin" not in refused.headers

    @pytest.mark.parametrize("origins", ["*", "desk.example.com", "https://desk.example.com/", "null"])
    def test_origins_are_named_exactly(self, origins: str) -> None:
        with pytest.raises(Exception, match="CARDVEIL_CORS_ORIGINS"):
            from_environment({"CARDVEIL_CORS_ORIGINS": origins})

    def test_switched_off_there_is_nothing(self, tmp_path: Path) -> None:
        with api_bench(tmp_path / "cloud") as api:
            asked = {"Origin": "https://desk.example.com", "Access-Control-Request-Method": "POST"}
            answer = api.call("OPTIONS", "/v1/cards", roles=(), headers=asked)
            assert answer.status_code == 405
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_no_personal_data_is_in_the_logs(api: Api, front: bytes) -> None:
    name = "李四-990101.jpg"
    api.upload(name, front)
    told = api.call("GET", f"/v1/cards/inbox/{name}").json()
    body = {
        "decision": "correct",
        "version": told["version"],
        "reason": "Geheimnis",
        "fields": [{"name": "name", "text": "赵六"}],
    }
    assert api.call("POST", f"/v1/cards/{told['ref']}/review", body).status_code == 200
    api.call("GET", f"/v1/cards/inbox/{name}?x=Verborgen")
    logs = api.bench.logs()
    assert '"route":"review"' in logs
    for secret in (
        "李四",
        "990101.jpg",
        "赵六",
        "Geheimnis",
        "Verborgen",
        "tester",
        SECRET,
        told["ref"],
        "Bearer",
    ):
        assert secret not in logs
    for field in told["sidecar"]["card"]["fields"]:
        if field["text"] and len(field["text"]) > 1:
            assert field["text"] not in logs


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("health", 200),
        ("list-cards", 401),
        ("read-card", 401),
        ("submit-object", 401),
        ("review-accept", 401),
    ],
)
def test_the_stored_events_are_answered(api: Api, name: str, status: int) -> None:
    event = orjson.loads((ROOT / "events" / f"function-url-api-{name}.json").read_bytes())
    done = api.bench.cloud.invoke("on_request", event, wait_s=20.0)
    reply = orjson.loads(done.payload or "{}")
    assert set(reply) == {"statusCode", "headers", "body"}
    assert reply["statusCode"] == status
    assert all(isinstance(value, str) for value in reply["headers"].values())


@pytest.mark.parametrize(
    "event", [{}, [], None, {"httpMethod": "GET"}, {"httpMethod": 1, "path": "/"}, {"Records": []}]
)
def test_other_events_are_refused(api: Api, event: Any) -> None:
    done = api.bench.cloud.invoke("on_request", event, wait_s=20.0)
    assert orjson.loads(done.payload or "{}")["statusCode"] == 400


def test_the_platform_s_own_signature_works_beside_the_token(tmp_path: Path) -> None:
    """With CAM authentication the Authorization header is the signature's, so the token has its own."""
    document = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
    document["inputs"]["src"] = str(ROOT)
    trigger = next(t for t in document["inputs"]["triggers"] if t["function"] == "on_request")
    trigger["parameters"]["authType"] = "CAM"
    file = tmp_path / "serverless.yml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    with api_bench(tmp_path / "cloud", serverless=file) as api:
        assert api.call("GET", "/v1/cards").status_code == 401, "not signed"
        token = {"X-Cardveil-Token": api.token("read")}
        assert api.call("GET", "/v1/cards", roles=(), headers={**signed(api), **token}).status_code == 200
        unsigned = api.call("GET", "/v1/cards", roles=(), headers=token)
        assert unsigned.status_code == 401
        assert "errorCode" in unsigned.json(), "the platform refuses it"
        no_token = api.call("GET", "/v1/cards", roles=(), headers=signed(api))
        problem(no_token, 401, "token_missing")


def signed(api: Api) -> dict[str, str]:
    """Return the headers of a GET without a query, signed by API 3.0's rules."""
    endpoint = api.bench.endpoint
    host = endpoint.proxy.removeprefix("http://")
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    sign = "content-type;host"
    lines = f"content-type:application/json\nhost:{host}\n"
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n\n{lines}\n{sign}\n{empty}"
    key = f"TC3{endpoint.secret_key}".encode()
    for part in (date, "scf", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{date}/scf/tc3_request\n{digest}"
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={endpoint.secret_id}/{date}/scf/tc3_request, "
        f"SignedHeaders={sign}, Signature={signature}",
    }
