"""Which versions of kernel and tools a gateway was tried with, and what their outputs differ in.

Every line was read in output captured from a real gateway (tests/nat64/formats/golden). The parsers of this folder take
all of them without asking for a version; what is named here is for people, and for those who compare.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

Version = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """One Debian version on which every test of the lab has passed, with what its gateways run."""

    debian: str
    kernel: str
    jool: str
    gobgp: str
    frr: str
    bird: str
    iptables: str
    nft: str
    iproute2: str

    def of(self, tool: str) -> str:
        """Return the version of a tool, by the name of its command; "" for a tool that does not matter."""
        known = {"kernel": self.kernel, "jool": self.jool, "nft": self.nft, "ip": self.iproute2}
        known |= {"gobgp": self.gobgp, "vtysh": self.frr, "bird": self.bird}
        return {**known, "iptables": self.iptables, "ip6tables": self.iptables}.get(tool, "")


TESTED = (
    Release("12", "6.1", "4.1.9", "3.10.0", "8.4.4", "2.0.12", "1.8.9", "1.0.6", "6.1.0"),
    Release("13", "6.12", "4.1.13", "3.36.0", "10.3", "2.17.6", "1.8.11", "1.1.3", "6.15.0"),
)

# Settings that `jool global` prints beyond those of 4.1.9. We set none of them.
JOOL_GLOBALS_SINCE: dict[str, Version] = {"ss-max-sessions-per-packet": (4, 1, 13)}
# Counters that `jool stats --all` prints beyond those of 4.1.9 begin with this: they count joold, which we do not run.
JOOL_STATS_SINCE: dict[str, Version] = {"JOOLD_": (4, 1, 13)}


# From here on Jool refuses ports of pool4 that sockets of the host may take by themselves, unless it is told --force;
# before, it takes them without a word.
JOOL_REFUSES_LOCAL_PORTS_SINCE: Version = (4, 1, 15)
LOCAL_PORTS_REFUSED = re.compile(r"\bintersects with\b.*\bephemeral range\b")


def refuses_local_ports(stderr: str) -> bool:
    """Tell whether Jool says that. Whatever else it lets --force override is not ours to force."""
    return LOCAL_PORTS_REFUSED.search(" ".join(stderr.split())) is not None


def version_in(text: str) -> Version:
    """Return the first dotted number in `text`, for comparing; () when there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(map(int, found.group().split("."))) if found else ()


def is_tested(tool: str, version: str) -> bool:
    """Tell whether this is a tested version of the tool, up to corrections of the tested one ("4.1.13.0")."""
    found = version_in(version)
    return any(found[: len(known)] == known for known in map(version_in, _tested(tool)))


def untested(versions: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (tool, its version, the tested ones) for each tool of `versions` whose version nobody has tried."""
    for tool, version in versions.items():
        tested = _tested(tool)
        if tested and version_in(version) and not is_tested(tool, version):
            yield tool, ".".join(map(str, version_in(version))), " and ".join(tested)


def _tested(tool: str) -> list[str]:
    return [release.of(tool) for release in TESTED if release.of(tool)]
