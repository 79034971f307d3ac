"""Runs the suites of the COS SDKs for Python and Node against the local cloud, and compares with the list.

``python -m benchmarks.sdk_suites [--python REPOSITORY] [--node REPOSITORY]``: the suites are in neither
package, so they come from the vendor's repositories at run time, by git (a URL, or a folder); nothing of them
is kept. Exit code 0 if just those tests fail that `expected.yml` names, each with its reason.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import yaml
from qcloud_cos import CosConfig, CosS3Client
from tests.support.cloud_fixture import kept, known

from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import TableRecogniser
from cardveil_cloud.options import Options, Ready
from cardveil_cloud.server import LocalCloud

HERE: Final = Path(__file__).parent
REPOSITORIES: Final = {
    "python": "https://github.com/tencentyun/cos-python-sdk-v5.git",
    "node": "https://github.com/tencentyun/cos-nodejs-sdk-v5.git",
}
#: What is taken of each repository.
_PATHS: Final = {"python": ("ut",), "node": ("sdk", "test", "demo", "index.js", "package.json")}
_LIMIT_S: Final = 500
#: How a reason begins for which a test may fail or not.
UNSTEADY: Final = "unsteady: "
#: The Python suite names this one here and there.
_REGION: Final = "ap-guangzhou"
_APP_ID: Final = "1250000000"
#: The bucket that the Node suite finds, and where temporary credentials may write in it.
_BUCKET: Final = f"node-{_APP_ID}"
_GRANTED: Final = "nodejs-sdk/test/"
#: What the Python suite finds in a bucket of its own: invented cards under its names.
_CI_BUCKET: Final = f"cos-python-v5-test-ci-{_APP_ID}"
_SEEDS: Final = {"shenfenzheng.jpeg": "id-front-flat.jpg", "ocr.jpeg": "id-front-flat.jpg"}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for suite, repository in REPOSITORIES.items():
        parser.add_argument(f"--{suite}", default=repository, metavar="REPOSITORY")
    parser.add_argument("--only", choices=sorted(REPOSITORIES))
    parser.add_argument("--faults", action="store_true", help="print what each failing test says")
    arguments = parser.parse_args()
    logging.disable(logging.CRITICAL)
    expected: dict[str, dict[str, list[str]]] = yaml.safe_load((HERE / "expected.yml").read_text("utf-8"))
    wrong = 0
    for suite, repository in REPOSITORIES.items():
        if arguments.only in {None, suite}:
            with tempfile.TemporaryDirectory() as folder:
                source = fetched(suite, vars(arguments)[suite] or repository, Path(folder) / "suite")
                faults = RUN[suite](source, Path(folder))
            wrong += told(suite, faults, expected.get(suite) or {}, details=arguments.faults)
    return 1 if wrong else 0


def fetched(suite: str, repository: str, folder: Path) -> Path:
    """Take a suite out of a repository."""
    with tempfile.TemporaryDirectory() as clone:
        command = ["git", "clone", "--quiet", "--bare", "--depth", "1", repository, clone]
        subprocess.run(command, check=True, timeout=300)
        archive = subprocess.run(
            ["git", "-C", clone, "archive", "HEAD", *_PATHS[suite]], check=True, capture_output=True
        ).stdout
    with tarfile.open(fileobj=BytesIO(archive)) as packed:
        packed.extractall(folder, filter="data")
    return folder


def run_python(source: Path, folder: Path) -> dict[str, str]:
    """Return what each test of the Python SDK's suite says; empty for those that pass."""
    results = folder / "results"
    with local_cloud(folder / "cloud") as (_, ready):
        environment = {
            "COS_SECRET_ID": ready.secret_id,
            "COS_SECRET_KEY": ready.secret_key,
            "COS_REGION": ready.region,
            "COS_APPID": ready.app_id,
            "TRAVIS_FLAG": "true",
            "ERR_HOST": "localhost:9",
            "ErrRegion": _REGION,
            "TEST_CI": "true",
            "USE_CREDENTIAL_INST": "false",
            **{
                f"COS_VECTORS_{name}": value
                for name, value in {
                    "BUCKET": f"vectors-{ready.app_id}",
                    "BUCKET_FOR_CREATE_DELETE": f"vectors2-{ready.app_id}",
                    "APPID": ready.app_id,
                    "SECRET_ID": ready.secret_id,
                    "SECRET_KEY": ready.secret_key,
                    "REGION": ready.region,
                    "USE_IP": "false",
                }.items()
            },
            "http_proxy": ready.proxy_url,
            "no_proxy": "localhost",
        }
        command = [
            sys.executable,
            str(HERE / "python_child.py"),
            str(source / "ut" / "test.py"),
            str(results),
        ]
        finished(command, source, environment)
    lines = (json.loads(line) for line in results.read_text("utf-8").splitlines())
    return {line["name"]: line["fault"] for line in lines}


