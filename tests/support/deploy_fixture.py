"""What is deployed from its zips to a local cloud, as tests and the recorded transcript use it."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from tests.support.cloud_fixture import ROOT, Bench, kept, known, role_documents

from cardveil_cli import group
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.deploy.access import Access
from cardveil_cli.deploy.account import Account
from cardveil_cli.deploy.desired_state import Wanted, wanted
from cardveil_cli.deploy.plan import Plan, Planner
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.accounts import Policy
from cardveil_cloud.ci.recognition import KnownPicture, TableRecogniser
from cardveil_cloud.faults import FaultHook
from cardveil_cloud.options import Options
from cardveil_cloud.scf.deployment import load
from cardveil_cloud.server import LocalCloud

BUCKET = "cards-1250000000"


@dataclass
class Clock:
    """The time of a local cloud, which a test may put forward."""

    ahead_s: float = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead_s


@dataclass
class Scene:
    """A local cloud without functions, and an account on it."""

    bench: Bench
    account: Account
    package: Path
    data: Path
    clock: Clock
    key: tuple[str, str]

    def run(self, *arguments: str) -> tuple[int, str, str]:
        """Run a subcommand with the operator's key: exit code, standard output, standard error."""
        endpoint = replace(self.bench.endpoint, secret_id=self.key[0], secret_key=self.key[1])
        (self.data / "endpoint.json").write_bytes(endpoint.to_line())
        command, *rest = arguments
        done = CliRunner().invoke(group, [command, "--local", str(self.data), *rest])
        return done.exit_code, done.stdout, done.stderr

    @contextmanager
    def operator(self, policy: Policy) -> Iterator[None]:
        """Let the operator's key do something else for a while."""
        credentials = self.bench.cloud.credentials
        before = credentials.find(self.key[0])
        assert before is not None
        credentials.add_permanent(*self.key, policy)
        yield
        credentials.add(before)

    def wanted(self, *, app: str = "cardveil", **environment: str) -> Wanted:
        """What serverless.yml says, with other values for some settings of every function."""
        variables = {
            "CARDVEIL_STAGE": "test",
            "CARDVEIL_BUCKET": BUCKET,
            "CARDVEIL_TOKEN_SECRETS": "",
            "TENCENTCLOUD_REGION": "ap-shanghai",
        }
        deployment = load(ROOT / "serverless.yml", variables)
        functions = {
            key: replace(spec, environment={**spec.environment, **environment})
            for key, spec in deployment.functions.items()
        }
        deployment = replace(deployment, functions=functions)
        return wanted(deployment, self.package, app=app, stage="test", region="ap-shanghai")

    def plan(self, state: Wanted) -> Plan:
        return Planner(self.account, state).plan()

    def deploy(self, state: Wanted) -> list[str]:
        return [step.action() for step in self.plan(state).steps]

    def policy_of(self, name: str) -> str:
        """Upload a card and return the policy that its copy was made by."""
        redaction = self.bench.run(name, kept("id-front-flat.jpg"))["redaction"]
        return str(redaction["policy"])


@contextmanager
def scene(
    folder: Path,
    data: Path,
    *,
    faults: FaultHook | None = None,
    deployer: Policy | None = None,
    operator: Policy | None = None,
    roles: Mapping[str, Policy] | None = None,
    pictures: Mapping[bytes, KnownPicture] | None = None,
) -> Iterator[Scene]:
    """Run a local cloud; the deployer's and the operator's key may do what their policies allow, else all.

    Its recogniser knows the kept pictures, and further `pictures`.
    """
    clock = Clock()
    _share_mounts(folder, data)
    seen = {each.read(): known(each) for each in kept_pictures()} | dict(pictures or {})
    cloud = LocalCloud(
        data,
        recogniser_factory=lambda: TableRecogniser(seen),
        retry_interval_s=0.1,
        options=Options(scf_api=True, faults=faults, roles=roles or {}, clock=clock),
    )
    logging.getLogger("qcloud_cos").setLevel(logging.CRITICAL + 1)
    with cloud.running() as ready:
        endpoint = Endpoint(
            ready.proxy_url, ready.secret_id, ready.secret_key, ready.region, ready.app_id, ready.bucket
        )
        key, secret = ready.secret_id, ready.secret_key
        if deployer is not None:
            key, secret = "AKIDdeployer", "k" * 32
            cloud.credentials.add_permanent(key, secret, deployer)
        access = Access(ready.region, key, secret, proxy=ready.proxy_url)
        account = Account(access, BUCKET, sleep=lambda _: None)
        own = ("AKIDoperator", "o" * 32)
        cloud.credentials.add_permanent(*own, operator)
        yield Scene(Bench(cloud, endpoint, data, {}), account, folder, data, clock, own)


def _share_mounts(package: Path, data: Path) -> None:
    """Have all clouds that a package is deployed to unpack its zips once: most of a deployment's time.

    What is unpacked has the name of its digest, and is never changed.
    """
    shared, own = package.with_name(f"{package.name}-mounted"), data / "scf" / "mounted"
    if not own.exists():
        shared.mkdir(exist_ok=True)
        own.parent.mkdir(parents=True)
        own.symlink_to(shared)


def role_policies() -> dict[str, dict[str, Any]]:
    return {f"cardveil-{key.replace('_', '-')}": document for key, document in role_documents({}).items()}


def without(document: Mapping[str, Any], action: str) -> dict[str, Any]:
    statements = [
        {**each, "action": [name for name in each["action"] if name != action]}
        for each in document["statement"]
    ]
    return {**document, "statement": [each for each in statements if each["action"]]}


def stored_policy(name: str) -> dict[str, Any]:
    """Return one of the policies that are kept in the checkout."""
    document: dict[str, Any] = json.loads((ROOT / "policies" / f"{name}.json").read_text("utf-8"))
    return document


def invoke(here: Scene, data: Path, *arguments: str, **environment: str) -> tuple[int, str]:
    """Run a subcommand on a scene's local cloud and zips."""
    (data / "endpoint.json").write_bytes(here.bench.endpoint.to_line())
    command, *rest = arguments
    common = [command, "--local", str(data), "--package", str(here.package)]
    stage = {"CARDVEIL_STAGE": "test"}
    done = CliRunner().invoke(group, [*common, *rest], env={**stage, **environment})
    return done.exit_code, done.output
