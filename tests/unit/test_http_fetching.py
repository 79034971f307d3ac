"""A stranger's URL: whatever it is, no listener inside the network hears of it."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Callable

import pytest
from tests.support.network import Network, says, site

from cardveil.api.fetch_url import Fetcher
from cardveil.api.problems import Problem
from cardveil.core.addresses import is_public, target_of

PUBLIC = "93.184.216.34"
HOSTILE = [
    # loopback and this host, in every spelling that some resolver takes
    "http://127.0.0.1/", "http://127.1/", "http://127.0.1/", "http://2130706433/", "http://0x7f000001/",
    "http://0x7f.0.0.1/", "http://0177.0.0.1/", "http://017700000001/", "http://0/", "http://0.0.0.0/",
    "http://127.127.127.127/", "http://localhost/", "http://LOCALHOST/", "http://localhost./",
    "http://foo.localhost/", "http://[::1]/", "http://[::]/", "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/", "http://[2002:7f00:1::]/", "http://127.0.0.1.",
    "http://\u2460\u2461\u2466.0.0.1/", "http://127\u30020\u30020\u30021/",
    "http://\uff11\uff12\uff17.0.0.1/",
    "http://1\u0662\u0667.0.0.1/", "http://loc\u00adalhost/", "http://\u24db\u24de\u24d2alhost/",
    # private and link-local networks, and the clouds' metadata
    "http://10.0.0.1/", "http://172.16.0.1/", "http://192.168.0.1/", "http://100.64.0.1/",
    "http://169.254.0.23/latest/meta-data/", "http://169.254.169.254/", "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/", "http://[fd00:ec2::254]/", "http://metadata.tencentyun.com/latest/meta-data/",
    "http://metadata/", "http://printer.local/", "http://db.internal/", "http://router.lan/",
    "http://0xA9FEA9FE/", "http://2852039166/", "http://169.254.43518/",
    # credentials, ports, schemes
    "http://user@public.example.com/", "http://user:word@public.example.com/",
    "http://public.example.com@127.0.0.1/",
    "http://127.0.0.1#@public.example.com/", "http://127.0.0.1?@public.example.com/",
    "http://@public.example.com/",
    "http://public.example.com:22/", "http://public.example.com:8411/", "https://public.example.com:80/",
    "http://public.example.com:0/", "http://public.example.com:65536/", "http://public.example.com:-1/",
    "http://public.example.com:/", "http://public.example.com:80a/", "ftp://public.example.com/",
    "file:///etc/passwd",
    "file://public.example.com/etc/passwd", "gopher://public.example.com/", "dict://public.example.com/",
    "data:image/jpeg;base64,AAAA", "javascript:alert(1)", "ldap://public.example.com/",
    "//public.example.com/",
    "http:/public.example.com", "http:public.example.com", "public.example.com", "http://", "http:///x",
    "https://?x",
    # what parsers disagree on
    "http://public.example.com\\@127.0.0.1/", "http://127.0.0.1\\.public.example.com/",
    "http://public.example.com\t/",
    "http://public.example.com\r\nHost: 127.0.0.1\r\n\r\n", "http://public.example.com/\u0000",
    " http://127.0.0.1/",
    "http://[::1/", "http://]/", "http://[public.example.com]/", "http://public..example.com/",
    "http://-a.example.com/",
    "http://a_b.example.com/", "http://public.example.com%2e/", "http://%31%32%37.0.0.1/",
    "http://.example.com/",
    "http://example.com./", f"http://{'a' * 64}.example.com/", f"http://public.example.com/{'a' * 2048}", "",
]  # fmt: skip


def fetcher(network: Network, max_bytes: int = 1000, limit_s: float = 60.0) -> Fetcher:
    return Fetcher(max_bytes, limit_s, network.resolve, network.connect)


def test_there_are_enough_of_them() -> None:
    assert len(set(HOSTILE)) >= 60


@pytest.mark.parametrize("url", HOSTILE)
def test_a_hostile_url_opens_no_connection(url: str) -> None:
    # Everything that slips through would be resolved to loopback, and heard.
    network = Network({})
    network.names = _Everything()
    with pytest.raises(Problem) as caught:
        fetcher(network).fetch(url)
    assert caught.value.code == "url_refused"
    assert network.opened == []
    assert not url or len(url) < 8 or url not in caught.value.what_to_do


class _Everything(dict[str, list[str]]):
    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> list[str]:
        return ["127.0.0.1"]


REFUSED_ADDRESSES = [
    "127.0.0.1", "10.1.2.3", "172.31.255.255", "192.168.1.1", "169.254.0.23", "100.64.0.1",
    "100.127.255.254", "0.0.0.0",
    "224.0.0.1", "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "198.51.100.1", "203.0.113.1",
    "192.88.99.1",
    "::", "::1", "::ffff:127.0.0.1", "::ffff:8.8.8.8", "::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1",
    "100::1", "2001::1",
    "2001:db8::1", "2002:a00:1::", "3fff::1", "fc00::1", "fd00::1", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1", "x",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    network = Network({"public.example.com": [address]})
    with pytest.raises(Problem, match="url_refused"):
        fetcher(network).fetch("http://public.example.com/")
    assert network.opened == []


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "119.29.29.29", "2402:4e00::1", "2606:4700::1111"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


def test_one_private_address_among_public_ones_is_enough() -> None:
    network = Network({"public.example.com": [PUBLIC, "127.0.0.1"]})
    with pytest.raises(Problem, match="url_refused"):
        fetcher(network).fetch("http://public.example.com/")
    assert network.opened == []


def test_a_name_that_changes_is_resolved_once() -> None:
    """What was checked is what is connected to: a second answer of the name server is never asked for."""
    with site(says(200, b"picture")) as (port, _):
        network = Network({"public.example.com": [PUBLIC]}, port)

        def resolve(host: str, at: int) -> list[str]:
            found = network.resolve(host, at)
            network.names[host] = ["127.0.0.1"]
            return found

        changing = Fetcher(1000, 60.0, resolve, network.connect)
        assert changing.fetch("http://public.example.com/a?b=1") == b"picture"
        assert network.opened == [PUBLIC]
        with pytest.raises(Problem, match="url_refused"):
            changing.fetch("http://public.example.com/a")
        assert network.opened == [PUBLIC]


@pytest.mark.parametrize(
    "location",
    [
        "http://127.0.0.1/", "http://localhost/", "//127.0.0.1/", "http://169.254.0.23/latest/",
        "http://inside.example.com/",
        "file:///etc/passwd", "http://user@public.example.com/", "http://public.example.com:8080/",
        "http://[::1]/", "gopher://x/",
    ],
)  # fmt: skip
def test_no_redirect_leads_inside(location: str) -> None:
    with site(says(302, Location=location)) as (port, asked):
        network = Network({"public.example.com": [PUBLIC], "inside.example.com": ["10.0.0.1"]}, port)
        with pytest.raises(Problem, match="url_refused"):
            fetcher(network).fetch("http://public.example.com/start")
        assert asked == ["public.example.com/start"]
        assert network.opened == [PUBLIC]


def test_redirects_are_followed_three_times() -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        at = int(handler.path[1:])
        says(*((200, b"found") if at == 3 else (307, b"")), Location=f"/{at + 1}")(handler)

    with site(answer) as (port, asked):
        network = Network({"public.example.com": [PUBLIC]}, port)
        assert fetcher(network).fetch("http://public.example.com/0") == b"found"
        assert len(asked) == 4
        network.names["other.example.com"] = [PUBLIC]
    with site(says(302, Location="/again")) as (port, asked):
        with pytest.raises(Problem, match="url_refused"):
            fetcher(Network({"public.example.com": [PUBLIC]}, port)).fetch("http://public.example.com/")
        assert len(asked) == 4


def test_https_is_not_left_for_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Fetcher, "_one", lambda *_: "http://public.example.com/")
    with pytest.raises(Problem, match="url_refused"):
        fetcher(Network({})).fetch("https://public.example.com/")


def test_https_wants_a_certificate_of_the_name() -> None:
    with site(says(200, b"x")) as (port, asked):
        network = Network({"public.example.com": [PUBLIC]}, port)
        with pytest.raises(Problem, match="url_unreachable"):
            # A server that waits for a line where there is a handshake says nothing: only the limit ends it.
            fetcher(network, limit_s=2.0).fetch("https://public.example.com/")
        assert asked == []
    assert ssl.create_default_context().check_hostname


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (says(200, b"x" * 1001), "picture_too_large"),
        (says(200, b"x" * 10, Content_Length="100000"), "picture_too_large"),
        (says(200, b"x" * 10, Content_Length="20"), "url_unreachable"),
        (says(404, b"x"), "url_answer_refused"),
        (says(204), "url_answer_refused"),
        (says(302), "url_answer_refused"),
        (says(200, b"x", Content_Encoding="gzip"), "url_answer_refused"),
    ],
)
def test_what_is_not_a_picture_of_a_fair_size_is_refused(
    answer: Callable[[http.server.BaseHTTPRequestHandler], None], code: str
) -> None:
    with site(answer) as (port, _), pytest.raises(Problem, match=code):
        fetcher(Network({"public.example.com": [PUBLIC]}, port)).fetch("http://public.example.com/")


def test_an_endless_answer_ends() -> None:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        with_pipe = b"x" * 500
        for _ in range(100):
            handler.wfile.write(with_pipe)

    with site(answer) as (port, _), pytest.raises(Problem, match="picture_too_large"):
        fetcher(Network({"public.example.com": [PUBLIC]}, port)).fetch("http://public.example.com/")


@pytest.mark.parametrize(
    "part", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n"]
)
def test_an_answer_that_drips_ends_in_time(part: bytes) -> None:
    def drip(listener: socket.socket) -> None:
        opened, _ = listener.accept()
        with opened:
            try:
                opened.sendall(part)
                for _ in range(600):
                    opened.sendall(b"x")
                    time.sleep(0.05)
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        network = Network({"public.example.com": [PUBLIC]}, listener.getsockname()[1])
        started = time.monotonic()
        with pytest.raises(Problem, match="url_unreachable"):
            fetcher(network, limit_s=0.4).fetch("http://public.example.com/")
        # Far from both, on a busy machine too: the limit, and the half minute for which it drips.
        assert time.monotonic() - started < 15.0


def test_nothing_of_ours_is_sent() -> None:
    seen: list[str] = []

    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        seen.extend(f"{name}: {value}" for name, value in handler.headers.items())
        says(200, b"picture")(handler)

    with site(answer) as (port, _):
        fetcher(Network({"public.example.com": [PUBLIC]}, port)).fetch("http://public.example.com/")
    assert {line.partition(":")[0].lower() for line in seen} <= {
        "host",
        "accept",
        "accept-encoding",
        "connection",
    }


def test_a_fair_url_is_taken_apart() -> None:
    target = target_of("https://Pictures.Example.com/a%20b.jpg?x=1&y=2#part")
    assert (target.host, target.port, target.path) == ("pictures.example.com", 443, "/a%20b.jpg?x=1&y=2")
