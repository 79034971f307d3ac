"""`cardveil ledger`: is the access ledger whole, and who looked at what."""

from __future__ import annotations

import getpass
import heapq
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click
import orjson

from cardveil.settings import from_environment
from cardveil.storage.keys import source_digest
from cardveil.storage.ledger import Mark
from cardveil.storage.ledger_check import END_UNKNOWN, chains_of, read_segment, verify
from cardveil.storage.ledger_settle import settle, unsettled
from cardveil_cli.base import Command
from cardveil_cli.commands.bucket import bucket_environment, bucket_options, processor_of
from cardveil_cli.commands.entering import code_of
from cardveil_cli.commands.options import setting_option, settings_of
from cardveil_cli.exits import ExitCode, tell

if TYPE_CHECKING:
    from cardveil.storage.objects import Objects

_EXAMPLES = (
    ("ledger verify --data out/cloud", "Read all segments of the local cloud's ledger and compare them."),
    (
        "ledger verify --bucket cards-1250000000 --region ap-shanghai --known ends.txt --ends ends.txt",
        "Also compare with where it ended at the last verification, and keep where it ends now.",
    ),
    ("ledger show --card inbox/front.jpg --data out/cloud", "Who looked at a card."),
    (
        "ledger settle --reason incident:2026-17 --data out/cloud",
        "Enter that a chain whose end nothing names ends where it does: an instance was killed.",
    ),
)
_MEANINGS: Final = {
    "altered": "the bytes are not those that others name",
    "missing": "it is named and not there",
    "misplaced": "it says of itself that it stands elsewhere",
    "unreadable": "it is no segment of a ledger",
    END_UNKNOWN: "nothing says that the chain ends here: its head was removed, or an instance was killed; "
    "compare the log, then settle it",
    "stray": "it is no part of a ledger",
}


@click.command("ledger", cls=Command, examples=_EXAMPLES)
@click.argument("action", type=click.Choice(["verify", "show", "settle"]))
@bucket_options
@setting_option("A CARDVEIL_ setting.")
@click.option("--card", help="show: only entries about the card of this key.")
@click.option("--by", help="show: only entries of this subject. settle: who settles; you, by default.")
@click.option("--reason", callback=code_of, help="settle: why, a code without names, as incident:2026-17.")
@click.option(
    "--since", default="", metavar="TIME", help="show: only entries from then on, as 2026-11-28T09."
)
@click.option(
    "--known",
    type=click.File("rb"),
    help="verify, settle: where the chains ended at an earlier verification.",
)
@click.option(
    "--ends",
    type=click.Path(dir_okay=False, path_type=Path),
    help="verify: write where the chains end now; keep it where the bucket's writers cannot change it.",
)
@click.option("--json", "as_json", is_flag=True, help="JSON on standard output; entries one a line.")
def command(
    action: str,
    data: Path | None,
    bucket: str | None,
    region: str | None,
    settings: tuple[str, ...],
    card: str | None,
    by: str | None,
    reason: str | None,
    since: str,
    known: IO[bytes] | None,
    ends: Path | None,
    as_json: bool,
) -> ExitCode:
    """Verify the access ledger, show its entries in the order of their time, or settle a chain's end.

    verify ends with 3 when an entry was changed, removed or put elsewhere, and names the object. settle
    enters who says that chains with `end_unknown` end there, and why; it settles nothing beside other faults.
    """
    environment = bucket_environment(data, bucket, region)
    environment |= settings_of(settings, environment)
    chosen = from_environment(environment)
    objects = processor_of("ledger", environment).pipeline.sources
    if action == "show":
        wanted = {"cards": source_digest(card)} if card else {}
        for entry in _entries(objects, chosen.state_prefix):
            if (
                by in {None, entry.get("by")}
                and str(entry.get("at", "")) >= since
                and (not wanted or wanted["cards"] in entry.get("cards", ()))
            ):
                click.echo(orjson.dumps(entry) if as_json else _line(entry))
        return ExitCode.DONE
    if action == "settle":
        return _settled(objects, chosen.state_prefix, _known(known), by or getpass.getuser(), reason)
    return _verified(objects, chosen.state_prefix, _known(known), ends, as_json)


def _verified(
    objects: Objects, state_prefix: str, known: tuple[Mark, ...], ends: Path | None, as_json: bool
) -> ExitCode:
    found = verify(objects, state_prefix, known)
    if as_json:
        faults = [{"kind": fault.kind, "place": fault.place} for fault in found.faults]
        document: dict[str, Any] = {
            "chains": found.chains,
            "segments": found.segments,
            "entries": found.entries,
            "faults": faults,
        }
        click.echo(orjson.dumps(document))
    else:
        click.echo(f"{found.entries} entries in {found.segments} segments of {found.chains} chains")
    for fault in found.faults:
        tell(f"{fault.kind}: {fault.place}: {_MEANINGS[fault.kind]}")
    if not found.segments:
        tell("there is no ledger in this bucket")
    if found.faults or not found.segments:
        return ExitCode.LEFT_OVER
    if ends:
        ends.write_text("".join(f"{mark.text}\n" for mark in found.ends), "utf-8")
    return ExitCode.DONE


def _settled(
    objects: Objects, state_prefix: str, known: tuple[Mark, ...], by: str, reason: str | None
) -> ExitCode:
    if reason is None:
        raise click.UsageError("say the --reason")
    found = verify(objects, state_prefix, known)
    try:
        ends = unsettled(found)
    except ValueError:
        tell("nothing is settled: something was changed or removed; run `cardveil ledger verify`")
        return ExitCode.LEFT_OVER
    if ends:
        settle(objects, state_prefix, ends, by=by, reason=reason, now=time.time())
    click.echo(f"{len(ends)} settled")
    return ExitCode.DONE


def _known(file: IO[bytes] | None) -> tuple[Mark, ...]:
    try:
        return tuple(Mark.of(line.strip()) for line in (file.read().decode() if file else "").splitlines())
    except ValueError:
        raise click.UsageError("--known: give what --ends has written") from None


def _entries(objects: Objects, state_prefix: str) -> Iterator[dict[str, Any]]:
    """Yield all entries by their time; of each chain one segment is held."""
    chains = [_of_chain(objects, keys) for _, keys in chains_of(objects, state_prefix)]
    return heapq.merge(*chains, key=lambda entry: str(entry.get("at", "")))


def _of_chain(objects: Objects, keys: list[str]) -> Iterator[dict[str, Any]]:
    for key in keys:
        try:
            segment = read_segment(objects, key)
        except ValueError:
            tell(f"unreadable: {key}")
            continue
        yield from (dict(entry) for entry in (segment.entries if segment else ()))


def _line(entry: dict[str, Any]) -> str:
    cards = [str(card)[:16] for card in entry.get("cards", ())]
    shown = " ".join(cards[:3]) + (f" and {len(cards) - 3} more" if len(cards) > 3 else "")
    more = [f"{name}={entry[name]}" for name in ("detail", "why", "from", "refused") if entry.get(name)]
    return "  ".join((str(entry.get("at")), str(entry.get("by")), str(entry.get("look")), shown, *more))
