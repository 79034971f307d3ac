"""The runtime layer's packages: exact versions with hashes, fetched once and kept."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cardveil_cli.package.errors import PackagingError
from cardveil_cli.package.trees import digest

#: Built by nobody: it comes as a source archive only, of which its pure Python part is taken.
SOURCE_ONLY: Final = "crcmod"
_PIN: Final = re.compile(r"^([A-Za-z0-9._-]+)==([A-Za-z0-9.+!_-]+)")
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PATIENCE_S: Final = 300


@dataclass(frozen=True, slots=True)
class Pin:
    """One package of the runtime layer; `hashes` are those of all its files."""

    name: str
    version: str
    hashes: frozenset[str]


def read_pins(path: Path) -> tuple[Pin, ...]:
    """Read a requirements file.

    Raises
    ------
    PackagingError
        For a line that does not pin a version with hashes.
    """
    pins = []
    text = path.read_text("utf-8").replace("\\\n", " ")
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match, hashes = _PIN.match(line), frozenset(_HASH.findall(line))
        if match is None or not hashes:
            raise PackagingError(f"{path.name}, requirement {number}: name==version with --hash is expected")
        pins.append(Pin(match[1], match[2], hashes))
    return tuple(pins)


def fetch(requirements: Path, cache: Path, minor: tuple[int, int]) -> dict[str, Path]:
    """Return the file of every pin by ``name==version``, from the cache or else from the package index.

    Parameters
    ----------
    cache
        Folder of files that were fetched before, shared by all minor versions.
    minor
        Python's version: 3.10 on the platform.

    Raises
    ------
    PackagingError
        If one cannot be had for manylinux2014.
    """
    pins = read_pins(requirements)
    cache.mkdir(parents=True, exist_ok=True)
    found = _cached(pins, cache, minor)
    if len(found) < len(pins):
        _download(requirements, cache, minor)
        found = _cached(pins, cache, minor)
    if missing := [pin.name for pin in pins if f"{pin.name}=={pin.version}" not in found]:
        raise PackagingError(f"not to be had for Python {minor[0]}.{minor[1]}: {', '.join(missing)}")
    return found


def _cached(pins: tuple[Pin, ...], cache: Path, minor: tuple[int, int]) -> dict[str, Path]:
    files = [path for path in sorted(cache.iterdir()) if path.is_file() and _fits(path.name, minor)]
    by_digest = {digest(path.read_bytes()): path for path in files}
    return {
        f"{pin.name}=={pin.version}": by_digest[found]
        for pin in pins
        if (found := next(iter(pin.hashes & set(by_digest)), None))
    }


def _fits(name: str, minor: tuple[int, int]) -> bool:
    if not name.endswith(".whl"):
        return name.startswith(f"{SOURCE_ONLY}-")
    python, abi = name.removesuffix(".whl").split("-")[-3:-1]
    return "py3" in python.split(".") or abi == "abi3" or python == f"cp{minor[0]}{minor[1]}"


def _download(requirements: Path, cache: Path, minor: tuple[int, int]) -> None:
    tag = f"{minor[0]}{minor[1]}"
    command = [
        *(sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check"),
        *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--no-binary", SOURCE_ONLY),
        *("--python-version", f"{minor[0]}.{minor[1]}", "--implementation", "cp"),
        *("--abi", f"cp{tag}", "--abi", "abi3", "--abi", "none"),
        *("--platform", "manylinux2014_x86_64", "--platform", "any"),
        *("-r", str(requirements), "-d", str(cache)),
    ]
    try:
        done = subprocess.run(  # noqa: S603 - pip
            command, capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise PackagingError("the package index does not answer: try again") from None
    if done.returncode:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise PackagingError("packages could not be fetched: " + " ".join(reasons or ["pip failed"]))
