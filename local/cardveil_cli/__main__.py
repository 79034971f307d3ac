"""Lets `python -m cardveil_cli` stand in for the `cardveil` command."""

from cardveil_cli import main

if __name__ == "__main__":
    main()
