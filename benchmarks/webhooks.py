"""A thousand final states under faults and kills: how often each was told, and what the bodies hold.

The cards, the notes, the signing and the sending are the real ones. The bucket is in memory and its clock the
benchmark's; one request in fifty kills the instance that makes it, one in fifty fails. The receiver is that
of docs/webhooks.md, on a port of this machine: it hangs up on a tenth of its messages and refuses a tenth.
"""

from __future__ import annotations

import argparse
import contextlib
import http.server
import io
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final

from tests.chaos.conftest import Scene
from tests.support.chaos.memory import Killed
from tests.support.chaos.pictures import CANARY, picture
from tests.support.chaos.receiver import recording
from tests.support.cloud_fixture import ROOT
from tests.support.docs_blocks import blocks_of

from cardveil.core.errors import CardveilError, Retry
from cardveil.core.outbound import Outbound
from cardveil.core.webhook import Receiver, headers_of
from cardveil.pipeline.options import ProcessOptions
from cardveil.pipeline.telling import Teller
from cardveil.settings import Settings

SECRET: Final = "an invented secret for this benchmark alone"
#: Distinct pictures; each is brought to a final state again and again.
_PICTURES: Final = 40
_ROUNDS: Final = 60


class Desk:
    """The sample receiver, and how often it took each message."""

    def __init__(self, chance: random.Random) -> None:
        names: dict[str, Any] = {"__name__": "receiver"}
        page = blocks_of((ROOT / "docs" / "webhooks.md").read_text("utf-8"))
        with contextlib.redirect_stdout(io.StringIO()):
            exec(next(block.text for block in page if block.language == "python"), names)
        names["SECRETS"][:] = [SECRET]
        self.taken: Counter[str] = Counter()
        self.bodies: list[bytes] = []
        self.refused = 0
        desk, lock = self, threading.Lock()

        base: Any = names["Receiver"]

        class Handler(base):  # type: ignore[misc]  # from the page
            rfile: Any
            wfile: Any

            def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
                body = self.rfile.read(int(self.headers["Content-Length"]))
                with lock:
                    desk.bodies.append(body)
                    mood = chance.random()
                if mood < 0.1:
                    return  # hangs up without an answer
                if mood < 0.2:
                    self.send_response(503)
                    self.end_headers()
                    return
                self.rfile = io.BytesIO(body)
                super().do_POST()
                if mood < 0.25:
                    self.wfile = io.BytesIO()  # took it, and its answer is lost

            def send_response(self, code: int, message: str | None = None) -> None:
                desk.refused += code == 401
                super().send_response(code, message)

            def take(self, message: dict[str, Any]) -> None:
                with lock:
                    desk.taken[message["id"]] += 1

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/"


class Now:
    """Sends by the receiver's clock; tries that are a minute apart by the benchmark's are a second apart."""

    def __init__(self, url: str) -> None:
        self._receiver = Receiver(url, (SECRET,), Outbound(loopback=True))
        self._tries: Counter[str] = Counter()

    def tell(self, id: str, body: bytes, _: float, limit_s: float) -> str:
        self._tries[id] += 1
        return self._receiver.tell(id, body, time.time() + self._tries[id], limit_s)


def trouble(chance: random.Random, told: Counter[str]) -> Callable[[str], None]:
    """Return what befalls an instance's requests."""
    dead = False

    def check(request: str) -> None:
        nonlocal dead
        if dead:
            raise Killed
        mood = chance.random()
        if mood < 0.02:
            dead = True
            told["kills"] += 1
            raise Killed
        if mood < 0.04 and not request.endswith("list"):
            told["faults"] += 1
            raise Retry("vendor_fault", "nothing: it is tried again")

    return check


def scenes(settings: Settings) -> Iterator[Scene]:
    """Yield a scene of each picture, all in one bucket."""
    memory = None
    for number in range(_PICTURES):
        scene = Scene(picture(number), picture(number).data(), settings)
        if memory is not None:
            memory.content.update(scene.memory.content)
            scene.memory = memory
        memory = scene.memory
        yield scene


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--states", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    chance, told = random.Random(arguments.seed), Counter[str]()
    desk = Desk(random.Random(arguments.seed + 1))
    settings = Settings(
        webhook=desk.url, webhook_secret=(SECRET,), webhook_attempts=30, scheme="http", witness=False
    )
    found = list(scenes(settings))
    commits, now, started = recording(found[0].memory), 1000.0, time.monotonic()

    sender: Any = Now(desk.url)  # in the place of a `Receiver`

    def schedule(check: Callable[[str], None] = lambda _: None) -> None:
        processor = replaced(found[0], now, check)
        notices = processor.pipeline.results.notices
        assert notices is not None
        with contextlib.suppress(Killed, CardveilError):
            Teller(notices, sender, lambda *_: None, lambda: now).tell_due(lambda: False)

    def replaced(scene: Scene, at: float, check: Callable[[str], None]) -> Any:
        scene.now = at
        return scene.instance(check)

    deliveries = 0
    while len(commits.marks) < arguments.states:
        for scene in found:
            now += 61.0
            deliveries += 1
            processor = replaced(scene, now, trouble(chance, told))
            with contextlib.suppress(Killed, CardveilError):
                processor.process(scene.source, options=ProcessOptions(force=True))
            if deliveries % 10 == 0:
                schedule(trouble(chance, told))
    for _ in range(_ROUNDS):
        if not found[0].memory.keys(".cardveil/webhooks/"):
            break
        now += 1800.0
        schedule()
    seconds = time.monotonic() - started
    forged = [headers_of([wrong], "f" * 32, b"{}", time.time()) for wrong in ("x" * 40, SECRET.upper())]
    before = desk.refused
    accepted = sum(sent(desk.url, headers) != 401 for headers in forged for _ in range(50))
    missed = set(commits.marks) - set(desk.taken)
    invented = set(desk.taken) - set(commits.marks)
    canaries = sum(CANARY.encode() in body for body in desk.bodies)
    left = len(found[0].memory.keys(".cardveil/webhooks/"))
    refused = desk.refused - before
    print(
        f"{len(commits.marks)} final states of {_PICTURES} cards in {deliveries} deliveries, "
        f"{seconds:.0f} s: {told['kills']} kills, {told['faults']} faults of the bucket\n"
        f"messages sent {len(desk.bodies)}, taken {desk.taken.total()}\n"
        f"states never told {len(missed)}, told and never committed {len(invented)}, notes left {left}\n"
        f"forged messages accepted {accepted} of {refused + accepted}, canaries in bodies {canaries}"
    )
    desk.server.shutdown()
    return 1 if missed or invented or accepted or canaries or left else 0


def sent(url: str, headers: dict[str, str]) -> int:
    """Send a message until the receiver answers by its own word; return its status."""
    import requests

    while True:
        with contextlib.suppress(requests.RequestException):
            answer = requests.post(url, b"{}", headers=headers, timeout=10)
            if answer.status_code != 503:
                return answer.status_code


if __name__ == "__main__":
    sys.exit(main())
