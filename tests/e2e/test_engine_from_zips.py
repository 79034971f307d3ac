"""The engine from its zip: deployed by the official SDK, and run by the platform's Python alone."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.cloud_fixture import ROOT, kept
from tests.support.deploy_fixture import Scene, scene
from tests.support.with_engine import planted, with_engine

from cardveil_cli.deploy.desired_state import Wanted, wanted
from cardveil_cli.package.build import build, rehearsal_minor
from cardveil_cloud.scf.deployment import load

FRONT, BACK = "id-front-flat.jpg", "id-back-flat.png"
GIVEN = {
    "CARDVEIL_STAGE": "test",
    "CARDVEIL_BUCKET": "cards-1250000000",
    "CARDVEIL_TOKEN_SECRETS": "",
    "TENCENTCLOUD_REGION": "ap-shanghai",
}


def package(folder: Path) -> Path:
    """Make the zips, with the engine's; its packages are fetched once and kept."""
    build(ROOT, ROOT / "build" / "wheels", rehearsal_minor(), engine=True).write(folder)
    return folder


def state(here: Scene, folder: Path, engine: str) -> Wanted:
    deployment = load(with_engine(folder, engine), GIVEN)
    return wanted(deployment, here.package, app="cardveil", stage="test", region="ap-shanghai")


@pytest.mark.timeout(900)  # three hundred megabytes are zipped, sent and unpacked
def test_alone_unpaid_and_then_as_the_witness_that_must_agree(tmp_path: Path) -> None:
    pictures = planted(BACK, "authority", "别处公安局")
    with scene(package(tmp_path / "dist"), tmp_path / "data", pictures=pictures) as here:
        alone = state(here, tmp_path, "embedded")
        assert any("layer cardveil-engine: publish" in line for line in here.plan(alone).lines())
        here.deploy(alone)
        done = here.bench.run(FRONT, kept(FRONT))
        assert done["status"] == "redacted", done["findings"]
        assert [call["api"] for call in done["calls"]] == ["embedded"]
        assert here.bench.cloud.usage.by_operation() == {}, "nothing was paid for"

        lines = here.plan(both := state(here, tmp_path, "both")).lines()
        assert all("CARDVEIL_ENGINE embedded → both" in line or "set $DEFAULT" in line for line in lines)
        here.deploy(both)
        done = here.bench.run(BACK, kept(BACK))
        assert done["status"] == "needs_review"
        assert [code for code in done["findings"] if "engine" in code] == ["engine_disagrees_authority"]
        assert here.bench.listing("redacted/") == [f"redacted/{FRONT}"]
        assert "OCR" not in here.bench.cloud.usage.by_operation(), "the engine is the witness"
