"""What redacted copies really cover: the ink of masked fields and the portrait, by the truth of samples.

Two ways to the places of the fields: the embedded recogniser, and tight boxes around the ink as a vendor may
give them, rounded, a little off, and without the portrait, which then follows from the fields alone.
"""

from __future__ import annotations

import argparse
import io
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from random import Random

import numpy as np
from PIL import Image, ImageOps
from tests.support.samples import CONDITIONS, Sample, make_samples

from cardveil.card.model import PORTRAIT, Card, Field, Polygon
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import examine
from cardveil.recognition.interfaces import Hint, Located, Recognition
from cardveil.recognition.interfaces import Image as Sent
from cardveil.redaction import Limits, load_policy
from cardveil_ocr.adapter import embedded_recogniser

#: How far off a vendor's corner may be, as a share of the text's height.
_OFF = 0.08


@dataclass(frozen=True)
class TightBoxes:
    """Answers with the truth's own ink boxes, as a vendor might."""

    sample: Sample
    random: Random

    def recognise(
        self,
        image: Sent,  # noqa: ARG002 - the protocol's
        hint: Hint,  # noqa: ARG002
        located: Located | None = None,  # noqa: ARG002
    ) -> Recognition:
        if len(self.sample.cards) != 1:
            return Recognition(findings=("several_cards",))
        truth = self.sample.cards[0]
        fields = tuple(
            Field(known.name, known.text, known.normalized, 99.0, self._about(known.polygon), ("vendor",))
            for known in truth.fields
            if known.name != PORTRAIT
        )
        return Recognition((Card(truth.type, truth.side, fields),))

    def texts(self, image: Sent) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        return ()

    def _about(self, polygon: Polygon) -> Polygon:
        left, top, right, bottom = polygon.bounds()
        off = _OFF * min(bottom - top, right - left)
        return Polygon.of(
            (round(x + self.random.uniform(-off, off)), round(y + self.random.uniform(-off, off)))
            for x, y in polygon.points
        )


@dataclass
class Tally:
    """What came out of the pictures of one condition."""

    pictures: int = 0
    published: int = 0
    covered: list[float] = field(default_factory=list)
    portraits: list[float] = field(default_factory=list)
    kept: list[float] = field(default_factory=list)

    def row(self) -> str:
        full = sum(share >= 0.999 for share in self.covered)
        faces = sum(share >= 0.999 for share in self.portraits)
        return (
            f"{self.pictures:9}{self.published:11}{f'{full}/{len(self.covered)}':>12}"
            f"{min(self.covered, default=1.0):9.3f}{f'{faces}/{len(self.portraits)}':>12}"
            f"{min(self.portraits, default=1.0):9.3f}{float(np.mean(self.kept or [0.0])):12.3f}"
        )


def measure(
    samples: Sequence[Sample], rules: RedactionRules, recogniser: Callable[[Sample], object]
) -> dict[str, Tally]:
    """Redact every sample and compare its copy with its truth."""
    tallies: dict[str, Tally] = defaultdict(Tally)
    for sample in samples:
        tally = tallies[sample.condition]
        tally.pictures += 1
        verdict = examine(sample.encode(), Hint(), recogniser(sample), rules)  # type: ignore[arg-type]
        if verdict.copy is None:
            continue
        tally.published += 1
        copy = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(verdict.copy.data))).convert("RGB"))
        black = copy.max(axis=-1) < 16
        for card in sample.cards:
            for known in card.fields:
                ink = sample.ink == known.ink_number
                if not ink.any():
                    continue
                share = float(black[ink].mean())
                action = rules.policy.action_for(card.type, card.side, known.name)
                if known.name == PORTRAIT:
                    tally.portraits.append(share)
                elif action == "keep":
                    # Ink is dark itself: what counts is whether the paper between its strokes was covered.
                    rows, columns = np.nonzero(ink)
                    box = np.s_[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
                    bright = sample.picture[box].min(axis=-1) > 60
                    tally.kept.append(float(black[box][bright].mean()) if bright.any() else 0.0)
                else:
                    tally.covered.append(share)
    return tallies


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=60)
    parser.add_argument("--seed", type=int, default=5)
    parser.add_argument("--policy", default="standard")
    parser.add_argument("--way", choices=["tight", "embedded", "both"], default="both")
    arguments = parser.parse_args()
    rules = RedactionRules(load_policy(arguments.policy), Limits())
    samples = list(make_samples(arguments.count, arguments.seed, part="test", conditions=CONDITIONS))
    engine = embedded_recogniser(2)
    random = Random(arguments.seed)
    ways: dict[str, Callable[[Sample], object]] = {
        "tight": lambda sample: TightBoxes(sample, random),
        "embedded": lambda _sample: engine,
    }
    for way, recogniser in ways.items():
        if arguments.way not in {way, "both"}:
            continue
        print(f"\n{way} places, policy {arguments.policy}: fields with ≥ 99.9% of their ink covered,")
        print(
            "the worst, portraits covered, the worst, and the share of kept fields' paper that is covered too"
        )
        print(f"{'condition':12}{'pictures':>9}{'published':>11}{'masked':>12}{'worst':>9}{'portraits':>12}"
              f"{'worst':>9}{'kept hidden':>12}")  # fmt: skip
        tallies = measure(samples, rules, recogniser)
        total = Tally()
        for condition, tally in tallies.items():
            print(f"{condition:12}{tally.row()}")
            total = replace(
                total,
                pictures=total.pictures + tally.pictures,
                published=total.published + tally.published,
                covered=[*total.covered, *tally.covered],
                portraits=[*total.portraits, *tally.portraits],
                kept=[*total.kept, *tally.kept],
            )
        print(f"{'all':12}{total.row()}", flush=True)


if __name__ == "__main__":
    main()
