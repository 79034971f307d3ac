"""Redaction that is proven: policy, places, two ways of covering, and checks before anything is given out."""

from cardveil.imaging.copies import UprightCopy, upright_copy
from cardveil.imaging.image import MEDIA_TYPES, Picture, inspect
from cardveil.imaging.limits import Limits, memory_of
from cardveil.imaging.turbojpeg_library import Availability, coefficient_path_available
from cardveil.redaction.card_pose import Placement, place
from cardveil.redaction.policy import BUILT_IN, Partial, Policy, load_policy
from cardveil.redaction.redact import BLACK, redact
from cardveil.redaction.regions import plan
from cardveil.redaction.results import Proof, RedactedCopy, Region
from cardveil.redaction.unreadable import forbidden_texts, kept_texts, prove_unreadable

__all__ = [
    "BLACK",
    "BUILT_IN",
    "MEDIA_TYPES",
    "Availability",
    "Limits",
    "Partial",
    "Picture",
    "Placement",
    "Policy",
    "Proof",
    "RedactedCopy",
    "Region",
    "UprightCopy",
    "coefficient_path_available",
    "forbidden_texts",
    "inspect",
    "kept_texts",
    "load_policy",
    "memory_of",
    "place",
    "plan",
    "prove_unreadable",
    "redact",
    "upright_copy",
]
