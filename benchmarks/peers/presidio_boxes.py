"""Runs in the peer's own environment: prints what Presidio with Tesseract would cover of each picture."""

from __future__ import annotations

import json
import sys
import time

import spacy  # type: ignore[import-not-found]
from PIL import Image
from presidio_analyzer import (  # type: ignore[import-not-found]
    AnalyzerEngine,
    Pattern,
    PatternRecognizer,
    RecognizerRegistry,
)
from presidio_analyzer.nlp_engine import SpacyNlpEngine  # type: ignore[import-not-found]
from presidio_image_redactor import ImageAnalyzerEngine  # type: ignore[import-not-found]

#: Presidio knows nothing of these cards, so it is given a pattern for every field that print can tell.
#: Tesseract puts spaces between Chinese characters; Presidio's `regex` looks behind over any length.
PATTERNS = {
    "NUMBER": r"(?:\d\s*){17}[\dXx]",
    "NAME": r"(?<=姓\s*名\s*)[\u4e00-\u9fff·\s]{2,14}",
    "SEX": r"(?<=性\s*别\s*)[男女]",
    "ETHNICITY": r"(?<=民\s*族\s*)[\u4e00-\u9fff]{1,4}",
    "ADDRESS": r"(?<=住\s*址\s*)[\u4e00-\u9fff0-9\s]{6,80}",
    "DATE": r"\d{4}\s*[年.-]\s*\d{1,2}\s*[月.-]\s*\d{1,2}\s*日?",
    "AUTHORITY": r"(?<=签\s*发\s*机\s*关\s*)[\u4e00-\u9fff\s]{4,40}",
}


class BlankEngine(SpacyNlpEngine):  # type: ignore[misc]
    """Tokens only: no Chinese model can be had from the package index."""

    def __init__(self) -> None:
        super().__init__(models=[{"lang_code": "zh", "model_name": "blank"}])
        self.nlp = {"zh": spacy.blank("zh")}

    def load(self) -> None:
        """Nothing is loaded, since `nlp` is there already."""


def main() -> int:
    registry = RecognizerRegistry(supported_languages=["zh"])
    for entity, pattern in PATTERNS.items():
        registry.add_recognizer(
            PatternRecognizer(entity, patterns=[Pattern(entity, pattern, 0.9)], supported_language="zh")
        )
    analyzer = AnalyzerEngine(registry=registry, nlp_engine=BlankEngine(), supported_languages=["zh"])
    engine = ImageAnalyzerEngine(analyzer_engine=analyzer)
    for path in sys.argv[1:]:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
        start = time.perf_counter()
        found = engine.analyze(picture, ocr_kwargs={"lang": "chi_sim"}, language="zh")
        seconds = time.perf_counter() - start
        boxes = [[box.left, box.top, box.left + box.width, box.top + box.height] for box in found]
        print(json.dumps({"path": path, "boxes": boxes, "seconds": seconds}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
