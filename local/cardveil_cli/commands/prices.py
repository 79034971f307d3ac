"""The dated list prices that costs are worked out from."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Prices:
    """List prices in yuan; what is not known has no entry.

    Attributes
    ----------
    calls : dict of API to (free calls a month, ((calls up to, yuan each), …))
        The step that a month reaches prices all of its calls beyond the free ones.
    gigabyte_second, invocations : float
        SCF: a gigabyte second, and 10,000 invocations.
    stored, requests : float
        COS: a gigabyte in a month, and 10,000 requests.
    logged, log_kept : float
        CLS: a gigabyte written and indexed, and a gigabyte kept for a day.
    """

    date: str
    source: str
    calls: dict[str, tuple[int, tuple[tuple[int, float], ...]]]
    invocations: float
    gigabyte_second: float
    stored: float
    requests: float
    logged: float
    log_kept: float

    def of_calls(self, api: str, count: int) -> float | None:
        """Return what so many calls of a month cost; None where no price is known."""
        if api not in self.calls:
            return None
        free, tiers = self.calls[api]
        each = next((price for most, price in tiers if count <= most), tiers[-1][1])
        return max(count - free, 0) * each


@lru_cache(maxsize=1)
def list_prices() -> Prices:
    """Read the prices beside this file."""
    text = resources.files("cardveil_cli.commands").joinpath("prices.json").read_text("utf-8")
    said: dict[str, Any] = json.loads(text)
    calls = {
        api: (entry["free"], tuple((most, price) for most, price in entry["tiers"]))
        for api, entry in said["calls"].items()
    }
    scf, cos, cls = said["scf"], said["cos"], said["cls"]
    return Prices(
        date=said["date"],
        source=said["source"],
        calls=calls,
        invocations=scf["per_10000_calls"],
        gigabyte_second=scf["per_gb_s"],
        stored=cos["per_gb_month"],
        requests=cos["per_10000_requests"],
        logged=cls["per_gb_written"],
        log_kept=cls["per_gb_day"],
    )
