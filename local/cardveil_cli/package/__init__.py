"""Makes the zips that are deployed: the same bytes from the same sources, within the platform's limits."""
