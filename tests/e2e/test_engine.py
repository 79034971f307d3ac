"""Cards are recognised inside the function: alone, unpaid and unseen by others, or as the witness."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.support.cloud_fixture import ROOT, Bench, bench, kept
from tests.support.with_engine import planted, with_engine

from cardveil_cli import group

FRONT, BACK = "id-front-flat.jpg", "id-back-flat.png"


def calls(there: Bench) -> dict[str, int]:
    return there.cloud.usage.by_operation()


def test_alone_nothing_is_paid_and_cards_are_published(tmp_path: Path) -> None:
    environment = {"CARDVEIL_ENGINE": "embedded", "CARDVEIL_PROOF": "recognise"}
    file = with_engine(tmp_path, "embedded")
    with bench(tmp_path / "data", environment=environment, serverless=file) as there:
        for name in (FRONT, BACK):
            sidecar = there.run(name, kept(name), execution="job")
            assert sidecar["status"] == "redacted", sidecar["findings"]
            assert [call["api"] for call in sidecar["calls"]] == ["embedded"]
            assert sidecar["redaction"]["proof"]["recognised"] is True
        assert there.run("none.jpg", kept("business-card.jpg"))["findings"] == ["no_card"]
        assert calls(there) == {}
        assert there.listing(".cardveil/staged/") == there.listing(".cardveil/answers/") == []


def test_both_must_agree(tmp_path: Path) -> None:
    file = with_engine(tmp_path, "both")
    pictures = planted(BACK, "authority", "别处公安局")
    with bench(
        tmp_path / "data", environment={"CARDVEIL_ENGINE": "both"}, serverless=file, pictures=pictures
    ) as there:
        agreed = there.run(FRONT, kept(FRONT))
        assert agreed["status"] == "redacted", agreed["findings"]
        assert sorted(call["api"] for call in agreed["calls"]) == ["AILicenseRec", "IDCardOCR", "embedded"]
        checks = {field["name"]: field["checks"] for field in agreed["cards"][0]["fields"]}
        assert {"name": "engine_agrees", "passed": True} in checks["address"]
        other = there.run(BACK, kept(BACK))
        assert other["status"] == "needs_review"
        assert "engine_disagrees_authority" in other["findings"]
        assert "别处" not in "".join(other["findings"])
        assert there.listing("redacted/") == [f"redacted/{FRONT}"]
        assert "OCR" not in calls(there), "the engine is the witness"


#: The engine, but for PNGs: it dies of each.
DYING = """
import json, os, sys
told = json.loads(sys.argv[1])
sys.path[:] = told["path"] = [{source!r}, *told["path"][1:]]
sys.argv[1] = json.dumps(told)
from cardveil_ocr import serving
answer = serving._answer
serving._answer = lambda *asked: os._exit(11) if b"PNG" in asked[-1][:8] else answer(*asked)
sys.exit(serving.main())
"""


@pytest.mark.parametrize("engine", ["embedded", "both"])
def test_a_picture_that_the_engine_dies_of_stops_no_other(tmp_path: Path, engine: str) -> None:
    file = with_engine(tmp_path, engine)
    layer = tmp_path / "layers" / "cardveil_ocr"
    layer.mkdir(parents=True)
    (layer / "__init__.py").write_text("")
    (layer / "serving.py").write_text(DYING.format(source=str(ROOT / "local")))
    layers = {"cardveil-engine": layer.parent}
    with bench(
        tmp_path / "data", environment={"CARDVEIL_ENGINE": engine}, serverless=file, layers=layers
    ) as there:
        failed = there.run(BACK, kept(BACK))
        assert (failed["status"], "engine_failed" in failed["findings"]) == ("needs_review", True)
        assert there.run(FRONT, kept(FRONT))["status"] == "redacted"
        assert there.listing("redacted/") == [f"redacted/{FRONT}"]
        assert there.cloud.dead_letters == []


@pytest.mark.parametrize("command", ["up", "deploy --plan"])
def test_the_setting_without_the_layer_is_refused_before_anything_runs(tmp_path: Path, command: str) -> None:
    file = with_engine(tmp_path, "embedded")
    file.write_text(
        file.read_text("utf-8").replace("    - name: cardveil-engine\n      version: 1\n", ""), "utf-8"
    )
    where = ["--serverless", str(file)] if command == "up" else ["--file", str(file)]
    data = tmp_path / "data"
    more = ["--data", str(data)] if command == "up" else []
    given = {
        "CARDVEIL_STAGE": "test",
        "CARDVEIL_BUCKET": "cards-1250000000",
        "CARDVEIL_TOKEN_SECRETS": "s" * 32,
        "TENCENTCLOUD_REGION": "ap-shanghai",
        "TENCENTCLOUD_SECRETID": "AKIDtest",
        "TENCENTCLOUD_SECRETKEY": "k" * 32,
    }
    done = CliRunner().invoke(group, [*command.split(), *where, *more], env=given)
    assert done.exit_code != 0
    assert "CARDVEIL_ENGINE" in done.output
    assert "cardveil-engine" in done.output
    assert not data.exists()
