"""The page that `cardveil demo` leaves: source and redacted copy side by side, covered places outlined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, Final

from cardveil.card.findings import FINDINGS
from cardveil.core.errors import VENDOR_CODES

_STYLE: Final = """
:root { color-scheme: light dark; --paper: #ffffff; --ink: #1b1f24; --soft: #57606a; --line: #c9d1d9;
  --mark: #c2006b; --good: #116329; --look: #7a4d00; --bad: #a40e26; }
@media (prefers-color-scheme: dark) { :root {
  --paper: #0d1117; --ink: #e6edf3; --soft: #a3adb8; --line: #3d444d;
  --good: #7ee787; --look: #f2cc60; --bad: #ffa198; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif; overflow-wrap: anywhere; }
article { border-top: 1px solid var(--line); padding: 1rem 0; }
h2 { font-size: 1.1rem; margin: 0; }
p, ul { margin: .25rem 0 .5rem; }
.soft, figcaption { color: var(--soft); font-size: .875rem; }
.pair { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(22rem, 100%), 1fr)); gap: 1rem;
  align-items: start; }
figure { margin: 0; }
.frame { position: relative; }
.frame img { display: block; width: 100%; height: auto; }
.frame svg { position: absolute; inset: 0; width: 100%; height: 100%; }
polygon { fill: url(#covered); stroke: var(--mark); stroke-width: 2; vector-effect: non-scaling-stroke; }
.status { border: 1px solid currentColor; border-radius: 1rem; padding: 0 .6rem; font-size: .875rem; }
.redacted { color: var(--good); } .needs_review { color: var(--look); } .rejected { color: var(--bad); }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-top: .5rem; }
td, th { border: 1px solid var(--line); padding: .1rem .5rem; text-align: left; vertical-align: top; }
th { white-space: nowrap; }
@media (max-width: 40rem) {
  table, tbody, tr, th, td { display: block; border: 0; padding: 0; }
  tr { border-bottom: 1px solid var(--line); padding: .25rem 0; }
  tr:first-child, td:empty { display: none; }
  td::before { content: attr(data-label) ": "; color: var(--soft); }
}
"""
#: Lines across what the policy covers, so that it is seen without colours too.
_HATCH: Final = (
    '<svg width="0" height="0" aria-hidden="true"><defs><pattern id="covered" width="8" height="8" '
    'patternUnits="userSpaceOnUse"><path d="M0 8L8 0" stroke="#c2006b" stroke-opacity=".6"/></pattern></defs>'
    "</svg>"
)
_STATUS: Final = {
    "redacted": "redacted",
    "needs_review": "needs review",
    "rejected": "rejected",
}
_NO_COPY: Final = {
    "needs_review": "No copy was published: a person must look first (<code>make serve</code>).",
    "rejected": "No copy was published: this picture will never work.",
}


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of one sample's way, from its upload to its sidecar.

    Attributes
    ----------
    recognised
        Of the recognition alone; None where the log does not say.
    worked
        Of everything else that the function did; None where the log does not say.
    whole
        Of all of it; what the other two leave is waiting: for the event, a function, and this command.
    """

    recognised: float | None
    worked: float | None
    whole: float

    def as_text(self) -> str:
        """Return them as one sentence."""
        if self.recognised is None or self.worked is None:
            return f"{self.whole:.0f} ms from upload to result"
        waited = max(0.0, self.whole - self.recognised - self.worked)
        return (
            f"recognised in {self.recognised:.0f} ms, covered, proven and stored in {self.worked:.0f} ms; "
            f"{waited:.0f} ms of waiting"
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One sample on the page; `copy` is the file name of the redacted copy, None when there is none."""

    source: str
    copy: str | None
    sidecar: dict[str, Any]
    times: Times


def page(items: Sequence[Shown]) -> str:
    """Return the page; it loads nothing but the pictures beside it."""
    articles = "\n".join(_article(item) for item in items)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Cardveil: sample cards</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{_HATCH}\n<main>\n"
        "<h1>Sample cards</h1>\n"
        "<p>The uploaded picture, what the policy covers of it, and the redacted copy. "
        "Every person here is invented.</p>\n"
        '<p class="soft">One card was sent after the other. The recogniser is the local cloud\'s, on this '
        "machine's processor; the first card waits for the function to start.</p>\n"
        f"{articles}\n</main>\n</body>\n</html>\n"
    )


def meaning(code: str) -> str:
    """Return what a finding means, or what to do about an error; empty where neither is told."""
    if code in FINDINGS:
        return FINDINGS[code].meaning
    return next((what for _, name, what in VENDOR_CODES.values() if name == code), "")


def _article(item: Shown) -> str:
    status = item.sidecar["status"]
    right = _figure(item.copy, item.sidecar, "redacted copy") if item.copy else f"<p>{_NO_COPY[status]}</p>"
    findings = "".join(
        f"<li><code>{escape(code)}</code>{f': {escape(meaning(code))}' if meaning(code) else ''}</li>"
        for code in item.sidecar["findings"]
    )
    return (
        f'<article><h2>{escape(item.source)} <span class="status {status}">{_STATUS[status]}</span></h2>\n'
        f'<p class="soft">{item.times.as_text()}</p>\n'
        f"{f'<ul>{findings}</ul>' if findings else ''}"
        f'<div class="pair">{_figure(item.source, item.sidecar, "source")}{right}</div>'
        f"{_fields(item.sidecar)}</article>"
    )


def _figure(file: str, sidecar: dict[str, Any], caption: str) -> str:
    source, redaction = sidecar["source"], sidecar["redaction"]
    # A copy shows by itself what is covered; outlines on it would hide what is not.
    covered = redaction["regions"] if redaction and caption == "source" else []
    outlines = "".join(
        f'<polygon points="{" ".join(f"{x},{y}" for x, y in region["polygon"])}">'
        f"<title>{escape(region['field'])}</title></polygon>"
        for region in covered
    )
    # Browsers turn a picture by its EXIF orientation, so the frame is the upright one, as the polygons' is.
    overlay = (
        f'<svg viewBox="0 0 {source["width"]} {source["height"]}" preserveAspectRatio="none" '
        f'aria-hidden="true">{outlines}</svg>'
        if outlines
        else ""
    )
    said = f"{caption}; outlined is what is covered" if outlines else caption
    return (
        f'<figure><div class="frame"><img src="{escape(file)}" alt="{escape(caption)} of {escape(file)}">'
        f"{overlay}</div><figcaption>{said}</figcaption></figure>"
    )


def _fields(sidecar: dict[str, Any]) -> str:
    heads = ("text", "normalised", "score")
    rows = ""
    for field in (field for card in sidecar["cards"] for field in card["fields"]):
        score = "" if field["score"] is None else str(round(field["score"]))
        said = zip(heads, (field["text"] or "", field["normalized"] or "", score), strict=True)
        cells = "".join(f'<td data-label="{head}">{escape(text)}</td>' for head, text in said)
        rows += f'<tr><th scope="row">{escape(field["name"])}</th>{cells}</tr>'
    head = "".join(f'<th scope="col">{name}</th>' for name in ("field", *heads))
    return rows and f"<table><tr>{head}</tr>{rows}</table>"
