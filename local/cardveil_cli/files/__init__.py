"""The user's files: which pictures are meant, what an output folder holds, and what may be written there."""
