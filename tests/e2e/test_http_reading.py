"""Reading through the HTTP API: cards by key and reference, their pictures, and listings in pages."""

from __future__ import annotations

import base64
import io
import itertools
from urllib.parse import quote

import orjson
import pytest
from PIL import Image
from tests.support.api_fixture import Api, problem

from cardveil.api.refs import reference
from cardveil_cli.samples.bundled import kept_pictures


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

    def test_a_sidecar_is_believed_only_whole_and_about_the_card_that_was_asked_for(
        self, api: Api, front: bytes
    ) -> None:
        api.upload("damaged.jpg", front)
        api.upload("other.jpg", front)
        good = orjson.loads(api.bench.get("sidecars/damaged.jpg.json") or b"")
        other = orjson.loads(api.bench.get("sidecars/other.jpg.json") or b"")
        parts = [{**good, name: value} for name in good for value in (None, 7, "x", [7], {"x": 7})]
        texts: list[bytes] = [b"", b"{", b"[]", b"7", b"null", b"\xff", b" " * 5_000_000]
        paths = ("", "/pictures/source", "/pictures/redacted")
        meta = {
            name: value
            for name, value in api.bench.client.head_object(
                Bucket=api.bench.bucket, Key="sidecars/damaged.jpg.json"
            ).items()
            if name.startswith("x-cos-meta-")
        }
        for data in [*texts, orjson.dumps(other), *map(orjson.dumps, parts)]:
            api.bench.client.put_object(
                Bucket=api.bench.bucket, Key="sidecars/damaged.jpg.json", Body=data, Metadata=meta
            )
            for path in paths:
                answer = api.call("GET", f"/v1/cards/inbox/damaged.jpg{path}")
                if data in texts or data == orjson.dumps(other):
                    problem(answer, 409, "result_unreadable")
                else:
                    assert answer.status_code in {200, 404, 409}, data[:80]
        api.bench.client.put_object(
            Bucket=api.bench.bucket, Key="sidecars/damaged.jpg.json", Body=b"{", Metadata=meta
        )
        body = {"decision": "accept", "version": "0"}
        assert api.call("POST", "/v1/cards/inbox/damaged.jpg/review", body).status_code == 409
        asked = {"source": {"kind": "object", "key": "inbox/damaged.jpg"}}
        assert api.call("POST", "/v1/cards", asked).status_code == 409
        assert api.call("GET", "/v1/cards?prefix=inbox/damaged").status_code == 200
        api.bench.client.delete_object(Bucket=api.bench.bucket, Key="sidecars/damaged.jpg.json")
        assert api.call("POST", "/v1/cards", asked).json()["sidecar"]["status"] == "redacted"

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
