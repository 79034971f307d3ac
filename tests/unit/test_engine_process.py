"""The engine's process dies, hangs, swells and talks nonsense; one picture goes to review, and no more."""

from __future__ import annotations

import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cardveil.card.model import Card, CardType, Check, Field, Polygon, Side
from cardveil.core.errors import Halt, Retry, Review
from cardveil.recognition.engine import EngineRecogniser, EngineWitness
from cardveil.recognition.engine_process import EngineProcess
from cardveil.recognition.interfaces import Hint, Image, Recognition, TextLine
from cardveil.recognition.plain import recognition_document, recognition_of

#: Does what the picture says, in the protocol of the engine.
SERVER = textwrap.dedent(
    """
    import json, os, struct, sys, time
    told = json.loads(sys.argv[1])
    def send(data):
        sys.stdout.buffer.write(struct.pack(">I", len(data)) + data); sys.stdout.buffer.flush()
    {start}
    send(b'{{"ready": true}}')
    served = 0
    while len(head := sys.stdin.buffer.read(8)) == 8:
        asked, size = struct.unpack(">II", head)
        sys.stdin.buffer.read(asked)
        what = sys.stdin.buffer.read(size).decode()
        served += 1
        if what == "die": os.kill(os.getpid(), 11)
        if what == "die if used" and served > 1: os._exit(1)
        if what == "hang": time.sleep(60)
        if what == "swell": hold = b"x" * (400 << 20); time.sleep(60)
        if what == "fail": send(b'{{"failed": true}}'); continue
        if what == "nonsense": send(b"no JSON"); continue
        if what == "list": send(b"[]"); continue
        if what == "endless": sys.stdout.buffer.write(b"\\xff" * 8); sys.stdout.buffer.flush(); continue
        if what == "other": send(b'{{"cards": 7}}'); continue
        send(json.dumps({{"texts": [str(os.getpid()), json.dumps(dict(os.environ))]}}).encode())
    """
)
LONG = 50.0


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[EngineProcess]:
    process = EngineProcess(script(tmp_path), 0, picture_s=1.0)
    yield process
    process.close()


def script(folder: Path, start: str = "") -> Path:
    path = folder / "engine" / "serving.py"
    path.parent.mkdir()
    path.write_text(SERVER.format(start=start), "utf-8")
    return path


def process_id(engine: EngineProcess, picture: bytes = b"well") -> str:
    return str(engine.ask({}, picture, LONG)["texts"][0])


def test_one_process_serves_all_pictures_and_knows_no_secret(
    engine: EngineProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENCENTCLOUD_SECRETKEY", "k" * 32)
    first = engine.ask({}, b"well", LONG)["texts"]
    assert process_id(engine) == first[0]
    assert "SECRETKEY" not in first[1]


@pytest.mark.parametrize("picture", ["die", "hang", "fail", "nonsense", "list", "endless"])
def test_a_picture_that_it_fails_on_goes_to_review_and_the_next_is_served(
    engine: EngineProcess, picture: str
) -> None:
    process_id(engine)
    with pytest.raises(Review) as failed:
        engine.ask({}, picture.encode(), LONG)
    assert failed.value.code == "engine_failed"
    assert process_id(engine)


def test_a_process_that_was_worn_out_is_replaced_and_the_picture_read(engine: EngineProcess) -> None:
    before = process_id(engine)
    assert process_id(engine, b"die if used") != before


def test_it_is_ended_before_the_function_is(tmp_path: Path) -> None:
    engine = EngineProcess(script(tmp_path), 400, picture_s=LONG)
    begun = time.monotonic()
    with pytest.raises(Review):
        engine.ask({}, b"swell", LONG)
    assert time.monotonic() - begun < LONG / 2, "it was waited for instead"
    assert process_id(engine)
    engine.close()


def test_what_only_time_was_short_for_is_tried_again(tmp_path: Path) -> None:
    engine = EngineProcess(script(tmp_path), 0)
    process_id(engine)
    for left_s in (2.0, 4.0):
        with pytest.raises(Retry) as short:
            engine.ask({}, b"hang", left_s)
        assert short.value.code == "out_of_time"
    engine.close()


@pytest.mark.parametrize("start", ["sys.exit(1)", "import no_such_module", "send(b'{}')", "time.sleep(60)"])
def test_one_that_never_starts_stops_everybody_and_says_what_to_set(tmp_path: Path, start: str) -> None:
    engine = EngineProcess(script(tmp_path, start), 0, start_s=1.0)
    with pytest.raises(Halt, match="CARDVEIL_ENGINE") as unusable:
        engine.ask({}, b"well", LONG)
    assert unusable.value.code == "engine_unusable"
    assert "cardveil-engine" in str(unusable.value)


def test_one_that_has_started_before_stops_nobody(tmp_path: Path) -> None:
    path = script(tmp_path)
    engine = EngineProcess(path, 0)
    process_id(engine)
    path.write_text("raise SystemExit(1)", "utf-8")
    engine.close()
    with pytest.raises(Retry) as gone:
        engine.ask({}, b"well", LONG)
    assert gone.value.code == "engine_gone"


def test_an_answer_that_says_something_else_is_no_answer(engine: EngineProcess) -> None:
    recogniser = EngineRecogniser(engine, lambda: LONG)
    assert recogniser.recognise(Image(b"other", 1, 1), Hint()).refusal is not None
    assert recogniser.recognise(Image(b"other", 1, 1), Hint()).cards == ()
    with pytest.raises(Review):
        recogniser.texts(Image(b"list", 1, 1))
    with pytest.raises(Review):
        EngineWitness(recogniser).lines(Image(b"die", 1, 1))


def test_what_was_found_comes_through_unchanged() -> None:
    place = Polygon.box(1.123456789, 2.0, 3.5, 4.25)
    card = Card(
        CardType.ID_CARD,
        Side.FRONT,
        (
            Field(
                "name", "张二", "张二", 97.5, place, ("embedded",), (Check("agrees_with_id_number", False),)
            ),
        ),
        place,
    )
    lines = (TextLine("张二", 97.5, place, (place, place)), TextLine("", 0.0, place))
    found = Recognition((card,), findings=("low_score",), lines=lines)
    assert recognition_of(recognition_document(found)) == found
