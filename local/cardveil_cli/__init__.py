"""The cardveil command, with packaging and deploying beside it."""
