"""Command-line flags laid over the file: same values, same checks, and faults named after the flag."""

import re
from dataclasses import dataclass, replace
from typing import Any

from kun_base.errors import Fault

_NUMBER = re.compile(r"-?[0-9]+")


@dataclass(frozen=True, slots=True)
class Flags:
    """What stood on the command line, unjudged; None or empty: not given."""

    listen: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    vip: str | None = None
    prefix: tuple[str, ...] = ()
    workers: str | None = None
    admin: str | None = None

    def given(self) -> list[tuple[str, str, str, object]]:
        """(section, key, flag, value) of each flag that was given."""
        table = [
            ("server", "listen", "--listen", list(self.listen) or None),
            ("server", "workers", "--workers", _number(self.workers)),
            ("upstream", "servers", "--upstream", list(self.upstream) or None),
            ("dns64", "vip", "--vip", self.vip),
            ("dns64", "prefixes", "--prefix", list(self.prefix) or None),
            ("admin", "listen", "--admin", self.admin),
        ]
        return [row for row in table if row[3] is not None]


def _number(text: str | None) -> int | str | None:
    """What is no number stays text, for the file's own check to refuse."""
    return int(text) if text is not None and _NUMBER.fullmatch(text) else text


def overlay(data: dict[str, Any], flags: Flags) -> dict[str, Any]:
    """`data` with the flags in place of what the file says. A VIP on the command line replaces the file's prefixes."""
    out = {key: dict(value) if isinstance(value, dict) else value for key, value in data.items()}
    if (flags.vip is not None or flags.prefix) and isinstance(out.get("dns64"), dict):
        out["dns64"].pop("vip", None)
        out["dns64"].pop("prefixes", None)
    for section, key, _, value in flags.given():
        if isinstance(out.setdefault(section, {}), dict):
            out[section][key] = value
    return out


def blame(fault: Fault, flags: Flags) -> Fault:
    """The same fault, told of the flags where values came from some."""
    for section, key, flag, _ in flags.given():
        path = f"{section}.{key}"
        if fault.where == path or fault.where.startswith(f"{path}["):
            fault = replace(fault, where=flag, line=0, shown="")
        fault = replace(fault, wanted=fault.wanted.replace(path, flag))
    return fault
