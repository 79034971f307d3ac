"""Measurements: each module prints its own table; ratios between things run side by side are what counts."""
