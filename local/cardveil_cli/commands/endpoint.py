"""How to reach a running local cloud: what `cardveil up` prints, and a COS client for it."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import click
import orjson

from cardveil.settings import Settings, table, variable
from cardveil.storage.encryption import encrypting
from cardveil_cli.exits import shown
from cardveil_cli.files.atomic import replace_private

#: Written into the data folder, so that `cardveil put` finds the cloud that runs on it.
FILE_NAME: Final = "endpoint.json"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Address and credentials of a local cloud; the credentials are made up and open nothing else."""

    proxy: str
    secret_id: str
    secret_key: str
    region: str
    app_id: str
    bucket: str

    def to_line(self) -> bytes:
        """Return it as one line of JSON."""
        return orjson.dumps(asdict(self)) + b"\n"

    def environment(self) -> dict[str, str]:
        """Return what a function that runs outside of this cloud must be told to use it."""
        return {
            "CARDVEIL_SCHEME": "http",
            "CARDVEIL_BUCKET": self.bucket,
            "http_proxy": self.proxy,
            "TENCENTCLOUD_SECRETID": self.secret_id,
            "TENCENTCLOUD_SECRETKEY": self.secret_key,
        }

    @classmethod
    def from_line(cls, line: bytes | str) -> Endpoint:
        """Read such a line; raises ValueError (or a subclass) when it is none."""
        known = orjson.loads(line)
        if not isinstance(known, dict):
            raise ValueError("an endpoint is an object")
        values: dict[str, Any] = {name: known.get(name) for name in cls.__dataclass_fields__}
        if not all(isinstance(value, str) for value in values.values()):
            raise ValueError("an endpoint's parts are texts")
        return cls(**values)

    @classmethod
    def of_folder(cls, data: Path) -> Endpoint:
        """Read the endpoint of the cloud that runs on a data folder."""
        try:
            return cls.from_line((data / FILE_NAME).read_bytes())
        except (OSError, ValueError):
            raise click.UsageError(
                f"no local cloud runs on {shown(data)}: start one with `cardveil up --data {shown(data)}`"
            ) from None

    def cos_client(self) -> Any:
        """Return the official COS client; what it writes is encrypted as `CARDVEIL_ENCRYPTION` says.

        Raises
        ------
        click.UsageError
            For a value that the setting does not take.
        """
        from qcloud_cos import CosConfig, CosS3Client

        kind = table()[variable("encryption")].kind
        try:
            encryption = kind.parse(os.environ.get(variable("encryption"), Settings().encryption))
        except ValueError:
            raise click.UsageError(f"set {variable('encryption')} to {kind.expected}") from None

        logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL + 1)
        config = CosConfig(
            Region=self.region,
            SecretId=self.secret_id,
            SecretKey=self.secret_key,
            Scheme="http",
            Proxies={"http": self.proxy},
        )
        return encrypting(CosS3Client, encryption)(config)


def prepare(data: Path) -> None:
    """Make the data folder; raises `click.UsageError` when it is not one, or holds a file of that name."""
    # It holds keys, pictures of cards and what they say.
    data.mkdir(mode=0o700, parents=True, exist_ok=True)
    file = data / FILE_NAME
    try:
        if os.path.lexists(file):
            Endpoint.from_line(file.read_bytes())
    except (OSError, ValueError):
        message = f"{shown(file)} is not the local cloud's: choose another --data"
        raise click.UsageError(message) from None


def log_command(data: Path | None, key: str = "") -> str:
    """Return the command that shows what functions log: of a local cloud's folder, or of the account."""
    if data is not None and data.is_relative_to(Path.cwd()):
        data = data.relative_to(Path.cwd())
    of_local = f" --local {shown(data)}" if data is not None else ""
    return f"cardveil logs{of_local}{f' --key {shown(key)}' if key else ''}"


def log_notice(data: Path) -> str:
    """Return where the log of a local cloud's functions is."""
    return f"What its functions log: {log_command(data)}"


def take(data: Path, endpoint: Endpoint) -> None:
    """Write the endpoint down for the other commands; only its user may read it, since it holds a key."""
    replace_private(data / FILE_NAME, endpoint.to_line())


def withdraw(data: Path) -> None:
    """Remove the endpoint's file."""
    (data / FILE_NAME).unlink(missing_ok=True)
