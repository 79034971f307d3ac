"""With tokens in place of texts nothing in the bucket says what the policy covers, whichever way it came."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import orjson
from tests.support.api_fixture import Api, api_bench, problem
from tests.support.cloud_fixture import kept, known
from tests.support.leftovers import everything, left
from tests.support.sweep_fixture import put, swept

from cardveil.api.refs import reference
from cardveil.storage.sidecar import schema
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.fault_rules import FaultRules, Rule

KEY = "a key of these tests and of no person"
LESS = {"CARDVEIL_SIDECAR_TEXTS": "masked-as-tokens", "CARDVEIL_TEXT_KEY": KEY}
JOBS = {
    "CARDVEIL_JOB_SECRETS": "j" * 40,
    "CARDVEIL_JOB_CALLBACK": "https://1250000000-on-callback.ap-shanghai.tencentscf.com/",
}
OURS: dict[str, Any] = {"sidecar_texts": "masked-as-tokens", "text_key": KEY}
FRONT, LICENCE = "id-front-flat.jpg", "licence-flat.jpg"
COVERED = ("name", "birth_date", "address", "id_number", "licence_number")
REASON = "compared with the passport of LIUCANARY"


def canaries(*files: str) -> list[bytes]:
    """Return what the pictures say that the policy covers, as it is printed and in its normal form."""
    return [
        text.encode()
        for picture in kept_pictures()
        if picture.file in files
        for field in known(picture).cards[0].card.fields
        if field.name in COVERED
        for text in (field.text, field.normalized)
        if text
    ]


def decide(api: Api, name: str, decision: str, **more: Any) -> dict[str, Any]:
    card = api.call("GET", f"/v1/cards/{reference(f'inbox/{name}')}").json()
    sent = {"decision": decision, "version": card["version"], "reason": REASON, **more}
    told = api.call("POST", f"/v1/cards/{card['ref']}/review", sent)
    assert told.status_code == 200, told.text
    document: dict[str, Any] = told.json()["sidecar"]
    return document


def test_nothing_in_the_bucket_says_what_is_covered(tmp_path: Path) -> None:
    front, licence = kept(FRONT), kept(LICENCE)
    # A failure on the way keeps no answer either.
    faults = FaultRules([Rule("error", "ci", "AILicenseRec", code="SlowDown", times=4)])
    with api_bench(tmp_path / "cloud", environment={**LESS, **JOBS}, faults=faults) as api:
        bench = api.bench
        bench.client.put_bucket_versioning(bench.bucket, "Enabled")
        by_event = bench.run("event.jpg", front)
        bench.run("licence.jpg", licence, card_type="DriverLicense")
        by_job = bench.run("job.jpg", front, execution="job")
        told = api.submitted(front)["sidecar"]
        put(bench, "swept.jpg", front)
        swept(bench, **OURS)
        corrected = [{"name": "name", "text": "欧阳CANARY"}]
        decided = decide(api, "event.jpg", "correct", fields=corrected)
        decide(api, "job.jpg", "reject")
        texts = canaries(FRONT, LICENCE)
        assert len(texts) > 10
        assert left(bench, *texts, "欧阳".encode(), b"CANARY") == []
        assert left(bench, KEY.encode()) == []
        documents = [
            by_event,
            by_job,
            told,
            bench.sidecar("swept.jpg"),
            bench.sidecar("licence.jpg"),
            decided,
        ]
        numbers = set()
        for document in documents:
            assert document is not None
            jsonschema.validate(document, schema())
            assert document["status"] == "redacted"
            fields = {field["name"]: field for field in document["cards"][0]["fields"]}
            numbers.add((fields.get("id_number") or fields["licence_number"])["token"])
            assert fields["sex"]["text"], "what the policy shows stays"
        assert len(numbers) == 2
        before = {field["name"]: field.get("token") for field in by_event["cards"][0]["fields"]}
        after = {field["name"]: field.get("token") for field in decided["cards"][0]["fields"]}
        assert {name for name in after if after[name] != before[name]} == {"name"}
        # By another policy nothing is paid; one that shows more is recognised again, and says more.
        paid = sum(bench.cloud.usage.by_operation().values())
        swept(bench, **OURS, policy="strict")
        assert sum(bench.cloud.usage.by_operation().values()) == paid
        swept(bench, **OURS, policy="minimal")
        assert sum(bench.cloud.usage.by_operation().values()) > paid
        shown = {f["name"]: f["text"] for f in (bench.sidecar("swept.jpg") or {})["cards"][0]["fields"]}
        assert shown["name"]


def test_what_was_kept_before_is_taken_away_unpaid(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud") as api:
        bench = api.bench
        for name in ("machine.jpg", "person.jpg"):
            bench.run(name, kept(FRONT))
        decide(api, "person.jpg", "correct", fields=[{"name": "name", "text": "欧阳CANARY"}])
        texts = [*canaries(FRONT), "欧阳".encode(), b"CANARY"]
        assert set(left(bench, *texts)) == {
            "sidecars/machine.jpg.json",
            "sidecars/person.jpg.json",
        }, "the scan sees what is there"
        copies = {key: bench.get(key) for key in bench.listing("redacted/")}
        paid = sum(bench.cloud.usage.by_operation().values())
        run = swept(bench, **OURS)
        assert left(bench, *texts) == []
        assert sum(bench.cloud.usage.by_operation().values()) == paid
        assert {key: bench.get(key) for key in bench.listing("redacted/")} == copies
        assert run.done == 2
        person = bench.sidecar("person.jpg") or {}
        jsonschema.validate(person, schema())
        assert [entry["decision"] for entry in person["history"]] == ["correct"], "who decided what stays"
        head = bench.client.head_object(Bucket=bench.bucket, Key="sidecars/person.jpg.json")
        assert head["x-cos-meta-decided"] == "yes"
        written = {key: data for key, data in everything(bench) if key.startswith("sidecars/")}
        swept(bench, **OURS)
        assert {key: data for key, data in everything(bench) if key.startswith("sidecars/")} == written


def test_a_reader_sees_no_token_of_what_is_not_for_them(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud", environment={**LESS, "CARDVEIL_PROOF": "geometry"}) as api:
        api.upload("a.jpg", kept(FRONT))
        path = f"/v1/cards/{reference('inbox/a.jpg')}"
        with_texts = api.call("GET", path, roles=("read", "read_text")).json()
        assert with_texts["masked"] == [[]]
        assert any("token" in field for field in with_texts["sidecar"]["cards"][0]["fields"])
        without = api.call("GET", path, roles=("read",)).json()
        assert set(without["masked"][0]) == {"name", "birth_date", "address", "id_number"}
        assert b"token" not in orjson.dumps(without["sidecar"]["cards"])


SEALED = {"CARDVEIL_SIDECAR_TEXTS": "masked-as-ciphertext", "CARDVEIL_TEXT_KEY": KEY}


def test_who_may_restore_has_sealed_texts_opened_and_it_is_entered(tmp_path: Path) -> None:
    environment = {**SEALED, "CARDVEIL_LEDGER": "strict"}
    with api_bench(tmp_path / "cloud", environment=environment) as api:
        bench = api.bench
        for name in ("a.jpg", "b.jpg"):
            jsonschema.validate(bench.run(name, kept(FRONT)), schema())
        assert left(bench, *canaries(FRONT)) == []
        path = f"/v1/cards/{reference('inbox/a.jpg')}"
        told = api.call("POST", f"{path}/restore", {"reason": "ticket:7"}, roles=("restore",))
        assert told.status_code == 200, told.text
        said = {field["name"]: (field["text"], field["normalized"]) for field in told.json()["fields"]}
        picture = next(each for each in kept_pictures() if each.file == FRONT)
        truth = {field.name: field.text for field in known(picture).cards[0].card.fields}
        assert set(said) == {"name", "birth_date", "address", "id_number"}
        # Dates and addresses are written as the provider writes them.
        assert all(said[name][0] == truth[name] for name in ("name", "id_number"))
        one = api.call("POST", f"{path}/restore", {"reason": "t", "fields": ["name"]}, roles=("restore",))
        assert [field["name"] for field in one.json()["fields"]] == ["name"]
        sees = api.call("GET", path, roles=("read", "read_text")).text
        assert "sealed" not in sees, "who does not open it need not have it"
        for roles in (("read", "read_text", "review"), ("erase", "submit")):
            problem(api.call("POST", f"{path}/restore", {"reason": "t"}, roles=roles), 403, "role_missing")
        for reason in ("two words", "x990101199001011234", "张三"):
            refused = api.call("POST", f"{path}/restore", {"reason": reason}, roles=("restore",))
            assert refused.status_code == 422
        problem(
            api.call("POST", f"{path}/restore", {"reason": "t", "fields": ["sex"]}), 409, "nothing_sealed"
        )
        entries = [
            orjson.loads(line)
            for key, data in everything(bench)
            if "/ledger/chains/" in key
            for line in data[data.index(b"{") :].splitlines()
            if line.startswith(b"{") and b"restoring" in line
        ]
        assert [entry["detail"] for entry in entries][:2] == [
            "ticket:7,address,birth_date,id_number,name",
            "t,name",
        ]
        # What is moved to another card's sidecar, or changed in place, is not opened.
        document = bench.sidecar("a.jpg") or {}
        other = {f["name"]: f.get("sealed") for f in (bench.sidecar("b.jpg") or {})["cards"][0]["fields"]}
        for field in document["cards"][0]["fields"]:
            if field["name"] == "name":
                field["sealed"] = other["name"]
        head = bench.client.head_object(Bucket=bench.bucket, Key="sidecars/a.jpg.json")
        meta = {name: value for name, value in head.items() if name.startswith("x-cos-meta-")}
        bench.client.put_object(
            Bucket=bench.bucket, Key="sidecars/a.jpg.json", Body=orjson.dumps(document), Metadata=meta
        )
        problem(api.call("POST", f"{path}/restore", {"reason": "t"}), 409, "seal_broken")
        assert left(bench, *canaries(FRONT), KEY.encode()) == []
