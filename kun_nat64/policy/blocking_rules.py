"""Finds in `iptables-save` the rules of others that stop tunnelled packets or the answers to translated ones.

The order is that of the kernel: raw, mangle and nat PREROUTING, then mangle and filter INPUT.
"""

from ipaddress import IPv4Address

from kun_nat64.model.facts import MARK
from kun_nat64.policy.firewall import drops_protocol_41, split

ON_THE_WAY = (
    ("raw", "PREROUTING"),
    ("mangle", "PREROUTING"),
    ("nat", "PREROUTING"),
    ("mangle", "INPUT"),
    ("filter", "INPUT"),
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


def tunnel_obstructions(saved: str, vip: IPv4Address) -> tuple[str, ...]:
    """Rules and policies that end the way of protocol 41 to `vip`, each with its table."""
    known = tables(saved)
    return tuple(
        f"-t {table} {found}"
        for table, chain in ON_THE_WAY
        for found in drops_protocol_41(known.get(table, ()), vip, chain)
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
