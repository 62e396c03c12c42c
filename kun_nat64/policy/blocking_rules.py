"""Finds in `iptables-save` the rules of others that stop tunnelled packets or the answers to translated ones.

The order is that of the kernel: raw, mangle and nat PREROUTING, then mangle and filter INPUT; OUTPUT, POSTROUTING.
"""

from ipaddress import IPv4Address

from kun_nat64.model.facts import MARK
from kun_nat64.policy.firewall import Passage, drops_passage, split

ON_THE_WAY = (
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("nat", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
)
# What the tunnel sends is this host's own: after route and rules of IPv6, those of IPv4.
ON_THE_WAY_OUT = (
    ("raw", "OUTPUT"),
    ("mangle", "OUTPUT"),
    ("nat", "OUTPUT"),
    ("filter", "OUTPUT"),
    ("mangle", "POSTROUTING"),
    ("nat", "POSTROUTING"),
)


def tables(saved: str) -> dict[str, tuple[str, ...]]:
    """The lines of each table."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in saved.splitlines():
        if line.startswith("*"):
            lines = found.setdefault(line[1:].strip(), [])
        elif line.startswith(("-A", ":")):
            lines.append(line)
    return {name: tuple(rules) for name, rules in found.items()}


def tunnel_obstructions(
    saved: str, vip: IPv4Address, uplink: str = "", node: IPv4Address | None = None
) -> tuple[str, ...]:
    """Rules and policies that end the way of protocol 41 from `node` by `uplink` to `vip`, each with its table."""
    return _obstructions(saved, ON_THE_WAY, Passage(node, vip, into=uplink))


def way_out_obstructions(saved: str, vip: IPv4Address, node: IPv4Address, uplink: str) -> tuple[str, ...]:
    """Rules and policies that end the way of protocol 41 from `vip` by `uplink` to `node`, each with its table."""
    return _obstructions(saved, ON_THE_WAY_OUT, Passage(vip, node, out=uplink))


def _obstructions(saved: str, ways: tuple[tuple[str, str], ...], passage: Passage) -> tuple[str, ...]:
    known = tables(saved)
    return tuple(
        f"-t {table} {found}" for table, chain in ways for found in drops_passage(known.get(table, ()), passage, chain)
    )


def answer_obstructions(saved: str) -> tuple[str, ...]:
    """Rules of PREROUTING that drop state INVALID: answers for Jool belong to no connection that the kernel knows."""
    return tuple(
        f"-t {table} {line}"
        for table, lines in tables(saved).items()
        for line in lines
        if line.startswith("-A PREROUTING ") and _drops_invalid(split(line))
    )


def _drops_invalid(words: list[str]) -> bool:
    state = next((words[i + 1] for i, word in enumerate(words[:-1]) if word in ("--ctstate", "--state")), "")
    return "INVALID" in state.split(",") and words[-2:] == ["-j", "DROP"] and "!" not in words and MARK not in words
