"""The bill of materials (CycloneDX) and the licence list: what is inside, from where, on which terms."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final
from uuid import NAMESPACE_URL, uuid5

from cardveil_cli.package.contents import Component

if TYPE_CHECKING:
    from cyclonedx.model.component import Component as Entry

#: Like the zips, the document must not tell when it was made.
_EPOCH: Final = datetime(1980, 1, 1, tzinfo=timezone.utc)


def bill_of_materials(version: str, components: Sequence[Component]) -> bytes:
    """Return the CycloneDX 1.6 document of the package, the same for the same components."""
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.model.component import Component as Entry
    from cyclonedx.model.component import ComponentType
    from cyclonedx.output.json import JsonV1Dot6
    from packageurl import PackageURL

    root = Entry(
        name="cardveil",
        version=version,
        type=ComponentType.APPLICATION,
        bom_ref="cardveil",
        purl=PackageURL("pypi", name="cardveil", version=version),
    )
    parts = [_entry(component) for component in components]
    bom = Bom(components=parts, metadata=BomMetaData(component=root, timestamp=_EPOCH))
    bom.register_dependency(root, parts)
    digests = " ".join(sorted(component.sha256 for component in components))
    bom.serial_number = uuid5(NAMESPACE_URL, f"cardveil/{version}/{digests}")
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    return (json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n").encode()


def _entry(component: Component) -> Entry:
    from cyclonedx.contrib.license.factories import LicenseFactory
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component as Entry
    from cyclonedx.model.component import ComponentType
    from packageurl import PackageURL

    debian = component.file.endswith(".so.0")
    return Entry(
        name=component.name,
        version=component.version,
        type=ComponentType.LIBRARY,
        bom_ref=f"{component.name}@{component.version}",
        purl=PackageURL(
            "deb" if debian else "pypi", "debian" if debian else None, component.name, component.version
        ),
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=component.sha256)],
        licenses=[LicenseFactory().make_from_string(component.licence)],
    )


def licence_list(components: Sequence[Component]) -> bytes:
    """Return one line a component; the texts themselves stand in the layer under ``licences/``."""
    lines = [f"{part.name} {part.version}: {part.licence}" for part in components]
    return ("\n".join(lines) + "\n").encode()
