"""The bill of materials of a release, as CycloneDX 1.6 in JSON: what the wheel needs, and what of others is in it.

The same bytes for the same wheel and sdist, whoever makes it, and when. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
import zipfile
from base64 import b64decode
from datetime import datetime, timezone
from email.message import Message
from email.parser import BytesParser
from pathlib import Path
from typing import Any

JAVASCRIPT = "conformance/javascript"
BUNDLED = re.compile(r"^const BUNDLED = \{(.*?)\};$", re.M)
"""In the page's build: the packages that are in `jellyformat/exports/view.html`."""
Json = dict[str, Any]


def write(tree: Path, out: Path, date: str) -> Path:
    """Write the bill of materials of the wheel and the sdist that are in ``out``, beside them.

    Args:
        tree: The checkout that they were built from.
        out: The directory they are in.
        date: The time it bears, in seconds since 1970.
    """
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    metadata = _metadata(wheel)
    name, version = metadata["Name"], metadata["Version"]
    needed = [_needed(line) for line in metadata.get_all("Requires-Dist", ()) if "extra ==" not in line]
    bundled = [_bundled(entry, package) for entry, package in _packages(tree)]
    own = _component(f"pkg:pypi/{name}@{version}", name, version, metadata["License-Expression"])
    own["externalReferences"] = [_distribution(path) for path in (sdist, wheel)]
    found = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, _sha256(wheel))}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(int(date), timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": own,
        },
        "components": needed + bundled,
        "dependencies": [
            {"ref": own["bom-ref"], "dependsOn": [item["bom-ref"] for item in needed + bundled]},
            *({"ref": item["bom-ref"]} for item in needed + bundled),
        ],
    }
    path = out / f"{name}-{version}.cdx.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    return path


def _metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return BytesParser().parsebytes(archive.read(name))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _distribution(path: Path) -> Json:
    return {"type": "distribution", "url": path.name, "hashes": [{"alg": "SHA-256", "content": _sha256(path)}]}


def _component(purl: str, name: str, version: str | None, license: str | None) -> Json:
    found: Json = {"type": "library", "bom-ref": purl, "name": name, "purl": purl}
    if version is not None:
        found["version"] = version
    if license is not None:
        found["licenses"] = [{"expression": license}]
    return found


def _needed(line: str) -> Json:
    """A package of PyPI that is installed with the wheel, in a version that whoever installs it gets."""
    name, range_ = re.fullmatch(r"([A-Za-z0-9._-]+)(.*)", line).groups()  # type: ignore[union-attr]
    found = _component(f"pkg:pypi/{name.lower()}", name, None, None)
    found["scope"] = "required"
    found["properties"] = [{"name": "jellyformat:requires", "value": range_.strip()}]
    return found


def _packages(tree: Path) -> list[tuple[str, Json]]:
    """The packages of npm that are in the wheel, as the lock file has them."""
    built = BUNDLED.findall((tree / JAVASCRIPT / "page" / "build.js").read_text(encoding="utf-8"))
    names = re.findall(r"'?([@\w./-]+)'?: '", built[0])
    lock = json.loads((tree / JAVASCRIPT / "package-lock.json").read_text(encoding="utf-8"))["packages"]
    return [(name, lock[f"node_modules/{name}"]) for name in sorted(names)]


def _bundled(name: str, package: Json) -> Json:
    purl = f"pkg:npm/{name.replace('@', '%40')}@{package['version']}"
    found = _component(purl, name, package["version"], package["license"])
    algorithm, digest = package["integrity"].split("-", 1)
    assert algorithm == "sha512", package
    found["hashes"] = [{"alg": "SHA-512", "content": b64decode(digest).hex()}]
    found["properties"] = [{"name": "jellyformat:in", "value": "jellyformat/exports/view.html"}]
    return found
