"""Cardveil: identity-card photographs in, sidecars and proven redacted copies out.

What a program of one's own needs stands here; ``docs/library.md`` shows how. Nothing is imported before it is
asked for: a function that passes an event over pays for none of it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:  # as type checkers read it, without the cost of importing `typing`
    from cardveil.card.findings import FINDINGS, Status
    from cardveil.card.model import Card, CardType, Field, Polygon, Side
    from cardveil.core.errors import CardveilError, Halt, Reject, Retry, Review
    from cardveil.imaging.image import Picture
    from cardveil.imaging.limits import Limits
    from cardveil.library import Result, inspect, redact
    from cardveil.recognition.interfaces import CardRecogniser, Hint, Image, Recognition, TextLine
    from cardveil.redaction.policy import Policy
    from cardveil.redaction.policy_file import load_policy
    from cardveil.redaction.results import Proof, RedactedCopy, Region

__all__ = [
    "FINDINGS",
    "Card",
    "CardRecogniser",
    "CardType",
    "CardveilError",
    "Field",
    "Halt",
    "Hint",
    "Image",
    "Limits",
    "Picture",
    "Policy",
    "Polygon",
    "Proof",
    "Recognition",
    "RedactedCopy",
    "Region",
    "Reject",
    "Result",
    "Retry",
    "Review",
    "Side",
    "Status",
    "TextLine",
    "inspect",
    "load_policy",
    "redact",
]

#: Where each name above is defined; a test compares this with what type checkers are told.
_HOMES = {
    "cardveil.card.findings": ("FINDINGS", "Status"),
    "cardveil.card.model": ("Card", "CardType", "Field", "Polygon", "Side"),
    "cardveil.core.errors": ("CardveilError", "Halt", "Reject", "Retry", "Review"),
    "cardveil.imaging.image": ("Picture",),
    "cardveil.imaging.limits": ("Limits",),
    "cardveil.library": ("Result", "inspect", "redact"),
    "cardveil.recognition.interfaces": ("CardRecogniser", "Hint", "Image", "Recognition", "TextLine"),
    "cardveil.redaction.policy": ("Policy",),
    "cardveil.redaction.policy_file": ("load_policy",),
    "cardveil.redaction.results": ("Proof", "RedactedCopy", "Region"),
}


def __getattr__(name: str) -> object:
    """Import one of the names above when it is first asked for."""
    home = next((module for module, names in _HOMES.items() if name in names), None)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    """Return the names above too, which completion would not find otherwise."""
    return sorted({*globals(), *__all__})
