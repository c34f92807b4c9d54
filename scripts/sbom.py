"""``python -m scripts.sbom FILE``: what the image holds, as CycloneDX 1.6 JSON, made from the lock alone.

The same lock makes the same file: its serial number comes from what is in it, and it has no time stamp. Where a package
was fetched from is not said, as the lock does not say it: hashes and package URLs name it.
"""

from __future__ import annotations

import sys
import tomllib
import uuid
from collections.abc import Iterable
from pathlib import Path

from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, Property, XsUri
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scripts.lock_file import BOT, Pin, read

MARKER = "python:environment-marker"


def sbom(pins: Iterable[Pin], version: str) -> str:
    """The bill of materials of this version of the bot."""
    pins = list(pins)
    bot = Component(name="canary-bot", version=version, type=ComponentType.APPLICATION, bom_ref="canary-bot")
    bom = Bom(components=map(_component, pins), metadata=BomMetaData(component=bot))
    bom.register_dependency(bot, bom.components)
    whole = "\n".join((version, *(f"{pin.purl} {pin.marker} {' '.join(pin.sha256)}" for pin in pins)))
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, whole)
    bom.metadata.timestamp = None  # type: ignore[assignment]  # left out: nothing in it may depend on when it was made
    return str(JsonV1Dot6(bom).output_as_string(indent=2)) + "\n"


def version() -> str:
    """The bot's own."""
    project = tomllib.loads((BOT.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    return str(project["project"]["version"])


def _component(pin: Pin) -> Component:
    hashes = [HashType(alg=HashAlgorithm.SHA_256, content=one) for one in pin.sha256]
    files = ExternalReference(type=ExternalReferenceType.DISTRIBUTION, url=XsUri(pin.purl), hashes=hashes)
    return Component(
        name=pin.name,
        version=pin.version,
        type=ComponentType.LIBRARY,
        bom_ref=pin.purl,
        purl=PackageURL.from_string(pin.purl),
        external_references=[files],
        properties=[Property(name=MARKER, value=pin.marker)] if pin.marker else [],
    )


if __name__ == "__main__":
    out = Path(sys.argv[1])
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(sbom(read(), version()), encoding="utf-8")
    print(f"{out}: {len(read())} packages")
