"""One upload, start to end: claimed, recognised, redacted, confirmed, published."""
