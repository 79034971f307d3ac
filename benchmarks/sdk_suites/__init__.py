"""The COS SDKs' own test suites against the local cloud: other people's truth of what COS answers."""
