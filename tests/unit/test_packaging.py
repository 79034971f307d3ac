"""Packaging: the same bytes always, nothing unpinned, nothing too large, authorities where OpenSSL looks."""

from __future__ import annotations

import base64
import io
import re
import shutil
import ssl
import subprocess
import tarfile
import zipfile
from pathlib import Path

import certifi
import pytest

from cardveil_cli.package.authorities import hashed_directory, subject_hash
from cardveil_cli.package.build import domain_tree
from cardveil_cli.package.compiling import check_syntax, with_bytecode
from cardveil_cli.package.contents import unpack, wanted
from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.limits import Size, check
from cardveil_cli.package.native import check_glibc
from cardveil_cli.package.pins import read_pins
from cardveil_cli.package.trees import own_tree, read_tree, zipped
from cardveil_cloud.scf.platform import find_interpreter, unzip

ROOT = Path(__file__).parents[2]
HASH = "a" * 64


def test_a_zip_depends_on_names_and_bytes_only(tmp_path: Path) -> None:
    tree = {"b.py": b"2", "a/c.so": b"1"}
    assert zipped(tree) == zipped(dict(reversed(tree.items())))
    with zipfile.ZipFile(io.BytesIO(zipped(tree))) as archive:
        assert archive.namelist() == ["a/c.so", "b.py"]
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert [entry.external_attr >> 16 for entry in archive.infolist()] == [0o100755, 0o100644]
    unzip(zipped(tree), tmp_path)
    assert read_tree(tmp_path) == tree


def test_a_zip_that_leaves_its_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="outside"):
        unzip(zipped({"../evil.py": b""}), tmp_path / "inner")
    assert not (tmp_path / "evil.py").exists()


