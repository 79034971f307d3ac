"""Cardveil: identity-card photographs in, sidecars and proven redacted copies out."""
