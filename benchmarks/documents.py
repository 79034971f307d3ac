"""A scan of ten pages with cards on two: right cards on right pages, its time and memory, in the local cloud.

The pages have several sizes and lie turned in the file. Its time is compared with that of its pages, each
uploaded as a picture of its own, one after the other. Memory is the function's with all that it has started.
The recogniser knows the pages, and takes as long as a vendor's service; with ``--engine`` it is the embedded
one, in this process.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from PIL import Image
from tests.support.cloud_fixture import Bench, bench, kept
from tests.support.documents import table
from tests.support.papers_with_cards import BACK, FRONT, sheet
from tests.support.pdf import pages

from cardveil.imaging.pages import pages_of
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.document import examine_document
from cardveil.recognition.interfaces import Hint
from cardveil.redaction import Limits, load_policy

#: Seconds of a recognition.
_SERVICE_S: Final = 0.5
#: Pages at 300 dots an inch: A4 upright and lying, A5, a narrow one.
_SIZES: Final = ((2480, 3508), (3508, 2480), (1748, 2480), (1300, 3000))
_USED: Final = re.compile(r"MemUsage: ([0-9.]+)MB")


def ten_pages() -> tuple[bytes, list[str | None]]:
    """Return the document, and which card lies on each page."""
    cards: list[str | None] = [None] * 10
    cards[1], cards[6] = FRONT, BACK
    turns = [90 * (number * 3 % 4) for number in range(10)]
    laid = [sheet(card, _SIZES[number % 4]) for number, card in enumerate(cards)]
    ways = {
        90: Image.Transpose.ROTATE_90, 180: Image.Transpose.ROTATE_180, 270: Image.Transpose.ROTATE_270
    }  # fmt: skip
    stored = [each.transpose(ways[turn]) if turn else each for each, turn in zip(laid, turns, strict=True)]
    return pages(stored, turns), cards


@contextmanager
def cloud(data: bytes, cards: list[str | None]) -> Iterator[Bench]:
    """Run the local cloud with a recogniser that knows the pages."""
    with (
        tempfile.TemporaryDirectory() as folder,
        bench(Path(folder), pictures=table(data, cards), delay_s=_SERVICE_S) as running,
    ):
        yield running


def seconds_of(running: Bench, name: str, data: bytes) -> float:
    """Upload a source, and return how long it took until its sidecar stood."""
    begun = time.monotonic()
    running.run(name, data)
    return time.monotonic() - begun


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", action="store_true", help="by the embedded recogniser, in this process")
    data, cards = ten_pages()
    wanted = [[] if card is None else ["front" if card == FRONT else "back"] for card in cards]
    if parser.parse_args().engine:
        return _by_engine(data, wanted)
    with pages_of(data, Limits()) as (_, drawn):
        pictures = [page.data for page in drawn]
    # Each in a cloud of its own: what it has recognised once it knows.
    with cloud(data, cards) as running:
        running.run("warm.jpg", kept("licence-flat.jpg"))
        whole = seconds_of(running, "a.pdf", data)
        sidecar = running.sidecar("a.pdf")
        memory = max(map(float, _USED.findall(running.logs())))
    with cloud(data, cards) as running:
        running.run("warm.jpg", kept("licence-flat.jpg"))
        single = sum(seconds_of(running, f"{number}.jpg", each) for number, each in enumerate(pictures))
    found = [[card["side"] for card in page["cards"]] for page in sidecar["pages"]] if sidecar else []
    print(f"status                   {sidecar and sidecar['status']}")
    print(f"cards on their pages     {found == wanted}")
    print(f"the document             {whole:.1f} s")
    print(f"its pages one by one     {single:.1f} s; the document takes {whole / single:.2f} of that")
    print(f"memory of the function   {memory:.0f} MB of 512, with what it has started")
    right = found == wanted and sidecar is not None and sidecar["status"] == "redacted"
    return 0 if right and whole <= 1.2 * single and memory <= 512 else 1


def _by_engine(data: bytes, wanted: list[list[str]]) -> int:
    from cardveil_ocr.adapter import embedded_recogniser

    begun = time.monotonic()
    rules = RedactionRules(load_policy("standard"), Limits())
    done = examine_document(data, Hint(), embedded_recogniser(2), rules)
    found = [[card.side.value for card in page.cards] for page in done.pages]
    print(f"by the embedded recogniser: {done.status.value}, {done.findings}")
    print(f"cards on their pages     {found == wanted}, {time.monotonic() - begun:.1f} s")
    return 0 if found == wanted and done.copy is not None else 1


if __name__ == "__main__":
    sys.exit(main())
