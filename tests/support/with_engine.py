"""The checkout's serverless.yml with what it holds in comments for the engine taken in."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.cloud_fixture import ROOT, kept, known

from cardveil.core.frozen import replace
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownCard, KnownPicture


def with_engine(folder: Path, engine: str, *, memory_mb: int = 1536) -> Path:
    """Write a serverless.yml whose functions have the engine's layer, its memory and its setting."""
    text = (ROOT / "serverless.yml").read_text("utf-8")
    for start in ("- name: cardveil-engine", "- &engine", "- *engine"):
        # A list's item, and the lines of it that stand farther in.
        item = re.compile(rf"^( *)# ({re.escape(start)}.*)\n((?:\1#   .*\n)*)", re.MULTILINE)
        text, count = item.subn(
            lambda found: f"{found[1]}{found[2]}\n" + found[3].replace(f"{found[1]}# ", found[1]), text
        )
        assert count == (3 if start == "- *engine" else 1), start
    text = text.replace("value: embedded", f"value: {engine}")
    text = text.replace("memorySize: 512", f"memorySize: {memory_mb}")
    text = text.replace("reservedConcurrency: 512\n", f"reservedConcurrency: {memory_mb}\n")
    path = folder / "serverless.yml"
    path.write_text(text.replace("src: ./functions", f"src: {ROOT / 'functions'}"), "utf-8")
    return path


def planted(name: str, field: str, text: str) -> dict[bytes, KnownPicture]:
    """Let the vendor read a field of a picture otherwise than it is printed."""
    table = {each.read(): known(each) for each in kept_pictures()}
    picture = table[kept(name)]
    found = picture.cards[0]
    fields = tuple(replace(f, text=text) if f.name == field else f for f in found.card.fields)
    table[kept(name)] = KnownPicture(
        (KnownCard(replace(found.card, fields=fields), found.outline),), picture.lines
    )
    return table
