"""What each function's role may do: derived from what its code calls, written as the vendor's policies."""
