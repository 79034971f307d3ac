"""The page of all settings, made from their table: `python -m cardveil_cli.runbook.settings_page`."""

from __future__ import annotations

from typing import Final

import click

from cardveil.settings import Settings, table

_HEAD: Final = """\
# Settings

All are environment variables of the functions: lines of `environments` in `serverless.yml`, or `--set` for
`cardveil up`. A value that is wrong, or a `CARDVEIL_` variable that does not exist, is refused by `cardveil
up` and `cardveil deploy --plan`, and stops a function before any work: the variable is named, its value never
shown.

Made from `layers/cardveil/cardveil/settings/`; a test compares them.

| variable | default | values | meaning |
|---|---|---|---|
"""


def page() -> str:
    """Return the page in Markdown."""
    defaults = Settings()
    rows = []
    for name, setting in table().items():
        default = setting.kind.show(getattr(defaults, name.removeprefix("CARDVEIL_").lower()))
        shown = f"`{default}`" if default else "none"
        rows.append(f"| `{name}` | {shown} | {setting.kind.expected} | {setting.meaning} |\n")
    return _HEAD + "".join(rows)


if __name__ == "__main__":
    click.echo(page(), nl=False)
