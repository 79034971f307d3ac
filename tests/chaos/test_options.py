"""What one call asks for otherwise than the settings say, and nothing else changes by it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest

from cardveil.card.model import CardType, Side
from cardveil.core.errors import PolicyWeaker, Review, TakenByAnother
from cardveil.core.frozen import replace
from cardveil.pipeline.covering import RedactionRules
from cardveil.pipeline.options import ProcessOptions
from cardveil.recognition.interfaces import Image, Reading
from cardveil.redaction import Limits, load_policy

#: What an invocation of a scene may take, in seconds.
LIMIT_S = 60.0
MakeScene = Callable[..., Any]


def test_a_done_source_is_recognised_again_only_by_force(scene: MakeScene) -> None:
    here = scene()
    kinds = [
        here.instance().process(here.source, options=ProcessOptions(force=force)).kind
        for force in (False, False, True)
    ]
    assert kinds == ["finished", "already", "finished"]
    assert here.vendor.paid == {"locate": 2, "read": 2}


def test_a_choice_stands_against_deliveries_and_weaker_ones_and_gives_way_to_what_is_stricter(
    scene: MakeScene,
) -> None:
    here = scene()
    standard, strict, minimal = (ProcessOptions(chosen=name) for name in ("standard", "strict", "minimal"))
    assert here.instance().process(here.source, options=standard).kind == "finished"
    assert here.instance().process(here.source).kind == "already"
    with pytest.raises(PolicyWeaker):
        here.instance().process(here.source, options=minimal)
    here.settings = replace(here.settings, policy="minimal")
    assert here.instance().process(here.source).kind == "renewed"
    sidecar, _ = here.result()
    assert (sidecar["redaction"]["policy"], sidecar["pipeline"]["chosen"]) == ("standard", "standard")
    here.settings = replace(here.settings, policy="strict")
    assert here.instance().process(here.source).kind == "renewed"
    sidecar, _ = here.result()
    assert (sidecar["redaction"]["policy"], sidecar["pipeline"]["chosen"]) == ("strict", "standard")
    here.settings = replace(here.settings, policy="standard")
    assert here.instance().process(here.source, options=strict).kind == "renewed"
    with pytest.raises(PolicyWeaker):
        here.instance().process(here.source, options=standard)
    assert here.instance().process(here.source, options=strict).kind == "already"
    assert here.result()[0]["pipeline"]["chosen"] == "strict"
    assert here.vendor.paid == {"locate": 1, "read": 1}


@pytest.mark.parametrize(
    ("said", "status"), [("strict", "redacted"), ("minimal", "redacted"), ("x", "rejected")]
)
def test_an_upload_chooses_how_it_is_redacted_at_least(scene: MakeScene, said: str, status: str) -> None:
    here = scene()
    here.memory.content[here.source.key] = here.data, {"x-cos-meta-policy": said}
    here.instance().process(here.source)
    sidecar, copy = here.result()
    assert sidecar["status"] == status
    assert bool(copy) is (status == "redacted")
    if copy:
        assert sidecar["redaction"]["policy"] == {"minimal": "standard"}.get(said, said)
    else:
        assert sidecar["findings"] == ["hint_invalid"]


def test_rules_that_are_not_a_decision_give_way_to_the_settings(scene: MakeScene) -> None:
    here = scene()
    rules = RedactionRules(load_policy("strict"), Limits())
    here.instance().process(here.source, options=ProcessOptions(rules=rules))
    assert here.instance().process(here.source).kind == "renewed"
    assert here.result()[0]["redaction"]["policy"] == "standard"


@pytest.mark.parametrize(("limit_s", "holds_s"), [(10.0, 10.0), (1e9, LIMIT_S)])
def test_the_lease_holds_no_longer_than_the_source_may_take(
    scene: MakeScene, limit_s: float, holds_s: float
) -> None:
    here = scene()
    honest, expiries = here.vendor.locate, []

    def locate(image: Image, card_type: CardType) -> Reading:
        (lease,) = here.memory.keys(".cardveil/leases/")
        expiries.append(orjson.loads(here.memory.content[lease][0])["expires"] - here.now)
        reading: Reading = honest(image, card_type)
        return reading

    here.vendor.locate = locate
    here.instance().process(here.source, options=ProcessOptions(limit_s=limit_s))
    assert expiries == [pytest.approx(holds_s + 5.0)]


def test_another_is_waited_for_as_long_as_the_call_says(scene: MakeScene) -> None:
    here = scene()
    holder = here.instance()
    with holder.pipeline.claim(here.source):
        began = here.now
        with pytest.raises(TakenByAnother):
            here.instance().process(here.source, options=ProcessOptions(wait=0.0))
        assert here.now == began


def test_a_text_that_came_with_the_upload_is_not_asked_for(scene: MakeScene) -> None:
    here = scene()
    text = here.vendor.read(Image(b"", 1, 1), Side.FRONT)
    here.vendor.paid.clear()
    assert here.instance().process(here.source, options=ProcessOptions(text=text)).kind == "finished"
    assert here.vendor.paid == {"locate": 1}
    assert here.result()[0]["cards"][0]["fields"][0]["text"]


def test_a_refusal_that_came_with_the_upload_counts_as_the_providers(scene: MakeScene) -> None:
    here = scene()
    refusal = Review("picture_blurred", "…", api="Reader", vendor_code="FailedOperation.ImageBlur")
    here.instance().process(here.source, options=ProcessOptions(text=refusal))
    assert here.vendor.paid == {"locate": 1}
    sidecar, copy = here.result()
    assert (sidecar["status"], copy) == ("needs_review", None)
    assert "picture_blurred" in sidecar["findings"]


@pytest.mark.parametrize(("said", "kind"), [(None, "submitted"), ("direct", "finished")])
def test_the_way_that_a_call_names_comes_after_what_the_object_says(
    scene: MakeScene, said: str | None, kind: str
) -> None:
    here = scene(job=True, execution="direct")
    if said:
        data, meta = here.memory.content[here.source.key]
        here.memory.content[here.source.key] = data, {**meta, "x-cos-meta-execution": said}
    assert here.instance().process(here.source, options=ProcessOptions(execution="job")).kind == kind


def test_the_card_that_a_call_names_comes_after_what_the_object_says(scene: MakeScene) -> None:
    licence = ProcessOptions(card_type=CardType.DRIVER_LICENSE)
    here = scene()
    here.memory.content[here.source.key] = here.data, {}
    here.instance().process(here.source, options=licence)
    assert here.result()[0]["status"] != "redacted"
    here = scene()
    here.memory.content[here.source.key] = here.data, {"x-cos-meta-card-type": "IDCard"}
    here.instance().process(here.source, options=licence)
    assert here.result()[0]["status"] == "redacted"
