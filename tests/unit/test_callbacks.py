"""What a stranger's callback costs: no SDK, no request; and every outcome has its HTTP answer."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from cardveil.handlers.callback import STATUSES
from cardveil.pipeline.jobs import Arrival

ROOT = Path(__file__).parents[2]


def test_every_arrival_has_an_answer_and_only_good_ones_are_well_received() -> None:
    assert {arrival.value for arrival in Arrival} <= set(STATUSES)
    welcome = {outcome for outcome, status in STATUSES.items() if status < 300}
    assert welcome == {"accepted", "duplicate", "unfinished"}


def test_a_forged_callback_is_refused_before_any_sdk_is_imported() -> None:
    program = f"""
import json, sys
sys.path.insert(0, {str(ROOT / "functions" / "on_callback")!r})
from index import main_handler
event = json.load(open({str(ROOT / "events" / "callback-url-json-object.json")!r}))
context = {{"request_id": "r", "function_name": "f", "time_limit_in_ms": 60000, "tencentcloud_region": "r"}}
answer = main_handler(event, context)
heavy = {{"qcloud_cos", "requests", "tencentcloud", "PIL"}} & {{name.split(".")[0] for name in sys.modules}}
print(json.dumps([answer["statusCode"], sorted(heavy)]))
"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
        env={"CARDVEIL_JOB_SECRETS": "s" * 32},
    )
    assert json.loads(done.stdout.splitlines()[-1]) == [403, []]
    assert "张三" not in done.stdout
    assert "990101199003071237" not in done.stdout
