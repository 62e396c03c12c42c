"""Reads the host's own INPUT rules for one question: does protocol 41 to the VIP reach the tunnel?"""

import shlex
from ipaddress import IPv4Address, IPv4Network

from kun_nat64.model.facts import MARK

PROTOCOL_41 = ("41", "ipv6")
ENDINGS = ("DROP", "REJECT")


def drops_protocol_41(lines: tuple[str, ...], vip: IPv4Address, chain: str = "INPUT") -> tuple[str, ...]:
    """Rules of a chain, or its policy, that end the way of protocol 41 to `vip` from everywhere; rules of ours apart.

    Rules with further conditions (interfaces, sources, states) may or may not match: only those that always match for
    protocol 41 are named, and an ACCEPT that always matches ends the search.
    """
    for line in lines:
        words = shlex.split(line)
        if words[:2] != ["-A", chain] or MARK in words or not _always_matches(words[2:], vip):
            continue
        target = words[words.index("-j") + 1] if "-j" in words else ""
        if target == "ACCEPT":
            return ()
        if target in ENDINGS:
            return (line,)
    policy = next((line for line in lines if line.startswith(f":{chain} ")), "")
    return (f"policy of {chain}: {policy.split()[1]}",) if policy.split()[1:2] == ["DROP"] else ()


def _always_matches(words: list[str], vip: IPv4Address) -> bool:
    """Only `-p 41` and `-d` with the VIP inside are conditions we can judge; any other one may not hold."""
    rest = list(words)
    while rest:
        option = rest.pop(0)
        match option:
            case "-p" if rest and rest[0] in (*PROTOCOL_41, "all"):
                rest.pop(0)
            case "-d" if rest and vip in IPv4Network(rest[0]):
                rest.pop(0)
            case "-j":
                return True
            case _:
                return False
    return True
