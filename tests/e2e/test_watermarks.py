"""What a copy may be used for is written over it: by its policy at rest, by a request when it is shown."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import jsonschema
import pytest
from PIL import Image, ImageChops
from tests.support.api_fixture import api_bench, problem
from tests.support.cloud_fixture import kept

from cardveil.api.refs import reference
from cardveil.storage.sidecar import schema

FRONT = "id-front-flat.jpg"
POLICY = """\
name: desk
rest: keep
cards:
  IDCard:
    sex: keep
    ethnicity: keep
watermark:
  text: "仅供{purpose}使用 {date}"
  purpose: 入职登记
"""


def pixels(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data)).convert("RGB")


def differ(one: Image.Image, other: Image.Image) -> bool:
    seen = ImageChops.difference(one, other).convert("L").point([0] * 25 + [255] * 231).getbbox()
    return seen is not None and seen[2] - seen[0] > one.width // 2


def test_a_policy_s_mark_is_over_every_copy_by_whichever_way(tmp_path: Path) -> None:
    (tmp_path / "desk.yml").write_text(POLICY, "utf-8")
    plain = POLICY[: POLICY.index("watermark")]
    (tmp_path / "plain.yml").write_text(plain, "utf-8")
    copies = {}
    for name in ("plain", "desk"):
        environment = {"CARDVEIL_POLICY": str(tmp_path / f"{name}.yml")}
        with api_bench(tmp_path / name, environment=environment) as api:
            sidecar = api.bench.run("a.jpg", kept(FRONT))
            jsonschema.validate(sidecar, schema())
            assert sidecar["status"] == "redacted"
            copies[name] = api.bench.get("redacted/a.jpg") or b""
            if name == "plain":
                assert "mark" not in sidecar["redaction"]
                continue
            done = sidecar["redaction"]
            assert done["mark"].startswith("仅供入职登记使用 20")
            assert (done["path"], done["proof"]["reason"]) == ("pixels", "watermark")
            assert done["proof"]["cells_done"] == done["proof"]["cells_planned"] > 0
            assert sidecar["pipeline"]["policy"]["watermark"]["purpose"] == "入职登记"
            # A stricter policy that a request chooses, and a person's decision, take nothing of it away.
            strict = api.submitted(kept(FRONT), policy="strict")["sidecar"]
            assert (strict["redaction"]["policy"], strict["redaction"]["mark"]) == ("strict", done["mark"])
            card = api.call("GET", f"/v1/cards/{reference('inbox/a.jpg')}").json()
            sent = {"decision": "accept", "version": card["version"], "reason": "looked at"}
            decided = api.call("POST", f"/v1/cards/{card['ref']}/review", sent).json()["sidecar"]
            assert decided["redaction"]["mark"] == done["mark"]
    assert differ(pixels(copies["plain"]), pixels(copies["desk"]))


def test_a_request_s_purpose_is_written_over_what_it_is_shown(tmp_path: Path) -> None:
    with api_bench(tmp_path / "cloud") as api:
        api.upload("a.jpg", kept(FRONT))
        path = f"/v1/cards/{reference('inbox/a.jpg')}/pictures/redacted"
        before = api.bench.get("redacted/a.jpg")
        shown = {
            purpose: pixels(base64.b64decode(api.call("GET", path + purpose).json()["base64"]))
            for purpose in ("", "?purpose=租房", "?purpose=实名认证")
        }
        one, two, three = shown.values()
        assert one.size == two.size == three.size
        assert differ(one, two)
        assert differ(two, three)
        assert api.bench.get("redacted/a.jpg") == before, "what is kept stays as it is"


@pytest.mark.parametrize("purpose", ["{date}", "%3Cb%3E", "%F0%9F%98%80", "a%00", "%E2%80%AE", "%20"])
def test_a_purpose_that_cannot_be_written_is_refused(
    tmp_path_factory: pytest.TempPathFactory, purpose: str
) -> None:
    with api_bench(tmp_path_factory.mktemp("cloud")) as api:
        api.upload("a.jpg", kept(FRONT))
        path = f"/v1/cards/{reference('inbox/a.jpg')}/pictures/redacted?purpose={purpose}"
        problem(api.call("GET", path), 422, "mark_refused")
