"""What is refused of one card's results and notes stops no other card, and alarms nobody."""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import orjson
import pytest
from PIL import ExifTags, Image
from tests.support.api_fixture import SECRET, api_bench, problem
from tests.support.chaos.pictures import NumberRecogniser, picture
from tests.support.cloud_fixture import Bench, kept
from tests.support.hostile import Forbidden, forbidding
from tests.support.sweep_fixture import put

from cardveil.storage.keys import source_digest
from cardveil_cloud.fault_rules import FaultRules, Rule

pytestmark = pytest.mark.usefixtures("drawn_once")

Start = Callable[..., Bench]

_KEY: Final = "inbox/denied/a.jpg"
_DIGEST: Final = source_digest(_KEY)
_TIMER: Final = "every-five-minutes"
#: Sweeps by the function on schedule, with its role, at each tick.
_SWEEPS: Final = {
    "CARDVEIL_SWEEP_EXECUTION": "direct",
    "CARDVEIL_SWEEP_EVERY_S": "1",
    "CARDVEIL_SWEEP_MIN_AGE_S": "0",
}
#: What is refused, and whether the card has a sidecar that says so: prefix, action, sidecar.
REFUSED: Final = {
    "sidecar written": ("sidecars/denied/", "cos:PutObject", False),
    "sidecar looked at": ("sidecars/denied/", "cos:HeadObject", False),
    "copy written": ("redacted/denied/", "cos:PutObject", True),
    "lease taken": (f".cardveil/leases/{_DIGEST}/", "cos:PutObject", False),
    "lease given back": (f".cardveil/leases/{_DIGEST}/", "cos:DeleteObject", None),
    "answers deleted": (f".cardveil/answers/{_DIGEST}/", "cos:DeleteObject", None),
    "copy staged": (f".cardveil/staged/{_DIGEST}/", "cos:PutObject", False),
}


def turned(number: int) -> bytes:
    """Return a picture that lies on its side: an upright copy of it is staged to be recognised."""
    target = io.BytesIO()
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    with Image.open(io.BytesIO(picture(number).data())) as upright:
        upright.transpose(Image.Transpose.ROTATE_90).save(target, "JPEG", quality=95, exif=exif)
    return target.getvalue()


def event(bench: Bench, *keys: str) -> dict[str, Any]:
    return {"Records": [bench.event(key)["Records"][0] for key in keys]}


def begun(start: Start, forbidden: Forbidden, environment: dict[str, str] | None = None) -> Bench:
    """Start a cloud whose bucket forbids something, with one card of which it does and one of another."""
    told = {**_SWEEPS, **(environment or {})}
    bench = start(
        policies=forbidding(forbidden, told), environment=told, recogniser=NumberRecogniser, ocr_rate=None
    )
    put(bench, _KEY.removeprefix("inbox/"), turned(1))
    put(bench, "good.jpg", picture(0).data())
    return bench


def sweep(bench: Bench) -> None:
    """Let the schedule come, when the next sweep is due."""
    time.sleep(1.0)
    bench.cloud.fire_timer(_TIMER)
    bench.settle()


def unalarmed(bench: Bench) -> bool:
    logs = bench.logs()
    return not ("BreakerOpened" in logs or '"leaf":"Halt"' in logs or bench.cloud.dead_letters)


@pytest.mark.parametrize("what", REFUSED)
def test_what_is_refused_of_one_card_is_that_card_s(start: Start, what: str) -> None:
    prefix, action, tells = REFUSED[what]
    forbidden = Forbidden(prefix, action)
    bench = begun(start, forbidden)
    counts = bench.invoke(event(bench, _KEY, "inbox/good.jpg"))
    # A lease that may not be given back runs out by itself.
    done = {"redacted": 2} if what == "lease given back" else {"needs_review": 1, "redacted": 1}
    assert counts == done
    noted = bench.there(f".cardveil/unread/{_DIGEST}/note")
    if "needs_review" in counts:
        assert noted
        assert orjson.loads(bench.get(f".cardveil/unread/{_DIGEST}/note") or b"")["code"] == "result_refused"
        sidecar = bench.sidecar("denied/a.jpg")
        if tells is not None:
            told = (sidecar["status"], sidecar["findings"]) if sidecar else None
            assert told == (("needs_review", ["result_refused"]) if tells else None)
    assert unalarmed(bench)
    sweep(bench)
    assert unalarmed(bench), "by the schedule, too"
    forbidden.lifted = True
    sweep(bench)
    sidecar = bench.sidecar("denied/a.jpg")
    assert sidecar is not None
    assert sidecar["status"] == "redacted"
    assert bench.listing(".cardveil/unread/") == []
    assert unalarmed(bench)


