"""Counts what published copies still show of personal ink, over pictures with more than one clean card."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.support.samples.judging import COVER, Judgement, judge
from tests.support.samples.mixed import MIXED_KINDS, MixedPicture, make_all_mixed, make_mixed

from cardveil.card.findings import Status
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import examine
from cardveil.recognition.interfaces import CardRecogniser, Hint
from cardveil.redaction import Limits, Policy, load_policy
from cardveil_ocr.adapter import embedded_recogniser


@dataclass
class Tally:
    """What came of the pictures of one kind."""

    pictures: int = 0
    published: int = 0
    leaking: int = 0
    damaged: int = 0
    kept: int = 0
    findings: Counter[str] = field(default_factory=Counter)

    def row(self) -> dict[str, object]:
        return {
            "pictures": self.pictures,
            "published": self.published,
            "leaking": self.leaking,
            "damaged": f"{self.damaged}/{self.kept}",
            "findings": dict(self.findings.most_common(4)),
        }


def run(
    picture: MixedPicture, policy: Policy, recogniser: CardRecogniser, keep: Path | None = None
) -> tuple[Status, tuple[str, ...], Judgement | None]:
    """Examine a picture as `cardveil redact` does, and judge the copy if there is one."""
    rules = RedactionRules(replace(policy, fill=COVER), Limits())
    result = examine(picture.encode(), Hint(), recogniser, rules)
    if result.copy is None or not result.cards:
        return result.status, result.findings, None
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        (keep / f"{picture.name}.{result.copy.media_type.partition('/')[2]}").write_bytes(result.copy.data)
    return result.status, result.findings, judge(picture, policy, result.cards, result.copy.data)


def main() -> int:
    """Print a row for each kind of picture, and every leak by its picture's name; 1 if there was one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=104)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--kind", choices=MIXED_KINDS)
    parser.add_argument("--keep", type=Path, help="a folder for the published copies")
    options = parser.parse_args()
    policy, recogniser = load_policy(options.policy), embedded_recogniser(2)
    pictures = (
        (make_mixed(options.kind, options.seed * 10_000 + index) for index in range(options.count))
        if options.kind
        else make_all_mixed(options.count, options.seed)
    )
    tallies = {kind: Tally() for kind in MIXED_KINDS}
    started = time.perf_counter()
    for picture in pictures:
        tally = tallies[picture.kind]
        status, findings, judgement = run(picture, policy, recogniser, options.keep)
        tally.pictures += 1
        tally.findings.update(findings)
        if judgement is None:
            if picture.kind == "single":
                sys.stdout.write(f"  {picture.name}: {status.value} {', '.join(findings)}\n")
            continue
        tally.published += 1
        tally.leaking += bool(judgement.leaks)
        tally.damaged += len(judgement.damaged)
        tally.kept += judgement.kept
        for what, shares in (("LEAK", judgement.leaks), ("damaged", judgement.damaged)):
            if shares:
                said = ", ".join(f"{name} {share:.3f}" for name, share in shares.items())
                sys.stdout.write(f"  {picture.name}: {what} {said}\n")
    for kind, tally in tallies.items():
        if tally.pictures:
            sys.stdout.write(f"{kind:<14} {json.dumps(tally.row(), ensure_ascii=False)}\n")
    total = [tally for tally in tallies.values() if tally.pictures]
    published, leaking = sum(t.published for t in total), sum(t.leaking for t in total)
    damaged, kept = sum(t.damaged for t in total), sum(t.kept for t in total)
    sys.stdout.write(
        f"{published} of {sum(t.pictures for t in total)} published, {leaking} leak; kept fields damaged"
        f" {damaged} of {kept}; {time.perf_counter() - started:.0f} s\n"
    )
    return 1 if leaking else 0


if __name__ == "__main__":
    sys.exit(main())
