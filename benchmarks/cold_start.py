"""Processor time of a cold start: fresh processes, from the unpacked zips, by the platform's Python."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.support.cloud_fixture import ROOT, known

from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.package.build import build, rehearsal_minor
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.scf.platform import PLATFORM, find_interpreter, unzip
from cardveil_cloud.server import LocalCloud

ROUNDS: Final = 15
#: The vendor's package of all OCR models (the international one, which has this API, is 25 times larger).
NAIVE: Final = "tencentcloud-sdk-python-ocr"
CONTEXT: Final = {
    "request_id": "r",
    "function_name": "f",
    "time_limit_in_ms": 60000,
    "tencentcloud_region": "ap-shanghai",
}
_HEAD: Final = "import json, os, sys; sys.path.insert(0, os.getcwd()); "
_INVOKE: Final = (
    _HEAD + "from index import main_handler; e = json.load(open(os.environ['EVENT'])); "
    "c = json.loads(os.environ['CONTEXT']); r = main_handler(e, c); "
    "assert os.environ['EXPECTED'] in str(r), r"
)
_READY: Final = (
    _HEAD + "from index import main_handler; from cardveil.core.context import read_context; "
    "from cardveil.settings import from_environment; from cardveil.pipeline.factory import build_processor; "
    "from cardveil.core.telemetry import Telemetry; i = read_context(json.loads(os.environ['CONTEXT'])); "
    "s = from_environment(os.environ); Telemetry(i, s.log_level); "
    "build_processor(s, os.environ, i, bucket='cards-1250000000', region='ap-shanghai')"
)
_QCLOUD: Final = "import qcloud_cos"
_EAGER: Final = (
    "import qcloud_cos, yaml, orjson, pydantic, PIL.Image, aws_lambda_powertools; "
    "from aws_lambda_powertools.event_handler import LambdaFunctionUrlResolver; "
    "from qcloud_cos import CosConfig, CosS3Client; "
    "from tencentcloud.common.credential import Credential; "
    "from tencentcloud.ocr.v20181119 import models, ocr_client; "
    "k = os.environ; "
    "CosS3Client(CosConfig(Region='ap-shanghai', SecretId='i', SecretKey='k')); "
    "ocr_client.OcrClient(Credential('i', 'k'), 'ap-shanghai'); "
    "import cardveil.pipeline.factory, cardveil.core.telemetry"
)


def processor_ms(python: str, program: str, cwd: Path, environment: dict[str, str]) -> float:
    """Run a program in a fresh process and return its user and system time in milliseconds."""
    process = subprocess.Popen(
        [python, "-s", "-S", "-c", program], cwd=cwd, env=environment, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError("a measured process failed")
    return (usage.ru_utime + usage.ru_stime) * 1000


def mounted(folder: Path, minor: tuple[int, int]) -> tuple[dict[str, Path], Path]:
    """Unpack the functions, each by itself, and the layers as the platform does."""
    package = build(ROOT, ROOT / "build" / "wheels", minor)
    code, layers = {key: folder / "user" / key for key in package.functions}, folder / "opt"
    for key, data in package.functions.items():
        unzip(data, code[key])
    for data in package.layers.values():
        unzip(data, layers)
    return code, layers


@contextmanager
def bare_cloud(folder: Path) -> Iterator[Endpoint]:
    """Run a local cloud without functions: the ones that are measured run beside it."""
    cloud = LocalCloud(
        folder,
        recogniser_factory=lambda: TableRecogniser({each.read(): known(each) for each in kept_pictures()}),
    )
    with cloud.running() as ready:
        yield Endpoint(
            ready.proxy_url, ready.secret_id, ready.secret_key, ready.region, ready.app_id, ready.bucket
        )


def event_of(key: str, folder: Path) -> Path:
    """Write the event of one upload and return its file."""
    document = json.loads((ROOT / "events" / "cos-object-created-put.json").read_bytes())
    stored = document["Records"][0]["cos"]["cosObject"]
    stored["key"], stored["url"] = f"/1250000000/cards/{key}", f"http://cards-1250000000.cos.x/{key}"
    path = folder / "event.json"
    path.write_text(json.dumps(document))
    return path


def naive_models(folder: Path) -> Path | None:
    """Install the vendor's OCR models beside the layers; None where they cannot be had."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--no-compile",
            "--target",
            folder,
            NAIVE,
        ],
        check=False,
        capture_output=True,
        timeout=180,
    )
    return folder if done.returncode == 0 else None


