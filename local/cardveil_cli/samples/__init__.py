"""Invented cards with exact truth that are kept with the code."""
