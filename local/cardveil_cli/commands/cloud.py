"""Runs a local cloud in the foreground, for the commands that do: what stops it is said in one line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
import yaml

from cardveil_cli.commands.endpoint import Endpoint, take, withdraw

if TYPE_CHECKING:
    from cardveil_cloud.server import LocalCloud, Ready
    from cardveil_ocr import Recogniser

#: The file that names the functions, in the checkout that this command was installed from.
SERVERLESS: Final = Path(__file__).parents[3] / "serverless.yml"


def recogniser_factory(threads: int) -> Callable[[], Recogniser]:
    """Return what makes the recogniser behind the cloud's CI and OCR, when it is first needed."""

    def made() -> Recogniser:
        from cardveil_ocr import Recogniser

        return Recogniser(threads=threads)

    return made


def check_serverless(file: Path) -> None:
    """Raise `click.UsageError` for a file that is no deployment, with each mistake's line."""
    from cardveil_cloud.scf.schema import check

    try:
        problems = [str(problem) for problem in check(file)]
    except UnicodeDecodeError:
        problems = ["it is no text"]
    except (yaml.YAMLError, RecursionError):
        problems = ["it is not YAML"]
    if problems:
        raise click.UsageError("--serverless: " + "\n".join(problems))


def check_engine(cloud: LocalCloud) -> None:
    """Raise `click.UsageError` where functions lack of the engine what their settings ask for."""
    from cardveil_cli.deploy.engine import lacking
    from cardveil_cloud.scf.variables import ConfigurationError

    try:
        missing = list(lacking(cloud.deployment()))
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    if missing:
        raise click.UsageError("\n".join((*missing, "docs/engine.md says what serverless.yml must name")))


def run_cloud(cloud: LocalCloud, data: Path, port: int, tell: Callable[[Endpoint, Ready], None]) -> None:
    """Run until the process is told to end; the endpoint's file stands for as long.

    Parameters
    ----------
    tell
        Called once requests are answered.
    """
    from cardveil_cloud.scf.variables import ConfigurationError

    taken = False

    def ready(facts: Ready) -> None:
        nonlocal taken
        endpoint = Endpoint(
            facts.proxy_url,
            facts.secret_id,
            facts.secret_key,
            facts.region,
            facts.app_id,
            facts.bucket,
        )
        take(data, endpoint)
        taken = True
        tell(endpoint, facts)

    try:
        cloud.run_forever(ready)
    except ConfigurationError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        if error.filename is not None:
            raise
        raise click.ClickException(f"port {port} cannot be used ({error.strerror})") from None
    except RuntimeError as error:
        # Its texts are the cloud's own; anything derived from it is a fault.
        if type(error) is not RuntimeError:
            raise
        raise click.ClickException(f"the local cloud did not start: {error}") from None
    finally:
        if taken:
            withdraw(data)
