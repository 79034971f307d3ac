"""What a request to the HTTP API costs: cold, warm, side by side, and the layer against a bare handler."""

from __future__ import annotations

import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import yaml
from tests.support.api_fixture import SECRET, Api, api_bench
from tests.support.cloud_fixture import ROOT, kept

from cardveil.core.context import Invocation, read_context
from cardveil.core.rate_limit import RateLimiter
from cardveil.handlers.http import answer
from cardveil.pipeline.factory import build_processor
from cardveil.settings import from_environment
from cardveil.storage.keys import keys_of

COLD, WARM, ALONE, SIDE_BY_SIDE, WORKERS = 8, 400, 400, 400, 8
BARE = '''"""The least a function can do."""


def main_handler(event, context):
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": "{}"}
'''


def timed(action: Callable[[], object], times: int) -> list[float]:
    """Return the milliseconds of each of `times` runs."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        action()
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def told(name: str, taken: list[float]) -> None:
    ordered = sorted(taken)
    p50, p99 = statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    print(f"{name:58}{len(ordered):6}{p50:10.2f}{p99:10.2f}")


def asked(api: Api, path: str) -> Callable[[], object]:
    def once() -> object:
        found = api.call("GET", path)
        if found.status_code != 200:
            raise RuntimeError(f"the API answered {found.status_code}")
        return found

    return once


def main() -> None:
    logging.getLogger("cardveil_cloud").setLevel(logging.ERROR)
    print(
        "Milliseconds; a client on the same machine, one connection, the local cloud's function URL between."
    )
    print(f"{'GET /v1/cards/{key}':58}{'n':>6}{'p50':>10}{'p99':>10}")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        cold = []
        for number in range(COLD):
            # A new cloud has no instance: nothing of it is warm but the disk.
            with api_bench(root / f"cold{number}") as api:
                api.upload("a.jpg", kept("id-front-flat.jpg"))
                cold += timed(asked(api, "/v1/cards/inbox/a.jpg"), 1)
        told("cold: start of the instance, imports, first request", cold)
        with api_bench(root / "warm", serverless=with_bare_function(root)) as api:
            api.upload("a.jpg", kept("id-front-flat.jpg"))
            path = "/v1/cards/inbox/a.jpg"
            timed(asked(api, path), 20)
            told("warm, one after the other", timed(asked(api, path), WARM))
            bare = Api(api.bench)
            bare.url = f"{api.bench.endpoint.proxy}/fn/bare"
            timed(asked(bare, "/"), 20)
            told("a bare handler behind the same function URL", timed(asked(bare, "/"), WARM))
            started = time.perf_counter()
            with ThreadPoolExecutor(WORKERS) as pool:
                taken = list(pool.map(lambda _: timed(asked(api, path), 1)[0], range(SIDE_BY_SIDE)))
            rate = SIDE_BY_SIDE / (time.perf_counter() - started)
            told(f"warm, {WORKERS} clients on 2 instances: {rate:.0f} requests/s", taken)
            alone(api)


def with_bare_function(root: Path) -> Path:
    """Write a deployment that has a function of the least kind as well."""
    (root / "bare").mkdir()
    (root / "bare" / "index.py").write_text(BARE, "utf-8")
    document = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
    inputs = document["inputs"]
    inputs["src"] = str(ROOT / "functions")
    source = os.path.relpath(root / "bare", ROOT / "functions")
    inputs["functions"]["bare"] = {"name": "bare", "src": source, "handler": "index.main_handler"}
    url = next(each for each in inputs["triggers"] if each["type"] == "http")
    inputs["triggers"].append({**url, "function": "bare"})
    file = root / "serverless.yml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    return file


def alone(api: Api) -> None:
    """Call the handler in this process: what the layer adds to reading the sidecar itself."""
    print(f"{'In one process, without the function URL':58}{'n':>6}{'p50':>10}{'p99':>10}")
    endpoint = api.bench.endpoint
    environment = {
        **endpoint.environment(),
        "CARDVEIL_TOKEN_SECRETS": SECRET,
        "CARDVEIL_LOG_LEVEL": "ERROR",
    }
    rate_limiter = RateLimiter()
    headers = {"authorization": f"Bearer {api.token()}"}

    def call(path: str) -> Callable[[], object]:
        event = {"httpMethod": "GET", "path": path, "headers": headers, "queryString": {}, "body": ""}
        return lambda: answer(event, invocation(endpoint.region), environment, rate_limiter)

    key = "inbox/a.jpg"
    for name, action in (
        ("the whole of it", call(f"/v1/cards/{key}")),
        (
            "the bucket alone: settings, clients, policy, one GET",
            lambda: read(environment, endpoint.region, key),
        ),
        ("the layer alone: GET /v1/health", call("/v1/health")),
        ("a bare handler", lambda: {"statusCode": 200, "headers": {}, "body": orjson.dumps({}).decode()}),
    ):
        timed(action, 20)
        told(name, timed(action, ALONE))


def read(environment: Mapping[str, str], region: str, key: str) -> Any:
    """Read a sidecar without any HTTP layer."""
    settings = from_environment(environment)
    processor = build_processor(
        settings, environment, invocation(region), bucket=settings.bucket, region=region
    )
    return orjson.loads(
        processor.pipeline.results.objects.get(keys_of(key, settings).sidecar, max_bytes=1 << 20)[1] or b""
    )


def invocation(region: str) -> Invocation:
    return read_context({"request_id": "r", "time_limit_in_ms": 60_000, "tencentcloud_region": region})


if __name__ == "__main__":
    main()
