"""Many pictures: what has no result, or an outdated one, is found and brought to its final state."""
