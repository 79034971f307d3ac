"""Feeds mutated pictures to redaction: nothing may crash, hang, swell, or come out with an uncovered place.

``python tests/leak/fuzz/run.py --count 100000 --seed 1`` prints one JSON line and exits with 0, or with 1 and
the mutations to repeat (``--seed S --first N --count 1``). The work is done in processes of their own, so
that a crash of the interpreter is a finding like any other.
"""

from __future__ import annotations

import argparse
import io
import json
import random
import resource
import struct
import subprocess
import sys
import time
import zlib
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from cardveil.card.model import Polygon
from cardveil.core.errors import Reject, Review
from cardveil.redaction import Region, inspect, redact, upright_copy

CORPUS = Path(__file__).parent / "corpus"
CANARY = b"CANARY-3301"
SLOWEST_S, LARGEST_MB = 2.0, 1024
_BATCH = 5000
_INTERESTING = (0, 1, 0x7F, 0x80, 0xFE, 0xFF, 0xD8, 0xD9, 0xDA, 0xC0, 0xC2, 0xC4, 0xDB)
_WIDE = (0, 1, 7, 8, 16, 255, 256, 900, 8191, 16383, 30000, 32767, 65535)


def mutate(sources: list[bytes], seed: int, index: int) -> tuple[int, bytes]:
    """Return ``(number of the source, mutated bytes)``; the same arguments always give the same bytes."""
    rng = random.Random(f"{seed}/{index}")
    which = rng.randrange(len(sources))
    data = bytearray(sources[which])
    for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
        _mutate_once(data, sources, rng)
    if data[:4] == b"\x89PNG" and rng.random() < 0.7:
        _mend_checksums(data)
    return which, bytes(data)


def _mutate_once(data: bytearray, sources: list[bytes], rng: random.Random) -> None:
    if len(data) < 8:
        return
    # Half of all changes go to the head, where a file says what it is.
    at = rng.randrange(min(len(data), 400)) if rng.random() < 0.5 else rng.randrange(len(data))
    kind = rng.randrange(9)
    if kind == 0:
        data[at] ^= 1 << rng.randrange(8)
    elif kind == 1:
        data[at] = rng.choice(_INTERESTING)
    elif kind == 2:
        data[at] = rng.randrange(256)
    elif kind == 3:
        data[at : at + 2] = struct.pack(rng.choice("<>") + "H", rng.choice(_WIDE))
    elif kind == 4:
        data[at : at + 4] = struct.pack(rng.choice("<>") + "I", rng.choice(_WIDE) * rng.choice((1, 65536)))
    elif kind == 5:
        del data[at : at + rng.choice((1, 2, 7, 64, len(data)))]
    elif kind == 6:
        data[at:at] = bytes(rng.randrange(256) for _ in range(rng.choice((1, 2, 16))))
    elif kind == 7:
        start = rng.randrange(len(data))
        data[at:at] = data[start : start + rng.choice((4, 20, 200))]
    else:
        other = rng.choice(sources)
        start = rng.randrange(len(other))
        piece = other[start : start + rng.choice((4, 40, 400))]
        data[at : at + len(piece)] = piece


def _mend_checksums(data: bytearray) -> None:
    """Put a PNG's checksums right, since nothing behind a wrong one is ever reached."""
    at = 8
    while at + 12 <= len(data):
        (length,) = struct.unpack_from(">I", data, at)
        end = at + 8 + length
        if end + 4 > len(data):
            return
        data[end : end + 4] = struct.pack(">I", zlib.crc32(data[at + 4 : end]))
        at = end + 4


def _place(rng: random.Random, width: int, height: int) -> Polygon:
    left, top = rng.uniform(0, width * 0.6), rng.uniform(0, height * 0.6)
    wide, high = rng.uniform(2, width * 0.4 + 2), rng.uniform(2, height * 0.4 + 2)
    slope = rng.uniform(-0.2, 0.2) * high
    return Polygon.of(
        [(left, top), (left + wide, top + slope), (left + wide, top + slope + high), (left, top + high)]
    )


def try_one(data: bytes, rng: random.Random) -> str:
    """Redact one file and look at the copy with a decoder of our own choosing; return what happened.

    Raises
    ------
    AssertionError
        When a copy shows what it must not.
    """
    try:
        picture = inspect(data)
        polygon = _place(rng, picture.width, picture.height)
        if rng.random() < 0.1:
            upright_copy(picture, max_bytes=200_000)
        copy = redact(picture, [Region("id_number", polygon, "mask")])
    except (Reject, Review) as refusal:
        return refusal.code
    assert CANARY not in _beside_the_picture(copy.data), "metadata in the copy"
    image = Image.open(io.BytesIO(copy.data))
    shown = image if image.mode.startswith("I") else image.convert("RGB")
    pixels = np.asarray(_upright(shown, picture.orientation if picture.format == "jpeg" else 1))
    assert pixels.shape[:2] == (picture.height, picture.width), "the copy has another size"
    ys, xs = np.nonzero(_inside(polygon, picture.width, picture.height))
    covered = pixels[ys, xs]
    if len(covered):
        assert (covered.max(axis=0) == covered.min(axis=0)).all(), "the cover is not uniform"
    return f"redacted by {copy.path}"


