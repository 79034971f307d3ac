"""The four entry points: an event in, a reply out."""
