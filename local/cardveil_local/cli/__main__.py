"""Lets `python -m cardveil_local.cli` stand in for the `cardveil` command."""

from cardveil_local.cli import main

if __name__ == "__main__":
    main()
