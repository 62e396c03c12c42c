"""What this process and this machine lack for changing a gateway, each with the command that mends it."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from kun_nat64.model.speakers import SPEAKERS
from kun_nat64.model.spec import AgentSpec

CAP_NET_ADMIN, CAP_NET_RAW, CAP_SYS_ADMIN = 12, 13, 21
NEEDED_CAPABILITIES = {"CAP_NET_ADMIN": CAP_NET_ADMIN, "CAP_NET_RAW": CAP_NET_RAW, "CAP_SYS_ADMIN": CAP_SYS_ADMIN}
# Tool, and the Debian package that brings it.
TOOLS = {
    "jool": "jool-tools",
    "iptables-save": "iptables",
    "ip6tables-restore": "iptables",
    "nft": "nftables",
    "tc": "iproute2",
}
SBIN = ("/usr/sbin", "/sbin", "/usr/local/sbin")


@dataclass(frozen=True, slots=True)
class Missing:
    what: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}; {self.remedy}"


def missing_for_changes(spec: AgentSpec) -> tuple[Missing, ...]:
    """Rights first: without them nothing else can be judged by what is seen."""
    return (*missing_rights(), *missing_tools(spec))


def missing_rights() -> tuple[Missing, ...]:
    lacking = lacking_capabilities()
    if not lacking:
        return ()
    remedy = "run it with `sudo`, or by `systemctl start kun-nat64`"
    return (Missing(f"this needs root ({', '.join(lacking)})", remedy),)


def lacking_capabilities() -> tuple[str, ...]:
    held = _effective_capabilities()
    return tuple(name for name, bit in NEEDED_CAPABILITIES.items() if not held >> bit & 1)


def missing_tools(spec: AgentSpec) -> tuple[Missing, ...]:
    """Those that this configuration makes use of."""
    speaker = SPEAKERS[spec.bgp.speaker]
    needed = TOOLS | ({speaker.command: speaker.package} if speaker.needs_command else {})
    path = os.pathsep.join((os.environ.get("PATH", os.defpath), *SBIN))
    return tuple(
        Missing(f"the command {tool} is missing", f"`apt install {package}`")
        for tool, package in needed.items()
        if shutil.which(tool, path=path) is None
    )


def _effective_capabilities() -> int:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return next(int(line.split()[1], 16) for line in lines if line.startswith("CapEff:"))
    except (OSError, StopIteration, ValueError):
        return ~0 if os.geteuid() == 0 else 0
