"""Redaction that is proven: policy, places, two ways of covering, and checks before anything is given out."""

from cardveil.imaging.copies import UprightCopy, upright_copy
from cardveil.imaging.image import MEDIA_TYPES, Picture, inspect, may_have_pages
from cardveil.imaging.limits import Limits, memory_of
from cardveil.imaging.turbojpeg_library import Availability, coefficient_path_available
from cardveil.redaction.card_outline import Outline, card_outline
from cardveil.redaction.card_place import CardPlace, card_place
from cardveil.redaction.card_pose import Placement, place
from cardveil.redaction.flat_card import FlatCard
from cardveil.redaction.mark import Mark, Watermark, is_purpose, mark_of
from cardveil.redaction.planning import Plan, plan
from cardveil.redaction.policy import BUILT_IN, Partial, Policy, from_document, policy_of
from cardveil.redaction.policy_file import load_policy
from cardveil.redaction.policy_order import as_document, covers_as_much, stricter
from cardveil.redaction.redact import BLACK, redact
from cardveil.redaction.results import Proof, RedactedCopy, Region
from cardveil.redaction.text_roles import label_places, text_roles
from cardveil.redaction.unreadable import Hidden, forbidden_texts, kept_texts, prove_unreadable

__all__ = [
    "BLACK",
    "BUILT_IN",
    "MEDIA_TYPES",
    "Availability",
    "CardPlace",
    "FlatCard",
    "Hidden",
    "Limits",
    "Mark",
    "Outline",
    "Partial",
    "Picture",
    "Placement",
    "Plan",
    "Policy",
    "Proof",
    "RedactedCopy",
    "Region",
    "UprightCopy",
    "Watermark",
    "as_document",
    "card_outline",
    "card_place",
    "coefficient_path_available",
    "covers_as_much",
    "forbidden_texts",
    "from_document",
    "inspect",
    "is_purpose",
    "kept_texts",
    "label_places",
    "load_policy",
    "mark_of",
    "may_have_pages",
    "memory_of",
    "place",
    "plan",
    "policy_of",
    "prove_unreadable",
    "redact",
    "stricter",
    "text_roles",
    "upright_copy",
]
