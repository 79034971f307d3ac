"""Reads an object's body and holds it against what COS says of it; what is altered or short is no answer.

The ETag of an object that was stored in one piece is its MD5. That of one in several parts, or encrypted with
a key of KMS, is not: its CRC-64 is looked at instead, which takes far longer without a compiled library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from hashlib import md5
from typing import Any, BinaryIO, Final

from cardveil.core.errors import answer_unreadable

#: Bytes that are held of an object that is copied into a file.
PIECE: Final = 1024 * 1024
_CRC: Final = "x-cos-hash-crc64ecma"
_MD5_DIGITS: Final = 32


def length_of(headers: Mapping[str, str], api: str) -> int:
    """Return the content's length in bytes, from headers with lower-case names.

    Raises
    ------
    Retry
        ``answer_unreadable`` when there is none, or it is no number.
    """
    text = headers.get("content-length", "")
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise answer_unreadable(api)
    return int(text)


def read(stream: Any, headers: Mapping[str, str], api: str) -> bytes:
    """Return the whole content.

    Parameters
    ----------
    stream : urllib3.HTTPResponse
    headers : mapping
        The answer's, with lower-case names.

    Raises
    ------
    Retry
        ``answer_unreadable`` when it is not the object's.
    """
    size = length_of(headers, api)
    data: bytes = stream.read(size + 1)
    if len(data) != size or not _is_the_object(headers, md5_of(data), lambda: iter((data,))):
        stream.close()  # whatever else comes on this connection is no answer to anything
        raise answer_unreadable(api)
    return data


def copy(stream: Any, headers: Mapping[str, str], api: str, file: BinaryIO) -> None:
    """Write the whole content into an empty file, in pieces; raises what `read` does."""
    digest = md5(usedforsecurity=False)
    while piece := stream.read(PIECE):
        digest.update(piece)
        file.write(piece)
    if file.tell() != length_of(headers, api) or not _is_the_object(
        headers, digest.hexdigest(), lambda: _pieces(file)
    ):
        stream.close()
        raise answer_unreadable(api)


def md5_of(data: bytes) -> str:
    """Return an MD5 as an ETag has it: against faults on the way, not against forgers."""
    return md5(data, usedforsecurity=False).hexdigest()


def _is_the_object(headers: Mapping[str, str], digest: str, pieces: Callable[[], Iterator[bytes]]) -> bool:
    etag = headers.get("etag", "").strip('"').lower()
    if etag == digest:
        return True
    if _CRC not in headers:
        # Nothing to hold it against, unless the ETag must have been an MD5.
        return len(etag) != _MD5_DIGITS or "x-cos-server-side-encryption" in headers
    crc = 0
    for piece in pieces():
        crc = _crc64()(piece, crc)
    return str(crc) == headers[_CRC]


def _pieces(file: BinaryIO) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(PIECE):
        yield piece


@cache
def _crc64() -> Callable[[bytes, int], int]:
    """Return CRC-64/XZ, which COS calls crc64ecma; it goes on from the CRC of what came before."""
    import crcmod  # only for those objects whose ETag is no MD5

    return crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, xorOut=0xFFFFFFFFFFFFFFFF, rev=True)  # type: ignore[no-any-return]
