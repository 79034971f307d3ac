"""A message to the receiver of webhooks: as others' libraries verify it, to a public host, once, in time."""

from __future__ import annotations

import base64
import http.server
import socket
import threading
import time

import orjson
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.support.network import Network, says, site

from cardveil.core.outbound import Outbound
from cardveil.core.rate_limit import Pause
from cardveil.core.webhook import Receiver, headers_of
from cardveil.pipeline.telling import body_of, pause_after
from cardveil.storage.notices import Notice

SECRETS = ("an older secret of forty characters long", f"whsec_{base64.b64encode(b'n' * 32).decode()}")
ID = "0123456789abcdef0123456789abcdef"
BODY = orjson.dumps({"type": "card.redacted"})
NOTICE = Notice(ID, "a" * 64, "inbox/张三-11010519491231002X.jpg", "redacted", "redacted", ("low_score",),
                "e" * 32, "", 1_700_000_000.25)  # fmt: skip


def told(answer: object, **limits: float) -> tuple[str, list[str], Network]:
    """Tell a receiver that answers so; what became of it, what it was asked, where it was connected to."""
    with site(answer) as (port, asked):  # type: ignore[arg-type]
        network = Network({"hooks.example.com": ["93.184.216.34"]}, port)
        receiver = over_plain_http(network)
        became = receiver.tell(ID, BODY, time.time(), limits.get("limit_s", 20.0))
    return became, asked, network


def over_plain_http(network: Network) -> Receiver:
    """Speak without TLS, to a host of the test's network: `loopback` says that this is the local cloud."""
    outbound = Outbound(network.resolve, network.connect, loopback=True)
    return Receiver("http://hooks.example.com/in", SECRETS, outbound)


def as_others(secret: str) -> Webhook:
    """The reference library takes a secret in Base64 alone."""
    return Webhook(secret if secret.startswith("whsec_") else base64.b64encode(secret.encode()).decode())


@pytest.mark.parametrize("secret", SECRETS)
def test_the_reference_library_verifies_with_each_of_the_secrets(secret: str) -> None:
    headers = headers_of(SECRETS, ID, BODY, time.time())
    assert as_others(secret).verify(BODY, headers) == {"type": "card.redacted"}


@pytest.mark.parametrize("change", ["body", "id", "timestamp", "secret", "age"])
def test_the_reference_library_refuses_what_was_changed(change: str) -> None:
    now = time.time() - (600 if change == "age" else 0)
    headers = headers_of(SECRETS[1:], ID, BODY, now)
    body, verifier = BODY, as_others(SECRETS[1])
    if change == "body":
        body = BODY.replace(b"redacted", b"rejected")
    elif change == "id":
        headers["webhook-id"] = ID[::-1]
    elif change == "timestamp":
        headers["webhook-timestamp"] = str(int(now) + 1)
    elif change == "secret":
        verifier = as_others(SECRETS[0])
    with pytest.raises(WebhookVerificationError):
        verifier.verify(body, headers)


def test_the_receiver_gets_the_message_and_nothing_else() -> None:
    seen: dict[str, str] = {}

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.update({name.lower(): value for name, value in handler.headers.items()})
        seen["body"] = handler.rfile.read(int(handler.headers["Content-Length"])).decode()
        says(204)(handler)

    became, asked, network = told(answer)
    assert (became, asked, network.opened) == ("told", ["hooks.example.com/in"], ["93.184.216.34"])
    assert as_others(SECRETS[0]).verify(seen.pop("body"), seen)
    assert set(seen) == {
        "host", "accept-encoding", "content-type", "content-length", "user-agent", "connection",
        "webhook-id", "webhook-timestamp", "webhook-signature",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "became"),
    [(200, "told"), (299, "told"), (301, "redirected"), (307, "redirected"), (308, "redirected"),
     (400, "refused"), (410, "refused"), (500, "refused")],
)  # fmt: skip
def test_only_what_was_taken_is_told_and_no_redirect_is_followed(status: int, became: str) -> None:
    found, asked, network = told(says(status, Location="http://hooks.example.com/elsewhere"))
    assert (found, len(asked), len(network.opened)) == (became, 1, 1)


