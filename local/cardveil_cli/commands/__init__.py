"""One module a subcommand of the cardveil command."""
