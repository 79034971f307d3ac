"""Access management, as far as it tells which roles there are and what they may do."""
