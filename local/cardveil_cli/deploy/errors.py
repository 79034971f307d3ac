"""The one error of deploying: what stopped it, and what to do about it."""

from __future__ import annotations


class DeployError(Exception):
    """What was done stays done; running it again goes on from there."""
