"""What is looked at before anything is made: bucket, CI, roles, settings, and the cost at rest."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from cardveil.core.errors import Halt
from cardveil.settings import PREFIX, Settings, from_environment, problems, table, variable
from cardveil.settings.regions import EMBEDDED, abroad, located, region_of
from cardveil_cli.commands.prices import list_prices
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.engine import lacking
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.deploy.roles import roles_of
from cardveil_cli.permissions.documents import Place, granted_policy
from cardveil_cli.permissions.grants import grants
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
    if wrong := [*wrong, *lacking(deployment)]:
        raise DeployError("\n".join(wrong))
    merged: dict[str, str] = {}
    for spec in deployment.functions.values():
        merged |= spec.environment
    return from_environment(merged)


@dataclass
class Findings:
    """What a person should know before deploying, a line each.

    Attributes
    ----------
    missing
        What does not keep functions from being made, but from working.
    blocking
        Without which they cannot be made.
    """

    lines: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    blocking: list[str] = field(default_factory=list)


def checked(account: Account, deployment: Deployment, file: Path, variables: Mapping[str, str]) -> Findings:
    """Look at the bucket, CI, the roles and the settings; nothing is changed.

    Raises
    ------
    DeployError
        If the bucket is not there, or must not be used.
    """
    region = account.access.region
    settings = settings_of(deployment)
    buckets = dict.fromkeys(("", settings.result_bucket))
    found = Findings([*map(account.bucket_state, buckets)])
    bound, missing = account.ci_state()
    found.lines += bound
    found.missing += missing
    try:
        settings = located(settings, region)
    except Halt as refused:
        # Told with all else, and nothing is made: which permissions are wanted is not known until then.
        found.blocking.append(f"settings: {refused.what_to_do}")
    else:
        for role in roles_of(account.access, _needed(region, deployment, settings)):
            {"lacks": found.missing, "gone": found.blocking}.get(role.state, found.lines).append(role.text)
        found.lines.append("settings: in order, the same in all functions")
        found.lines.append(where_it_goes(settings, region))
    found.lines += _kept(settings, deployment, found.missing)
    found.lines += [
        f"not used: {name} is set here, and {file.name} does not name it" for name in unused(file, variables)
    ]
    calls, yuan = at_rest(deployment)
    found.lines.append(
        f"at rest: about {yuan:.2f} yuan a month, for {calls:,} calls by timers "
        f"(list prices of {list_prices().date})"
    )
    return found


def where_it_goes(settings: Settings, region: str) -> str:
    """Say who reads pictures under settings that are `located`, and what of them leaves the country."""
    if settings.engine == EMBEDDED:
        return "pictures: read in the function, by the engine; nothing leaves it"
    reader = settings.text_provider
    read = f"pictures: read in {region}"
    if reader != "none":
        read += f", their text by {reader} in {region_of(reader, settings, region)}"
    away = ", ".join(f"{each.region} ({each.setting})" for each in abroad(settings, region))
    return f"{read}; " + (f"sent to another country: {away}" if away else "nothing leaves the country")


def _kept(settings: Settings, deployment: Deployment, missing: list[str]) -> list[str]:
    """Say how long what is kept; terms without a timer that carries them out are no terms."""
    if not settings.retention:
        return []
    timed = {trigger.function for trigger in deployment.timers if trigger.enabled}
    if "on_schedule" not in timed:
        missing.append("retention: no timer runs on_schedule, so nothing is removed")
    return [f"retention: {table()[variable('retention')].kind.show(settings.retention)}"]


def _needed(region: str, deployment: Deployment, settings: Settings) -> dict[str, Mapping[str, Any]]:
    """Return the policy that each role must have at least, by the role's name."""
    place = Place(region, settings.bucket.rpartition("-")[2], settings.bucket, settings.result_bucket)
    granted = grants(settings, region, jobs=bool(settings.job_secrets))
    return {
        spec.role: granted_policy(key, granted, place)
        for key, spec in deployment.functions.items()
        if spec.role
    }


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
