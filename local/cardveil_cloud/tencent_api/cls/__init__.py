"""The log service: what functions have printed, searched by the fields that SCF gives every line."""
