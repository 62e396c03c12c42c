"""Looks at the machine for `doctor`: wider than the agent, and never fails: what cannot be seen is unknown."""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path

from kun_nat64.drivers.command import Runner, tried
from kun_nat64.drivers.foreign_objects import look_around
from kun_nat64.drivers.preflight import lacking_capabilities
from kun_nat64.model.area import Area
from kun_nat64.model.foreign_objects import UNSEEN
from kun_nat64.model.host import Host
from kun_nat64.model.inspection import Inspection
from kun_nat64.model.observation import Observation
from kun_nat64.model.plan import Plan
from kun_nat64.model.spec import AgentSpec
from kun_nat64.policy.desired import scope
from kun_nat64.policy.doctor_checks import LOCAL_PORTS

VERSIONS = {"jool": "--version", "ip6tables": "--version", "ip": "-V"}
# Of the speaker that the file names, or of all where there is no file.
SPEAKER_VERSIONS = {"gobgp": ("gobgp", "--version"), "frr": ("vtysh", "--help"), "bird": ("bird", "--version")}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the kernel and its modules are; a test has its own."""

    sys: Path = Path("/sys")
    proc: Path = Path("/proc")
    modules: Path = Path("/lib/modules")
    boot: Path = Path("/boot")


async def inspect(
    runner: Runner, places: Places, spec: AgentSpec | None, host: Host | None, plan: Plan | None
) -> Inspection:
    """`plan`: the differences, where they could be computed; `host` and `spec` None: only the machine itself."""
    kernel = os.uname().release
    versions = await _versions(runner, spec)
    seen = await host.observe(scope(spec)) if host and spec else Observation()
    speaker = seen.failures.get(Area.BGP)
    filters = await _says(runner, "iptables-save", "-t", "filter")
    return Inspection(
        kernel=kernel,
        lacking_rights=lacking_capabilities(),
        versions=versions,
        module_file=_is_built(places.modules / kernel),
        next_kernel=(next_one := next_kernel(places.boot)),
        next_module_file=_is_built(places.modules / next_one) if next_one else None,
        module_loaded=(places.sys / "module" / "jool").is_dir(),
        module_version=_text(places.sys / "module" / "jool" / "version") or "",
        dkms=await _says(runner, "dkms", "status", "jool"),
        sysctls=_sysctls(places, spec),
        input_rules=None if filters is None else tuple(filters.splitlines()),
        links=seen.links,
        fallback_up=_is_up(places.sys / "class" / "net" / "sit0"),
        neighbours=None if speaker or not spec else seen.neighbours,
        bgp_error=str(speaker) if speaker else "",
        bgp_failure=speaker.kind if speaker else None,
        pool4_held=await _held_here(runner, spec),
        around=await look_around(runner, spec, places.proc / "sys/net/ipv4/conf") if spec else UNSEEN,
        foreign=seen.foreign,
        differences=None if plan is None else tuple(map(str, plan.changes)),
    )


async def _versions(runner: Runner, spec: AgentSpec | None) -> dict[str, str]:
    """What each tool says of itself; "" for one that is missing. Without a file only speakers that are there."""
    asked = dict(VERSIONS)
    asked |= dict(found for name, found in SPEAKER_VERSIONS.items() if spec is None or name == spec.bgp.speaker)
    texts = await asyncio.gather(*(_says(runner, tool, option) for tool, option in asked.items()))
    lines = {tool: _version_line(text) for tool, text in zip(asked, texts, strict=True)}
    return {tool: line for tool, line in lines.items() if line or spec is not None or tool in VERSIONS}


async def _says(runner: Runner, *argv: str) -> str | None:
    outcome = await tried(runner, *argv)
    return None if outcome is None or outcome.exit_code != 0 else outcome.stdout + outcome.stderr


def _version_line(text: str | None) -> str:
    """The first line, unless another one says that it is the version."""
    lines = [line.strip() for line in (text or "").splitlines() if line.strip()]
    return next((line for line in lines if "version" in line), lines[0] if lines else "")


def _is_built(folder: Path) -> bool | None:
    if not folder.is_dir():
        return None
    return any(path.name.startswith("jool.ko") for path in folder.rglob("jool.ko*"))


def next_kernel(boot: Path) -> str:
    """The newest of the kernels that are installed; "" where none is seen."""
    found = [path.name.removeprefix("vmlinuz-") for path in boot.glob("vmlinuz-*")]
    return max(found, key=_as_version, default="")


def _as_version(release: str) -> list[tuple[int, str]]:
    """6.1.0-10 is newer than 6.1.0-9."""
    return [(int(part), "") if part.isdigit() else (0, part) for part in re.split(r"[.-]", release)]


def _text(path: Path) -> str | None:
    try:
        return path.read_text().strip()
    except OSError:
        return None


def _is_up(folder: Path) -> bool | None:
    flags = _text(folder / "flags")
    return None if flags is None else bool(int(flags, 16) & 1)


def _sysctls(places: Places, spec: AgentSpec | None) -> dict[str, str | None]:
    names = [name for name, _ in spec.gateway.sysctls] if spec else []
    found = {name: _text(places.proc / "sys" / name.replace(".", "/")) for name in (*names, LOCAL_PORTS)}
    return {name: None if value is None else " ".join(value.split()) for name, value in found.items()}


async def _held_here(runner: Runner, spec: AgentSpec | None) -> frozenset[str]:
    """Addresses of pool4 that are on an interface of this machine."""
    text = await _says(runner, "ip", "-o", "-4", "address", "show") or ""
    held = {word.partition("/")[0] for line in text.splitlines() for word in line.split()[3:4]}
    return (
        frozenset(str(entry.address) for entry in spec.nat64.pool4 if str(entry.address) in held)
        if spec
        else frozenset()
    )
