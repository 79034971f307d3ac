"""In which country a region lies, and whether what the settings ask for leaves the country of a bucket."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import urlsplit

from cardveil.core.errors import Halt
from cardveil.core.frozen import dataclass, replace
from cardveil.settings import Settings, variable

#: ISO 3166 codes ("Regions and Availability Zones", COS and SCF documentation). Hong Kong and Taipei are
#: apart from the mainland, as they are for its law. A region that is not here is abroad for every other.
COUNTRIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "ap-beijing", "ap-beijing-1", "ap-beijing-fsi", "ap-chengdu", "ap-chongqing", "ap-guangzhou",
                "ap-nanjing", "ap-shanghai", "ap-shanghai-fsi", "ap-shenzhen-fsi",
            ),
            "CN",
        ),
        "ap-bangkok": "TH", "ap-hongkong": "HK", "ap-jakarta": "ID", "ap-mumbai": "IN", "ap-seoul": "KR",
        "ap-singapore": "SG", "ap-taipei": "TW", "ap-tokyo": "JP", "eu-frankfurt": "DE", "eu-moscow": "RU",
        "na-ashburn": "US", "na-siliconvalley": "US", "na-toronto": "CA", "sa-saopaulo": "BR",
    }
)  # fmt: skip
#: The short names of regions in events, hosts and CI's queues.
SHORT: Final[Mapping[str, str]] = MappingProxyType(
    {
        "tj": "ap-beijing-1", "bj": "ap-beijing", "gz": "ap-guangzhou", "sh": "ap-shanghai",
        "cd": "ap-chengdu", "hk": "ap-hongkong", "sg": "ap-singapore", "spg": "ap-singapore",
        "ca": "na-toronto", "ger": "eu-frankfurt", "de": "eu-frankfurt",
    }
)  # fmt: skip
#: The text provider that the settings leave to the bucket's region.
BY_REGION: Final = "auto"
#: The provider that is sent the picture wherever it stands, and the one that reads it in the bucket's region.
FAR: Final = "RecognizeMainlandIDCardOCR"
NEAR: Final = "IDCardOCR"
#: Who recognises: the vendor's APIs alone, or the engine alone (see the setting).
VENDOR: Final = "vendor"
EMBEDDED: Final = "embedded"
_HOST_REGION: Final = re.compile(r"(?<=\.)[a-z]{2}-[a-z]{3,20}(-[a-z0-9]{1,12})?(?=\.)")


@dataclass(frozen=True, slots=True)
class Destination:
    """A place to which the settings have pictures, or what cards say, sent.

    Attributes
    ----------
    setting : str
        The variable that names it.
    region : str
        Where that is.
    """

    setting: str
    region: str


def is_abroad(home: str, region: str) -> bool:
    """Say whether a region lies in another country than `home`, or in one that is not known."""
    country = COUNTRIES.get(region)
    return region != home and (country is None or country != COUNTRIES.get(home))


def located(settings: Settings, home: str) -> Settings:
    """Return the settings for a bucket in region `home`, with its text provider by name.

    What the engine does the vendor is not asked for: with ``embedded`` there is no text provider, and with
    ``both`` as well no general OCR.

    Raises
    ------
    Halt
        ``cross_border`` where they have something sent to another country without allowing it.
    """
    if settings.engine != VENDOR:
        settings = replace(settings, general_ocr=False)
    if settings.engine == EMBEDDED:
        settings = replace(settings, text_provider="none")
    if settings.text_provider == BY_REGION:
        far = replace(settings, text_provider=FAR)
        near = any(is_abroad(home, each.region) for each in _of_the_provider(far, home))
        settings = replace(settings, text_provider=NEAR if near else FAR)
    if settings.cross_border != "allowed":
        for each in abroad(settings, home):
            raise Halt(
                "cross_border",
                f"change {each.setting}, or set CARDVEIL_CROSS_BORDER=allowed where pictures of cards, and "
                "what they say, may leave the bucket's country",
            )
    return settings


def abroad(settings: Settings, home: str) -> tuple[Destination, ...]:
    """Return where settings that are `located` have something sent outside the country of `home`."""
    found = [*_of_the_provider(settings, home)]
    if settings.job_secrets and settings.job_queue:
        short = settings.job_queue.partition("/")[0]
        found.append(Destination(variable("job_queue"), SHORT[short]))
    elif settings.job_secrets and (named := _region_in(urlsplit(settings.job_callback).hostname or "")):
        # A host that names no region is one's own: whose it is, and where, only its owner can tell.
        found.append(Destination(variable("job_callback"), named))
    return tuple(each for each in found if is_abroad(home, each.region))


def region_of(api: str, settings: Settings, home: str) -> str:
    """Return in which region a paid API reads the pictures of a bucket in `home`; empty for no API."""
    if api != FAR:
        return home if api else ""
    return next((each.region for each in _of_the_provider(settings, home)), settings.ocr_region)


def _region_in(host: str) -> str:
    """Return the region that a host names as one of its parts, empty for none."""
    found = _HOST_REGION.search(f".{host}")
    return found[0] if found else ""


def _of_the_provider(settings: Settings, home: str) -> Iterator[Destination]:
    """Yield where the text provider reads: its region, and before it that of its host if that is farther."""
    if settings.text_provider != FAR:
        return
    host = settings.ocr_endpoint
    named = _region_in(host)
    if named and is_abroad(home, named):
        yield Destination(variable("ocr_endpoint"), named)
    elif ".intl." in host and COUNTRIES.get(settings.ocr_region) == "CN":
        # The international site answers outside the mainland, whatever region it is told.
        yield Destination(variable("ocr_endpoint"), "ap-singapore")
    yield Destination(variable("text_provider"), settings.ocr_region)
