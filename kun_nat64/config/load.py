"""From a file to a checked configuration: all faults at once, or none."""

import json
import os
import re
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from kun_base.errors import ConfigError
from kun_base.tomlfile import check
from kun_base.tomltext import read
from kun_nat64.config.crosscheck import Parts, faults_of
from kun_nat64.config.file import SECTIONS, ConfigFile, TenantEntry
from kun_nat64.config.partial import readable_part
from kun_nat64.config.resolve import resolve
from kun_nat64.model.spec import AgentSpec


def load(path: Path) -> AgentSpec:
    """Raises ConfigError with every fault of the file."""
    return from_data(read(path), str(path), running_kernel())


def running_kernel() -> tuple[int, ...]:
    """(6, 1) of `6.1.0-50-cloud-amd64`; () where the kernel has another sort of name."""
    numbers = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return tuple(map(int, numbers.groups())) if numbers else ()


def from_data(data: dict[str, Any], source: str, kernel: tuple[int, ...] = ()) -> AgentSpec:
    """As `load`, from what the TOML parser made of the file."""
    faults = []
    try:
        file: ConfigFile | None = check(data, ConfigFile, source)
    except ConfigError as error:
        file, faults = None, list(error.faults)
    faults += faults_of(_readable_parts(data))
    if file is None or faults:
        raise ConfigError(source, faults)
    return replace(resolve(file, source, kernel), written=data)


def schema() -> str:
    """JSON schema of the file, for editors."""
    return json.dumps(ConfigFile.model_json_schema(by_alias=True), indent=2)


def _readable_parts(data: dict[str, Any]) -> Parts:
    names = [field.name for field in fields(Parts) if field.name in SECTIONS]
    listed = data.get("tenant", [])
    tenants = tuple(readable_part(one, TenantEntry) for one in listed) if isinstance(listed, list) else ()
    return Parts(**{name: readable_part(data.get(name, {}), SECTIONS[name]) for name in names}, tenants=tenants)
