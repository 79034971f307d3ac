"""File formats: what a picture is, before and without decoding it; nothing of cards."""
