"""What is left after a crash: whole objects, the old or the new one, and no litter."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from qcloud_cos import CosConfig, CosS3Client
from tests.support.fixtures.cos import CosServer
from tests.support.waiting import eventually

from cardveil_cloud.cos import Attributes, CosError, ObjectStore
from cardveil_cloud.cos.blobs import Blobs
from cardveil_cloud.cos.outbox import Origin, waiting
from cardveil_cloud.cos.uploads import Uploads

BUCKET = "cards-1250000000"
BIG = b"x" * (1 << 20)


def assert_tidy(root: Path) -> None:
    """Every file is referred to, and nothing is in doubt."""
    db = sqlite3.connect(root / "index.sqlite")
    with db:
        referred = {row[0] for row in db.execute("SELECT blob FROM objects UNION ALL SELECT blob FROM parts")}
    db.close()
    assert {path.name for path in (root / "blobs").glob("*/*")} == referred
    assert list((root / "doubt").iterdir()) == []


def uploads_under_way(root: Path) -> bool:
    return any((root / "doubt").iterdir())


def test_all_is_there_after_a_restart(tmp_path: Path) -> None:
    attributes = Attributes({"content-type": "image/jpeg"}, {"side": "front"}, "STANDARD_IA")
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET, versioned=True)
        info = store.put(BUCKET, "证件/a b.jpg", b"abc", attributes)
        upload = Uploads(store).begin(BUCKET, "big", attributes)
        Uploads(store).put_part(BUCKET, "big", upload.id, 1, store.take(b"def"))
    with ObjectStore(tmp_path) as store:
        assert store.get(BUCKET, "证件/a b.jpg") == (info, b"abc")
        assert store.bucket(BUCKET).versioning == "Enabled"
        assert Uploads(store).parts(BUCKET, "big", upload.id)[1][0].size == 3
    assert_tidy(tmp_path)


def test_a_folder_is_one_store_s(tmp_path: Path) -> None:
    with ObjectStore(tmp_path), pytest.raises(RuntimeError, match="in use"):
        ObjectStore(tmp_path)
    ObjectStore(tmp_path).close()


def test_keys_never_become_names_of_files(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "data") as store:
        store.create_bucket(BUCKET)
        for key in ("../../escaped", "/etc/escaped", "a/../../escaped", "name\x00escaped"):
            store.put(BUCKET, key, b"")
            assert store.head(BUCKET, key).key == key
    assert [path for path in tmp_path.rglob("*") if "escaped" in path.name] == []


class Crash(Exception):  # noqa: N818 - no error of the code under test
    """The process ends here."""


def overwrite(store: ObjectStore, origin: Origin | None = None) -> None:
    store.put(BUCKET, "x", b"new", origin=origin)


def create(store: ObjectStore, origin: Origin | None = None) -> None:
    store.put(BUCKET, "y", b"new", origin=origin)


def delete(store: ObjectStore, origin: Origin | None = None) -> None:
    store.delete(BUCKET, "x", origin=origin)


def copy(store: ObjectStore, origin: Origin | None = None) -> None:
    store.put_copy(store.head(BUCKET, "x"), BUCKET, "y", Attributes(), origin=origin)


def complete(store: ObjectStore, origin: Origin | None = None) -> None:
    uploads = Uploads(store)
    page = uploads.list(BUCKET, prefix="", delimiter="", key_marker="", id_marker="", limit=1)
    upload = page.uploads[0]
    parts = uploads.parts(BUCKET, upload.key, upload.id)[1]
    chosen = [(part.number, part.etag) for part in parts]
    uploads.complete(BUCKET, upload.key, upload.id, chosen, origin=origin)


@pytest.mark.parametrize("step", ["writer", "before_commit", "settle"])
@pytest.mark.parametrize("change", [overwrite, create, delete, copy, complete])
def test_a_crash_leaves_the_old_state_or_the_new(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[ObjectStore], None], step: str
) -> None:
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET)
        store.put(BUCKET, "x", b"old")
        uploads = Uploads(store)
        upload = uploads.begin(BUCKET, "joined", Attributes())
        for number in (1, 2):
            uploads.put_part(BUCKET, "joined", upload.id, number, store.take(BIG))
        reached = []
        with monkeypatch.context() as patch:
            original = getattr(Blobs, step)

            def crash(self: Blobs, *arguments: Any) -> None:
                reached.append(step)
                if step != "settle":  # the index is committed by then, so nothing more may happen
                    original(self, *arguments)
                raise Crash

            patch.setattr(Blobs, step, crash)
            try:
                change(store)
            except Crash:
                pass
            else:
                assert not reached
    with ObjectStore(tmp_path) as store:
        found = {item.key: store.get(BUCKET, item.key)[1] for item in store.list(BUCKET).entries}
    old = {"x": b"old"}
    outcomes: dict[Callable[[ObjectStore], None], dict[str, bytes]] = {
        overwrite: {"x": b"new"},
        create: {"x": b"old", "y": b"new"},
        delete: {},
        copy: {"x": b"old", "y": b"old"},
        complete: {"x": b"old", "joined": BIG * 2},
    }
    assert found == (old if reached and step != "settle" else outcomes[change])
    assert_tidy(tmp_path)


@pytest.mark.parametrize("step", ["writer", "before_commit", "settle"])
@pytest.mark.parametrize("change", [overwrite, create, delete, copy, complete])
def test_a_crash_leaves_the_change_with_its_event_or_neither(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[..., None], step: str
) -> None:
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET)
        store.put(BUCKET, "x", b"old")
        upload = Uploads(store).begin(BUCKET, "joined", Attributes())
        Uploads(store).put_part(BUCKET, "joined", upload.id, 1, store.take(b"part"))
        before = store.list(BUCKET).entries
        with monkeypatch.context() as patch:
            patch.setattr(Blobs, step, _crash)
            with contextlib.suppress(Crash):
                change(store, Origin("ObjectX", "request", ""))
    with ObjectStore(tmp_path) as store:
        changed = store.list(BUCKET).entries != before
        assert [event.bucket for _, event in waiting(store)] == [BUCKET] * changed


def _crash(*_: object) -> None:
    raise Crash


def test_a_refused_change_leaves_nothing(tmp_path: Path) -> None:
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET)
        store.put(BUCKET, "x", b"old")
        for refused in (
            lambda: store.put(BUCKET, "x", b"new", forbid_overwrite=True, origin=Origin("X", "", "")),
            lambda: store.put("nobucket-1250000000", "x", b"new"),
            lambda: Uploads(store).put_part(BUCKET, "x", "no-upload", 1, store.take(b"new")),
        ):
            with pytest.raises(CosError):
                refused()
        assert store.get(BUCKET, "x")[1] == b"old"
        assert waiting(store) == []
        assert_tidy(tmp_path)


def test_readers_never_see_a_mixture(tmp_path: Path) -> None:
    with ObjectStore(tmp_path) as store:
        store.create_bucket(BUCKET)
        store.put(BUCKET, "x", b"0" * 1000)
        failures: list[BaseException] = []
        stop = threading.Event()

        def read() -> None:
            try:
                while not stop.is_set():
                    info, body = store.get(BUCKET, "x")
                    assert len(body) == info.size
                    assert len(set(body)) == 1
            except BaseException as error:  # noqa: BLE001 - reported by the test below
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        for number in range(300):
            store.put(BUCKET, "x", str(number % 10).encode() * (1000 + number))
        stop.set()
        for reader in readers:
            reader.join()
        assert failures == []
    assert_tidy(tmp_path)


SERVER = """
import sys, pathlib, uvicorn
from cardveil_cloud.cos import CosService, ObjectStore
from cardveil_cloud.accounts import CredentialStore
root, fd = pathlib.Path(sys.argv[1]), int(sys.argv[2])
store = ObjectStore(root)
if not store.buckets():
    store.create_bucket("cards-1250000000")