def run_node(source: Path, folder: Path) -> dict[str, str]:
    """Return what each test of the Node SDK's suite says; empty for those that pass."""
    install = ["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    subprocess.run(install, cwd=source, check=True, timeout=300, capture_output=True)
    results = folder / "results"
    with local_cloud(folder / "cloud") as (cloud, ready), credentials(cloud, ready) as issuer:
        environment = {
            "SecretId": ready.secret_id,
            "SecretKey": ready.secret_key,
            "Bucket": _BUCKET,
            "Region": ready.region,
            "Uin": "100000000001",
            "nodejssdkStsUrl": issuer,
            "SUITE": str(source),
            "SUITE_PROXY": ready.proxy_url,
            "http_proxy": ready.proxy_url,
            "no_proxy": "127.0.0.1",
        }
        mocha = source / "node_modules" / "mocha" / "bin" / "_mocha"
        preload = HERE / "node_preload.js"
        reporter = HERE / "node_reporter.js"
        command = ["node", str(mocha), "--exit", "-r", str(preload), "-R", str(reporter), "test/test.js"]
        finished(command, source, {**environment, "SUITE_RESULTS": str(results)})
    lines = (json.loads(line) for line in results.read_text("utf-8").splitlines())
    return {line["name"]: line["fault"] for line in lines}


RUN: Final = {"python": run_python, "node": run_node}


def finished(command: list[str], folder: Path, environment: Mapping[str, str]) -> None:
    """Run a suite to its end, or to its time limit: what it has told by then counts."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired:
        print("the suite took too long: what it had not come to by then is missing")
    finally:
        process.kill()
        process.wait()


@contextmanager
def local_cloud(data: Path) -> Iterator[tuple[LocalCloud, Ready]]:
    """Run a local cloud without functions that recognises what the suites find in it."""
    cloud = LocalCloud(
        data,
        recogniser_factory=lambda: TableRecogniser({shown.read(): known(shown) for shown in kept_pictures()}),
        region=_REGION,
        app_id=_APP_ID,
        bucket=_BUCKET,
        options=Options(ocr_rate=None),
    )
    with cloud.running() as ready:
        cloud.store.create_bucket(_CI_BUCKET)
        for key, file in _SEEDS.items():
            cloud.store.put(_CI_BUCKET, key, kept(file))
        yield cloud, ready


class Granted:
    """What the suite's temporary credentials may do: all below one prefix."""

    def allows(self, action: str, resource: str) -> bool:
        """Say whether a resource is below the prefix; uploads under way are listed for a whole bucket."""
        listed = action == "cos:ListMultipartUploads" and resource.startswith(f"cos/{_BUCKET}/")
        return listed or resource.startswith(f"cos/{_BUCKET}/{_GRANTED}")


@contextmanager
def credentials(cloud: LocalCloud, ready: Ready) -> Iterator[str]:
    """Serve temporary credentials as the Node suite's own example server does; gives its URL."""
    signer = CosS3Client(
        CosConfig(Region=ready.region, SecretId=ready.secret_id, SecretKey=ready.secret_key, Scheme="http")
    )
    signed = signer.get_auth(Method="PUT", Bucket=_BUCKET, Key="1.txt", SignHost=False)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/uploadSign":
                return self._answer({"signMap": {"PutObject": signed}})
            pair = cloud.call(lambda: cloud.credentials.issue_temporary(1800.0, Granted()))
            now = int(pair.expires or 0) - 1800
            document: dict[str, Any] = {
                "startTime": now,
                "expiredTime": int(pair.expires or 0),
                "credentials": {
                    "tmpSecretId": pair.secret_id,
                    "tmpSecretKey": pair.secret_key,
                    "sessionToken": pair.token,
                },
            }
            return self._answer(document)

        def _answer(self, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()


def told(suite: str, faults: Mapping[str, str], expected: Mapping[str, list[str]], *, details: bool) -> int:
    """Print how a suite went, and return how many tests did otherwise than the list says."""
    unsteady = {name for reason, names in expected.items() if reason.startswith(UNSTEADY) for name in names}
    listed = {name for names in expected.values() for name in names} - unsteady
    failing = {name for name, fault in faults.items() if fault}
    print(f"{suite}: {len(faults) - len(failing)} of {len(faults)} pass")
    if details:
        for name in sorted(failing):
            print(f"  {name}: {faults[name]}")
    for name in sorted(failing - listed - unsteady):
        print(f"  fails and is not listed: {name}")
    for name in sorted(listed - failing):
        print(f"  is listed and does not fail: {name}")
    for reason, names in expected.items():
        print(f"  {len(names):3} {reason}")
    return len((failing - unsteady) ^ listed)


if __name__ == "__main__":
    sys.exit(main())