def main() -> None:
    minor = rehearsal_minor()
    interpreter = find_interpreter(minor)
    if interpreter is None:
        raise RuntimeError("no Python was found")
    sample = next(each for each in kept_pictures() if each.verdict == "redacted")
    own = ROOT / "events" / "cos-object-created-own-sidecar.json"
    with tempfile.TemporaryDirectory() as name, bare_cloud(Path(name) / "cloud") as endpoint:
        folder, client = Path(name), endpoint.cos_client()
        functions, layers = mounted(folder, minor)
        code = functions["on_upload"]
        credentials = {
            "TENCENTCLOUD_SECRETID": endpoint.secret_id,
            "TENCENTCLOUD_SECRETKEY": endpoint.secret_key,
            "TENCENTCLOUD_REGION": "ap-shanghai",
            "CARDVEIL_SCHEME": "http",
            "http_proxy": endpoint.proxy,
        }
        base = {
            "PATH": os.defpath,
            "PYTHONPATH": f"{code}:{layers}",
            "CONTEXT": json.dumps(CONTEXT),
            **credentials,
        }
        # The layer leaves out a library of which requests warns; the functions silence that themselves.
        quiet = {**base, "PYTHONWARNINGS": "ignore"}
        passed = {**base, "EVENT": str(own), "EXPECTED": "not_in_inbox"}
        stranger, asked = (
            {
                **base,
                "PYTHONPATH": f"{functions[key]}:{layers}",
                "CARDVEIL_JOB_SECRETS": "j" * 32,
                "CARDVEIL_TOKEN_SECRETS": "t" * 32,
                "EVENT": str(ROOT / "events" / event),
                "EXPECTED": f"'statusCode': {status}",
            }
            for key, event, status in (
                ("on_callback", "callback-url-json-object.json", 403),
                ("on_request", "function-url-api-list-cards.json", 401),
            )
        )
        first = {**base, "EXPECTED": "redacted"}
        models = naive_models(folder / "naive")
        rows: list[tuple[str, str, dict[str, str]]] = [
            ("bare interpreter", "pass", base),
            ("an event that is not ours", _INVOKE, passed),
            ("importing qcloud_cos alone", _QCLOUD, quiet),
            ("ready to process", _READY, base),
            ("first card done", _INVOKE, first),
            ("a stranger's callback refused", _INVOKE, stranger),
            ("an HTTP request with a bad token refused", _INVOKE, asked),
        ]
        if models:
            naive = {**quiet, "PYTHONPATH": f"{code}:{layers}:{models}"}
            merge = (
                f"import os, tencentcloud; tencentcloud.__path__.append({str(models / 'tencentcloud')!r}); "
            )
            rows.append(("the naive way: all models, eager imports", merge + _EAGER, naive))
        print(f"Processor milliseconds of fresh processes, median of {ROUNDS}, Python {interpreter.version}")
        if minor != PLATFORM:
            print("(no Python of the platform's minor was found)")
        medians: dict[str, float] = {}
        times: dict[str, list[float]] = {label: [] for label, _, _ in rows}
        for turn in range(ROUNDS + 1):
            # In turns, so that a busy moment of the machine meets all rows.
            for label, program, environment in rows:
                if label == "first card done":
                    key = f"inbox/{turn}.jpg"
                    client.put_object(Bucket=endpoint.bucket, Key=key, Body=sample.read())
                    environment = {**environment, "EVENT": str(event_of(key, folder))}
                # The program looks for `index` in its own folder first.
                cwd = Path(environment["PYTHONPATH"].partition(":")[0])
                spent = processor_ms(interpreter.path, program, cwd, environment)
                if turn:
                    times[label].append(spent)
        for label, _, _ in rows:
            medians[label] = statistics.median(times[label])
            spread = f"{min(times[label]):.0f}-{max(times[label]):.0f}"
            print(f"{label:42}{medians[label]:8.1f}  {spread:>10}")
        bare, alone = medians["bare interpreter"], medians["importing qcloud_cos alone"]
        print(f"not ours, over bare: {medians['an event that is not ours'] - bare:.1f} ms (at most 30)")
        print(f"ready, over qcloud_cos alone: {medians['ready to process'] / alone:.2f} (at most 1.15)")


if __name__ == "__main__":
    main()