def test_nothing_is_paid_again_while_a_result_may_not_be_written(start: Start) -> None:
    bench = begun(start, Forbidden("sidecars/denied/", "cos:PutObject"), {"CARDVEIL_ANSWERS_KEPT_S": "0"})
    bench.invoke(event(bench, _KEY, "inbox/good.jpg"))
    paid = bench.cloud.usage.by_operation()
    assert sum(paid.values())
    for _ in range(2):
        sweep(bench)
    assert bench.cloud.usage.by_operation() == paid
    assert len(bench.listing(".cardveil/unread/")) == 1


@pytest.mark.parametrize(
    ("prefix", "action"),
    [
        ("redacted/", "cos:PutObject"),
        ("sidecars/", "cos:HeadObject"),
        (".cardveil/leases/", "cos:PutObject"),
    ],
)
def test_what_is_refused_of_every_card_is_the_account_s(start: Start, prefix: str, action: str) -> None:
    bench = begun(start, Forbidden(prefix, action))
    with pytest.raises(RuntimeError, match="permission_missing"):
        bench.invoke(event(bench, "inbox/good.jpg"))
    assert '"leaf":"Halt"' in bench.logs()
    assert bench.listing(".cardveil/unread/") == []


def test_a_copy_that_may_not_be_staged_opens_no_breaker(start: Start) -> None:
    """CI may not read the picture, and so its copy under another key is asked of; no service refused that."""
    refusing = FaultRules([Rule("error", "ci", "AILicenseRec", code="AccessDenied")])
    forbidden = Forbidden(f".cardveil/staged/{_DIGEST}/", "cos:PutObject")
    bench = start(policies=forbidding(forbidden), faults=refusing)
    put(bench, _KEY.removeprefix("inbox/"), kept("id-front-flat.jpg"))
    assert bench.deliver(_KEY) == {"needs_review": 1}
    assert unalarmed(bench)


def test_over_http_too(tmp_path: Path) -> None:
    """The one is told as refused, and the others are told."""
    forbidden = Forbidden("sidecars/denied/")
    with api_bench(tmp_path, policies=forbidding(forbidden, {"CARDVEIL_TOKEN_SECRETS": SECRET})) as api:
        for name in ("denied/a.jpg", "good.jpg"):
            put(api.bench, name, kept("id-front-flat.jpg"))
        assert api.bench.deliver("inbox/good.jpg") == {"redacted": 1}
        cards = api.call("GET", "/v1/cards").json()["cards"]
        assert [(card["key"], card["status"]) for card in cards] == [
            (_KEY, "needs_review"),
            ("inbox/good.jpg", "redacted"),
        ]
        problem(api.call("GET", "/v1/cards/inbox%2Fdenied%2Fa.jpg"), 409, "result_refused")
        assert unalarmed(api.bench)
        forbidden.prefix = "sidecars/"
        problem(api.call("GET", "/v1/cards/inbox%2Fgood.jpg"), 500, "permission_missing")


def test_no_probe_stays(start: Start) -> None:
    bench = begun(start, Forbidden("sidecars/denied/", "cos:PutObject"))
    bench.invoke(event(bench, _KEY, "inbox/good.jpg"))
    assert bench.listing("sidecars/") == ["sidecars/good.jpg.json"]
    assert [key for key in bench.listing("redacted/") if "denied" not in key] == ["redacted/good.jpg"]
