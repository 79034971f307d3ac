"""How CI writes jobs, in XML and in the JSON of callbacks, and reads the request to make one."""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import quote

from cardveil.card.model import CardType
from cardveil_cloud import xml
from cardveil_cloud.ci.errors import CiError
from cardveil_cloud.ci.jobs_store import Job, Notify, moment, new_job_id
from cardveil_cloud.xml import Content

TAG: Final = "ImageLicenseRec"
#: "Pass through user information in printable ASCII code, with length not exceeding 1024."
_USER_DATA: Final = re.compile(r"[ -~]{0,1024}")
_MQ_REGIONS: Final = frozenset({"sh", "bj", "gz", "cd", "hk"})


def job_of(body: bytes, *, bucket: str, region: str, queue_id: str, now: float) -> Job:
    """Read the body of ``POST /jobs``.

    Raises
    ------
    CiError
        ``InvalidArgument`` or ``MalformedXML``, as the page's rules say.
    """
    try:
        root = xml.parse(body)
    except xml.MalformedXmlError:
        raise CiError("MalformedXML", "The XML you provided was not well-formed.") from None

    def text(path: str, default: str = "") -> str:
        return (xml.text_of(root, path) or default).strip()

    tag, key = text("Tag"), xml.text_of(root, "Input/Object") or ""
    card_type = text(f"Operation/{TAG}/CardType")
    level, user_data = text("Operation/JobLevel", "0"), text("Operation/UserData")
    form, kind = text("CallBackFormat", "XML"), text("CallBackType", "URL")
    if tag != TAG:
        raise CiError("NotImplemented", "This local cloud knows jobs of the tag ImageLicenseRec only.")
    if not key:
        raise CiError("InvalidArgument", "Input.Object is missing.")
    if card_type not in {member.value for member in CardType}:
        raise CiError("InvalidArgument", "CardType is IDCard or DriverLicense.")
    if level not in {"0", "1", "2"} or not _USER_DATA.fullmatch(user_data):
        raise CiError("InvalidArgument", "JobLevel or UserData is not what it may be.")
    if form not in {"JSON", "XML"} or kind not in {"URL", "TDMQ"}:
        raise CiError("InvalidArgument", "CallBackFormat or CallBackType is not what it may be.")
    address = text("CallBack")
    if kind == "TDMQ":
        address = text("CallBackMqConfig/MqName")
        mode = text("CallBackMqConfig/MqMode")
        if (
            text("CallBackMqConfig/MqRegion") not in _MQ_REGIONS
            or mode not in {"Queue", "Topic"}
            or not address
        ):
            raise CiError("InvalidArgument", "CallBackMqConfig is incomplete.")
    return Job(
        job_id=new_job_id(),
        queue_id=queue_id,
        tag=tag,
        bucket=bucket,
        region=region,
        object_key=key,
        card_type=card_type,
        user_data=user_data,
        level=int(level),
        notify=Notify(kind, address, form),
        created=now,
    )


def detail(job: Job) -> list[tuple[str, Content]]:
    """Return the children of ``<JobsDetail>``, in the page's order."""
    operation: list[tuple[str, Content]] = [(TAG, [("CardType", job.card_type)])]
    if job.state in {"Success", "Failed"}:
        # The page's sample shows this element closed by a second opening tag; nobody could read that.
        operation.append(("ImageLicenseRecResult", _result(job)))
    operation += [("UserData", job.user_data), ("JobLevel", job.level)]
    return [
        ("Code", job.code),
        ("Message", job.message),
        ("JobId", job.job_id),
        ("State", job.state),
        ("CreationTime", moment(job.created)),
        ("StartTime", moment(job.started)),
        ("EndTime", moment(job.ended)),
        ("QueueId", job.queue_id),
        ("Tag", job.tag),
        ("Input", [("BucketId", job.bucket), ("Object", job.object_key), ("Region", job.region)]),
        ("Operation", operation),
    ]


def _result(job: Job) -> list[tuple[str, Content]]:
    url = f"https://{job.bucket}.cos.{job.region}.myqcloud.com/{quote(job.object_key, safe='/~')}"
    return [
        ("Code", job.code),
        ("Message", job.message),
        ("State", job.state),
        ("InputObjectName", job.object_key),
        ("InputObjectUrl", url),
        *(job.result or []),
    ]


def callback_xml(job: Job) -> bytes:
    """Write a callback as XML."""
    return xml.render("Response", [("EventName", "TaskFinish"), ("JobsDetail", detail(job))])


def callback_json(job: Job, *, as_list: bool) -> dict[str, Any]:
    """Return a callback's JSON; the vendor's samples show `JobsDetail` as an object and as a list."""
    jobs_detail = plain(detail(job))
    return {"EventName": "TaskFinish", "JobsDetail": [jobs_detail] if as_list else jobs_detail}


def plain(content: Content) -> Any:
    """Return XML content as JSON values: all texts, as CI's callbacks have them; one of many is no list."""
    if content is None or isinstance(content, (str, int, float)):
        return "" if content is None else str(content)
    found: dict[str, Any] = {}
    for name, inner in content:
        value = plain(inner)
        if name not in found:
            found[name] = value
        elif isinstance(found[name], list):
            found[name].append(value)
        else:
            found[name] = [found[name], value]
    return found
