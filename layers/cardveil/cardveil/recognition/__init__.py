"""Recognition: one adapter an API, all answering in the form of `reading`."""
