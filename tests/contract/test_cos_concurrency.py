"""Many requests for the same keys at the same time: each is answered, the last write stands, no litter."""

from __future__ import annotations

import random
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from qcloud_cos import CosS3Client, CosServiceError
from tests.support.fixtures.cos import CosServer
from tests.support.fixtures.toy import toy_cos

from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.cos import ObjectStore
from cardveil_cloud.server import LocalCloud

KEYS = [f"inbox/{number}.jpg" for number in range(20)]
BUCKET = "cards-1250000000"


def files_of(root: Path) -> tuple[set[str], set[str]]:
    """The blobs that the index refers to, and the files that there are."""
    db = sqlite3.connect(root / "index.sqlite")
    try:
        referred = {row[0] for row in db.execute("SELECT blob FROM objects UNION ALL SELECT blob FROM parts")}
    finally:
        db.close()
    return referred, {path.name for folder in ("blobs/*/*", "doubt/*") for path in root.glob(folder)}


def test_a_thousand_requests_by_two_clients(tmp_path: Path) -> None:
    order = random.Random(1)
    work = [(order.choice(("PUT", "PUT", "GET", "DELETE")), order.choice(KEYS), n) for n in range(1000)]
    bodies: dict[str, set[bytes]] = {key: set() for key in KEYS}

    def one(client: CosS3Client, method: str, key: str, number: int) -> int:
        body = f"{number} ".encode() * (1 + number % 3 * 5000)
        try:
            if method == "PUT":
                bodies[key].add(body)
                client.put_object(Bucket=BUCKET, Key=key, Body=body)
            elif method == "GET":
                got = client.get_object(Bucket=BUCKET, Key=key)
                read = got["Body"].get_raw_stream().read()
                assert read in bodies[key]
                assert len(read) == int(got["Content-Length"])
            else:
                client.delete_object(Bucket=BUCKET, Key=key)
        except CosServiceError as error:
            return int(error.get_status_code())
        return 200

    last = {key: f"last {key}".encode() for key in KEYS}
    cloud = LocalCloud(tmp_path, recogniser_factory=lambda: TableRecogniser({}))
    with cloud.running() as ready, ThreadPoolExecutor(16) as pool:
        clients = [toy_cos(ready), toy_cos(ready)]
        futures = [pool.submit(one, clients[n % 2], method, key, n) for method, key, n in work]
        answers = Counter(future.result() for future in futures)
        assert set(answers) <= {200, 404}, answers
        # What is written once all is quiet is what stands, also after a restart.
        for key, body in last.items():
            clients[0].put_object(Bucket=BUCKET, Key=key, Body=body)
        assert {key: cloud.store.get(BUCKET, key)[1] for key in KEYS} == last
    with cloud.running():
        assert {
            each.key: cloud.store.get(BUCKET, each.key)[1] for each in cloud.store.list(BUCKET).entries
        } == last
    referred, there = files_of(tmp_path / "objects")
    assert there == referred
    assert len(referred) == len(KEYS)


@pytest.mark.parametrize("rounds", [40])
def test_nothing_is_left_behind(tmp_path: Path, rounds: int) -> None:
    ends: list[BaseException] = []
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET)
        barrier = threading.Barrier(6)

        def hammer(number: int) -> None:
            try:
                barrier.wait()
                for n in range(rounds):
                    if (n + number) % 5 == 0:
                        store.delete(BUCKET, "x")
                    else:
                        store.put(BUCKET, "x", f"{number} {n}".encode())
            except BaseException as error:  # noqa: BLE001 - told by the test below
                ends.append(error)

        threads = [threading.Thread(target=hammer, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ends == []
        last = store.put(BUCKET, "x", b"last")
        assert store.get(BUCKET, "x") == (last, b"last")
    with ObjectStore(tmp_path):
        pass
    referred, there = files_of(tmp_path)
    assert there == referred == {last.blob}


def test_what_is_written_last_stands(cos: CosServer, cos_client: Any, cos_bucket: str) -> None:
    """Two clients in turn, each beginning once the other was answered."""
    other = cos.client()
    for number in range(50):
        (cos_client if number % 2 else other).put_object(Bucket=cos_bucket, Key="x", Body=str(number))
        assert cos.store.get(cos_bucket, "x")[1] == str(number).encode()