credentials = CredentialStore()
credentials.add_permanent("AKIDx", "key")
app = CosService(store, credentials, region="ap-shanghai", app_id="1250000000")
uvicorn.run(app, fd=fd, http="httptools", log_level="error", lifespan="off")
"""


@pytest.fixture
def killable(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A server in a process of its own, on a socket that listens before it runs."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(tmp_path), str(listener.fileno())],
            pass_fds=[listener.fileno()],
        )
        port = listener.getsockname()[1]
    yield process, port
    process.kill()
    process.wait()


def test_a_killed_server_has_stored_whole_objects_only(
    tmp_path: Path, killable: tuple[subprocess.Popen[bytes], int]
) -> None:
    process, port = killable
    config = CosConfig(
        Region="ap-shanghai",
        SecretId="AKIDx",
        SecretKey="key",
        Scheme="http",
        Proxies={"http": f"http://127.0.0.1:{port}"},
    )
    client = CosS3Client(config, retry=0)
    client.put_object(Bucket=BUCKET, Key="x", Body=b"old")
    host = f"{BUCKET}.cos.ap-shanghai.myqcloud.com"
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("PUT", "/x", skip_host=True)
    connection.putheader("Host", host)
    connection.putheader("Authorization", client.get_auth("PUT", BUCKET, "x"))
    connection.putheader("Content-Length", str(len(BIG) * 4))
    connection.endheaders()
    connection.send(BIG * 3)
    assert eventually(lambda: uploads_under_way(tmp_path))
    assert client.head_object(BUCKET, "x")["Content-Length"] == "3"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    connection.close()
    assert uploads_under_way(tmp_path)
    with ObjectStore(tmp_path) as store:
        assert store.get(BUCKET, "x")[1] == b"old"
    assert_tidy(tmp_path)


def test_a_client_that_goes_away_leaves_nothing(cos: CosServer, cos_bucket: str) -> None:
    port = int(cos.proxy.rpartition(":")[2])
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.putrequest("PUT", "/x", skip_host=True)
    connection.putheader("Host", cos.host(cos_bucket))
    connection.putheader("Authorization", cos.client().get_auth("PUT", cos_bucket, "x"))
    connection.putheader("Content-Length", str(len(BIG) * 4))
    connection.endheaders()
    connection.send(BIG * 3)
    assert eventually(lambda: uploads_under_way(cos.root))
    connection.close()
    assert eventually(lambda: not uploads_under_way(cos.root))
    assert cos.store.list(cos_bucket).entries == ()
