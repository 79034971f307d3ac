"""The certificate authorities as a hashed directory: TLS reads the one it needs instead of all of them.

The names are OpenSSL's (`openssl rehash`): the first four bytes of the SHA-1 of the subject in its canonical
form (`X509_NAME_hash`, crypto/x509/x_name.c), so that no `openssl` command is needed.
"""

from __future__ import annotations

import base64
import hashlib
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from typing import Final

_PEM: Final = re.compile(rb"-----BEGIN CERTIFICATE-----(.+?)-----END CERTIFICATE-----", re.DOTALL)
#: ASN.1 string types that are made canonical, and how their text is encoded.
_STRINGS: Final = {
    0x0C: "utf-8",
    0x13: "ascii",
    0x14: "latin-1",
    0x16: "ascii",
    0x1A: "ascii",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_UTF8_STRING: Final = 0x0C
_CONTEXT_0: Final = 0xA0


def hashed_directory(bundle: bytes) -> dict[str, bytes]:
    """Return the certificates of a bundle as a tree of one file each.

    Parameters
    ----------
    bundle
        PEM certificates, such as certifi's.
    """
    counts: Counter[str] = Counter()
    tree: dict[str, bytes] = {}
    for match in _PEM.finditer(bundle):
        der = base64.b64decode(match[1])
        name = subject_hash(der)
        tree[f"{name}.{counts[name]}"] = _pem(der)
        counts[name] += 1
    return tree


def subject_hash(certificate: bytes) -> str:
    """Return the eight hexadecimal digits by which OpenSSL looks a certificate up.

    Parameters
    ----------
    certificate
        In DER.
    """
    _, whole = next(_elements(certificate))
    _, signed = next(_elements(whole))
    parts = list(_elements(signed))
    if parts[0][0] == _CONTEXT_0:  # the version, where one is given
        parts = parts[1:]
    # serialNumber, signature, issuer, validity, subject (RFC 5280, 4.1)
    canonical = b"".join(_relative_name(content) for _, content in _elements(parts[4][1]))
    # Not for security: it is the file name that OpenSSL looks for.
    digest = hashlib.sha1(canonical, usedforsecurity=False).digest()
    return f"{int.from_bytes(digest[:4], 'little'):08x}"


def _relative_name(content: bytes) -> bytes:
    pairs = []
    for _, pair in _elements(content):
        (kind, identifier), (tag, value) = list(_elements(pair))
        if encoding := _STRINGS.get(tag):
            text = re.sub(r"[ \t\n\v\f\r]+", " ", value.decode(encoding)).strip(" ")
            lower = "".join(letter.lower() if letter.isascii() else letter for letter in text)
            tag, value = _UTF8_STRING, lower.encode()
        pairs.append(_element(0x30, _element(kind, identifier) + _element(tag, value)))
    return _element(0x31, b"".join(sorted(pairs)))


def _elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of the DER elements one after the other."""
    at = 0
    while at < len(data):
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            count = length & 0x7F
            length, at = int.from_bytes(data[at : at + count], "big"), at + count
        yield tag, data[at : at + length]
        at += length


def _element(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def _pem(der: bytes) -> bytes:
    lines = textwrap.wrap(base64.b64encode(der).decode("ascii"), 64)
    return "\n".join(["-----BEGIN CERTIFICATE-----", *lines, "-----END CERTIFICATE-----", ""]).encode()
