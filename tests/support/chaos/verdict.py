"""What a chaos run came to: every picture looked at, every promise checked, and the table that says so."""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import numpy as np
import orjson
from PIL import Image
from tests.support.chaos.pictures import CANARY, ChaosPicture, picture
from tests.support.chaos.plan import Plan
from tests.support.chaos.strangers import Strangers
from tests.support.cloud_fixture import Bench

from cardveil.card.model import Field
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.fault_rules import FaultRules
from cardveil_cloud.scf.events import CANARY_AUTHORIZATION

#: What policy `standard` covers.
_MASKED: Final = frozenset({"name", "birth_date", "address", "id_number", "licence_number"})
_LOCATING: Final = frozenset({"AILicenseRec", "ImageLicenseRec"})
#: Paid calls whose answer cannot be had again once it is lost; a job's can.
_SYNCHRONOUS: Final = ("AILicenseRec", "RecognizeMainlandIDCardOCR", "OCR")
#: Payments a picture that are allowed for, on average.
PAID_LIMIT: Final = 1.05
_LEAKS: Final = re.compile(
    "|".join(
        (
            CANARY,
            json.dumps(CANARY).strip('"').replace("\\", r"\\"),
            "%E9%BE%98",
            r"99\d{15}[\dX]",
            re.escape(CANARY_AUTHORIZATION[:60]),
            "an-invented-secret",
        )
    )
)


@dataclass
class Findings:
    """The numbers of one run, and whether they are what was promised."""

    plan: Plan
    seconds: float
    lost: int = 0
    wrong: int = 0
    unredacted: int = 0
    leases: int = 0
    notes: int = 0
    answers: int = 0
    leaks: int = 0
    strangers_tried: int = 0
    strangers_accepted: int = 0
    redriven: int = 0
    deliveries: int = 0
    kills: int = 0
    paid: dict[str, tuple[int, int]] = field(default_factory=dict)
    outcomes: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    lost_answers: Counter[str] = field(default_factory=Counter)

    @property
    def kept(self) -> bool:
        """Whether every promise held."""
        affordable = all(calls <= PAID_LIMIT * need for calls, need in self.paid.values())
        return not self.broken and affordable and not self.unexplained

    @property
    def broken(self) -> dict[str, int]:
        """What must be nought in every run, and is not."""
        counts = {
            "lost": self.lost,
            "wrong": self.wrong,
            "unredacted": self.unredacted,
            "leases": self.leases,
            "notes": self.notes,
            "answers": self.answers,
            "leaks": self.leaks,
            "strangers": self.strangers_accepted,
        }
        return {name: count for name, count in counts.items() if count}

    @property
    def unexplained(self) -> int:
        """Further payments beyond those that lost answers and kills, two calls each at most, account for."""
        lost = sum(self.lost_answers[operation] for operation in _SYNCHRONOUS)
        paid, need = self.paid["all"]
        return max(0, paid - need - lost - 2 * self.kills)

    def table(self) -> str:
        """Return the table that is printed."""
        plan = self.plan
        faulty = sum(n for name, n in self.injected.items() if name.split()[0] in {"cos", "ci", "ocr"})
        calls = sum(self.calls[service] for service in ("cos", "ci", "ocr"))
        lines = [
            f"chaos run, seed {plan.seed}: {plan.pictures} pictures, {self.deliveries} deliveries, "
            f"{self.seconds:.0f} s",
            "Recognition answers from a table of these pictures' truths, in no time; all else is real.",
            f"{faulty} of {calls} calls were faulty ({100 * faulty / max(1, calls):.1f}%), "
            f"{self.kills} instances were killed, {self.redriven} dead letters were sent again.",
            "",
            f"{'promise':44}{'found':>10}{'allowed':>10}",
        ]
        for name, found in (
            ("sources without a final state", self.lost),
            ("sources with a wrong result", self.wrong),
            ("copies that show what was to be covered", self.unredacted),
            ("leases left behind", self.leases),
            ("job notes and staged copies left behind", self.notes),
            ("kept answers left behind", self.answers),
            ("personal data in logs and dead letters", self.leaks),
            (f"strangers' callbacks accepted, of {self.strangers_tried}", self.strangers_accepted),
        ):
            lines.append(f"{name:44}{found:10}{0:10}")
        for name, (paid, need) in sorted(self.paid.items()):
            lines.append(f"{'paid per picture, ' + name:44}{paid / max(1, need):10.4f}{PAID_LIMIT:10}")
        lost = ", ".join(f"{self.lost_answers[name]} {name}" for name in _SYNCHRONOUS)
        lines.append(f"  (answers lost on their way although paid for: {lost})")
        lines.append(f"{'payments that no lost answer or kill explains':46}{self.unexplained:8}{0:10}")
        lines += ["", "callbacks: " + ", ".join(f"{n} {name}" for name, n in sorted(self.outcomes.items()))]
        lines += ["faults: " + ", ".join(f"{n} {name}" for name, n in sorted(self.injected.items()))]
        lines += ["", "every promise held" if self.kept else "A PROMISE WAS BROKEN"]
        return "\n".join(lines)


