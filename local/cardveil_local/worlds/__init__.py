"""What the contract tests act in: one service of the local cloud each, with what a test may turn on it."""
