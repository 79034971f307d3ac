"""coscmd, the vendor's command line for COS, works unchanged but for its proxy."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.support.fixtures.cos import CosServer

Run = Callable[..., str]


@pytest.fixture
def coscmd(cos: CosServer, cos_bucket: str, tmp_path: Path) -> Run:
    """Runs coscmd on the test's bucket; returns what it printed."""
    config = tmp_path / "cos.conf"
    config.write_text(
        "[common]\n"
        f"secret_id = {cos.owner.secret_id}\nsecret_key = {cos.owner.secret_key}\n"
        f"bucket = {cos_bucket}\nregion = ap-shanghai\nschema = http\nretry = 1\n"
    )
    environment = {**os.environ, "http_proxy": cos.proxy, "HOME": str(tmp_path)}

    def run(*arguments: str, status: int = 0) -> str:
        command = [sys.executable, "-m", "coscmd.cos_cmd", "-c", str(config), "-l", str(tmp_path / "log")]
        done = subprocess.run(
            [*command, *arguments], env=environment, cwd=tmp_path, capture_output=True, text=True, timeout=150
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout + done.stderr

    return run


def test_files_go_up_and_down(cos: CosServer, cos_bucket: str, coscmd: Run, tmp_path: Path) -> None:
    picture = tmp_path / "正面 a+b%.jpg"
    picture.write_bytes(bytes(range(256)) * 100)
    key = "inbox/证件/正面 a+b%.jpg"
    coscmd("upload", str(picture), key, "-H", '{"Content-Type": "image/jpeg", "x-cos-meta-side": "front"}')
    info, body = cos.store.get(cos_bucket, key)
    assert body == picture.read_bytes()
    assert info.attributes.headers["content-type"] == "image/jpeg"
    assert info.attributes.headers["x-cos-meta-side"] == "front"
    assert [event.name for event in cos.events] == ["cos:ObjectCreated:Put"]
    coscmd("download", key, str(tmp_path / "back.jpg"))
    assert (tmp_path / "back.jpg").read_bytes() == picture.read_bytes()
    assert "inbox/" in coscmd("list")
    assert key in coscmd("list", "-r")
    assert "25600" in coscmd("info", key)
    assert "NoSuchResource" in coscmd("info", "no/such.jpg", status=255)


def test_a_large_file_goes_up_in_parts(cos: CosServer, cos_bucket: str, coscmd: Run, tmp_path: Path) -> None:
    # coscmd sends 20 MB and more in parts, at the least.
    large = tmp_path / "large"
    large.write_bytes(os.urandom(1 << 20) * 21)
    config = tmp_path / "cos.conf"
    config.write_text(config.read_text() + "multiupload_threshold = 20\npart_size = 8\n")
    coscmd("upload", str(large), "large")
    info, body = cos.store.get(cos_bucket, "large")
    assert body == large.read_bytes()
    assert info.etag.endswith('-3"')
    left = cos.client().create_multipart_upload(cos_bucket, "left")["UploadId"]
    assert left in coscmd("listparts")
    coscmd("abort")
    assert "Upload" not in cos.client().list_multipart_uploads(cos_bucket)


def test_folders_copies_and_deletions(cos: CosServer, cos_bucket: str, coscmd: Run, tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number} 正.jpg").write_bytes(b"abc")
    coscmd("upload", "-r", str(folder), "inbox")
    keys = [item.key for item in cos.store.list(cos_bucket).entries]
    assert keys == [f"inbox/{number} 正.jpg" for number in range(3)]
    source = f"{cos.host(cos_bucket)}/inbox/0 正.jpg"
    coscmd("copy", source, "copy.jpg")
    assert cos.store.get(cos_bucket, "copy.jpg")[1] == b"abc"
    coscmd("delete", "copy.jpg", "-f")
    coscmd("delete", "-r", "-f", "inbox/")
    assert cos.store.list(cos_bucket).entries == ()


def test_wrong_keys_are_refused(cos: CosServer, cos_bucket: str, coscmd: Run, tmp_path: Path) -> None:
    config = tmp_path / "cos.conf"
    config.write_text(config.read_text().replace(cos.owner.secret_key, "not-the-key"))
    (tmp_path / "x").write_bytes(b"abc")
    assert "SignatureDoesNotMatch" in coscmd("upload", "x", "x", status=255)
    assert cos.store.list(cos_bucket).entries == ()
