"""A local cloud with the project's own functions, as tests and benchmarks use it: upload, settle, look."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

import orjson
from tests.support import forked_python

from cardveil.card.geometry import homography, project
from cardveil.card.layout import layout_of
from cardveil.card.model import Card, CardType, Field, Polygon, Side
from cardveil.core.errors import Halt
from cardveil.recognition.other_documents import OWN_NAMES
from cardveil.settings import Settings, from_environment
from cardveil.settings.regions import located
from cardveil.storage.encryption import encryption_headers
from cardveil_cli.commands.endpoint import Endpoint
from cardveil_cli.permissions.calls import Call
from cardveil_cli.permissions.documents import CamPolicy, Place
from cardveil_cli.permissions.write import calls_by_function, policies_of
from cardveil_cli.samples.bundled import KeptPicture, kept_pictures
from cardveil_cloud.ci.recognition import CardRecogniser, KnownCard, KnownLine, KnownPicture, TableRecogniser
from cardveil_cloud.faults import FaultHook
from cardveil_cloud.options import Options
from cardveil_cloud.server import LocalCloud

#: The checkout that holds serverless.yml, the functions and the stored events.
ROOT: Final = Path(__file__).parents[2]
#: With this variable (see `pytest --encryption`) every cloud refuses what does not ask for this encryption.
DEMANDED: Final = "CARDVEIL_ENCRYPTION"
_SSE: Final = "x-cos-server-side-encryption"


class Bench:
    """One running cloud, spoken to by the official COS client."""

    def __init__(
        self, cloud: LocalCloud, endpoint: Endpoint, folder: Path, function_urls: Mapping[str, str]
    ) -> None:
        self.cloud = cloud
        self.function_urls = function_urls
        self.endpoint = endpoint
        self._folder = folder
        self.client = endpoint.cos_client()
        self.bucket = endpoint.bucket

    def upload(self, key: str, data: bytes, **meta: str) -> None:
        """Upload a picture; `meta` becomes ``x-cos-meta-*``, with hyphens for underscores."""
        headers = {f"x-cos-meta-{name.replace('_', '-')}": value for name, value in meta.items()}
        self.client.put_object(Bucket=self.bucket, Key=key, Body=data, Metadata=headers)

    def settle(self) -> None:
        """Wait until no event, no job and no callback is under way."""
        while True:
            self.cloud.wait_idle(600)
            if not self.cloud.call(lambda: self.cloud.jobs.pending):
                self.cloud.wait_idle(600)
                return
            time.sleep(0.02)

    def get(self, key: str) -> bytes | None:
        """Return an object's content, None when there is no such object."""
        if not self.client.object_exists(self.bucket, key):
            return None
        data: bytes = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].get_raw_stream().read()
        return data

    def there(self, key: str) -> bool:
        """Say whether there is such an object, without asking over HTTP."""
        return any(
            item.key == key for item in self.cloud.store.list(self.bucket, prefix=key, limit=1).entries
        )

    def sidecar(self, name: str) -> dict[str, Any] | None:
        """Return the sidecar of ``inbox/<name>``, None when there is none."""
        data = self.get(f"sidecars/{name}.json")
        document: dict[str, Any] | None = orjson.loads(data) if data else None
        return document

    def listing(self, prefix: str = "") -> list[str]:
        """Return the keys under a prefix, at most a thousand of them."""
        return [item.key for item in self.cloud.store.list(self.bucket, prefix=prefix).entries]

    def run(self, name: str, data: bytes, **meta: str) -> dict[str, Any]:
        """Upload ``inbox/<name>``, wait, and return its sidecar."""
        self.upload(f"inbox/{name}", data, **meta)
        self.settle()
        sidecar = self.sidecar(name)
        if sidecar is None:
            raise LookupError("no sidecar was written")
        return sidecar

    def deliver(self, key: str) -> dict[str, int]:
        """Invoke the upload function with the event of one key; see `invoke`."""
        return self.invoke(self.event(key))

    def invoke(self, event: dict[str, Any]) -> dict[str, int]:
        """Invoke the upload function; raises RuntimeError with the function's own trace if it failed."""
        done = self.cloud.invoke("on_upload", event, wait_s=60.0)
        if not done.ok:
            raise RuntimeError(done.trace)
        counts: dict[str, int] = orjson.loads(done.payload or "{}")
        return counts

    def event(self, key: str) -> dict[str, Any]:
        """Return the event form of an upload, as the stored one has it."""
        document: dict[str, Any] = orjson.loads(
            (ROOT / "events" / "cos-object-created-put.json").read_bytes()
        )
        stored = document["Records"][0]["cos"]["cosObject"]
        stored["key"], stored["url"] = f"/1250000000/cards/{key}", f"http://cards-1250000000.cos.x/{key}"
        return document

    def logs(self) -> str:
        """Return everything that the functions have printed."""
        folder = self._folder / "logs"
        return "".join(path.read_text("utf-8") for path in sorted(folder.rglob("*")) if path.is_file())


