"""Measures the embedded recogniser on clean cards of many makes: found, read, published, leaked."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.samples.mixed import MixedPicture, make_mixed

from benchmarks.tally import run, said_of
from benchmarks.template_cards import make_template
from cardveil.card.findings import Status
from cardveil.card.model import PORTRAIT, Card, CardType
from cardveil.recognition.interfaces import Hint, Image, Located, Recognition
from cardveil.redaction import load_policy
from cardveil_ocr.adapter import EmbeddedRecogniser, embedded_recogniser

_NUMBERS = ("id_number", "licence_number")


@dataclass
class Tally:
    """What came of the pictures of one make."""

    cards: int = 0
    found: int = 0
    crashed: int = 0
    published: int = 0
    leaking: int = 0
    damaged: int = 0
    fields: int = 0
    exact: int = 0
    numbers: int = 0
    numbers_exact: int = 0
    seals: int = 0
    seals_exact: int = 0
    findings: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, object]:
        return {
            "found": f"{self.found}/{self.cards}",
            "crashed": self.crashed,
            "exact": f"{self.exact}/{self.fields}",
            "numbers": f"{self.numbers_exact}/{self.numbers}",
            "seals": f"{self.seals_exact}/{self.seals}",
            "published": f"{self.published}/{self.cards}",
            "leaking": self.leaking,
            "damaged": self.damaged,
            "findings": dict(self.findings.most_common(8)),
        }


class _Keeping:
    """Keeps what it recognised last: a verdict that comes to nothing does not tell it."""

    def __init__(self, base: EmbeddedRecogniser) -> None:
        self._base = base
        self.last: tuple[Card, ...] = ()

    def recognise(self, image: Image, hint: Hint, located: Located | None = None) -> Recognition:
        recognition = self._base.recognise(image, hint, located)
        self.last = recognition.cards
        return recognition

    def forget(self) -> None:
        self.last = ()

    def texts(self, image: Image) -> tuple[str, ...]:
        return self._base.texts(image)


def measure(sample: MixedPicture, recogniser: _Keeping, tally: Tally, keep: Path | None) -> None:
    """Count one picture of one card."""
    (truth,) = sample.cards.values()
    tally.cards += 1
    recogniser.forget()
    said = []
    try:
        result, judgement = run(sample, load_policy("standard"), recogniser, keep)
    except Exception as error:  # noqa: BLE001 - a crash is what is counted here
        tally.crashed += 1
        sys.stdout.write(f"  {sample.name}: CRASH {type(error).__name__}: {error}\n")
        return
    card = next((c for c in recogniser.last if (c.type, c.side) == (truth.type, truth.side)), None)
    if card is None:
        said.append("not found")
    else:
        tally.found += 1
        for true in truth.fields:
            if true.name == PORTRAIT:
                continue
            own = card.field(true.name)
            exact = own is not None and own.normalized == true.normalized
            if true.name == "authority" and truth.type is CardType.DRIVER_LICENSE:
                tally.seals, tally.seals_exact = tally.seals + 1, tally.seals_exact + exact
            else:
                tally.fields, tally.exact = tally.fields + 1, tally.exact + exact
            if true.name in _NUMBERS:
                tally.numbers, tally.numbers_exact = tally.numbers + 1, tally.numbers_exact + exact
            if not exact:
                said.append(f"{true.name} {own.text if own else None!r} for {true.text!r}")
    tally.findings.update(result.findings)
    if result.status is Status.REDACTED:
        tally.published += 1
    else:
        said.append(f"{result.status.value}: {', '.join(result.findings)}")
    if judgement is not None:
        tally.leaking += bool(judgement.leaks)
        tally.damaged += bool(judgement.damaged)
        said += said_of(judgement)
    for line in said:
        sys.stdout.write(f"  {sample.name}: {line}\n")


def main() -> int:
    """Print a row for each make and every mistake by its picture's name; 1 if anything leaked or crashed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=24, help="pictures of each make (default 24)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--part", choices=("tuning", "test"), default="test")
    parser.add_argument("--make", action="append", choices=("single", "other_make", "free", "template"))
    parser.add_argument("--template", type=Path, help="where `idcardgenerator` was unpacked")
    parser.add_argument("--keep", type=Path, help="a folder for the published copies")
    options = parser.parse_args()
    makes: dict[str, Callable[[int], MixedPicture]] = {
        make: lambda seed, make=make: make_mixed(make, seed, part=options.part)  # type: ignore[misc]
        for make in ("single", "other_make", "free")
    }
    if options.template is not None:
        makes["template"] = lambda seed: make_template(options.template, seed)
    recogniser = _Keeping(embedded_recogniser(2))
    started = time.perf_counter()
    tallies = {}
    for make, draw in makes.items():
        if options.make and make not in options.make:
            continue
        tally = tallies[make] = Tally()
        for index in range(options.count):
            measure(draw(options.seed * 10_000 + index), recogniser, tally, options.keep)
            sys.stdout.flush()
    for make, tally in tallies.items():
        sys.stdout.write(f"{make:<11} {json.dumps(tally.row(), ensure_ascii=False)}\n")
    sys.stdout.write(f"{time.perf_counter() - started:.0f} s\n")
    return 1 if any(tally.leaking or tally.crashed for tally in tallies.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
