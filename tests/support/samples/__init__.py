"""Invented cards with exact truth, because nobody's real card may stand in a test, a demo or a benchmark."""

from __future__ import annotations

from tests.support.samples.generate import CONDITIONS, make_sample, make_samples

from cardveil_cli.samples.bundled import KeptPicture, kept_pictures
from cardveil_cli.samples.truth import CardTruth, FieldTruth, Sample

__all__ = [
    "CONDITIONS",
    "CardTruth",
    "FieldTruth",
    "KeptPicture",
    "Sample",
    "kept_pictures",
    "make_sample",
    "make_samples",
]
