"""Looking after what was deployed from its zips: status, get, logs and redeliver, by a key of their own."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from starlette.requests import Request
from tests.e2e.conftest import Start
from tests.support.cloud_fixture import ROOT, kept
from tests.support.deploy_fixture import Scene, scene, stored_policy, without

from cardveil.core.privacy import digest
from cardveil_cli import group
from cardveil_cli.operate.deployed import deployed
from cardveil_cli.operate.logs import Logs
from cardveil_cli.operate.queues import Queue
from cardveil_cli.permissions.documents import CamPolicy
from cardveil_cloud.cos.contracts import DropConnection
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.tencent_api.errors import ApiError

FRONT = "id-front-flat.jpg"


class Outage(NoFaults):
    """While it lasts, calls of one operation fail."""

    def __init__(self) -> None:
        self.operation = ""
        self.error: Exception = DropConnection()
        self.seen = 0

    async def before(self, service: str, operation: str, request: Request) -> None:
        if operation == self.operation:
            self.seen += 1
            raise self.error


OUTAGE = Outage()


@pytest.fixture(scope="module")
def here(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """A deployment with a redacted card, one that failed, and one that waits; operated by its own key."""
    data = tmp_path_factory.mktemp("operated")
    with scene(folder, data, faults=OUTAGE, operator=CamPolicy(stored_policy("operator"))) as found:
        found.deploy(found.wanted(CARDVEIL_CALL_ATTEMPTS="1"))
        found.bench.run("done.jpg", kept(FRONT))
        fail(found, "failed.jpg")
        yield found


@pytest.fixture(autouse=True)
def _in_order() -> Iterator[None]:
    yield
    OUTAGE.operation, OUTAGE.error = "", DropConnection()


def fail(here: Scene, name: str) -> None:
    """Upload a card while a call of the pipeline fails, until its event was given up."""
    OUTAGE.operation = "AILicenseRec"
    here.bench.upload(f"inbox/{name}", kept(FRONT))
    here.bench.settle()
    OUTAGE.operation = ""


def rows(out: str) -> dict[str, list[str]]:
    """Lines of status by their first column; one line between tabs each."""
    return {line.split("\t")[0]: line.split("\t")[1:] for line in out.splitlines()}


def test_status_counts_what_there_is(here: Scene) -> None:
    code, out, err = here.run("status")
    found = rows(out)
    assert (found["redacted"][0], found["pending"][0], found["needs_review"][0]) == ("1", "1", "0")
    assert found["oldest that waits"][1] == "inbox/failed.jpg"
    assert found["dead letters"] == ["1", "local-dead-letters"]
    assert found["breaker"][0] == "closed"
    assert found["last sweep"][0] == "none"
    assert code == 3
    assert "cardveil redeliver" in err
    assert "cardveil logs --local" in err


def test_status_as_json_is_a_line_a_row(here: Scene) -> None:
    _, out, _ = here.run("status", "--json")
    told = {row["what"]: row for row in map(json.loads, out.splitlines())}
    assert told["redacted"]["value"] == 1
    assert told["dead letters"] == {"what": "dead letters", "value": 1, "note": "local-dead-letters"}


def test_status_of_one_source(here: Scene) -> None:
    code, out, _ = here.run("status", "inbox/done.jpg")
    assert code == 0
    assert rows(out)["state"][0] == "redacted"
    code, out, _ = here.run("status", "inbox/failed.jpg")
    assert code == 3
    assert rows(out)["state"][0] == "pending"
    assert rows(out)["log"][0].endswith("--key inbox/failed.jpg")


def test_status_tells_an_open_breaker_and_a_replaced_source(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        here.deploy(here.wanted())
        here.bench.run("a.jpg", kept(FRONT))
        here.bench.cloud.store.put(here.bench.bucket, "inbox/a.jpg", b"another")
        note = json.dumps({"code": "account_in_arrears", "since": 0}).encode()
        here.bench.client.put_object(Bucket=here.bench.bucket, Key=".cardveil/breaker.json", Body=note)
        code, out, err = here.run("status")
        assert rows(out)["outdated"][0] == "1"
        assert rows(out)["breaker"] == ["open", "account_in_arrears, since 1970-01-01T00:00:00Z"]
        assert code == 3
        assert "paid calls are stopped" in err


def test_get_prints_the_sidecar_and_writes_the_copy(here: Scene, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jpg"
    code, out, err = here.run("get", "inbox/done.jpg", "--copy", str(copy))
    assert (code, err) == (0, "")
    assert json.loads(out) == here.bench.sidecar("done.jpg")
    assert copy.read_bytes() == here.bench.get("redacted/done.jpg")
    assert copy.stat().st_mode & 0o777 == 0o600
    code, out, err = here.run("get", "inbox/done.jpg", "--copy", str(copy))
    assert (code, out) == (2, "")
    assert "--force writes over it" in err
    assert here.run("get", "inbox/done.jpg", "--copy", str(copy), "--force")[0] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("get", "inbox/failed.jpg"), 3, "no result yet (pending): cardveil logs --local"),
        (("get", "inbox/gone.jpg"), 2, "there is no such source"),
        (("get", "elsewhere/a.jpg"), 2, "begins with inbox/"),
        (("status", "inbox/gone.jpg"), 2, "there is no such source"),
        (("status", "inbox/"), 2, "begins with inbox/"),
        (("logs", "--function", "theirs"), 2, "there is no function theirs: cardveil-on-"),
        (("logs", "--key", "elsewhere/a.jpg"), 2, "begins with inbox/"),
        (("logs", "--since", "0"), 3, "nothing was logged"),
        (("redeliver", "--queue", "another"), 2, "there is no such queue"),
        (("redeliver", "--queue-endpoint", "http://nowhere.example"), 2, "does not answer at http://nowhere"),
    ],
)
def test_what_is_not_there_is_said_in_words(
    here: Scene, arguments: tuple[str, ...], code: int, told: str
) -> None:
    ended, out, err = here.run(*arguments)
    assert (ended, out) == (code, ""), (out, err)
    assert told in err
    assert "Traceback" not in err


def test_logs_of_one_source_are_its_invocations(here: Scene) -> None:
    code, out, _ = here.run("logs", "--key", "inbox/failed.jpg")
    assert code == 0
    lines = [line.split("\t") for line in out.splitlines()]
    assert {line[1] for line in lines} == {"cardveil-on-upload"}
    text = [line[3] for line in lines]
    assert sum(digest("inbox/failed.jpg") in line for line in text) == 3, "one a try"
    assert not any(digest("inbox/done.jpg") in line for line in text)
    assert text[0].startswith("START RequestId: ")
    assert any(line.startswith("REPORT") for line in text)
    assert [line[0] for line in lines] == sorted(line[0] for line in lines)


def test_logs_of_a_function_as_json(here: Scene) -> None:
    _, out, _ = here.run("logs", "--function", "cardveil-on-upload", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert {line["function"] for line in told} == {"cardveil-on-upload"}
    assert len({line["request_id"] for line in told}) == 2


def clear(here: Scene) -> None:
    """Take all letters out of their queue."""
    here.clock.ahead_s += 60
    queue = Queue(here.account.access, "local-dead-letters")
    for message in queue.receive():
        queue.delete(message)


def letters(here: Scene) -> list[dict[str, Any]]:
    return here.bench.cloud.dead_letters


def test_a_letter_that_is_not_taken_stays(here: Scene) -> None:
    (before,) = letters(here)
    OUTAGE.operation, OUTAGE.error = "Invoke", ApiError("LimitExceeded", "No.")
    code, out, err = here.run("redeliver")
    assert code == 3
    assert out.split("\t")[:3] == ["refused", "cardveil-on-upload", before["RequestId"]]
    assert "0 sent again, 1 left" in err
    assert letters(here) == [before]
    here.clock.ahead_s += 60  # received once, it is kept from others for a while


def test_letters_go_back_once_and_are_gone_when_they_were_taken(here: Scene) -> None:
    (before,) = letters(here)
    foreign = {**before, "RequestId": "foreign", "Body": {**before["Body"], "FunctionName": "theirs"}}
    broken = {"RequestId": "broken", "Body": {"FunctionName": "cardveil-on-upload"}}
    for letter in (foreign, broken):
        here.bench.cloud.scf.dead_letters.add(letter)
    code, out, err = here.run("redeliver")
    states = {line.split("\t")[0]: line.split("\t") for line in out.splitlines()}
    assert code == 3
    assert set(states) == {"accepted", "foreign", "unreadable"}
    assert "1 sent again, 2 left" in err
    here.bench.settle()
    assert [each["RequestId"] for each in letters(here)] == ["foreign", "broken"]
    assert (here.bench.sidecar("failed.jpg") or {})["status"] == "redacted"
    assert states["accepted"][3] in here.run("logs", "--key", "inbox/failed.jpg")[1]
    clear(here)


def test_an_event_that_fails_again_is_left_for_the_next_run(here: Scene) -> None:
    fail(here, "again.jpg")
    OUTAGE.operation = "AILicenseRec"
    code, out, _ = here.run("redeliver")
    assert code == 0
    assert out.count("\n") == 1
    here.bench.settle()
    (letter,) = letters(here)
    assert letter["RequestId"] == out.strip().split("\t")[3]
    OUTAGE.operation = ""
    assert here.run("redeliver")[0] == 0
    here.bench.settle()
    assert letters(here) == []
    assert here.run("status")[0] == 0


def test_a_letter_that_cannot_be_deleted_is_named(here: Scene) -> None:
    fail(here, "kept.jpg")
    with here.operator(CamPolicy(without(stored_policy("operator"), "cmqqueue:DeleteMessage"))):
        code, out, _ = here.run("redeliver")
    assert code == 3
    assert out.startswith("not_deleted\tcardveil-on-upload")
    assert "cmqqueue:DeleteMessage" in out
    assert len(letters(here)) == 1
    here.bench.settle()
    clear(here)


@pytest.mark.parametrize(
    ("arguments", "action"),
    [
        (("status",), "scf:GetFunction"),
        (("status",), "cos:HeadObject"),
        (("status",), "cos:GetBucket"),
        (("get", "inbox/done.jpg"), "cos:GetObject"),
        (("logs",), "cls:SearchLog"),
        (("redeliver",), "cmqqueue:BatchReceiveMessage"),
    ],
)
def test_a_permission_that_the_key_lacks_is_named(
    here: Scene, arguments: tuple[str, ...], action: str
) -> None:
    with here.operator(CamPolicy(without(stored_policy("operator"), action))):
        code, _, err = here.run(*arguments)
    assert code == 2
    assert action in err, err
    assert "Traceback" not in err


def test_what_the_receiver_of_webhooks_missed_is_told_again(here: Scene) -> None:
    client, bucket = here.bench.client, here.bench.bucket
    source, due, dead = "a" * 64, "1" * 32, "2" * 32
    names = [f".cardveil/webhooks/notes/{source}/{each}.json" for each in (due, dead)]
    names.append(f".cardveil/webhooks/tries/{source}/{dead}/016-dead-1700000000")
    for name in names:
        client.put_object(Bucket=bucket, Key=name, Body=b"{}")
    code, out, err = here.run("status")
    assert (code, rows(out)["webhooks"]) == (3, ["1", "to be told; dead letters: 1"])
    assert "receiver has missed final states" in err
    code, _, err = here.run("redeliver")
    assert code == 0
    assert "1 final states that the receiver of webhooks missed" in err
    code, out, _ = here.run("status")
    assert (code, rows(out)["webhooks"]) == (0, ["2", "to be told; dead letters: 0"])
    for name in names:
        client.delete_object(Bucket=bucket, Key=name)
    assert rows(here.run("status")[1])["webhooks"][0] == "none"


def test_an_account_without_a_deployment(folder: Path, tmp_path: Path) -> None:
    with scene(folder, tmp_path) as here:
        for command in (("status",), ("get", "inbox/a.jpg"), ("logs",), ("redeliver",)):
            code, out, err = here.run(*command)
            assert (code, out) == (2, "")
            assert "run `cardveil deploy` first" in err


def test_following_shows_each_line_once(here: Scene) -> None:
    found = deployed(here.account.access, ROOT / "serverless.yml", {})
    start = time.time()
    following = Logs(found, ["cardveil-on-upload"]).follow(start, pause_s=0.0)
    assert next(following) == []
    here.bench.run("first.jpg", kept(FRONT))
    first = next(following)
    here.bench.run("second.jpg", kept(FRONT))
    second = next(following)
    assert next(following) == []
    for name, lines in (("first.jpg", first), ("second.jpg", second)):
        assert sum(digest(f"inbox/{name}") in line.text for line in lines) == 1
        assert lines[0].text.startswith("START RequestId: ")
    assert not {line.place for line in first} & {line.place for line in second}


def test_a_local_cloud_that_runs_the_file_itself_is_operated_alike(start: Start, tmp_path: Path) -> None:
    bench = start(variables={"CARDVEIL_TOKEN_SECRETS": ""})
    bench.run("a.jpg", kept(FRONT))
    (tmp_path / "cloud" / "endpoint.json").write_bytes(bench.endpoint.to_line())

    def run(*arguments: str) -> Any:
        return CliRunner().invoke(group, [arguments[0], "--local", str(tmp_path / "cloud"), *arguments[1:]])

    done = run("status")
    assert (done.exit_code, rows(done.stdout)["redacted"][0]) == (0, "1")
    assert digest("inbox/a.jpg") in run("logs", "--key", "inbox/a.jpg").stdout
    bench.cloud.scf.dead_letters.add(
        {
            "RequestId": "old",
            "Body": {
                "FunctionName": "cardveil-on-upload",
                "ClientContext": json.dumps(bench.event("inbox/a.jpg")),
            },
        }
    )
    done = run("redeliver")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("accepted\tcardveil-on-upload\told")
    bench.settle()
    assert bench.cloud.dead_letters == []
    # What it runs is told of, and not changed.
    refused = run("deploy", "--package", str(tmp_path))
    assert refused.exit_code == 2
