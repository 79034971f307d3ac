"""Looks after what was deployed: what became of uploads, the logs, the events that were given up."""