@pytest.mark.parametrize(
    "addresses",
    [["10.0.0.1"], ["127.0.0.1"], ["169.254.0.23"], ["93.184.216.34", "192.168.0.1"], ["::1"], []],
)
def test_no_message_leads_inside(addresses: list[str]) -> None:
    network = Network({"hooks.example.com": addresses})
    outbound = Outbound(network.resolve, network.connect)
    receiver = Receiver("https://hooks.example.com/in", SECRETS, outbound)
    assert receiver.tell(ID, BODY, 0.0, 5.0) == "address_refused"
    assert network.opened == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/",
        "https://127.0.0.1/",
        "https://hooks.example.com:8443/",
        "http://127.0.0.1/",
    ],
)
def test_outside_the_local_cloud_it_is_https_of_a_public_name(url: str) -> None:
    network = Network({"hooks.example.com": ["93.184.216.34"]})
    receiver = Receiver(url, SECRETS, Outbound(network.resolve, network.connect))
    assert receiver.tell(ID, BODY, 0.0, 5.0) == "address_refused"
    assert network.opened == []


def test_a_certificate_of_the_name_is_wanted() -> None:
    with site(says(200)) as (port, asked):
        network = Network({"hooks.example.com": ["93.184.216.34"]}, port)
        receiver = Receiver("https://hooks.example.com/", SECRETS, Outbound(network.resolve, network.connect))
        assert receiver.tell(ID, BODY, 0.0, 1.0) == "unreachable"
    assert asked == []


@pytest.mark.parametrize("part", [b"", b"HTTP/1.1 200 OK\r\nX: "])
def test_a_receiver_that_drips_is_hung_up_on(part: bytes) -> None:
    def drip(listener: socket.socket) -> None:
        opened, _ = listener.accept()
        with opened:
            try:
                opened.sendall(part)
                for _ in range(600):
                    opened.sendall(b"x" if part else b"")
                    time.sleep(0.05)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        network = Network({"hooks.example.com": ["93.184.216.34"]}, listener.getsockname()[1])
        started = time.monotonic()
        assert over_plain_http(network).tell(ID, BODY, 0.0, 0.4) == "unreachable"
        assert time.monotonic() - started < 15.0


def test_an_answer_s_body_is_not_read() -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            for _ in range(600):
                handler.wfile.write(b"x" * 1000)
                time.sleep(0.05)
        except OSError:
            return

    started = time.monotonic()
    assert told(answer)[0] == "told"
    assert time.monotonic() - started < 15.0


def test_a_body_holds_no_key_unless_that_is_wanted_and_no_name() -> None:
    bare = body_of(NOTICE, 1, with_key=False)
    assert "张三".encode() not in bare
    assert b"11010519491231002X" not in bare
    assert orjson.loads(bare) == {
        "type": "card.redacted",
        "id": ID,
        "timestamp": "2023-11-14T22:13:20.250Z",
        "attempt": 1,
        "data": {
            "source_sha256": "a" * 64, "state": "redacted", "status": "redacted", "findings": ["low_score"],
            "etag": "e" * 32,
        },
    }  # fmt: skip
    assert orjson.loads(body_of(NOTICE, 3, with_key=True))["data"]["key"] == NOTICE.key
    assert orjson.loads(body_of(NOTICE, 3, with_key=True))["attempt"] == 3


def test_pauses_double_up_to_a_quarter_of_a_day() -> None:
    pauses = [pause_after(tries) for tries in range(1, 17)]
    assert pauses[:3] == [60.0, 120.0, 240.0]
    assert max(pauses) == 6 * 3600.0
    assert 40 * 3600 < sum(pauses[:-1]) < 60 * 3600


def test_a_receiver_says_nothing_of_itself() -> None:
    assert "hooks" not in repr(Receiver("https://hooks.example.com/token", SECRETS, Outbound()))


def test_a_pause_ends() -> None:
    clock = [10.0]
    pause = Pause(lambda: clock[0])
    assert pause.over()
    pause.begin(5.0)
    assert not pause.over()
    clock[0] = 15.0
    assert pause.over()
