"""Events: every inbound form, turned into one typed request before anything heavy is imported."""