def _beside_the_picture(data: bytes) -> bytes:
    """Return a copy without its coded picture and quantisation, into which a mutation can move anything."""
    if data[:2] == b"II":
        with Image.open(io.BytesIO(data)) as image:
            return data[: min(image.tag_v2[273])]
    start = {b"BM": b"", b"\xff\xd8": b"\xff\xda", b"\x89P": b"IDAT", b"RI": b"VP8L"}[data[:2]]
    head = data[: data.find(start)] if start else data[:54]
    at = head.find(b"\xff\xdb") if start == b"\xff\xda" else -1
    while at >= 0 and head[at : at + 2] == b"\xff\xdb":
        head = head[:at] + head[at + 2 + int.from_bytes(head[at + 2 : at + 4], "big") :]
    return head + data[-16:]


def _upright(image: Image.Image, orientation: int) -> Image.Image:
    way = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(orientation)
    return image if way is None else image.transpose(Image.Transpose(way))


def _inside(polygon: Polygon, width: int, height: int) -> Any:
    left, top, right, bottom = polygon.bounds()
    within = np.zeros((height, width), bool)
    x0, y0, x1, y1 = (
        max(int(left), 0),
        max(int(top), 0),
        min(int(right) + 1, width),
        min(int(bottom) + 1, height),
    )
    ys, xs = np.mgrid[y0:y1, x0:x1] + 0.5
    here = np.ones(xs.shape, bool)
    points = polygon.points
    for (ax, ay), (bx, by) in zip(points, (*points[1:], points[0]), strict=True):
        here &= (bx - ax) * (ys - ay) - (by - ay) * (xs - ax) >= 0
    within[y0:y1, x0:x1] = here
    return within


def work(seed: int, first: int, count: int, until: float) -> dict[str, Any]:
    """Run mutations in this process and return what they came to."""
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    files = sorted(CORPUS.iterdir())
    sources = [path.read_bytes() for path in files]
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    slowest, done = 0.0, 0
    for index in range(first, first + count):
        if time.monotonic() > until:
            break
        which, data = mutate(sources, seed, index)
        # For whoever has to find out which mutation took the process down.
        sys.stderr.write(f"{index}\n")
        started = time.process_time()
        try:
            outcomes[try_one(data, random.Random(index))] += 1
        except Exception as error:  # noqa: BLE001 - every kind of failure is a finding
            findings.append(
                {"index": index, "file": files[which].name, "what": f"{type(error).__name__}: {error}"}
            )
        took = time.process_time() - started
        slowest, done = max(slowest, took), done + 1
        if took > SLOWEST_S:
            findings.append({"index": index, "file": files[which].name, "what": f"{took:.1f} s"})
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    if peak > LARGEST_MB:
        findings.append({"index": first, "file": "", "what": f"{peak:.0f} MB within {count} from here"})
    return {"done": done, "outcomes": outcomes, "findings": findings, "slowest": slowest, "peak": peak}


def main() -> int:
    """Parse the command line, run batches, print the sum."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=20_000, help="mutations (default 20000)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0, help="number of the first mutation")
    parser.add_argument("--seconds", type=float, default=86_400, help="stop after so many seconds")
    parser.add_argument("--batch", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    until = time.monotonic() + options.seconds
    if options.batch:
        sys.stdout.write(json.dumps(work(options.seed, options.first, options.count, until)))
        return 0
    outcomes: Counter[str] = Counter()
    findings: list[dict[str, Any]] = []
    done, slowest, peak, started = 0, 0.0, 0.0, time.monotonic()
    while done < options.count and time.monotonic() < until:
        first, count = options.first + done, min(_BATCH, options.count - done)
        left = until - time.monotonic()
        command = [sys.executable, __file__, "--batch", "--seed", str(options.seed), "--first", str(first)]
        command += ["--count", str(count), "--seconds", str(left)]
        try:
            batch = subprocess.run(
                command, capture_output=True, text=True, timeout=min(left + 60, 3600), check=False
            )
            code, output, trail = batch.returncode, batch.stdout, batch.stderr
        except subprocess.TimeoutExpired as late:
            code, output, trail = (
                -1,
                "",
                (late.stderr or b"").decode() if isinstance(late.stderr, bytes) else "",
            )
        if code:
            last = next((line for line in reversed(trail.split()) if line.isdecimal()), str(first))
            findings.append({"index": int(last), "file": "", "what": f"the process ended with {code}"})
            done = int(last) + 1 - options.first
            continue
        result = json.loads(output)
        outcomes.update(result["outcomes"])
        findings += result["findings"]
        slowest, peak = max(slowest, result["slowest"]), max(peak, result["peak"])
        done += result["done"]
        if result["done"] < count:
            break
    sys.stdout.write(json.dumps({
        "mutations": done, "seed": options.seed, "seconds": round(time.monotonic() - started, 1),
        "slowest_s": round(slowest, 3), "peak_mb": round(peak), "outcomes": dict(outcomes.most_common()),
        "findings": findings[:20],
    }) + "\n")  # fmt: skip
    return 1 if findings or not done else 0


if __name__ == "__main__":
    sys.exit(main())
