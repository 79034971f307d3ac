"""Which addresses a stranger may have us speak to: public ones, whatever the others are disguised as."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

from cardveil.core.frozen import dataclass

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

#: What `is_global` of some Python version lets through, or leads back to an IPv4 address by a gateway.
_REFUSED: Final = tuple(
    ipaddress.ip_network(network)
    for network in (
        "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
        "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
        "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
        "224.0.0.0/4", "240.0.0.0/4",
        "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32",
        "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
    )
)  # fmt: skip
_HOST: Final = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]")
#: Names that resolve inside a network, or only there.
_INNER: Final = (".localhost", ".local", ".internal", ".intranet", ".lan", ".home.arpa", ".tencentyun.com",
                 ".svc", ".test", ".invalid", ".example", ".onion")  # fmt: skip
_PORTS: Final = {"http": 80, "https": 443}
_LONGEST: Final = 2048
#: Everything that a URL is made of (RFC 3986), but for brackets, which only IPv6 addresses need.
_URL: Final = re.compile(r"[A-Za-z0-9._~:/?#@!$&'()*+,;=%-]+")


class AddressRefusedError(Exception):
    """A URL or an address that nobody is spoken to at; the text says what to give instead, never what was."""


@dataclass(frozen=True, slots=True)
class Target:
    """A place to speak to, checked but for its address; `path` carries the query."""

    scheme: str
    host: str
    port: int
    path: str


def target_of(url: str) -> Target:
    """Take a URL apart.

    Raises
    ------
    AddressRefusedError
        For what is not http or https, with credentials, on another port than the scheme's own, with an
        address or a local name for a host, or with characters that no URL has.
    """
    if not 0 < len(url) <= _LONGEST or not _URL.fullmatch(url):
        raise AddressRefusedError("write the URL with the characters that a URL has, in at most 2048 of them")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefusedError("give a URL") from None
    if parts.scheme not in _PORTS:
        raise AddressRefusedError("give a URL of http or https")
    if "@" in parts.netloc:
        raise AddressRefusedError("give a URL without a user name or password")
    if port not in {None, _PORTS[parts.scheme]} or parts.netloc.endswith(":"):
        raise AddressRefusedError("give a URL on the scheme's own port, 80 or 443")
    host = (parts.hostname or "").lower()
    # A name, and no address in any of its spellings: those have digits, or nothing, behind the last dot.
    if not _HOST.fullmatch(host) or host.endswith(_INNER):
        raise AddressRefusedError("give a URL whose host is a public name, not an address")
    path = parts.path or "/"
    return Target(parts.scheme, host, _PORTS[parts.scheme], f"{path}?{parts.query}" if parts.query else path)


def is_public(text: str) -> bool:
    """Say whether an address, as the resolver gives it, belongs to the public network."""
    try:
        address: _Address = ipaddress.ip_address(text)
    except ValueError:  # with a zone: link-local
        return False
    if any(address.version == network.version and address in network for network in _REFUSED):
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved
