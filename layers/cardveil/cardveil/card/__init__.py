"""The domain model: cards, their fields, how values are written, and where they stand on a card."""
