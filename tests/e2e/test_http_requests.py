"""What can be wrong with a request to the HTTP API, and what too many of them come to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from tests.support.api_fixture import Api, problem

from cardveil_cloud.scf import urls


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

    @pytest.mark.parametrize(
        "kind", ["Application/JSON", "APPLICATION/JSON; charset=UTF-8", "application/Json ;charset=utf-8"]
    )
    def test_a_media_type_has_no_case(self, api: Api, kind: str) -> None:
        raw = b'{"source": {"kind": "object", "key": "inbox/none.jpg"}}'
        problem(api.call("POST", "/v1/cards", raw=raw, headers={"Content-Type": kind}), 404, "card_unknown")

    def test_head_is_get_without_the_body(self, api: Api, front: bytes) -> None:
        ref = api.submitted(front)["ref"]
        paths = (
            "/v1/health",
            "/v1/cards",
            f"/v1/cards/{ref}",
            f"/v1/jobs/{ref}",
            "/",
            "/openapi.json",
            "/docs",
        )
        for path in (*paths, "/v1/cards/inbox/none.jpg", "/nowhere"):
            whole, head = api.call("GET", path), api.call("HEAD", path)
            assert (head.status_code, head.content) == (whole.status_code, b"")
            assert head.headers["Content-Type"] == whole.headers["Content-Type"]
        assert api.call("HEAD", "/v1/cards", roles=()).status_code == 401

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
            ("DELETE", "/v1/cards", "GET, HEAD, POST"),
            ("PUT", "/v1/cards/inbox/a.jpg", "DELETE, GET, HEAD"),
            ("POST", "/v1/health", "GET, HEAD"),
            ("PATCH", "/v1/cards/inbox/a.jpg/review", "DELETE, GET, HEAD, POST"),
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
