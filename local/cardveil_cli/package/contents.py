"""What of each package goes into the runtime layer: what is imported, and the licences of all of it."""

from __future__ import annotations

import io
import re
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import HeaderParser
from fnmatch import fnmatchcase
from pathlib import Path
from types import MappingProxyType
from typing import Final

from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.trees import Tree, digest

#: Packages that are left out, with the reason.
LEFT_OUT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "charset-normalizer": "guesses what an answer is written in that does not say; without it requests "
        "takes UTF-8, which the vendors send; its import is an eighth of a cold start",
    }
)
#: Of pycryptodome what AES-GCM is made of, for sealed texts: 0.6 of its 7 MB.
_GCM: Final = frozenset(
    f"Crypto/{name}"
    for name in (
        "__init__.py", "Cipher/__init__.py", "Cipher/AES.py", "Cipher/_mode_ctr.py", "Cipher/_mode_ecb.py",
        "Cipher/_mode_gcm.py", "Cipher/_raw_aes.abi3.so", "Cipher/_raw_aesni.abi3.so",
        "Cipher/_raw_ctr.abi3.so", "Cipher/_raw_ecb.abi3.so", "Cipher/_state_machine.py", "Hash/__init__.py",
        "Hash/_ghash_clmul.abi3.so", "Hash/_ghash_portable.abi3.so", "Random/__init__.py", "Util/__init__.py",
        "Util/_cpu_features.py", "Util/_cpuid_c.abi3.so", "Util/_file_system.py", "Util/_raw_api.py",
        "Util/_threads.py", "Util/number.py",
    )
)  # fmt: skip
#: Files that are never imported, by pattern of their path in the layer, with the reason.
PRUNED: Final[tuple[tuple[str, str], ...]] = (
    ("*.pyi", "for type checkers"),
    ("*/py.typed", "for type checkers"),
    ("*.c", "source of what is compiled"),
    ("*.h", "source of what is compiled"),
    ("*.pxd", "source of what is compiled"),
    ("*/test/*", "tests"),
    ("*/tests/*", "tests"),
    ("crcmod/test.py", "tests"),
    ("qcloud_cos/crypto.py", "client-side encryption"),
    ("qcloud_cos/cos_encryption_client.py", "client-side encryption"),
    ("PIL/_avif*", "AVIF is no source format"),
    ("PIL/AvifImagePlugin.py", "AVIF is no source format"),
    ("pillow.libs/libavif-*", "AVIF is no source format"),
    ("PIL/_imagingft*", "draws text"),
    ("pillow.libs/libfreetype-*", "draws text"),
    ("pillow.libs/libharfbuzz-*", "draws text"),
    ("PIL/_imagingtk*", "shows windows"),
    ("PIL/ImageTk.py", "shows windows"),
    ("PIL/_tkinter_finder.py", "shows windows"),
    ("PIL/ImageQt.py", "shows windows"),
    ("pypdfium2_cli/*", "a command line"),
    ("pydantic/v1/*", "pydantic's former interface"),
    ("pydantic/mypy.py", "for type checkers"),
    ("aws_lambda_powertools/utilities/feature_flags/*", "needs boto3"),
    ("aws_lambda_powertools/utilities/idempotency/*", "needs boto3"),
    ("aws_lambda_powertools/utilities/parameters/*", "needs boto3"),
    ("aws_lambda_powertools/utilities/streaming/*", "needs boto3"),
    ("aws_lambda_powertools/utilities/data_masking/*", "needs the AWS encryption SDK"),
    ("aws_lambda_powertools/utilities/kafka/*", "no Kafka here"),
    ("aws_lambda_powertools/utilities/parser/*", "models of AWS's events"),
    ("aws_lambda_powertools/metrics/provider/datadog/*", "another vendor's"),
    ("aws_lambda_powertools/event_handler/openapi/swagger_ui/*", "the package brings its own page"),
)
_LICENCE: Final = re.compile(
    r"(^|/)(licen[cs]es?/.+|licen[cs]e[^/]*|copying[^/]*|notice[^/]*)$", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Component:
    """One package as it stands in the layer.

    Attributes
    ----------
    file, sha256 : str
        What was unpacked.
    licence : str
        As its own metadata says it.
    """

    name: str
    version: str
    licence: str
    file: str
    sha256: str


def unpack(path: Path) -> tuple[dict[str, bytes], str]:
    """Return what is kept of a wheel or source archive, and its licence.

    Raises
    ------
    PackagingError
        If it holds no licence.
    """
    kept: dict[str, bytes] = {}
    metadata, name = "", re.split(r"-\d", path.name)[0].replace("_", "-").lower()
    for inner, data in _files(path):
        if re.fullmatch(r"[^/]+\.dist-info/METADATA|PKG-INFO", inner):
            metadata = data.decode("utf-8", "replace")
        if _LICENCE.search(inner) and (".dist-info/" in inner or "/" not in inner):
            kept[f"licences/{name}/{inner.rpartition('/')[2]}"] = data
        elif inner != "PKG-INFO" and not re.search(r"\.(dist-info|data)/", inner) and wanted(inner):
            kept[inner] = data
    headers = HeaderParser().parsestr(metadata)
    licence = headers.get("License-Expression") or _short(headers.get("License")) or _classified(metadata)
    if not any(inner.startswith("licences/") for inner in kept) and not licence:
        raise PackagingError(f"{path.name} says nothing of its licence")
    if not any(inner.startswith("licences/") for inner in kept):
        kept[f"licences/{name}/METADATA"] = metadata.partition("\n\n")[0].encode()
    return kept, licence or "see its licence file"


def wanted(inner: str) -> bool:
    """Whether a file is ever imported."""
    if inner.startswith("Crypto/") and inner not in _GCM:
        return False
    return not any(fnmatchcase(inner, pattern) for pattern, _ in PRUNED)


def _files(path: Path) -> Iterator[tuple[str, bytes]]:
    data = path.read_bytes()
    if path.suffix == ".whl":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                if not entry.is_dir():
                    yield entry.filename, archive.read(entry)
        return
    # A source archive: its pure Python part, which needs no compiler, so that it is the same everywhere. The
    # compiled part would speed up a checksum that only the SDK's resumable download computes; it is not used.
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for member in archive.getmembers():
            inner = member.name.partition("/")[2]
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            if inner.startswith("python3/") and inner.endswith(".py"):
                yield inner.removeprefix("python3/"), file.read()
            elif "/" not in inner and (inner == "PKG-INFO" or _LICENCE.search(inner)):
                yield inner, file.read()


def _short(text: str | None) -> str:
    # Some put the whole text there.
    return text.strip() if text and len(text) < 80 and text.strip() != "UNKNOWN" else ""


def _classified(metadata: str) -> str:
    found = re.findall(r"^Classifier: License :: (?:OSI Approved :: )?(.+)$", metadata, re.MULTILINE)
    return " AND ".join(found)


def package_tree(files: dict[str, Path]) -> tuple[Tree, list[Component]]:
    """Return the packages side by side as they stand at the layer's root, and what they are.

    Parameters
    ----------
    files
        File of each package, by ``name==version``.

    Raises
    ------
    PackagingError
        If two packages hold a file of the same name.
    """
    tree: dict[str, bytes] = {}
    components: list[Component] = []
    for pin in sorted(files):
        name, _, version = pin.partition("==")
        if name in LEFT_OUT:
            continue
        path = files[pin]
        kept, licence = unpack(path)
        if twice := set(kept) & set(tree):
            raise PackagingError(f"{name} and another package both hold {sorted(twice)[0]}")
        tree.update(kept)
        components.append(Component(name, version, licence, path.name, digest(path.read_bytes())))
    return tree, components
