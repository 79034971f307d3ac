"""Revoked tokens let nobody in: by the settings at once, by the bucket's list within a minute."""

from __future__ import annotations

import hashlib

import pytest
from tests.support.chaos.memory import Instance, MemoryBucket

from cardveil.api.revoked import RevokedTokens
from cardveil.api.tokens import Caller, mint, verify
from cardveil.core.errors import Halt, Retry
from cardveil.settings import Settings

SECRET = "s" * 32
NOW = 1_800_000_000.0
LIST = ".cardveil/revoked-tokens.txt"


class Scene:
    """A bucket, a clock, and the process's list."""

    def __init__(self) -> None:
        self.now, self.memory, self.reads = 0.0, MemoryBucket(), 0
        self.revoked = RevokedTokens(lambda: self.now)

    def write(self, text: bytes) -> None:
        self.memory.content[LIST] = text, {}

    def has(self, caller: Caller, settings: Settings | None = None) -> bool:
        return self.revoked.has(caller, settings or Settings(bucket="b-1"), self._bucket)

    def _bucket(self) -> Instance:
        self.reads += 1
        return Instance(self.memory)


def caller(token: str) -> Caller:
    return verify(token, [SECRET], now=NOW)


TOKEN = mint(SECRET, "a", ["read"], lifetime_s=60, now=NOW)
OTHER = mint(SECRET, "a", ["read"], lifetime_s=60, now=NOW)


def test_each_token_has_an_id_of_its_own() -> None:
    assert caller(TOKEN).token_ids.isdisjoint(caller(OTHER).token_ids)
    assert hashlib.sha256(TOKEN.encode()).hexdigest() in caller(TOKEN).token_ids


def test_the_bucket_s_list_takes_effect_within_a_minute_and_is_read_rarely() -> None:
    scene = Scene()
    (short,) = (each for each in caller(TOKEN).token_ids if len(each) == 16)
    assert not scene.has(caller(TOKEN))
    scene.write(f"\ufeff# gone\n\n{short}  # a desk that was closed\r\nx\n".encode())
    for _ in range(59):
        scene.now += 1
        found = scene.has(caller(TOKEN))
    assert found
    assert not scene.has(caller(OTHER))
    assert scene.reads == 2
    scene.write(b"")
    scene.now += 60
    assert not scene.has(caller(TOKEN))


@pytest.mark.parametrize("length", [16, 64])
def test_the_settings_revoke_by_either_id(length: int) -> None:
    (one,) = (each for each in caller(TOKEN).token_ids if len(each) == length)
    settings = Settings(bucket="b-1", revoked_tokens=frozenset({one}))
    assert Scene().has(caller(TOKEN), settings)
    assert not Scene().has(caller(OTHER), settings)


def test_a_list_that_cannot_be_read_lets_nobody_in() -> None:
    scene = Scene()
    scene.write(b"\xff\xfe")
    with pytest.raises(Halt, match="revoked_unreadable"):
        scene.has(caller(TOKEN))

    def fails() -> Instance:
        raise Retry("network", "…")

    with pytest.raises(Retry):
        scene.revoked.has(caller(TOKEN), Settings(bucket="b-1"), fails)
