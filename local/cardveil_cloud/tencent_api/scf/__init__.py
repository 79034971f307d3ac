"""The API by which functions are deployed, as far as `cardveil deploy` uses it."""
