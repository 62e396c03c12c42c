"""From a file to a checked configuration: all faults at once, or none."""

import json
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from kun_base.errors import Fault
from kun_base.follow_section import follow_faults
from kun_base.partial import as_far_as_readable
from kun_base.tomlfile import check
from kun_base.tomltext import Document, read_document
from kun_nat64.config.crosscheck import Parts, faults_of
from kun_nat64.config.file import ConfigFile
from kun_nat64.config.resolve import resolve
from kun_nat64.model.speakers import OLD_SPEAKERS
from kun_nat64.model.spec import AgentSpec


def load(path: Path) -> AgentSpec:
    """Raises ConfigError with every fault of the file."""
    return from_document(read_document(path), running_kernel())


def running_kernel() -> tuple[int, ...]:
    """(6, 1) of `6.1.0-50-cloud-amd64`; () where the kernel has another sort of name."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, numbers.groups())) if numbers else ()


def from_document(document: Document, kernel: tuple[int, ...] = ()) -> AgentSpec:
    """As `load`, of a file that was read already."""
    file = check(document, ConfigFile, lambda part: [*cross(part), *_followed(part, document.source)])
    return replace(resolve(file, document.source, kernel), written=document.data)


def from_data(data: dict[str, Any], source: str, kernel: tuple[int, ...] = ()) -> AgentSpec:
    """As `load`, of what the TOML parser made of a file; faults are without lines."""
    return from_document(Document(source, "", data), kernel)


def cross(file: Any) -> list[Fault]:
    """What several keys say together, of a file or of what is readable of it."""
    return faults_of(Parts(**{one.name: getattr(file, one.name, None) for one in fields(Parts)}))


def old_names(written: dict[str, Any] | None) -> tuple[str, ...]:
    """A line for each name of an earlier version in a file that was taken: it works for now."""
    speaker = (written or {}).get("bgp", {}).get("speaker", "")
    new = OLD_SPEAKERS.get(speaker)
    return (f"bgp.speaker = {speaker!r} is an old name of {new!r}: a later version refuses it",) if new else ()


def _followed(file: Any, source: str) -> list[Fault]:
    """Relative paths are below the file's folder."""
    section = getattr(file, "follow", None)
    return list(as_far_as_readable(follow_faults(section, Path(source).parent))) if section is not None else []


def schema() -> str:
    """JSON schema of the file, for editors."""
    # The agent itself starts without what reads source text.
    from kun_base.key_descriptions import with_descriptions

    return json.dumps(with_descriptions(ConfigFile.model_json_schema(by_alias=True), ConfigFile), indent=2)
