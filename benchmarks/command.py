"""Time of one picture in `cardveil redact` with the embedded recogniser, recognition apart from ours."""

from __future__ import annotations

import io
import statistics

from PIL import Image

from cardveil.core.timing import Timings
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.examine import examine
from cardveil.recognition.interfaces import Hint
from cardveil.redaction import Limits, load_policy
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_ocr.adapter import embedded_recogniser

ROUNDS = 5
SHOWN = ("inspect", "upright", "recognise", "plan", "redact")


def enlarged(data: bytes, megapixels: float) -> bytes:
    """Return a picture scaled up to so many megapixels, as a JPEG of quality 92."""
    picture = Image.open(io.BytesIO(data)).convert("RGB")
    factor = (megapixels * 1e6 / (picture.width * picture.height)) ** 0.5
    buffer = io.BytesIO()
    size = (round(picture.width * factor), round(picture.height * factor))
    picture.resize(size, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=92)
    return buffer.getvalue()


def main() -> None:
    recogniser = embedded_recogniser(2)
    rules = RedactionRules(load_policy("standard"), Limits())
    pictures = {sample.file: sample.read() for sample in kept_pictures() if sample.verdict == "redacted"}
    pictures["id-front-photo at 12 megapixels"] = enlarged(pictures["id-front-photo.jpg"], 12)
    examine(next(iter(pictures.values())), Hint(), recogniser, rules)  # loads the models
    print(f"Milliseconds, medians of {ROUNDS} runs, models loaded; `redact` includes the proof.")
    print(f"{'picture':36}" + "".join(f"{name:>11}" for name in SHOWN) + f"{'total':>9}{'ours':>9}")
    for name, data in pictures.items():
        runs = []
        for _ in range(ROUNDS):
            timings = Timings()
            examine(data, Hint(), recogniser, rules, timings=timings)
            runs.append(timings.elapsed_ms)
        medians = {stage: statistics.median(run.get(stage, 0.0) for run in runs) for stage in SHOWN}
        ours = sum(value for stage, value in medians.items() if stage != "recognise")
        print(
            f"{name:36}"
            + "".join(f"{medians[stage]:11.1f}" for stage in SHOWN)
            + f"{sum(medians.values()):9.1f}{ours:9.1f}"
        )


if __name__ == "__main__":
    main()
