"""What one picture costs in requests, as docs/deploying.md says under "Costs in calls"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from starlette.requests import Request
from tests.support.cloud_fixture import Bench, kept

from cardveil_cloud.faults import NoFaults

Start = Callable[..., Bench]


class Counting(NoFaults):
    """Counts the requests by service and operation."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()

    async def before(self, service: str, operation: str, request: Request) -> None:
        self.seen[f"{service} {operation}"] += 1


@pytest.mark.parametrize(
    ("file", "witness", "paid"),
    [
        ("id-front-flat", "on", {"ci AILicenseRec": 1, "ci IDCardOCR": 1, "ci OCR": 1}),
        ("id-front-flat", "off", {"ci AILicenseRec": 1, "ci IDCardOCR": 1}),
        ("licence-photo", "on", {"ci AILicenseRec": 2, "ci IDCardOCR": 1, "ci OCR": 1}),
        ("licence-photo", "off", {"ci AILicenseRec": 2, "ci IDCardOCR": 1}),
        ("id-back-photo", "on", {"ci AILicenseRec": 1, "ci IDCardOCR": 1, "ci OCR": 1}),
        ("id-back-photo", "off", {"ci AILicenseRec": 1, "ci IDCardOCR": 1, "ci OCR": 1}),
    ],
)
def test_a_picture_s_requests(start: Start, file: str, witness: str, paid: dict[str, int]) -> None:
    file += ".jpg"
    by_key = sum(count for call, count in paid.items() if call.startswith("ci "))
    counting = Counting()
    bench = start(faults=counting, environment={"CARDVEIL_WITNESS": witness})
    name = "a." + file.rpartition(".")[2]
    assert bench.run(name, kept(file))["status"] == "redacted"
    seen = counting.seen
    assert {key: count for key, count in seen.items() if not key.startswith("cos")} == paid
    uploading = 1
    # The bench itself looks for the sidecar, and reads it.
    looking = {"cos HeadObject": 1, "cos GetObject": 1}
    assert seen["cos PutObject"] - uploading == 3 + sum(paid.values())
    assert seen["cos DeleteObject"] == 2
    assert seen["cos GetBucket"] == 0
    # One look more where the first was answered before the lease.
    assert seen["cos GetObject"] - looking["cos GetObject"] in {3, 4}
    assert seen["cos HeadObject"] - looking["cos HeadObject"] in {2 + by_key, 3 + by_key}
