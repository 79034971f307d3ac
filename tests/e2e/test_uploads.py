"""Uploads through the real function, the real SDKs and the local cloud."""

from __future__ import annotations

import asyncio
import io
import struct
import threading
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from PIL import Image
from starlette.requests import Request
from tests.support.cloud_fixture import Bench, kept, known

from cardveil.core.context import read_context
from cardveil.core.errors import Halt
from cardveil.handlers.upload import process_event
from cardveil_cli.samples.bundled import kept_pictures
from cardveil_cloud.ci.recognition import KnownPicture
from cardveil_cloud.cos.contracts import DropConnection
from cardveil_cloud.cos.errors import CosError
from cardveil_cloud.fault_rules import FaultRules, Rule
from cardveil_cloud.faults import NoFaults
from cardveil_cloud.tencent_api.errors import ApiError

Start = Callable[..., Bench]
ROOT = Path(__file__).parents[2]
#: The OCR API reads in another country than that of the bucket.
FAR = {"CARDVEIL_TEXT_PROVIDER": "RecognizeMainlandIDCardOCR", "CARDVEIL_CROSS_BORDER": "allowed"}


def test_a_front_is_read_and_redacted(start: Start, front: bytes) -> None:
    bench = start()
    sidecar = bench.run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    assert sidecar["cards"][0]["type"] == "IDCard"
    assert {call["api"] for call in sidecar["calls"]} == {"AILicenseRec", "IDCardOCR", "OCR"}
    assert {call["region"] for call in sidecar["calls"]} == {"ap-shanghai"}, "nothing leaves the country"
    assert "sent_abroad" not in sidecar["findings"]
    assert {region["field"] for region in sidecar["redaction"]["regions"]} == {
        "name", "birth_date", "address", "id_number", "portrait",
    }  # fmt: skip
    assert bench.listing() == ["inbox/a.jpg", "redacted/a.jpg", "sidecars/a.jpg.json"]  # no lease is left
    copy = Image.open(io.BytesIO(bench.get("redacted/a.jpg") or b""))
    assert copy.size == (sidecar["source"]["width"], sidecar["source"]["height"])


def test_nothing_personal_is_in_the_logs(start: Start, front: bytes) -> None:
    bench = start()
    sidecar = bench.run("李四-990101.jpg", front)
    logs = bench.logs()
    assert '"card"' in logs, "the run was logged"
    for secret in ("李四", "990101.jpg", bench.endpoint.secret_key, "Authorization"):
        assert secret not in logs
    for field in sidecar["cards"][0]["fields"]:
        if field["text"] and len(field["text"]) > 1:
            assert field["text"] not in logs


@pytest.mark.parametrize("provider", ["IDCardOCR", "none"])
def test_the_text_provider_is_a_setting(start: Start, front: bytes, provider: str) -> None:
    bench = start(environment={"CARDVEIL_TEXT_PROVIDER": provider})
    sidecar = bench.run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    apis = {call["api"] for call in sidecar["calls"]}
    assert apis == {"AILicenseRec", "OCR"} | ({provider} - {"none"})


def test_what_may_leave_the_country_says_where_it_went(start: Start, front: bytes) -> None:
    sidecar = start(environment=FAR).run("a.jpg", front)
    assert (sidecar["status"], "sent_abroad" in sidecar["findings"]) == ("redacted", True)
    regions = {call["api"]: call["region"] for call in sidecar["calls"]}
    home = {"AILicenseRec": "ap-shanghai", "OCR": "ap-shanghai"}
    assert regions == {**home, "RecognizeMainlandIDCardOCR": "ap-singapore"}


