"""A function whose import fails."""

raise RuntimeError("a toy that cannot be imported")
