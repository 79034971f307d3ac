"""`cardveil cost`: what a month costs, item by item, from dated list prices or the user's own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Final

import click
import orjson

from cardveil.settings import APIS, Settings, from_environment
from cardveil.settings.regions import located
from cardveil.sweep.estimate import blank_calls_of, calls_of
from cardveil_cli.base import Command
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.commands.prices import Prices, list_prices

#: COS requests of a picture besides one PUT for each answer that was paid for (tests/e2e/test_costs.py).
_REQUESTS: Final = 13
#: And of a page of a document, which is put for the services to read and taken away again.
_PAGE_REQUESTS: Final = 2
#: Days that logs are kept.
_LOG_DAYS: Final = 30
_EXAMPLES = (
    ("cost --cards 10000", "Fronts of ID cards, with the settings as they are."),
    ("cost --cards 10000 --pages 4000", "Some of them in PDFs, with 4,000 pages that hold no card."),
    ("cost --cards 10000 --set CARDVEIL_WITNESS=off", "With other settings."),
    ("cost --cards 10000 --price AILicenseRec=0.02 --price OCR=0.01", "With prices of your own contract."),
)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of the bill; `yuan` is None where no price is known."""

    name: str
    quantity: float
    unit: str
    yuan: float | None


@dataclass(frozen=True, slots=True)
class Usage:
    """What is used in a month, apart from the settings.

    Attributes
    ----------
    prefix : str
        Under what key the cards are uploaded: settings may say what such keys show.
    pages : int
        Pages without a card, of PDFs and TIFFs; each is looked at as a picture is.
    """

    cards: int
    megabytes: float
    seconds: float
    memory_mb: int
    log_kb: float
    prefix: str = "inbox/"
    pages: int = 0


def bill(usage: Usage, settings: Settings, prices: Prices, own: dict[str, float]) -> list[Item]:
    """Work out a month.

    Parameters
    ----------
    own : dict of API to yuan a call
        The user's own prices; they come before the list's.
    """
    cards = usage.cards
    calls = Counter({api: count * cards for api, count in calls_of(usage.prefix, settings).items()})
    for api, count in blank_calls_of(usage.prefix, settings).items():
        calls[api] += count * usage.pages
    items = [
        Item(
            f"{api} calls",
            count,
            "calls",
            count * own[api] if api in own else prices.of_calls(api, count),
        )
        for api, count in sorted(calls.items())
    ]
    work = (cards + usage.pages) * usage.seconds * usage.memory_mb / 1024
    requests = cards * _REQUESTS + usage.pages * _PAGE_REQUESTS + sum(calls.values())
    stored, logs = cards * usage.megabytes / 1024, cards * usage.log_kb / 1024**2
    return [
        *items,
        Item("SCF work", work, "GB seconds", work * prices.gigabyte_second),
        Item("SCF invocations", cards, "calls", cards / 10_000 * prices.invocations),
        Item("COS storage", stored, "GB", stored * prices.stored),
        Item("COS requests", requests, "requests", requests / 10_000 * prices.requests),
        Item("logs", logs, "GB", logs * (prices.logged + _LOG_DAYS * prices.log_kept)),
    ]


def own_prices(pairs: Iterable[str]) -> dict[str, float]:
    """Read ``API=YUAN`` pairs; raises `click.UsageError` for anything else."""
    found = {}
    for pair in pairs:
        api, _, amount = pair.partition("=")
        try:
            found[api] = float(amount)
        except ValueError:
            found[api] = -1.0
        if api not in APIS or not 0 <= found[api] < 1000:
            raise click.UsageError(f"--price takes API=YUAN of one call, with {', '.join(APIS)}")
    return found


@click.command("cost", cls=Command, examples=_EXAMPLES)
@click.option("--cards", type=click.IntRange(1), default=10_000, show_default=True, help="Cards a month.")
@click.option(
    "--pages",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Pages without a card a month, of PDFs and TIFFs.",
)
@click.option("--region", default="ap-shanghai", show_default=True, help="The bucket's region.")
@click.option("--price", "own", multiple=True, metavar="API=YUAN", help="Your price of one call.")
@click.option(
    "--prefix", default="inbox/", show_default=True, help="Where the cards lie, for CARDVEIL_CARD_RULES."
)
@click.option(
    "--megabytes",
    type=click.FloatRange(0),
    default=4.0,
    show_default=True,
    help="Kept of one card: source, copy and sidecar.",
)
@click.option(
    "--seconds", type=click.FloatRange(0), default=1.5, show_default=True, help="Run time of one invocation."
)
@click.option(
    "--memory", type=click.IntRange(64, 3072), default=512, show_default=True, help="Megabytes of a function."
)
@click.option(
    "--log-kilobytes", type=click.FloatRange(0), default=4.0, show_default=True, help="Logged of one card."
)
@setting_option("A CARDVEIL_ setting of the deployment.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")
def command(
    cards: int,
    pages: int,
    region: str,
    own: tuple[str, ...],
    prefix: str,
    megabytes: float,
    seconds: float,
    memory: int,
    log_kilobytes: float,
    settings: tuple[str, ...],
    as_json: bool,
) -> None:
    """Work out what a month costs in yuan, from dated list prices and your own.

    Counted is what an upload needs when nothing fails: no retries, no taxes, no traffic out of the cloud.
    `cardveil deploy --plan` says what timers cost when nothing is uploaded.
    """
    prices, chosen = list_prices(), located(from_environment(settings_of(settings)), region)
    usage = Usage(cards, megabytes, seconds, memory, log_kilobytes, prefix, pages)
    items = bill(usage, chosen, prices, own_prices(own))
    known = sum(item.yuan for item in items if item.yuan is not None)
    missing = [item.name.removesuffix(" calls") for item in items if item.yuan is None]
    if as_json:
        document = {"date": prices.date, "items": [asdict(item) for item in items], "sum": round(known, 2)}
        click.echo(orjson.dumps({**document, "without_price": missing}))
        return
    for item in items:
        yuan = "not known" if item.yuan is None else f"{item.yuan:,.2f}"
        click.echo(f"{item.name:<32} {item.quantity:>12,.0f} {item.unit:<10} {yuan:>12}")
    click.echo(f"{'sum of what is known, in yuan':<56} {known:>12,.2f}")
    click.echo(f"list prices of {prices.date}: {prices.source}")
    if missing:
        click.echo(f"no list price is known, give --price API=YUAN: {', '.join(missing)}")