def test_nothing_leaves_the_country_unasked(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_TEXT_PROVIDER": "RecognizeMainlandIDCardOCR"})
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    assert bench.cloud.usage.by_operation() == {}
    assert bench.listing() == ["inbox/a.jpg"]
    (letter,) = bench.cloud.dead_letters
    assert "cross_border" in letter["ErrorMessage"]


@pytest.mark.parametrize("provider", ["IDCardOCR", "RecognizeMainlandIDCardOCR"])
def test_a_licence_is_found_although_it_is_no_id_card(start: Start, provider: str) -> None:
    """The text provider's refusal is understood, also in CI's form, which the SDK cannot read."""
    bench = start(environment={**FAR, "CARDVEIL_TEXT_PROVIDER": provider})
    sidecar = bench.run("l.jpg", kept("licence-flat.jpg"))
    assert sidecar["status"] == "redacted"
    assert sidecar["cards"][0]["type"] == "DriverLicense"
    assert [call["api"] for call in sidecar["calls"]].count("AILicenseRec") == 2


def test_the_back_is_located_by_general_ocr_or_goes_to_review(start: Start) -> None:
    back = kept("id-back-photo.jpg")
    assert start(environment={"CARDVEIL_GENERAL_OCR": "off"}).run("b.jpg", back)["status"] == "needs_review"


@pytest.mark.parametrize(
    "environment",
    [{"CARDVEIL_WITNESS": "off"}, {"CARDVEIL_GENERAL_OCR": "off"}],
    ids=lambda each: next(iter(each)),
)
def test_without_a_witness_a_front_is_finished_and_says_so(
    start: Start, front: bytes, environment: dict[str, str]
) -> None:
    sidecar = start(environment=environment).run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    assert "witness_missing" in sidecar["findings"]
    assert {call["api"] for call in sidecar["calls"]} == {"AILicenseRec", "IDCardOCR"}


@pytest.mark.parametrize(
    ("kind", "code"),
    [("error", "FailedOperation.OcrFailed"), ("error", "SlowDown"), ("reset_before", ""), ("truncate", "")],
)
def test_a_witness_that_fails_costs_no_card(start: Start, front: bytes, kind: str, code: str) -> None:
    bench = start(faults=FaultRules([Rule(kind, "ci", "OCR", code=code)]))
    sidecar = bench.run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    assert "witness_missing" in sidecar["findings"]


class Silent(NoFaults):
    """Leaves the witness without an answer until it is told to go on."""

    def __init__(self) -> None:
        self.go_on = threading.Event()

    async def before(self, service: str, operation: str, request: Request) -> None:
        if operation == "OCR":
            await asyncio.to_thread(self.go_on.wait, 120)


def test_a_witness_that_does_not_answer_costs_no_card(start: Start, front: bytes) -> None:
    faults = Silent()
    bench = start(faults=faults, environment={"CARDVEIL_CALL_TIMEOUT_S": "8", "CARDVEIL_CALL_ATTEMPTS": "1"})
    sidecar = bench.run("a.jpg", front)
    faults.go_on.set()
    assert sidecar["status"] == "redacted"
    assert "witness_missing" in sidecar["findings"]
    assert bench.logs().count('"card"') == 1, "one invocation"


class RefusingLast(FaultRules):
    """Refuses the witness when the other two calls have had their effect, and not before."""

    def __init__(self, code: str) -> None:
        super().__init__([Rule("error", "ci", "OCR", code=code)])
        self.others = threading.Semaphore(0)

    async def before(self, service: str, operation: str, request: Request) -> None:
        if operation == "OCR":
            for _ in range(2):
                await asyncio.to_thread(self.others.acquire, timeout=60)
        await super().before(service, operation, request)

    async def after(self, service: str, operation: str, request: Request) -> None:
        await super().after(service, operation, request)
        if operation in {"AILicenseRec", "IDCardOCR"}:
            self.others.release()


def test_an_account_that_refuses_the_witness_stops_paid_calls(start: Start, front: bytes) -> None:
    rules = RefusingLast("ResourcesSoldOut.ChargeStatusException")
    bench = start(faults=rules)
    sidecar = bench.run("a.jpg", front)
    assert bench.get(".cardveil/breaker.json"), "the first invocation was stopped"
    # What was paid for before is not lost with the next one, and the witness is not asked again.
    assert (sidecar["status"], rules.injected.total()) == ("redacted", 1)
    assert "witness_missing" in sidecar["findings"]


def test_a_copy_is_read_again_where_that_is_set(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_PROOF": "recognise"})
    sidecar = bench.run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    assert sidecar["redaction"]["proof"]["recognised"] is True
    assert not bench.listing(".cardveil/")


def test_without_libturbojpeg_the_pixel_path_works_alone_and_says_so(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_TURBOJPEG": "off"})
    sidecar = bench.run("a.jpg", front)
    assert sidecar["status"] == "redacted"
    assert sidecar["redaction"]["path"] == "pixels"
    assert bench.logs().count("pixel_path_only") == 1


def test_metadata_says_what_to_expect(start: Start, front: bytes) -> None:
    bench = start()
    assert bench.run("a.jpg", front, card_type="DriverLicense")["findings"] == ["no_card"]
    # CI is asked for that side alone, and finds no such card.
    assert bench.run("b.jpg", front, card_side="back")["findings"] == ["no_card"]
    assert bench.run("c.jpg", front, card_type="Passport")["findings"] == ["hint_invalid"]


class TestNeverTwice:
    def test_the_same_event_again_does_nothing(self, start: Start, front: bytes) -> None:
        bench = start()
        bench.run("a.jpg", front)
        before = bench.get("sidecars/a.jpg.json")
        assert bench.deliver("inbox/a.jpg") == {"already": 1}
        assert bench.get("sidecars/a.jpg.json") == before
        assert sum(bench.cloud.usage.by_operation().values()) == 3

    def test_two_at_the_same_time_make_one_result(self, start: Start, front: bytes) -> None:
        bench = start(delay_s=1.0)
        bench.upload("elsewhere/a.jpg", front)  # no trigger there
        bench.client.copy_object(
            Bucket=bench.bucket,
            Key="inbox/a.jpg",
            CopySource={"Bucket": bench.bucket, "Key": "elsewhere/a.jpg", "Region": bench.endpoint.region},
        )
        threads = [threading.Thread(target=bench.deliver, args=("inbox/a.jpg",)) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        bench.settle()
        assert bench.sidecar("a.jpg") is not None
        assert sum(bench.cloud.usage.by_operation().values()) == 3, "each API was paid once"

    @pytest.mark.parametrize("inbox", ["", "inbox/"])
    def test_the_function_never_triggers_itself(
        self, start: Start, front: bytes, tmp_path: Path, inbox: str
    ) -> None:
        document = yaml.safe_load((ROOT / "serverless.yml").read_text("utf-8"))
        document["inputs"]["src"] = str(ROOT / "functions")
        document["inputs"]["triggers"][0]["parameters"]["filter"]["prefix"] = ""  # everything is an event
        file = tmp_path / "serverless.yml"
        file.write_text(yaml.safe_dump(document), "utf-8")
        bench = start(serverless=file, environment={"CARDVEIL_INBOX_PREFIX": inbox})
        bench.upload("inbox/a.jpg", front)
        bench.settle()
        assert sum(bench.cloud.usage.by_operation().values()) == 3
        outputs = [key for key in bench.listing() if not key.startswith("inbox/")]
        assert len(outputs) == 2, outputs

    def test_a_new_picture_under_an_old_key_is_processed(self, start: Start, front: bytes) -> None:
        bench = start()
        first = bench.run("a.jpg", front)
        second = bench.run("a.jpg", b"not a picture")
        assert (first["status"], second["status"]) == ("redacted", "rejected")
        assert bench.get("redacted/a.jpg") is None, "the copy of the old picture is gone"


def encoded(kind: str, size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, "white").save(buffer, kind, **options)
    return buffer.getvalue()


def animated() -> bytes:
    frames = [Image.new("RGB", (64, 48), colour) for colour in ("white", "black")]
    buffer = io.BytesIO()
    frames[0].save(buffer, "PNG", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def claiming(width: int, height: int) -> bytes:
    """A small PNG whose header claims a size of its own."""
    data = bytearray(encoded("PNG"))
    data[16:24] = struct.pack(">II", width, height)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    return bytes(data)


BAD = {
    "text.jpg": (b"this is not a picture", "not_a_picture"),
    "empty.jpg": (b"", "empty_file"),
    "cut.jpg": (encoded("JPEG", (400, 300))[:300], "picture_"),
    "zero.png": (claiming(0, 10), "picture_"),
    "huge.png": (claiming(10000, 10001), "picture_too_large"),
    "moving.png": (animated(), "picture_animated"),
    "scan.pdf": (b"%PDF-1.7\n1 0 obj\n", "picture_corrupt"),
    "blank.jpg": (encoded("JPEG"), "no_card"),
}


def test_what_never_will_work_gets_a_sidecar_that_says_so(start: Start) -> None:
    bench = start()
    for name, (data, _) in BAD.items():
        bench.upload(f"inbox/{name}", data)
    bench.settle()
    for name, (_, code) in BAD.items():
        sidecar = bench.sidecar(name)
        assert sidecar is not None, name
        assert sidecar["status"] == "rejected", name
        assert sidecar["findings"][0].startswith(code), (name, sidecar["findings"])
    assert not bench.listing("redacted/")
    assert bench.cloud.dead_letters == []


def test_two_cards_go_to_review(start: Start, front: bytes) -> None:
    truth = [
        known(p).cards[0] for p in kept_pictures() if p.file in {"id-front-flat.jpg", "id-back-flat.png"}
    ]
    bench = start(pictures={front: KnownPicture(cards=tuple(truth))})
    sidecar = bench.run("two.jpg", front)
    assert sidecar["status"] == "needs_review"
    assert "several_cards" in sidecar["findings"]
    assert bench.get("redacted/two.jpg") is None


def test_too_large_a_file_is_not_even_read(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_MAX_BYTES": "1000"})
    assert bench.run("a.jpg", front)["findings"] == ["picture_too_large"]


ODD_KEYS = [
    "证件 照.jpg", "a+b%20c%.jpg", "a b/c?d#e&f=g.jpg", "..%2f..%2fetc.jpg", "é" * 380 + ".jpg", "no-ending",
    "x" * 790 + ".jpg",
]  # fmt: skip


def test_unreadable_keys(start: Start, front: bytes) -> None:
    bench = start()
    for key in ODD_KEYS:
        bench.upload(f"inbox/{key}", front)
    bench.settle()
    assert bench.cloud.dead_letters == []
    for key in ODD_KEYS:
        sidecar = bench.sidecar(key)
        assert sidecar is not None, len(key)
        assert sidecar["status"] == "redacted"
        assert sidecar["source"]["key"] == f"inbox/{key}"


def test_an_object_that_is_gone_leaves_nothing(start: Start) -> None:
    bench = start()
    assert bench.deliver("inbox/gone.jpg") == {"gone": 1}
    assert bench.listing() == []


class Failing(NoFaults):
    """Answers one operation with an error, the first `times` times."""

    def __init__(self, operation: str, error: Exception, times: int = 10_000) -> None:
        self.operation, self.error, self.left = operation, error, times

    async def before(self, service: str, operation: str, request: Request) -> None:
        if operation == self.operation and self.left:
            self.left -= 1
            raise self.error


OCR = "RecognizeMainlandIDCardOCR"


@pytest.mark.parametrize(
    ("error", "status", "finding"),
    [
        (ApiError("FailedOperation.ImageDecodeFailed"), "needs_review", "text_missing"),
        (ApiError("FailedOperation.ImageBlur"), "needs_review", "picture_blurred"),
        (ApiError("FailedOperation.MultiCardError"), "needs_review", "several_cards"),
        (ApiError("FailedOperation.CardSideError"), "needs_review", "wrong_side"),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_what_the_vendor_says_of_a_picture_is_in_its_sidecar(
    start: Start, front: bytes, error: ApiError, status: str, finding: str
) -> None:
    sidecar = start(faults=Failing(OCR, error), environment=FAR).run("a.jpg", front)
    assert sidecar["status"] == status
    assert finding in sidecar["findings"]


@pytest.mark.parametrize(
    "error",
    [ApiError("RequestLimitExceeded"), ApiError("FailedOperation.OcrFailed"), DropConnection()],
    ids=lambda error: getattr(error, "code", "reset"),
)
def test_a_passing_fault_costs_time_only(start: Start, front: bytes, error: Exception) -> None:
    bench = start(faults=Failing(OCR, error, times=2), environment=FAR)
    assert bench.run("a.jpg", front)["status"] == "redacted"
    assert bench.cloud.dead_letters == []


@pytest.mark.parametrize(
    ("operation", "error", "code"),
    [
        (OCR, ApiError("ResourceUnavailable.InArrears"), "account_in_arrears"),
        (OCR, ApiError("FailedOperation.UnOpenError"), "service_not_open"),
        (OCR, ApiError("InternalError"), "vendor_fault"),
        ("AILicenseRec", CosError("AccessDenied"), "permission_missing"),
        ("AILicenseRec", CosError("BrandNewCode"), "vendor_code_unknown"),
    ],
    ids=lambda value: getattr(value, "code", value),
)
def test_what_no_retry_helps_ends_in_a_dead_letter_and_nothing_is_published(
    start: Start, front: bytes, operation: str, error: Exception, code: str
) -> None:
    bench = start(faults=Failing(operation, error), environment=FAR)
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    left = {key.split("/")[0] if not key.startswith(".") else key.split("/")[1] for key in bench.listing()}
    # What was paid for is kept for the next try, and an account that is refused opens the breaker.
    assert left <= {"inbox", "answers", "breaker.json"}, "no result, and no lease is left behind"
    (letter,) = bench.cloud.dead_letters
    assert code in str(letter)
    assert "a.jpg" not in str(letter.get("error", letter.get("errorMessage", "")))


def test_one_failing_record_does_not_stop_the_others(start: Start, front: bytes) -> None:
    bench = start()
    bench.upload("elsewhere/a.jpg", front)
    event = bench.event("inbox/a.jpg")
    good = event["Records"][0]
    event["Records"] = [{"cos": None}, good]
    bench.client.copy_object(
        Bucket=bench.bucket,
        Key="inbox/a.jpg",
        CopySource={"Bucket": bench.bucket, "Key": "elsewhere/a.jpg", "Region": bench.endpoint.region},
    )
    bench.settle()
    bench.client.delete_object(Bucket=bench.bucket, Key="sidecars/a.jpg.json")
    with pytest.raises(RuntimeError, match="event_unreadable"):
        bench.invoke(event)
    assert bench.sidecar("a.jpg") is not None


def test_a_setting_that_is_wrong_stops_before_any_work(start: Start, front: bytes) -> None:
    bench = start(environment={"CARDVEIL_POLICY": "no-such-policy"})
    bench.upload("inbox/a.jpg", front)
    bench.settle()
    assert len(bench.cloud.dead_letters) == 1
    assert bench.cloud.usage.by_operation() == {}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"TENCENTCLOUD_SECRETKEY": "wrong"}, "credentials_refused"),
        ({"TENCENTCLOUD_SECRETID": "AKIDunknown"}, "credentials_refused"),
        ({"TENCENTCLOUD_SECRETKEY": ""}, "credentials_missing"),
        ({"CARDVEIL_SCHEME": "http", "http_proxy": "http://192.0.2.1:80"}, "setting_invalid"),
        ({"CARDVEIL_SCHEME": "http", "http_proxy": ""}, "setting_invalid"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(value),
)
def test_what_is_wrong_with_an_environment_is_named(
    start: Start, front: bytes, change: dict[str, str], code: str
) -> None:
    bench = start()
    environment = {
        "CARDVEIL_SCHEME": "http",
        "http_proxy": bench.endpoint.proxy,
        "TENCENTCLOUD_SECRETID": bench.endpoint.secret_id,
        "TENCENTCLOUD_SECRETKEY": bench.endpoint.secret_key,
        **change,
    }
    context = {"request_id": "r", "function_name": "f", "time_limit_in_ms": 60_000}
    with pytest.raises(Halt) as caught:
        process_event(bench.event("inbox/a.jpg"), read_context(context), environment)
    assert caught.value.code == code
    assert "wrong" not in str(caught.value)
    assert "inbox/a.jpg" not in str(caught.value)
