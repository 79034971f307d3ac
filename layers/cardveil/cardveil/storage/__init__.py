"""The bucket is the database: sources are read from it, results, leases and notes are written to it."""
