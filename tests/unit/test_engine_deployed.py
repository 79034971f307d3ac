"""What the engine costs, wants and is refused without: estimates, bills, memory, time, layers and limits."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.support.with_engine import with_engine
from tests.unit.test_cold_start import HEAD, READY, TAIL, run

from cardveil.card.findings import Status, status_of
from cardveil.card.model import Card, CardType, Field, Side
from cardveil.core.context import Invocation
from cardveil.core.errors import Halt, Review
from cardveil.pipeline.factory import build_processor
from cardveil.pipeline.jobs import CardProcessor
from cardveil.recognition import engine_process
from cardveil.recognition.agreement import AgreeingRecogniser
from cardveil.recognition.interfaces import Hint, Recognition
from cardveil.recognition.interfaces import Image as Picture
from cardveil.settings import Settings
from cardveil.settings.regions import located
from cardveil.sweep.estimate import calls_of, proof_of
from cardveil_cli.deploy.checks import settings_of, where_it_goes
from cardveil_cli.deploy.engine import lacking
from cardveil_cli.deploy.errors import DeployError
from cardveil_cli.package.engine import wanted_by
from cardveil_cli.package.limits import Size as Zip
from cardveil_cli.package.limits import check
from cardveil_cloud.scf.deployment import Deployment, load

ROOT = Path(__file__).parents[2]
HOME = "ap-shanghai"
GIVEN = {
    "CARDVEIL_STAGE": "test",
    "CARDVEIL_BUCKET": "cards-1250000000",
    "CARDVEIL_TOKEN_SECRETS": "s" * 32,
    "TENCENTCLOUD_REGION": HOME,
}


def deployment(folder: Path, engine: str) -> Deployment:
    return load(with_engine(folder, engine), GIVEN)


def changed(found: Deployment, **changes: Any) -> Deployment:
    return replace(found, functions={key: replace(spec, **changes) for key, spec in found.functions.items()})


@pytest.mark.parametrize("engine", ["embedded", "both"])
def test_a_file_that_names_all_lacks_nothing(tmp_path: Path, engine: str) -> None:
    found = deployment(tmp_path, engine)
    assert list(lacking(found)) == []
    assert settings_of(found).engine == engine
    assert wanted_by(tmp_path / "serverless.yml")
    assert not wanted_by(ROOT / "serverless.yml")
    assert list(lacking(load(ROOT / "serverless.yml", GIVEN))) == []


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"layers": ("cardveil", "cardveil-runtime")}, "the layer cardveil-engine"),
        ({"memory_mb": 1024}, "memorySize of 1536"),
        ({"timeout_s": 59}, "timeout of 60"),
        ({"reserved_mb": 512}, "reservedConcurrency of 512"),
    ],
)
def test_what_is_lacking_is_told_of_every_function(tmp_path: Path, change: dict[str, Any], told: str) -> None:
    found = changed(deployment(tmp_path, "both"), **change)
    lines = list(lacking(found))
    assert len(lines) == len(found.functions)
    assert all(told in line and "CARDVEIL_ENGINE" in line for line in lines)
    with pytest.raises(DeployError, match="CARDVEIL_ENGINE"):
        settings_of(found)


def test_alone_no_call_is_counted_on_and_beside_the_vendor_no_general_ocr() -> None:
    for proof in ("geometry", "recognise"):
        alone = located(Settings(engine="embedded", proof=proof), HOME)
        assert calls_of("inbox/a.jpg", alone).total() == proof_of(alone).total() == 0
        both = located(Settings(engine="both", proof=proof), HOME)
        assert dict(calls_of("inbox/a.jpg", both)) == {"AILicenseRec": 1, "IDCardOCR": 1}
    assert dict(proof_of(Settings(proof="recognise"))) == {"OCR": 1}


def test_alone_nothing_crosses_a_border_whatever_provider_is_named() -> None:
    far = Settings(text_provider="RecognizeMainlandIDCardOCR", engine="embedded")
    assert located(far, HOME).text_provider == "none"
    assert "nothing leaves it" in where_it_goes(located(far, HOME), HOME)
    with pytest.raises(Halt, match="CARDVEIL_CROSS_BORDER"):
        located(replace(far, engine="both"), HOME)


def test_without_the_layer_it_is_told_which(monkeypatch: pytest.MonkeyPatch) -> None:
    assert engine_process.engine_script().is_file()
    monkeypatch.setattr(engine_process, "PACKAGE", "no_such_package")
    with pytest.raises(Halt, match="CARDVEIL_ENGINE") as missing:
        engine_process.engine_script()
    assert missing.value.code == "engine_missing"
    assert "cardveil-engine" in str(missing.value)


def test_the_engines_layer_has_limits_of_its_own() -> None:
    mib = 2**20
    function = {"on_upload": Zip(100, 1000)}
    check(function, {"cardveil": Zip(mib, mib), "cardveil-engine": Zip(110 * mib, 300 * mib)})
    with pytest.raises(Exception, match=r"cardveil-engine: .* zipped"):
        check(function, {"cardveil-engine": Zip(200 * mib, 300 * mib)})
    with pytest.raises(Exception, match=r"cardveil: .* zipped"):
        check(function, {"cardveil": Zip(110 * mib, mib)})


def built(settings: Settings, memory_mb: int = 1536) -> CardProcessor:
    """The parts of a function, which has called nobody yet."""
    invocation = Invocation("r", "f", HOME, "1250000000", 60.0, memory_mb=memory_mb)
    keys = {"TENCENTCLOUD_SECRETID": "id", "TENCENTCLOUD_SECRETKEY": "key"}
    return build_processor(settings, keys, invocation, bucket="cards-1250000000", region=HOME)


def test_alone_no_picture_is_converted_by_others() -> None:
    assert built(Settings(engine="embedded")).pipeline.converted is None
    assert built(Settings(engine="both")).pipeline.converted is not None


def test_a_picture_is_held_to_what_the_engine_leaves() -> None:
    for engine, memory in (("vendor", 1386), ("embedded", 426), ("both", 426)):
        assert built(Settings(engine=engine)).pipeline.rules.limits.memory == memory * 2**20
    assert built(Settings(engine="both"), 0).pipeline.rules.limits.memory is None


def test_without_the_setting_nothing_of_the_engine_is_imported() -> None:
    told = run(HEAD + READY + TAIL)
    assert not [name for name in told if "engine" in name or name.endswith("recognition.agreement")]


class Vendor:
    """Answers with one recognition."""

    def __init__(self, found: Recognition) -> None:
        self.found = found

    def recognise(self, *_: object) -> Recognition:
        return self.found


class Failing:
    """An engine that fails on every picture."""

    def look(self, _: Picture) -> Recognition:
        raise Review("engine_failed", "…")


def test_what_the_engine_could_not_see_is_not_agreed_on() -> None:
    found = Recognition((Card(CardType.ID_CARD, Side.FRONT, (Field("name", "张二"),)),))
    both: Any = AgreeingRecogniser(Vendor(found), Failing())  # type: ignore[arg-type]
    findings = both.recognise(Picture(b"", 1, 1), Hint()).findings
    assert findings == ("engine_failed",)
    assert status_of(findings) is Status.NEEDS_REVIEW
