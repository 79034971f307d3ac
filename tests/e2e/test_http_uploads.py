"""The HTTP API's ways for what is large or slow: upload links and jobs."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests
from tests.support.api_fixture import Api, api_bench, problem

from cardveil.api.refs import reference


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

    @pytest.mark.parametrize(
        ("header", "value"),
        [
            ("x-cos-copy-source", "cards-1250000000.cos.ap-shanghai.myqcloud.com/inbox/other.jpg"),
            ("x-cos-acl", "public-read"),
            ("X-Cos-Grant-Read", 'id="100000000001"'),
            ("x-cos-storage-class", "ARCHIVE"),
            ("x-cos-meta-cardveil", "redacted"),
            ("X-COS-Meta-Execution", "job"),
            ("x-cos-meta-policy", "strict"),
            ("x-cos-meta-card-side", "back"),
            ("x-cos-tagging", "a=b"),
            ("x-cos-server-side-encryption", "cos/kms"),
            ("Pic-Operations", "{}"),
        ],
    )
    def test_nothing_can_be_added_to_a_link(self, api: Api, front: bytes, header: str, value: str) -> None:
        link = api.call("POST", "/v1/uploads", {"card_type": "IDCard"}, roles=("submit",)).json()
        added = {**link["headers"], header: value}
        proxies = {"http": api.bench.endpoint.proxy}
        sent = requests.put(link["url"], data=front, headers=added, proxies=proxies, timeout=60)
        assert sent.status_code == 403
        assert api.bench.get(link["key"]) is None

    def test_a_link_is_for_one_picture_in_its_place(self, api: Api, front: bytes) -> None:
        link = api.call("POST", "/v1/uploads", {}, roles=("submit",)).json()
        proxies = {"http": api.bench.endpoint.proxy}
        elsewhere = link["url"].replace("/picture?", "/other?")
        assert requests.put(elsewhere, data=front, proxies=proxies, timeout=60).status_code == 403
        assert requests.get(link["url"], proxies=proxies, timeout=60).status_code == 403
        assert requests.delete(link["url"], proxies=proxies, timeout=60).status_code == 403

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
