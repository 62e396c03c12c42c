"""The list of parts of a release, as CycloneDX 1.5: every pinned library with its version, licence, hashes and purl.

Versions and hashes are those of the lock files, and each part names the first that pins it. Licences are read from the
installed packages of this environment.
"""

import datetime
import json
import re
import uuid
from collections.abc import Mapping
from importlib.metadata import PackageMetadata, PackageNotFoundError, metadata
from pathlib import Path
from typing import Any

JSON = dict[str, Any]
# Of the programs on hosts and in their image, then of the controller.
LOCKS = ("requirements.lock", "requirements-controller.lock")
PIN = re.compile(r"^([A-Za-z0-9._-]+)==(\S+)")
NAMESPACE = uuid.UUID("6c0f4c4e-9c2c-5a3e-8f0a-2f6f2b6d1d64")


def pins(lock: str) -> list[tuple[str, str, list[str]]]:
    """Name, version and SHA-256 hashes of every pin."""
    blocks = re.split(r"\n(?=[A-Za-z0-9])", lock)
    found = [(PIN.match(block), re.findall(r"--hash=sha256:([0-9a-f]{64})", block)) for block in blocks]
    return [(match[1], match[2], sorted(hashes)) for match, hashes in found if match]


def _first(told: PackageMetadata, name: str) -> str:
    return str((told.get_all(name) or [""])[0]).strip()


def licence_of(told: PackageMetadata) -> str:
    """An SPDX expression where the package tells one, else its own words; "" where it tells none."""
    expression = _first(told, "License-Expression")
    if expression:
        return expression
    classes = [one.rpartition(" :: ")[2] for one in told.get_all("Classifier") or [] if one.startswith("License ::")]
    words = _first(told, "License")
    return words if words and "\n" not in words and len(words) < 60 else ", ".join(classes)


def component(name: str, version: str, hashes: list[str], lock: str) -> JSON:
    """Give one part; `lock`: the first lock file that pins it."""
    try:
        words = licence_of(metadata(name))
    except PackageNotFoundError:
        words = ""
    part: JSON = {
        "type": "library",
        "bom-ref": f"pkg:pypi/{name}@{version}",
        "name": name,
        "version": version,
        "purl": f"pkg:pypi/{name}@{version}",
        "properties": [
            {"name": "kun:lock", "value": lock},
            *({"name": "kun:accepted-sha256", "value": one} for one in hashes),
        ],
    }
    if words:
        part["licenses"] = [{"license": {"name": words}}]
    return part


def parts_of(locks: Mapping[str, str]) -> list[JSON]:
    """Give every pin of the lock files once. Raises ValueError where two of them differ in a version."""
    found: dict[str, JSON] = {}
    for lock, text in locks.items():
        for name, version, hashes in pins(text):
            part = found.setdefault(name, component(name, version, hashes, lock))
            if part["version"] != version:
                raise ValueError(f"{lock} pins {name} {version}, another {part['version']}: make lock")
    return [found[name] for name in sorted(found)]


def document(locks: Mapping[str, str], version: str, commit: str, date: int) -> str:
    """Give the list as text, from name and text of each lock file; the same arguments give the same text."""
    parts = parts_of(locks)
    root = f"pkg:pypi/kun-gateway@{version}"
    bom = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, f'{version} {commit}')}",
        "version": 1,
        "metadata": {
            "timestamp": datetime.datetime.fromtimestamp(date, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "component": {
                "type": "application",
                "bom-ref": root,
                "name": "kun-gateway",
                "version": version,
                "purl": root,
                "licenses": [{"license": {"id": "Apache-2.0"}}],
                "properties": [{"name": "kun:commit", "value": commit}],
            },
        },
        "components": parts,
        "dependencies": [{"ref": root, "dependsOn": [part["bom-ref"] for part in parts]}],
    }
    return json.dumps(bom, indent=2) + "\n"


def write(target: Path, root: Path, version: str, commit: str, date: int) -> Path:
    locks = {name: (root / name).read_text() for name in LOCKS}
    target.write_text(document(locks, version, commit, date))
    return target