def test_what_a_tool_leaves_behind_is_not_read(tmp_path: Path) -> None:
    for name in ("a.py", "__pycache__/a.pyc", "b.pyc", "c.py~"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert list(read_tree(tmp_path)) == ["a.py"]


@pytest.mark.parametrize(
    "name",
    ["card.jpg", ".env", "api/a.jpg.json", "policies/a.json", "redaction/policies/deep/a.json", "a.txt"],
)
def test_what_no_line_names_is_never_packed(tmp_path: Path, name: str) -> None:
    sources = tmp_path / "layers" / "cardveil" / "cardveil"
    for each in ("__init__.py", "py.typed", "redaction/policies/strict.json", "__pycache__/a.pyc"):
        (sources / each).parent.mkdir(parents=True, exist_ok=True)
        (sources / each).write_bytes(b"x")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    packed = ["cardveil/__init__.py", "cardveil/redaction/policies/strict.json"]
    assert sorted(domain_tree(tmp_path)) == packed
    (sources / name).parent.mkdir(parents=True, exist_ok=True)
    (sources / name).write_bytes(b"somebody's card")
    with pytest.raises(PackagingError, match=re.escape(name)):
        domain_tree(tmp_path)
    with pytest.raises(PackagingError, match=re.escape(name)):
        own_tree(sources, ("py.typed", "redaction/policies/strict.json"))


def test_all_that_is_in_the_package_now_belongs_to_it() -> None:
    there = read_tree(ROOT / "layers" / "cardveil" / "cardveil")
    assert {f"cardveil/{name}" for name in there} - set(domain_tree(ROOT)) == {"cardveil/py.typed"}


def test_the_layer_is_pinned_by_hash() -> None:
    pins = {pin.name: pin for pin in read_pins(ROOT / "layers" / "runtime" / "requirements.txt")}
    wished = re.findall(r'^    "([a-z0-9-]+)>=', _dependencies(), re.MULTILINE)
    assert {"pillow", "cos-python-sdk-v5"} <= set(wished) <= set(pins)


def _dependencies() -> str:
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    parts = [text.index("\ndependencies = ["), text.index("\nscf = [")]
    return "".join(text[part : text.index("\n]", part)] for part in parts)


@pytest.mark.parametrize(
    "line",
    [
        "orjson>=3.10",
        "orjson==3.10",
        f"orjson --hash=sha256:{HASH}",
        f"https://host/orjson.whl --hash=sha256:{HASH}",
    ],
)
def test_a_requirement_that_is_not_pinned_is_refused(tmp_path: Path, line: str) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text(line + "\n")
    with pytest.raises(PackagingError, match="requirement 1"):
        read_pins(path)


@pytest.mark.parametrize(
    ("function", "layer", "named"),
    [
        (Size(20 * 1024 + 1, 1), Size(1, 1), "function f: 20,481 bytes zipped, at most 20,480"),
        (Size(1, 1), Size(15 * 2**20 + 1, 1), "layer l: 15,728,641 bytes zipped"),
        (Size(1, 1), Size(1, 40 * 2**20 + 1), "layer l: 41,943,041 bytes unpacked"),
        (Size(1, 500 * 2**20), Size(1, 1), "function f with its layers: 524,288,001 bytes unpacked"),
    ],
)
def test_what_is_too_large_is_refused_by_name(function: Size, layer: Size, named: str) -> None:
    with pytest.raises(PackagingError, match=re.escape(named)):
        check({"f": function}, {"l": layer})


def test_what_just_fits_is_taken() -> None:
    check({"f": Size(20 * 1024, 2048)}, {"l": Size(15 * 2**20, 40 * 2**20)})


def test_a_library_for_a_later_platform_is_refused() -> None:
    check_glibc(b"\0GLIBC_2.2.5\0GLIBC_2.17\0")
    with pytest.raises(PackagingError, match=r"glibc 2\.34"):
        check_glibc(b"\0GLIBC_2.4\0GLIBC_2.34\0")


def test_a_module_that_the_platform_cannot_compile_is_refused() -> None:
    with pytest.raises(PackagingError, match=r"new\.py"):
        check_syntax({"new.py": b"try:\n    pass\nexcept* ValueError:\n    pass\n"}, (3, 10))


def test_bytecode_is_the_same_twice_and_shows_where_it_runs() -> None:
    interpreter = find_interpreter((3, 10)) or find_interpreter(_running())
    assert interpreter is not None
    tree = {"a.py": b"X = {'one', 'two', 'three', 'four'}\ndef f(): return X | {'five', 'six'}\n"}
    one, two = (with_bytecode(tree, "/opt", interpreter) for _ in range(2))
    assert one == two
    (compiled,) = (data for name, data in one.items() if name.endswith(".pyc"))
    assert compiled[4:8] == b"\1\0\0\0", "the source's hash is not checked"
    assert b"/opt/a.py" in compiled
    with pytest.raises(PackagingError, match="does not compile"):
        with_bytecode({"broken.py": b"def ("}, "/opt", interpreter)


def _running() -> tuple[int, int]:
    import sys

    return sys.version_info[:2]


def test_authorities_stand_where_openssl_looks_for_them(tmp_path: Path) -> None:
    bundle = Path(certifi.where()).read_bytes()
    tree = hashed_directory(bundle)
    assert len(tree) == bundle.count(b"BEGIN CERTIFICATE")
    for name, data in tree.items():
        (tmp_path / name).write_bytes(data)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(capath=str(tmp_path))
    openssl = shutil.which("openssl")
    if openssl is None:
        return
    for name, data in list(tree.items())[:12]:
        asked = subprocess.run(
            [openssl, "x509", "-noout", "-subject_hash"], input=data, capture_output=True, check=True
        )
        assert asked.stdout.decode().strip() == name.split(".")[0]


def test_two_authorities_of_one_name_both_stay() -> None:
    pem = re.search(rb"-----BEGIN.+?-----END CERTIFICATE-----", Path(certifi.where()).read_bytes(), re.DOTALL)
    assert pem is not None
    name = subject_hash(base64.b64decode(pem[0].split(b"-----")[2]))
    assert set(hashed_directory(pem[0] + b"\n" + pem[0])) == {f"{name}.0", f"{name}.1"}


def test_of_a_source_archive_only_what_needs_no_compiler_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "crcmod-1.7.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name in ("LICENSE", "PKG-INFO", "setup.py", "python3/src/a.c", "python3/crcmod/__init__.py"):
            entry = tarfile.TarInfo(f"crcmod-1.7/{name}")
            content = b"License: MIT\n" if name == "PKG-INFO" else b"x"
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    kept, licence = unpack(path)
    assert set(kept) == {"crcmod/__init__.py", "licences/crcmod/LICENSE"}
    assert licence == "MIT"


def test_a_package_without_a_licence_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thing-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("thing/__init__.py", "")
    with pytest.raises(PackagingError, match="licence"):
        unpack(path)


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("qcloud_cos/cos_client.py", True),
        ("qcloud_cos/crypto.py", False),
        ("PIL/_imaging.cpython-310-x86_64-linux-gnu.so", True),
        ("pillow.libs/libavif-0b1c2ae7.so.16.4.1", False),
        ("yaml/__init__.pyi", False),
        ("crcmod/test.py", False),
    ],
)
def test_what_is_never_imported_is_left_out(name: str, kept: bool) -> None:
    assert wanted(name) is kept
