"""What phones and scanners send, from the upload to the copy: HEIC, AVIF and TIFF."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from tests.support.api_fixture import api_bench
from tests.support.cloud_fixture import Bench, kept, known
from tests.support.command import InProcess
from tests.support.heif import heic
from tests.support.sweep_fixture import put, swept
from tests.support.waiting import eventually

from cardveil.imaging.conversion import Converted, opened
from cardveil.recognition.interfaces import Image
from cardveil.redaction import Limits, inspect, upright_copy
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownPicture
from cardveil_cloud.heif.convert import to_jpeg

Start = Callable[..., Bench]
CANARY = b"CANARY-3301"
JOBS = {
    "CARDVEIL_EXECUTION": "job",
    "CARDVEIL_JOB_SECRETS": "an-invented-secret-for-this-test",
    "CARDVEIL_JOB_CALLBACK": "https://1250000000-on-callback.ap-shanghai.tencentscf.com/",
}


@cache
def front() -> tuple[Pillow.Image, KnownPicture]:
    """Return the flat front of an ID card, upright, with what is on it."""
    picture = next(each for each in kept_pictures() if each.file == "id-front-flat.jpg")
    return Pillow.open(io.BytesIO(picture.read())).convert("RGB"), known(picture)


@cache
def phone(orientation: int = 1, exif: int | None = None) -> bytes:
    """Return a HEIC that shows the front upright, with XMP."""
    image, _ = front()
    ways = {3: Pillow.Transpose.ROTATE_180, 6: Pillow.Transpose.ROTATE_90, 8: Pillow.Transpose.ROTATE_270}
    coded = image.transpose(ways[orientation]) if orientation in ways else image
    return heic(coded, orientation=orientation, exif=exif, xmp=b"<x>" + CANARY + b"</x>")


@cache
def undecodable() -> bytes:
    """Return a HEIC whose boxes are whole and whose decoder's settings are not."""
    data = phone()
    at = data.index(b"hvcC") + 4
    return data[:at] + b"\xff" * 60 + data[at + 60 :]


@cache
def avif() -> bytes:
    out = io.BytesIO()
    front()[0].save(out, "AVIF", quality=90, xmp=CANARY)
    return out.getvalue()


def scan(**options: Any) -> bytes:
    out = io.BytesIO()
    told = {270: CANARY.decode(), 65000: CANARY.decode()}
    front()[0].save(out, "TIFF", tiffinfo=told, **options)
    return out.getvalue()


def seen(data: bytes, *, in_cloud: bool = True) -> bytes:
    """Return the picture as recognisers are shown it."""
    converted = opened(
        data,
        Limits(),
        lambda raw, facts: Converted(to_jpeg(raw, facts).data, upright=not in_cloud),
    )
    return upright_copy(converted, max_bytes=5 * 2**20).data


def shown(data: bytes) -> Any:
    return np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB")).astype(int)


SOURCES: dict[str, Any] = {
    "a.heic": (lambda: phone(), "redacted/a.heic.redacted.jpg", "JPEG"),
    "b.heic": (lambda: phone(6, 6), "redacted/b.heic.redacted.jpg", "JPEG"),
    "wechat.jpg": (lambda: phone(8, 1), "redacted/wechat.jpg", "JPEG"),
    "c.avif": (avif, "redacted/c.avif.redacted.jpg", "JPEG"),
    "d.tif": (lambda: scan(compression="jpeg", quality=95), "redacted/d.tif", "TIFF"),
    "e.TIFF": (lambda: scan(compression="tiff_lzw"), "redacted/e.TIFF", "TIFF"),
}


def test_uploads_of_phones_and_scanners_are_redacted(start: Start) -> None:
    made = {name: source() for name, (source, _, _) in SOURCES.items()}
    bench = start(pictures={seen(data): front()[1] for data in made.values()})
    for name, data in made.items():
        _, key, kind = SOURCES[name]
        assert CANARY in data
        sidecar = bench.run(name, data)
        assert (name, sidecar["status"]) == (name, "redacted")
        size = (sidecar["source"]["width"], sidecar["source"]["height"])
        assert size == front()[0].size
        assert sidecar["redaction"]["output"]["key"] == key
        copy = bench.get(key)
        assert copy is not None
        assert CANARY not in copy
        with Pillow.open(io.BytesIO(copy)) as image:
            assert (image.format, image.size) == (kind, size)
        head = bench.client.head_object(Bucket=bench.bucket, Key=key)
        assert head["Content-Type"] == f"image/{kind.lower()}"
        box = next(r["polygon"] for r in sidecar["redaction"]["regions"] if r["field"] == "id_number")
        (left, top), (right, bottom) = map(int, box[0]), map(int, box[2])
        assert shown(copy)[top:bottom, left:right].max() <= 4
    assert bench.logs().count("CANARY") == 0
    # Nothing is left of a source that goes, whatever its copy is called.
    for name in made:
        bench.client.delete_object(Bucket=bench.bucket, Key=f"inbox/{name}")

    def swept() -> bool:
        bench.cloud.invoke("on_schedule", {"Type": "Timer", "TriggerName": "every-minute"}, wait_s=60.0)
        return bench.listing("redacted/") == []

    # One that the event's own function holds meanwhile is left to it, or to the next sweep.
    assert eventually(swept)


