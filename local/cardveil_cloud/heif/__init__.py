"""HEIC and AVIF decoded in a child process that may die: for the command line and for the local CI."""
