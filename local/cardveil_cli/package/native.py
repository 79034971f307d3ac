"""libturbojpeg for the layer: Debian's file, taken only if the platform's C library can load it."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError

PACKAGE: Final = "libturbojpeg0"
NAME: Final = "libturbojpeg.so.0"
#: manylinux2014 promises this version of the C library and no later one.
GLIBC: Final = (2, 17)


@dataclass(frozen=True, slots=True)
class Library:
    """One shared library with the version and licence of the Debian package that it is from."""

    version: str
    data: bytes
    licence: bytes


def find_library() -> Library | None:
    """Return the installed libturbojpeg, None where Debian's package is not installed.

    Raises
    ------
    PackagingError
        If it needs a later C library than the platform has.
    """
    command = shutil.which("dpkg-query")
    if command is None:
        return None
    try:
        version = _asked(command, "-W", "-f", "${Version}", PACKAGE)
        listed = _asked(command, "-L", PACKAGE)
    except subprocess.SubprocessError:
        return None
    paths = [Path(line) for line in listed.splitlines()]
    found = next((path for path in paths if path.name == NAME), None)
    if found is None:
        return None
    data = found.resolve().read_bytes()
    check_glibc(data)
    return Library(version.strip(), data, _licence(paths))


def check_glibc(library: bytes) -> None:
    """Refuse a library that names a later version of the C library than `GLIBC`.

    Raises
    ------
    PackagingError
    """
    needed = {(int(major), int(minor)) for major, minor in re.findall(rb"GLIBC_(\d+)\.(\d+)", library)}
    if needed and max(needed) > GLIBC:
        version = ".".join(map(str, max(needed)))
        raise PackagingError(f"{NAME} of this system needs glibc {version}: package on an older Debian")


def _asked(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603 - dpkg
    return done.stdout


def _licence(paths: list[Path]) -> bytes:
    for path in paths:
        if path.name == "copyright" and path.is_file():
            return path.read_bytes()
        if path.name == "copyright.gz" and path.is_file():
            return gzip.decompress(path.read_bytes())
    raise PackagingError(f"{PACKAGE} is installed without its copyright file")
