"""The local SCF for one test: a deployment, a clock that the test moves, and what the functions noted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from cardveil_local.credentials import CredentialStore
from cardveil_local.scf.deployment import load
from cardveil_local.scf.environment import Platform
from cardveil_local.scf.service import ScfService


class SteppedClock:
    """A clock that a test moves; it starts at the beginning of 2026."""

    def __init__(self) -> None:
        self.now = 1767225600.0

    def __call__(self) -> float:
        return self.now


class ScfRun:
    """Runs a scenario against a toy deployment, with the service started before and stopped after it."""

    def __init__(self, toy: Path, data: Path) -> None:
        self._toy = toy
        self.data = data
        self.clock = SteppedClock()
        self.credentials = CredentialStore(self.clock)
        self._notes = data / "notes"

    def __call__(self, scenario: Callable[[ScfService], Awaitable[None]], **settings: Any) -> None:
        deployment = load(
            self._toy / "serverless.yml", {"TOY_NOTES": str(self._notes), "TOY_BUCKET": "cards-1250000000"}
        )
        platform = Platform(
            region="ap-shanghai",
            app_id="1250000000",
            uin="100000000001",
            # Nothing listens there: no toy calls anything.
            proxy_url="http://127.0.0.1:9",
            logs=self.data / "logs",
            layers={"toy": self._toy / "layers" / "toy"},
        )
        settings = {"retry_interval_s": 0.1, **settings}

        async def run() -> None:
            scf = ScfService(deployment, platform, self.credentials, self.data, clock=self.clock, **settings)
            await scf.start()
            try:
                await scenario(scf)
            finally:
                await scf.stop()

        asyncio.run(run())

    def notes(self) -> list[dict[str, Any]]:
        """Return what the invocations noted of themselves, in the order in which they began."""
        return [json.loads(line) for line in self._notes.read_text().splitlines()]
