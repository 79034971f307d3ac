"""Who may call the HTTP API: roles and tokens, pages from elsewhere, the platform's own signature."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from pathlib import Path
from typing import Any

import orjson
import pytest
import yaml
from click.testing import CliRunner
from tests.support.api_fixture import SECRET, Api, api_bench, problem
from tests.support.cloud_fixture import bench

from cardveil.api.app import application
from cardveil.api.auth import role_of
from cardveil.api.tokens import ROLES, mint
from cardveil.settings import from_environment
from cardveil_cli import group

ROOT = Path(__file__).parents[2]
LIST = ".cardveil/revoked-tokens.txt"


def routes() -> list[tuple[str, str, str]]:
    app = application()
    found = []
    for route in app._static_routes + app._dynamic_routes:
        role = role_of(route.func)
        assert role, f"{route.path} does not say whom it lets in"
        found.append((route.method, route.path.replace("<key>", "inbox/x.jpg").replace("<id>", "x"), role))
    return sorted(found)


ROUTES = routes()
GUARDED = [(method, path, role) for method, path, role in ROUTES if role in ROLES]


class TestWhoMayCall:
    def test_every_route_of_the_document_is_tried(self, api: Api) -> None:
        document = api.call("GET", "/openapi.json", roles=()).json()
        told = {
            (m.upper(), p.replace("{key}", "inbox/x.jpg").replace("{id}", "x"))
            for p, i in document["paths"].items()
            for m in i
        }
        assert told == {(m, p) for m, p, _ in ROUTES if p.startswith("/v1/")}

    @pytest.mark.parametrize(("method", "path", "role"), GUARDED)
    def test_a_route_lets_in_whoever_has_its_role(self, api: Api, method: str, path: str, role: str) -> None:
        body: Any = {} if method == "POST" else None
        problem(api.call(method, path, body, roles=()), 401, "token_missing")
        others = tuple(other for other in ROLES if other != role)
        problem(api.call(method, path, body, roles=others), 403, "role_missing")
        assert api.call(method, path, body, roles=(role,)).status_code in {200, 404, 422}

    @pytest.mark.parametrize(("method", "path", "role"), [r for r in ROUTES if r[2] not in ROLES])
    def test_the_page_its_documents_and_health_are_for_everybody(
        self, api: Api, method: str, path: str, role: str
    ) -> None:
        answer = api.call(method, path, roles=())
        assert answer.status_code == 200
        assert answer.headers["Cache-Control"] == "no-store"

    def test_bad_tokens(self, api: Api) -> None:
        good = api.token("read")
        for token, code in {
            good[:-2]: "token_malformed",
            good[:-43] + "A" * 43: "token_refused",
            mint(
                "another secret that is long enough too", "a", ROLES, lifetime_s=60, now=2e9
            ): "token_refused",
            mint(SECRET, "a", ROLES, lifetime_s=60, now=1e9): "token_expired",
            mint(SECRET, "a", ROLES, lifetime_s=60, now=4e9): "token_not_yet_valid",
        }.items():
            headers = {"Authorization": f"Bearer {token}"}
            problem(api.call("GET", "/v1/cards", roles=(), headers=headers), 401, code)

    def test_a_revoked_token(self, tmp_path: Path) -> None:
        with api_bench(tmp_path / "cloud") as api:
            token = api.token("read")
            digest = hashlib.sha256(token.encode()).hexdigest()
            api.bench.upload(LIST, f"{digest}  # lost\n".encode())
            headers = {"Authorization": f"Bearer {token}"}
            problem(api.call("GET", "/v1/cards", roles=(), headers=headers), 401, "token_revoked")
            assert api.call("GET", "/v1/health", roles=(), headers=headers).status_code == 200
            assert api.call("GET", "/v1/cards", roles=("read",)).status_code == 200

    def test_tokens_that_the_command_revokes(self, tmp_path: Path) -> None:
        """By the whole token, which stands on no command line, or by its `jti`; what was there stays."""
        with api_bench(tmp_path / "cloud") as api:
            data = tmp_path / "data"
            data.mkdir()
            (data / "endpoint.json").write_bytes(api.bench.endpoint.to_line())
            whole, named = api.token("read"), api.token("read")
            claims = named.split(".")[1]
            jti = orjson.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["jti"]
            api.bench.upload(LIST, b"an-older-one # lost")
            for typed, given, said in (
                (["-"], f"{whole}\n", "1 revoked, 0 were revoked before"),
                ([jti, "an-older-one"], "", "1 revoked, 1 were revoked before"),
            ):
                done = CliRunner().invoke(
                    group, ["token", "revoke", *typed, "--data", str(data)], input=given
                )
                assert (done.exit_code, done.output.strip()) == (0, said)
            lines = (api.bench.get(LIST) or b"").decode().splitlines()
            digest = hashlib.sha256(whole.encode()).hexdigest()
            assert [line.split(" ")[0] for line in lines] == ["an-older-one", digest, jti]
            for token in (whole, named):
                headers = {"Authorization": f"Bearer {token}"}
                problem(api.call("GET", "/v1/cards", roles=(), headers=headers), 401, "token_revoked")
            assert api.call("GET", "/v1/cards", roles=("read",)).status_code == 200

    @pytest.mark.parametrize("typed", [["a.b.c"], ["#"], ["-"], ["x" * 129], ["密"]])
    def test_ids_that_are_none(self, typed: list[str]) -> None:
        done = CliRunner().invoke(group, ["token", "revoke", *typed, "--data", "nowhere"])
        assert done.exit_code == 2
        assert "a.b.c" not in done.output

    def test_without_a_secret_only_health_answers(self, tmp_path: Path) -> None:
        with bench(tmp_path / "cloud") as cloud:
            api = Api(cloud)
            for method, path, role in ROUTES:
                answer = api.call(method, path, {} if method == "POST" else None)
                if role == "always":
                    assert answer.json()["status"] == "ok"
                else:
                    problem(answer, 503, "not_configured")


class TestFromElsewhere:
    def test_only_named_origins_may_read(self, api: Api) -> None:
        origin = {"Origin": "https://desk.example.com"}
        answer = api.call("GET", "/v1/health", headers=origin)
        assert answer.headers["Access-Control-Allow-Origin"] == origin["Origin"]
        assert answer.headers["Vary"] == "Origin"
        other = api.call("GET", "/v1/health", headers={"Origin": "https://evil.example.com"})
        assert "Access-Control-Allow-Origin" not in other.headers
        asked = {
            **origin,
            "Access-Control-Request-Method": "POST",
            "Access-Control-Request-Headers": "authorization",
        }
        preflight = api.call("OPTIONS", "/v1/cards", roles=(), headers=asked)
        assert preflight.status_code == 204
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        refused = api.call(
            "OPTIONS",
            "/v1/cards",
            roles=(),
            headers={**asked, "Origin": "https://desk.example.com.evil.example"},
        )
        assert "Access-Control-Allow-Origin" not in refused.headers

    @pytest.mark.parametrize("origins", ["*", "desk.example.com", "https://desk.example.com/", "null"])
    def test_origins_are_named_exactly(self, origins: str) -> None:
        with pytest.raises(Exception, match="CARDVEIL_CORS_ORIGINS"):
            from_environment({"CARDVEIL_CORS_ORIGINS": origins})

    def test_switched_off_there_is_nothing(self, tmp_path: Path) -> None:
        with api_bench(tmp_path / "cloud") as api:
            asked = {"Origin": "https://desk.example.com", "Access-Control-Request-Method": "POST"}
            answer = api.call("OPTIONS", "/v1/cards", roles=(), headers=asked)
            assert answer.status_code == 405
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


def test_the_platform_s_own_signature_works_beside_the_token(tmp_path: Path) -> None:
    """With CAM authentication the Authorization header is the signature's, so the token has its own."""
    document = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
    document["inputs"]["src"] = str(ROOT / "functions")
    trigger = next(t for t in document["inputs"]["triggers"] if t["function"] == "on_request")
    trigger["parameters"]["authType"] = "CAM"
    file = tmp_path / "serverless.yml"
    file.write_text(yaml.safe_dump(document), "utf-8")
    with api_bench(tmp_path / "cloud", serverless=file) as api:
        assert api.call("GET", "/v1/cards").status_code == 401, "not signed"
        token = {"X-Cardveil-Token": api.token("read")}
        assert api.call("GET", "/v1/cards", roles=(), headers={**signed(api), **token}).status_code == 200
        unsigned = api.call("GET", "/v1/cards", roles=(), headers=token)
        assert unsigned.status_code == 401
        assert "errorCode" in unsigned.json(), "the platform refuses it"
        no_token = api.call("GET", "/v1/cards", roles=(), headers=signed(api))
        problem(no_token, 401, "token_missing")


def signed(api: Api) -> dict[str, str]:
    """Return the headers of a GET without a query, signed by API 3.0's rules."""
    endpoint = api.bench.endpoint
    host = endpoint.proxy.removeprefix("http://")
    now = int(time.time())
    date = time.strftime("%Y-%m-%d", time.gmtime(now))
    sign = "content-type;host"
    lines = f"content-type:application/json\nhost:{host}\n"
    empty = hashlib.sha256(b"").hexdigest()
    canonical = f"GET\n/\n\n{lines}\n{sign}\n{empty}"
    key = f"TC3{endpoint.secret_key}".encode()
    for part in (date, "scf", "tc3_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{now}\n{date}/scf/tc3_request\n{digest}"
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return {
        "Content-Type": "application/json",
        "X-TC-Timestamp": str(now),
        "Authorization": f"TC3-HMAC-SHA256 Credential={endpoint.secret_id}/{date}/scf/tc3_request, "
        f"SignedHeaders={sign}, Signature={signature}",
    }