def judge(
    plan: Plan,
    running: Bench,
    faults: FaultRules,
    server_log: Path,
    strangers: Strangers,
    redriven: int,
    seconds: float,
) -> Findings:
    """Look at everything that a run has left."""
    found = Findings(plan, seconds, redriven=redriven, injected=faults.injected, calls=faults.calls)
    found.lost_answers = faults.lost
    found.strangers_tried, found.strangers_accepted = strangers.tried, strangers.accepted
    found.kills = sum(n for name, n in faults.injected.items() if " kill" in name)
    logs = running.logs()
    found.deliveries = max(plan.pictures, plan.deliveries)
    found.outcomes = Counter(re.findall(r'"CallbackReceived"[^}]*?"outcome":"([a-z_]+)"', logs))
    for number in range(plan.pictures):
        _judge_picture(picture(number), running, found)
    for entry in running.cloud.store.list(running.bucket, prefix=".cardveil/", limit=100_000).entries:
        kind = entry.key.split("/")[1]
        found.leases += kind == "leases"
        found.notes += kind in {"jobs", "staged", "unread"}
        found.answers += kind == "answers"
    said = [logs, server_log.read_text("utf-8", "replace")]
    # The letter's body is the platform's own copy of the event; what we have said is its message.
    said += [str(letter["ErrorMessage"]) for letter in running.cloud.dead_letters]
    found.leaks = sum(len(_LEAKS.findall(text)) for text in said)
    found.paid = _payments(plan, running)
    return found


def _judge_picture(shown: ChaosPicture, running: Bench, found: Findings) -> None:
    name = shown.key.removeprefix("inbox/")
    store, bucket = running.cloud.store, running.bucket
    try:
        sidecar = orjson.loads(store.get(bucket, f"sidecars/{name}.json")[1])
    except CosError:
        found.lost += 1
        return
    card = shown.card.card
    said = {entry["name"]: entry for entry in (sidecar["cards"] or [{"fields": []}])[0]["fields"]}
    right = all(_same(truth, said.get(truth.name)) for truth in card.fields if truth.text)
    if sidecar["status"] != "redacted" or not right or sidecar["source"]["key"] != shown.key:
        found.wrong += 1
        return
    copy = store.get(bucket, f"redacted/{name}")[1]
    with Image.open(io.BytesIO(copy)) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    # The corner with the number is covered with all that is not shown: the sidecar, whose texts only this
    # picture has, says which copy is its own.
    found.wrong += sha256(copy).hexdigest() != sidecar["redaction"]["output"]["sha256"]
    for truth in card.fields:
        if truth.name in _MASKED and truth.polygon:
            left, top, right_, bottom = (round(edge) for edge in truth.polygon.bounds())
            place = pixels[max(0, top) : bottom, max(0, left) : right_]
            if np.ptp(place.reshape(-1, 3), axis=0).max() > 2:
                found.unredacted += 1
                return


def _same(truth: Field, said: Mapping[str, Any] | None) -> bool:
    """Say whether a sidecar's field is the truth: to the letter, or in its normal form where it has one."""
    if said is None:
        return False
    return truth.text == said["text"] or (
        truth.normalized is not None and truth.normalized == said["normalized"]
    )


def _payments(plan: Plan, running: Bench) -> dict[str, tuple[int, int]]:
    """Return calls made and calls needed, by what was to be done: a job and a call locate the same."""
    needs: Counter[str] = Counter()
    for number in range(plan.pictures):
        for operation in picture(number).needs:
            needs["locating" if operation in _LOCATING else operation] += 1
    calls: Counter[str] = Counter()
    for operation, count in running.cloud.usage.by_operation().items():
        calls["locating" if operation in _LOCATING else operation] += count
    paid = {name: (calls[name], need) for name, need in needs.items()}
    paid["all"] = (sum(calls.values()), sum(needs.values()))
    return paid
