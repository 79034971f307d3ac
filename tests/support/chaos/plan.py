"""How much of what goes wrong in a chaos run: the rules, and the clocks that are set to its pace."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml
from tests.support.cloud_fixture import ROOT

from cardveil_cloud.fault_rules import Rule

#: One call in five meets a fault: kind, share in percent, seconds. A lost answer of a synchronous call cannot
#: be had again and costs a second payment whoever asks; together these are 2.5 of the 20.
MIX: Final = (
    ("latency", 4.5, 0.3),
    ("slow", 2.0, 0.3),
    ("reset_before", 2.0, 0.0),
    ("reset_after", 1.25, 0.0),
    ("truncate", 1.25, 0.0),
)
#: What befalls bodies that are read of COS, beside the rest: kind, share in percent of these reads.
#: An answer of CI has no digest by which an altered one could be told.
BODIES: Final = (("alter", 1.0), ("lie_short", 1.0), ("lie_long", 1.0), ("lie_odd", 1.0))
#: Codes of the other nine, by service: throttling, faults of the vendor, credentials that have expired.
CODES: Final[Mapping[str, tuple[tuple[str, float], ...]]] = {
    "cos": (("SlowDown", 4.0), ("InternalError", 3.0), ("ExpiredToken", 1.9), ("RequestTimeTooSkewed", 0.1)),
    "ci": (("SlowDown", 4.0), ("InternalError", 3.0), ("FailedOperation.DownLoadError", 2.0)),
    "ocr": (
        ("RequestLimitExceeded", 4.0),
        ("FailedOperation.OcrFailed", 3.0),
        ("AuthFailure.TokenFailure", 2.0),
    ),
}


@dataclass(frozen=True, slots=True)
class Plan:
    """One run.

    Attributes
    ----------
    pictures, deliveries : int
        Distinct pictures, and how often an event of one of them is delivered in all.
    faulty, duplicated, killed : float
        Shares of calls, deliveries and invocations.
    jobs : float
        Share of pictures that are located by a job.
    archived : float
        Share of pictures that are archived when their event comes, and restored later.
    timeout_s : int
        Time limit of a function, and with it the length of leases.
    overdue_s : float
        Seconds after which a job is asked about.
    pause_s : float, optional
        Seconds before a failed event is tried again; as long as a lease can stand in its way, if not given.
    """

    pictures: int
    deliveries: int
    seed: int = 1
    faulty: float = 0.20
    duplicated: float = 0.05
    killed: float = 0.02
    jobs: float = 0.5
    archived: float = 0.05
    timeout_s: int = 12
    overdue_s: float = 15.0
    pause_s: float | None = None
    instances: int = 3

    @property
    def lease_s(self) -> float:
        """How long the lease of a killed instance stands in the way, at most: with margin and skew."""
        return self.timeout_s + 10.0

    def rules(self) -> list[Rule]:
        """Return the faults."""
        rules: list[Rule] = []
        for service, codes in CODES.items():
            # A rule's turn comes after those before it had none: its chance grows as shares are used up.
            left = 1.0
            for kind, percent, code, seconds in (
                *((kind, percent, "", seconds) for kind, percent, seconds in MIX),
                *(("error", percent, code, 0.0) for code, percent in codes),
            ):
                share = percent / 20.0 * self.faulty
                rules.append(Rule(kind, service, probability=share / left, code=code, seconds=seconds))
                left -= share
        return [
            *(
                Rule(kind, "cos", "GetObject", probability=share * self.faulty / 20.0)
                for kind, share in BODIES
            ),
            *rules,
            Rule("kill", "scf", probability=self.killed, seconds=0.6),
            Rule("throttle", "scf", "on_upload", probability=0.01),
            Rule("late", "event", probability=0.05, seconds=2.0),
            Rule("lose", "callback", probability=0.05),
            Rule("duplicate", "callback", probability=0.05, seconds=1.0),
            Rule("late", "callback", probability=0.05, seconds=3.0),
        ]

    def serverless(self, folder: Path) -> Path:
        """Write the project's serverless.yml with time limits of this pace, and return the file."""
        document: dict[str, Any] = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
        inputs = document["inputs"]
        inputs["src"] = str(ROOT / "functions")
        inputs["timeout"] = self.timeout_s
        inputs["functions"]["on_schedule"]["timeout"] = 60
        for name in set(inputs["functions"]) - {"on_upload", "on_callback", "on_schedule"}:
            del inputs["functions"][name]
        inputs["triggers"] = [
            trigger for trigger in inputs["triggers"] if trigger["function"] in inputs["functions"]
        ]
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "serverless.yml"
        file.write_text(yaml.safe_dump(document), "utf-8")
        return file

    def environment(self) -> dict[str, str]:
        """Return the settings of this pace."""
        return {
            # Its errors are of another kind than CI's, and its calls do not read the bucket.
            "CARDVEIL_TEXT_PROVIDER": "RecognizeMainlandIDCardOCR",
            "CARDVEIL_CROSS_BORDER": "allowed",
            "CARDVEIL_JOB_SECRETS": "an-invented-secret-for-this-run-only-000",
            "CARDVEIL_JOB_CALLBACK": "https://1250000000-on-callback.ap-shanghai.tencentscf.com/",
            "CARDVEIL_JOB_OVERDUE_S": str(self.overdue_s),
            "CARDVEIL_JOB_PATIENCE_S": "120",
            "CARDVEIL_CALLS_PER_SECOND": "0",
            "CARDVEIL_CALL_TIMEOUT_S": "5",
        }
