"""TIFF, HEIC, AVIF and PDF: whole files and damaged ones; exit code 0 only if every promise held.

Counted are deaths of the parent, files that took longer than the limit, canaries that a copy holds, HEICs of
phones that are not seen right, and what other programs find in copies besides a picture for each page.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import random
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pypdfium2
from PIL import Image
from tests.support.papers_with_cards import SheetRecogniser
from tests.support.pdf import CANARY

from benchmarks.format_files import corpus, damaged, foreign, iphone_picture
from cardveil.card.findings import Status
from cardveil.card.model import Polygon
from cardveil.core.errors import CardveilError
from cardveil.core.frozen import replace
from cardveil.imaging.children import ChildLimits
from cardveil.imaging.conversion import opened
from cardveil.imaging.pages import PageLimits, is_document
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.document import examine_document
from cardveil.pipeline.document_renewal import covered_document
from cardveil.recognition.interfaces import Hint
from cardveil.redaction import Limits, Region, load_policy, redact
from cardveil_cloud.heif.convert import to_jpeg

#: Seconds of any time that one file may take: the children's own limit, and what starts and ends them.
LONGEST: Final = 60.0
_RULES: Final = RedactionRules(
    load_policy("pages_without_card: keep\nrest: keep\ncards:\n  IDCard: {name: mask}\n"),
    Limits(),
    converter=to_jpeg,
)
#: Larger files are not damaged: that many of them would take hours.
_LARGE: Final = 400_000
#: What exiftool tells of a file's own structure.
_STRUCTURE: Final = re.compile(
    r"SourceFile|(ExifTool|System|File|Composite|JFIF|ICC.*):.*|PDF:(PDFVersion|PageCount|Linearized)"
    r"|PNG:(ImageWidth|ImageHeight|BitDepth|ColorType|Compression|Filter|Interlace)|(PNG|RIFF):SRGBRendering"
    r"|IFD0:(ImageWidth|ImageHeight|BitsPerSample|Compression|PhotometricInterpretation|StripOffsets"
    r"|SamplesPerPixel|RowsPerStrip|StripByteCounts|PlanarConfiguration|Predictor|Orientation|FillOrder"
    r"|SubfileType|SampleFormat|ExtraSamples)"
)
_PAGES: Final = PageLimits(max_pixels=1_500_000, child=ChildLimits(seconds=20.0))


def look(data: bytes) -> tuple[str, bytes]:
    """Redact one file of any kind; return its outcome, and the copy where there is one."""
    try:
        if is_document(data):
            return _of_document(data)
        found = opened(data, _RULES.limits, to_jpeg)
        box = Polygon.box(2, 2, max(3, found.width // 3), max(3, found.height // 3))
        return "redacted", redact(found, [Region("a", box, "mask")]).data
    except CardveilError as refusal:
        return refusal.code, b""


def _of_document(data: bytes) -> tuple[str, bytes]:
    done = examine_document(data, Hint(), SheetRecogniser(), _RULES, page_limits=_PAGES)
    told = done.status.value if done.copy else done.findings[0]
    if told == "no_card":
        # All of it is shown then, as if a person had said so: there is the most that a copy could hold.
        said = replace(done, status=Status.REDACTED)
        kept = covered_document(said, data, _RULES, SheetRecogniser(), page_limits=_PAGES)
        return told, kept.copy.data if kept.copy else b""
    return told, done.copy.data if done.copy else b""


def _serve(pipe: Any) -> None:
    while (data := pipe.recv()) is not None:
        pipe.send(look(data))


class Parent:
    """A process that redacts what it is given; that it dies is counted, and another takes its place."""

    def __init__(self) -> None:
        self.deaths = self.hangs = 0
        self.slowest = 0.0
        self._begin()

    def _begin(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), daemon=True)
        self._process.start()
        theirs.close()

    def look(self, data: bytes) -> tuple[str, bytes]:
        """Return what `look` does, ``died`` or ``hung``."""
        begun = time.monotonic()
        try:
            self._pipe.send(data)
            if not self._pipe.poll(LONGEST):
                self.hangs += 1
                self._process.kill()
                self._begin()
                return "hung", b""
            outcome: tuple[str, bytes] = self._pipe.recv()
        except (EOFError, OSError):
            self.deaths += 1
            self._begin()
            return "died", b""
        self.slowest = max(self.slowest, time.monotonic() - begun)
        return outcome


def holds_canary(copy: bytes) -> bool:
    """Say whether a copy holds the canary, or a PDF anything besides a picture for each page."""
    if CANARY in copy:
        return True
    if copy[:5] != b"%PDF-":
        return False
    document = pypdfium2.PdfDocument(copy)
    text = "".join(page.get_textpage().get_text_range() for page in document)
    kinds = [each.type for page in document for each in page.get_objects()]
    pictures = kinds == [pypdfium2.raw.FPDF_PAGEOBJ_IMAGE] * len(document)
    return bool(
        text or document.count_attachments() or any(document.get_metadata_dict().values()) or not pictures
    )


def told_by_others(copies: Sequence[bytes]) -> Counter[str]:
    """Return what exiftool, pdftotext, pdfimages and qpdf find in copies that is not of their pictures.

    Programs that are not installed tell nothing.
    """
    told = Counter[str]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number, copy in enumerate(copies):
            (folder / str(number)).write_bytes(copy)
        files = sorted(folder.iterdir())
        for entry in json.loads(_ran("exiftool", "-j", "-G1", "-a", "-u", str(folder)) or b"[]"):
            told.update(key for key in entry if not _STRUCTURE.fullmatch(key))
        for file in files:
            if file.read_bytes()[:5] != b"%PDF-":
                continue
            told["pdftotext"] += bool((_ran("pdftotext", str(file), "-") or b"").strip())
            listed = _ran("pdfimages", "-list", str(file))
            count = len(pypdfium2.PdfDocument(file))
            told["pdfimages"] += listed is not None and len(listed.splitlines()) - 2 != count
            checked = _ran("qpdf", "--check", str(file))
            told["qpdf"] += checked == b""
    return +told


def _ran(*command: str) -> bytes | None:
    """Return what a program prints, nothing where it failed, None where it is not installed."""
    if shutil.which(command[0]) is None:
        return None
    return subprocess.run(command, capture_output=True, check=False).stdout


def upright(count: int) -> int:
    """Return how many generated HEICs of phones are seen as they are to be, and their doubts told."""
    right = 0
    for seed in range(count):
        data, shown, doubt = iphone_picture(seed)
        found = opened(data, Limits(), to_jpeg)
        seen = Image.open(io.BytesIO(found.data)).convert("RGB")
        alike = seen.size == shown.size and (
            np.abs(np.asarray(seen).astype(int) - np.asarray(shown)).mean() < 4
        )
        right += alike and found.conflicting == doubt and CANARY not in found.data
    return right


class Count:
    """What came of the files, told as it comes: a run that is ended early has said what it has seen."""

    def __init__(self) -> None:
        self.parent = Parent()
        self.canaries = 0
        self.copies: list[bytes] = []

    def look(self, data: bytes, *, keep: bool = False) -> str:
        """Redact one file and look at its copy; return the outcome."""
        outcome, copy = self.parent.look(data)
        self.canaries += bool(copy) and holds_canary(copy)
        if copy and keep:
            self.copies.append(copy)
        return outcome

    def whole(self, files: Sequence[tuple[str, bytes]]) -> None:
        """Redact files as they are, and tell the outcomes of each kind."""
        ends = dict[str, Counter[str]]()
        for kind, data in files:
            ends.setdefault(kind, Counter())[self.look(data, keep=True)] += 1
        for kind, counted in ends.items():
            told = ", ".join(f"{count} {outcome}" for outcome, count in counted.most_common())
            print(f"{kind:22} {told}")

    def damaged(self, files: Sequence[bytes], count: int, seed: int, until: float) -> None:
        """Redact so many damaged files, or until a moment, and tell the outcomes."""
        rng, tried, outcomes = random.Random(seed), 0, Counter[str]()
        while tried < count and time.monotonic() < until:
            outcomes[self.look(damaged(list(files), rng))] += 1
            tried += 1
            if tried % 250 == 0:
                print(f"  {tried} of {count} damaged files", flush=True)
        print(f"damaged files            {tried}")
        for outcome, number in outcomes.most_common():
            print(f"  {outcome:22} {number}")

    def promises(self) -> bool:
        """Tell what must be nothing, and say whether it is."""
        parent = self.parent
        print(f"deaths of the parent     {parent.deaths}")
        print(f"files over {LONGEST:.0f} s          {parent.hangs}; the slowest took {parent.slowest:.1f} s")
        print(f"copies with a canary     {self.canaries}", flush=True)
        return not (parent.deaths or parent.hangs or self.canaries)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--damaged", type=int, default=2000)
    parser.add_argument("--seconds", type=float, default=1e9, help="end earlier, and say after how many")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--packages", type=Path, default=Path("build/corpora"), help="where source distributions are kept"
    )
    arguments = parser.parse_args()
    begun = time.monotonic()
    right = upright(50)
    print(f"HEICs right              {right} of 50", flush=True)
    files, others = list(corpus()), list(foreign(arguments.packages))
    print(f"generated files          {len(files)}, {sum(CANARY in data for _, data in files)} with canaries")
    print(f"files of packages        {len(others)}", flush=True)
    count = Count()
    count.whole(files + others)
    strange = dict(told_by_others(count.copies))
    print(f"copies of whole files    {len(count.copies)}; others find in them: {strange or 'nothing'}")
    kept = count.promises()
    small = [data for _, data in files + others if len(data) < _LARGE]
    count.damaged(small, arguments.damaged, arguments.seed, begun + arguments.seconds)
    kept = count.promises() and kept
    print(f"seconds                  {time.monotonic() - begun:.0f}")
    return 0 if kept and not strange and right == 50 else 1


if __name__ == "__main__":
    sys.exit(main())
