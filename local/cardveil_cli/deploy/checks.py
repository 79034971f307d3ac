"""What is looked at before anything is made: settings, the bucket, unused variables, and the cost at rest."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from cardveil.settings import PREFIX, Settings, from_environment, problems
from cardveil_cli.commands.prices import list_prices
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.errors import DeployError
from cardveil_cloud.scf.cron import Cron
from cardveil_cloud.scf.deployment import Deployment

#: Seconds that a timer's invocation takes when there is nothing to do: mostly the start of an instance.
_IDLE_S: Final = 1.0
_MONTH_S: Final = 30 * 86400


def settings_of(deployment: Deployment) -> Settings:
    """Return the settings that the functions agree on.

    Raises
    ------
    DeployError
        With everything that any function would refuse, once its variables are filled in.
    """
    wrong = [
        f"function {spec.name}: {error.what_to_do}"
        for spec in deployment.functions.values()
        for error in problems(spec.environment).values()
    ]
    if wrong:
        raise DeployError("\n".join(wrong))
    merged: dict[str, str] = {}
    for spec in deployment.functions.values():
        merged |= spec.environment
    return from_environment(merged)


def checked(account: Account, deployment: Deployment, file: Path, variables: Mapping[str, str]) -> list[str]:
    """Return what a person should know before deploying, a line each.

    Raises
    ------
    DeployError
        If the bucket is not there, or must not be used.
    """
    buckets = dict.fromkeys(("", settings_of(deployment).result_bucket))
    lines = [*map(account.bucket_state, buckets), "settings: in order, the same in all functions"]
    lines += [
        f"not used: {name} is set here, and {file.name} does not name it" for name in unused(file, variables)
    ]
    lines.append(
        "not known: whether the bucket is bound to Cloud Infinite, and AI recognition is active; `cardveil "
        "check` tells once it is deployed"
    )
    calls, yuan = at_rest(deployment)
    lines.append(
        f"at rest: about {yuan:.2f} yuan a month, for {calls:,} calls by timers "
        f"(list prices of {list_prices().date})"
    )
    return lines


def unused(file: Path, variables: Mapping[str, str]) -> Iterator[str]:
    """Yield the variables that somebody has set to no effect."""
    named = set(re.findall(r"\$\{env:([\w.-]+)\}", _without_comments(file.read_text("utf-8"))))
    yield from (name for name in sorted(variables) if name.startswith(PREFIX) and name not in named)


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))


def at_rest(deployment: Deployment) -> tuple[int, float]:
    """Return calls and yuan of a month in which nothing is uploaded."""
    calls, yuan, prices = 0, 0.0, list_prices()
    for trigger in deployment.timers:
        count = _times(Cron.parse(trigger.cron)) if trigger.enabled else 0
        gigabytes = deployment.functions[trigger.function].memory_mb / 1024
        calls += count
        yuan += count * (prices.invocations / 10_000 + _IDLE_S * gigabytes * prices.gigabyte_second)
    return calls, yuan


def _times(cron: Cron) -> int:
    """How often it comes in a month, from one week of it."""
    now = end = time.time()
    end += 7 * 86400
    count = 0
    while (following := cron.next_after(now)) is not None and following < end:
        now, count = following, count + 1
    return round(count * _MONTH_S / (7 * 86400))
