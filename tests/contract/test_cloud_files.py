"""What the local cloud keeps on disk: closed to others, and no bar to the next start when it is damaged."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from tests.support.fixtures.toy import toy_cloud, toy_cos

from cardveil_cloud import files

BUCKET = "cards-1250000000"


def open_to_others(folder: Path) -> list[str]:
    """Whatever in a folder, and the folder itself, anybody but its owner may read, write or enter."""
    found = [folder, *(path for path in folder.rglob("*") if not path.is_symlink())]
    return [str(path) for path in found if path.stat().st_mode & 0o077]


def used(data: Path) -> None:
    """Run a cloud once, so that everything it keeps is there."""
    cloud = toy_cloud(data)
    with cloud.running() as ready:
        client = toy_cos(ready)
        client.put_object(Bucket=BUCKET, Key="inbox/a.jpg", Body=b"abc")
        upload = client.create_multipart_upload(Bucket=BUCKET, Key="big")
        client.upload_part(BUCKET, "big", b"x" * (2 << 20), 1, upload["UploadId"])
        cloud.invoke_async("probe", {"do": "fail"})
        cloud.wait_idle()
        assert cloud.dead_letters


def test_what_is_written_is_its_owner_s_alone(tmp_path: Path) -> None:
    before = os.umask(0o000)
    try:
        used(tmp_path / "some" / "where" / "data")
    finally:
        os.umask(before)
    assert open_to_others(tmp_path / "some" / "where" / "data") == []


def test_what_was_open_is_closed_at_the_next_start(tmp_path: Path) -> None:
    used(tmp_path)
    (tmp_path / "holiday.jpg").write_bytes(b"not ours")
    for path in (tmp_path, *tmp_path.rglob("*")):
        path.chmod(0o777 if path.is_dir() else 0o666)
    with toy_cloud(tmp_path).running():
        assert open_to_others(tmp_path) == [str(tmp_path / "holiday.jpg"), str(tmp_path / "notes")]


@pytest.mark.parametrize("torn", [b'{"RequestId": "half', b"\xff\xfe", b"[]\n", b"null"])
def test_a_torn_dead_letter_is_told_of_and_kept(tmp_path: Path, torn: bytes) -> None:
    used(tmp_path)
    path = tmp_path / "dead-letters.jsonl"
    content = path.read_bytes() + torn
    path.write_bytes(content)
    cloud = toy_cloud(tmp_path)
    with cloud.running() as ready:
        assert [notice for notice in ready.found if "1 dead letter" in notice]
        assert len(cloud.dead_letters) == 1
        cloud.invoke_async("probe", {"do": "fail"})
        cloud.wait_idle()
    assert len([json.loads(line) for line in path.read_text().splitlines()]) == 2
    assert (tmp_path / "dead-letters.jsonl.damaged").read_bytes() == content
    with toy_cloud(tmp_path).running() as ready:
        assert ready.found == ()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"secret_id": "AKID"}', b"\xff"])
def test_a_damaged_account_is_told_of_and_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "account.json"
    path.write_bytes(content)
    with toy_cloud(tmp_path).running() as ready:
        assert "account" in ready.found[0]
        assert toy_cos(ready).bucket_exists(Bucket=BUCKET)
    assert (tmp_path / "account.json.damaged").read_bytes() == content
    with toy_cloud(tmp_path).running() as again:
        assert (again.found, again.secret_id) == ((), ready.secret_id)


@pytest.mark.parametrize(
    "content", [b"", b"[]", b'{"functions": {}}', b'{"functions": {"a": 1}, "layers": {}}']
)
def test_a_damaged_deployment_is_told_of_and_kept(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "scf").mkdir()
    (tmp_path / "scf" / "deployed.json").write_bytes(content)
    with toy_cloud(tmp_path, scf_api=True).running() as ready:
        assert "deployed" in ready.found[0]
    assert (tmp_path / "scf" / "deployed.json.damaged").read_bytes() == content


def test_nothing_that_was_set_aside_is_overwritten(tmp_path: Path) -> None:
    names: list[str] = []
    for number in range(3):
        path = tmp_path / "x"
        path.write_bytes(bytes([number]))
        names.append(files.set_aside(path).name)
    assert names == ["x.damaged", "x.damaged-2", "x.damaged-3"]
    assert [(tmp_path / name).read_bytes() for name in names] == [b"\0", b"\1", b"\2"]


def test_a_file_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x"
    files.write(path, b"old")

    def crash(*_: object) -> None:
        raise OSError("crash")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", crash)
        with pytest.raises(OSError, match="crash"):
            files.write(path, b"new")
    assert path.read_bytes() == b"old"
    files.write(path, b"new")
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["x"]