@contextmanager
def bench(
    folder: Path,
    *,
    faults: FaultHook | None = None,
    environment: Mapping[str, str] | None = None,
    serverless: Path = ROOT / "serverless.yml",
    pictures: Mapping[bytes, KnownPicture] | None = None,
    delay_s: float = 0.0,
    recogniser: Callable[[], CardRecogniser] | None = None,
    retry_interval_s: float = 0.2,
    **options: Any,
) -> Iterator[Bench]:
    """Run a cloud whose recogniser knows the kept pictures by heart: everything around it is real.

    Each function may do what the policy of its role allows under these settings, and no more.

    Parameters
    ----------
    pictures : mapping of encoded picture to truth, optional
        Instead of the kept ones.
    delay_s : float
        How long a recognition takes.
    recogniser : callable, optional
        Makes another recogniser, e.g. the real one.
    options
        Further ones of `Options`.
    """

    def table() -> CardRecogniser:
        return TableRecogniser(pictures or {k.read(): known(k) for k in kept_pictures()}, delay_s=delay_s)

    told = {"CARDVEIL_SCHEME": "http", **(environment or {})}
    if demanded := os.environ.get(DEMANDED):
        # The clients of the tests take it from the environment, too.
        told.setdefault("CARDVEIL_ENCRYPTION", demanded)
        options.setdefault("demanded_encryption", encryption_headers(demanded)[_SSE])
    if os.environ.get(forked_python.VARIABLE):
        options.setdefault("begin", forked_python.create_subprocess_exec)
    documents = role_documents({**options.get("variables", {}), **told})
    options.setdefault("policies", {key: CamPolicy(document) for key, document in documents.items()})
    cloud = LocalCloud(
        folder,
        serverless=serverless,
        recogniser_factory=recogniser or table,
        retry_interval_s=retry_interval_s,
        options=Options(faults=faults, environment=told, **options),
    )
    with cloud.running() as ready:
        endpoint = Endpoint(
            ready.proxy_url, ready.secret_id, ready.secret_key, ready.region, ready.app_id, ready.bucket
        )
        yield Bench(cloud, endpoint, folder, ready.function_urls)


def role_documents(environment: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Return the policy of each function's role under some settings, by the function's key."""
    try:
        settings = located(from_environment(environment), "ap-shanghai")
    except Halt:
        settings = Settings()  # the functions will refuse them
    place = Place("ap-shanghai", "1250000000", "cards-1250000000", settings.result_bucket)
    return policies_of(_calls(), place, settings, jobs=bool(settings.job_secrets))


@cache
def _calls() -> Mapping[str, tuple[Call, ...]]:
    return calls_by_function(ROOT)


def known(picture: KeptPicture, *, line_score: float = 99.0) -> KnownPicture:
    """Return a kept picture's truth in the form of the table recogniser, in the stored picture's pixels."""
    return KnownPicture(
        cards=tuple(
            KnownCard(
                Card(
                    card.type,
                    card.side,
                    tuple(Field(f.name, f.text, f.normalized, 99.0, f.polygon) for f in card.fields),
                ),
                card.corners,
            )
            for card in picture.cards
        ),
        lines=(
            *(
                KnownLine(field.text, line_score, field.polygon)
                for card in picture.cards
                for field in card.fields
                if field.text
            ),
            *(KnownLine(*own_name(card.type, card.side, card.corners)) for card in picture.cards),
        ),
    )


def own_name(card_type: CardType, side: Side, outline: Polygon) -> tuple[str, float, Polygon]:
    """Return what a card with this outline says of itself, how sure that was read, and where it stands."""
    layout, name = layout_of(card_type, side), OWN_NAMES[card_type, side]
    to_picture = homography(layout.outline.corners(), outline.points)
    return name, 99.0, Polygon.of(project(to_picture, at) for at in layout.labels[name].corners())


def kept(file: str) -> bytes:
    """Return a kept picture by its file name."""
    return next(picture.read() for picture in kept_pictures() if picture.file == file)
