"""The page that `cardveil demo` leaves: source and redacted copy side by side, covered places outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

_STYLE: Final = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; }
body { margin: 2rem auto; max-width: 76rem; padding: 0 1rem; }
article { border-top: 1px solid #8888; padding: 1rem 0; }
h2 { font-size: 1.1rem; margin: 0 0 .5rem; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; align-items: start; }
figure { margin: 0; } figcaption { font-size: .85rem; opacity: .8; }
.frame { position: relative; } .frame img { display: block; width: 100%; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
polygon { fill: none; stroke: #e6007a; stroke-width: 2; vector-effect: non-scaling-stroke; }
.status { border-radius: .3rem; padding: 0 .4rem; color: #fff; }
.redacted { background: #17703a; } .needs_review { background: #8a5a00; } .rejected { background: #a32020; }
table { border-collapse: collapse; font-size: .9rem; margin-top: .5rem; }
td, th { border: 1px solid #8886; padding: .1rem .5rem; text-align: left; }
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample on the page; `copy` is the file name of the redacted copy, None when there is none."""

    source: str
    copy: str | None
    sidecar: dict[str, Any]
    elapsed_ms: float


def page(items: Sequence[Shown]) -> str:
    """Return the page; it loads nothing but the pictures beside it."""
    articles = "\n".join(_article(item) for item in items)
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<title>Cardveil: sample cards</title>\n'
        f"<style>{_STYLE}</style>\n<h1>Sample cards</h1>\n"
        "<p>Left the uploaded picture, right the redacted copy; outlined what the policy covers. "
        "Every person here is invented.</p>\n"
        f"{articles}\n</html>\n"
    )


def _article(item: Shown) -> str:
    sidecar = item.sidecar
    status = sidecar["status"]
    findings = f" · {escape(', '.join(sidecar['findings']))}" if sidecar["findings"] else ""
    right = _figure(item.copy, sidecar, "redacted copy") if item.copy else "<p>No copy was published.</p>"
    return (
        f'<article><h2>{escape(item.source)} <span class="status {status}">{status}</span>{findings}'
        f" · {item.elapsed_ms:.0f} ms</h2>\n"
        f'<div class="pair">{_figure(item.source, sidecar, "source")}{right}</div>'
        f"{_fields(sidecar)}</article>"
    )


def _figure(file: str, sidecar: dict[str, Any], caption: str) -> str:
    source, redaction = sidecar["source"], sidecar["redaction"]
    outlines = "".join(
        f'<polygon points="{" ".join(f"{x},{y}" for x, y in region["polygon"])}">'
        f"<title>{escape(region['field'])}</title></polygon>"
        for region in (redaction["regions"] if redaction else [])
    )
    # Browsers turn a picture by its EXIF orientation, so the frame is the upright one, as the polygons' is.
    return (
        f'<figure><div class="frame"><img src="{escape(file)}" alt="{escape(caption)} of {escape(file)}">'
        f'<svg viewBox="0 0 {source["width"] or 1} {source["height"] or 1}" preserveAspectRatio="none">'
        f"{outlines}</svg></div><figcaption>{escape(caption)}</figcaption></figure>"
    )


def _fields(sidecar: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{escape(field['name'])}<td>{escape(field['text'] or '')}<td>"
        f"{escape(field['normalized'] or '')}<td>{'' if field['score'] is None else round(field['score'])}"
        for card in sidecar["cards"]
        for field in card["fields"]
    )
    return rows and f"<table><tr><th>field<th>text<th>normalised<th>score{rows}</table>"
