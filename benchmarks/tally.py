"""Counts what became of pictures whose truth is known: cards found, published, leaks, damaged fields."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Protocol

from tests.support.samples.judging import COVER, Judgement, found_of, judge
from tests.support.samples.mixed import MixedPicture

from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Limits, Policy, load_policy
from cardveil_ocr.adapter import embedded_recogniser


class Maker(Protocol):
    """Makes a picture of a kind; the same arguments always give the same."""

    def __call__(self, kind: str, seed: int, *, part: str) -> MixedPicture: ...


@dataclass
class Tally:
    """What came of the pictures of one kind."""

    pictures: int = 0
    cards: int = 0
    found: int = 0
    published: int = 0
    leaking: int = 0
    damaged: int = 0
    kept: int = 0
    findings: Counter[str] = field(default_factory=Counter)

    def add(self, picture: MixedPicture, result: ProcessingResult, judgement: Judgement | None) -> None:
        """Count one picture."""
        self.pictures += 1
        self.cards += len(picture.cards)
        self.found += len(found_of(picture, result.cards))
        self.findings.update(result.findings)
        if judgement is not None:
            self.published += 1
            self.leaking += bool(judgement.leaks)
            self.damaged += len(judgement.damaged)
            self.kept += judgement.kept

    def row(self) -> str:
        """Return the counts as JSON."""
        told = {
            "pictures": self.pictures,
            "found": f"{self.found}/{self.cards}",
            "published": f"{self.published}/{self.pictures}",
            "leaking": self.leaking,
            "damaged": f"{self.damaged}/{self.kept}",
            "findings": dict(self.findings.most_common(8)),
        }
        return json.dumps(told, ensure_ascii=False)


def run(
    picture: MixedPicture, policy: Policy, recogniser: CardRecogniser, keep: Path | None = None
) -> tuple[ProcessingResult, Judgement | None]:
    """Examine a picture as `cardveil redact` does, and judge the copy if there is one.

    Parameters
    ----------
    keep : Path, optional
        A folder for the copy.
    """
    # A cover whose colour tells it from all ink.
    rules = RedactionRules(replace(policy, fill=COVER), Limits())
    result = examine(picture.encode(), Hint(), recogniser, rules)
    if result.copy is None:
        return result, None
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        ending = result.copy.media_type.partition("/")[2]
        (keep / f"{picture.name}.{ending}").write_bytes(result.copy.data)
    return result, judge(picture, policy, result.cards, result.copy.data)


def said_of(judgement: Judgement) -> list[str]:
    """Return a line for what a copy shows, and one for what it spoils."""
    told = (("LEAK", judgement.leaks), ("damaged", judgement.damaged))
    return [
        f"{what} {', '.join(f'{name} {share:.3f}' for name, share in shares.items())}"
        for what, shares in told
        if shares
    ]


def count(
    pictures: Iterable[MixedPicture],
    policy: Policy,
    recogniser: CardRecogniser,
    *,
    expected: Iterable[str] = (),
    keep: Path | None = None,
) -> int:
    """Print what went wrong by each picture's name, then a row for each kind; return how many pictures leak.

    Parameters
    ----------
    expected
        The kinds whose pictures are to be published: one that is not, or of which not all cards are found,
        is told of.
    """
    expected, tallies = frozenset(expected), dict[str, Tally]()
    started = time.perf_counter()
    for picture in pictures:
        tally = tallies.setdefault(picture.kind, Tally())
        result, judgement = run(picture, policy, recogniser, keep)
        tally.add(picture, result, judgement)
        said = said_of(judgement) if judgement else []
        found = len(found_of(picture, result.cards))
        if picture.kind in expected and (judgement is None or found < len(picture.cards)):
            codes = ", ".join(result.findings)
            said.append(f"{result.status.value}, {found} of {len(picture.cards)} found: {codes}")
        sys.stdout.writelines(f"  {picture.name}: {line}\n" for line in said)
        sys.stdout.flush()
    for kind, tally in tallies.items():
        sys.stdout.write(f"{kind:<22} {tally.row()}\n")
    every = tallies.values()
    leaking, published = sum(t.leaking for t in every), sum(t.published for t in every)
    damaged, kept = sum(t.damaged for t in every), sum(t.kept for t in every)
    sys.stdout.write(
        f"{published} of {sum(t.pictures for t in every)} published, {leaking} leak; kept fields damaged"
        f" {damaged} of {kept}; {time.perf_counter() - started:.0f} s\n"
    )
    return leaking


def command(
    description: str | None, kinds: Iterable[str], make: Maker, *, pictures: int, expected: Iterable[str] = ()
) -> int:
    """Run a command that counts pictures of some kinds; return 1 if one leaks.

    Parameters
    ----------
    pictures
        How many are made if nothing else is asked for, the kinds in turn.
    """
    parser = counting(description, pictures)
    parser.add_argument(
        "--kind", action="append", choices=tuple(kinds), help="only this kind; several may be named"
    )
    options = parser.parse_args()
    wanted: Sequence[str] = options.kind or tuple(kinds)
    made = (
        make(wanted[index % len(wanted)], options.seed * 10_000 + index, part=options.part)
        for index in range(options.count)
    )
    policy, recogniser = load_policy(options.policy), embedded_recogniser(2)
    return 1 if count(made, policy, recogniser, expected=expected, keep=options.keep) else 0


def counting(description: str | None, pictures: int) -> argparse.ArgumentParser:
    """Return the options of every command that counts pictures."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--count", type=int, default=pictures)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--part", choices=("tuning", "test"), default="test")
    parser.add_argument("--keep", type=Path, help="a folder for the published copies")
    return parser