def test_a_heic_comes_by_http_and_is_looked_at(tmp_path: Path) -> None:
    """The console is shown the picture as a JPEG, upright; a person's word redacts it anew."""
    data = phone(6, 6)
    with api_bench(tmp_path, pictures={seen(data): front()[1]}) as api:
        told = api.submitted(data)
        assert told["sidecar"]["status"] == "redacted"
        ref = told["ref"]
        for kind in ("source", "redacted"):
            view = api.call("GET", f"/v1/cards/{ref}/pictures/{kind}").json()
            picture = Pillow.open(io.BytesIO(base64.b64decode(view["base64"])))
            assert (picture.format, view["width"], view["height"]) == ("JPEG", *front()[0].size)
        reviewed = api.call(
            "POST",
            f"/v1/cards/{ref}/review",
            {
                "decision": "correct",
                "version": told["version"],
                "fields": [{"name": "name", "text": "王小明"}],
            },
        )
        assert reviewed.status_code == 200, reviewed.text
        copy = api.bench.get(reviewed.json()["sidecar"]["redaction"]["output"]["key"])
        assert copy is not None
        assert CANARY not in copy
        assert api.call("DELETE", f"/v1/cards/{ref}?reason=requested").ok
        assert api.bench.listing("redacted/") == []


def test_a_heic_is_found_by_a_sweep(start: Start) -> None:
    data = phone(6, 6)
    pictures = {seen(data): front()[1]}
    swept_one = start(pictures=pictures, environment={"CARDVEIL_SWEEP_EXECUTION": "off"})
    put(swept_one, "a.heic", data)
    swept(swept_one)
    found = swept_one.sidecar("a.heic")
    assert found is not None
    assert found["status"] == "redacted"
    assert swept_one.listing("redacted/") == ["redacted/a.heic.redacted.jpg"]


def test_a_heic_is_recognised_as_a_job(start: Start) -> None:
    data = phone(6, 6)
    sidecar = start(pictures={seen(data): front()[1]}, environment=JOBS).run("a.heic", data)
    assert sidecar["status"] == "redacted"
    assert "ImageLicenseRec" in {call["api"] for call in sidecar["calls"]}


@pytest.mark.parametrize(("orientation", "exif"), [(1, 6), (3, 3)])
def test_a_turn_that_is_not_sure_goes_to_a_person(start: Start, orientation: int, exif: int) -> None:
    """EXIF disagrees with the container; or CI may have turned it by half, or not: its size tells nothing."""
    data = phone(orientation, exif)
    sidecar = start(pictures={seen(data): front()[1]}).run("a.heic", data)
    assert (sidecar["status"], sidecar["redaction"]) == ("needs_review", None)
    assert "orientation_ambiguous" in sidecar["findings"]


def test_a_heic_that_ci_cannot_decode_is_rejected(start: Start) -> None:
    bench = start(pictures={})
    sidecar = bench.run("a.heic", undecodable())
    assert sidecar["status"] == "rejected"
    assert sidecar["findings"][0] in {"picture_corrupt", "conversion_refused"}
    assert sidecar["calls"] == []


def test_an_animation_is_rejected(start: Start) -> None:
    out = io.BytesIO()
    front()[0].save(out, "AVIF", save_all=True, append_images=[front()[0].rotate(9)])
    sidecar = start(pictures={}).run("a.avif", out.getvalue())
    assert (sidecar["status"], sidecar["findings"]) == ("rejected", ["picture_animated"])


def test_a_copy_of_an_earlier_version_goes_with_the_new_one(start: Start) -> None:
    """A JPEG that was called a HEIC had a copy of its own name."""
    bench = start()
    bench.client.put_object(Bucket=bench.bucket, Key="redacted/a.heic", Body=b"old")
    sidecar = bench.run("a.heic", kept("id-front-flat.jpg"))
    assert sidecar["status"] == "redacted"
    assert bench.listing("redacted/") == ["redacted/a.heic.redacted.jpg"]


class Front:
    """Finds the front's card on any picture that looks like it."""

    def recognise(self, image: Image, hint: Any, located: Any = None) -> Any:
        from tests.support.command import TruthRecogniser

        picture = Pillow.open(io.BytesIO(image.data)).convert("RGB")
        alike = (
            picture.size == front()[0].size and np.abs(shown(image.data) - np.asarray(front()[0])).mean() < 5
        )
        known_one = Image(kept("id-front-flat.jpg"), image.width, image.height) if alike else image
        return TruthRecogniser().recognise(known_one, hint, located)

    def texts(self, image: Image) -> tuple[str, ...]:
        return ()


def test_the_command_takes_them_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    sources = {**{name: source() for name, (source, _, _) in SOURCES.items()}, "half.heic": phone(3, 3)}
    Path("in").mkdir()
    for name, data in sources.items():
        Path("in", name).write_bytes(data)
    Path("in/bad.heic").write_bytes(undecodable())
    Path("in/doubt.heic").write_bytes(phone(1, 6))
    run = InProcess(monkeypatch)
    run.recogniser = Front()  # type: ignore[assignment]
    ended = run("redact", "in", "--out", "out", "--json")
    lines = {Path(line["file"]).name: line for line in map(json.loads, ended.out.splitlines())}
    assert {name: line["status"] for name, line in lines.items()} == {
        **dict.fromkeys(sources, "redacted"), "bad.heic": "rejected", "doubt.heic": "needs_review"
    }  # fmt: skip
    assert lines["bad.heic"]["findings"][0] in {"picture_corrupt", "decoding_failed"}
    copies = sorted(path.name for path in Path("out").iterdir() if ".redacted." in path.name)
    assert copies == [
        "a.redacted.jpg", "b.redacted.jpg", "c.redacted.jpg", "d.redacted.tif", "e.redacted.TIFF",
        "half.redacted.jpg", "wechat.redacted.jpg",
    ]  # fmt: skip
    for name in copies:
        data = Path("out", name).read_bytes()
        assert CANARY not in data
        assert inspect(data).width == front()[0].width
