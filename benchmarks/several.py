"""Counts how pictures of several cards end: cards found, published by themselves, leaks, damaged fields."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.samples.judging import COVER, found_of, judge
from tests.support.samples.mixed import MixedPicture
from tests.support.samples.several import FRONT_AND_BACK, SEVERAL_KINDS, make_all_several

from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import ProcessingResult, examine
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Limits, Policy, load_policy
from cardveil_ocr.adapter import embedded_recogniser


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

    def add(self, picture: MixedPicture, policy: Policy, result: ProcessingResult) -> None:
        """Count one picture, and tell what went wrong with it."""
        found = len(found_of(picture, result.cards))
        self.pictures += 1
        self.cards += len(picture.cards)
        self.found += found
        if result.copy is None or found < len(picture.cards):
            self.findings.update(result.findings)
            said = (
                f"{result.status.value}, {found} of {len(picture.cards)} found: {', '.join(result.findings)}"
            )
            sys.stdout.write(f"  {picture.name}: {said}\n")
        if result.copy is None:
            return
        judgement = judge(picture, policy, result.cards, result.copy.data)
        self.published += 1
        self.leaking += bool(judgement.leaks)
        self.damaged += len(judgement.damaged)
        self.kept += judgement.kept
        for what, shares in (("LEAK", judgement.leaks), ("damaged", judgement.damaged)):
            if shares:
                told = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
                sys.stdout.write(f"  {picture.name}: {what} {told}\n")

    def row(self) -> str:
        told = {
            "pictures": self.pictures,
            "found": f"{self.found}/{self.cards}",
            "published": f"{self.published}/{self.pictures}",
            "leaking": self.leaking,
            "damaged": f"{self.damaged}/{self.kept}",
            "findings": dict(self.findings.most_common(4)),
        }
        return json.dumps(told, ensure_ascii=False)


def run(picture: MixedPicture, policy: Policy, recogniser: CardRecogniser) -> ProcessingResult:
    """Examine a picture as `cardveil redact` does, with a cover whose colour tells it from all ink."""
    rules = RedactionRules(replace(policy, fill=COVER), Limits())
    return examine(picture.encode(), Hint(), recogniser, rules)


def main() -> int:
    """Print a row for each kind, and what went wrong by the picture's name; 1 if there was a leak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60, help="pictures with a front and a back")
    parser.add_argument("--others", type=int, default=30, help="pictures of other combinations")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--kind", choices=SEVERAL_KINDS)
    parser.add_argument("--keep", type=Path, help="a folder for the published copies")
    options = parser.parse_args()
    policy, recogniser = load_policy(options.policy), embedded_recogniser(2)
    others = tuple(kind for kind in SEVERAL_KINDS if kind not in FRONT_AND_BACK)
    wanted = [(FRONT_AND_BACK, options.count), (others, options.others)]
    if options.kind:
        wanted = [((options.kind,), options.count)]
    tallies = {kind: Tally() for kinds, count in wanted if count for kind in kinds}
    started = time.perf_counter()
    for kinds, count in wanted:
        for picture in make_all_several(count, kinds, options.seed):
            result = run(picture, policy, recogniser)
            tallies[picture.kind].add(picture, policy, result)
            if options.keep and result.copy:
                options.keep.mkdir(parents=True, exist_ok=True)
                (options.keep / f"{picture.name}.jpg").write_bytes(result.copy.data)
            sys.stdout.flush()
    for kind, tally in tallies.items():
        sys.stdout.write(f"{kind:<22} {tally.row()}\n")
    leaking = sum(tally.leaking for tally in tallies.values())
    sys.stdout.write(f"{leaking} leak; {time.perf_counter() - started:.0f} s\n")
    return 1 if leaking else 0


if __name__ == "__main__":
    sys.exit(main())
