"""Evaluates the host's own rules: does protocol 41 pass from a node to the VIP, and back?"""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from ipaddress import IPv4Address, IPv4Network

from kun_nat64.model.facts import MARK

PROTOCOL_41 = ("41", "ipv6", "all")
ENDINGS = ("DROP", "REJECT")
# Chains may jump in a circle only in text that iptables did not print.
DEEPEST = 16


@dataclass(frozen=True, slots=True)
class Passage:
    """Protocol 41 from `source` to `destination`, in by the interface `into`, out by `out`; None or "": any."""

    source: IPv4Address | None
    destination: IPv4Address
    into: str = ""
    out: str = ""


class Match(Enum):
    """Whether a rule matches all packets of a passage, perhaps some, or none."""

    ALWAYS = auto()
    PERHAPS = auto()
    NEVER = auto()


class Way(Enum):
    """The result of a chain. OPEN: it accepts some packets. ON: it stops none, and the calling chain continues."""

    OPEN = auto()
    ON = auto()


Rules = dict[str, list[tuple[str, list[str]]]]


def drops_protocol_41(
    lines: tuple[str, ...], vip: IPv4Address, uplink: str = "", node: IPv4Address | None = None
) -> tuple[str, ...]:
    """As `drops_passage`, for INPUT and what comes by `uplink` from `node`."""
    return drops_passage(lines, Passage(node, vip, into=uplink), "INPUT")


def drops_passage(lines: tuple[str, ...], passage: Passage, chain: str) -> tuple[str, ...]:
    """The rule below `chain`, or its policy, that ends the way of every such packet; ours apart.

    `lines`: of one table. Where a rule before it lets some sources in, it ends a list of nodes, and is not named.
    """
    match _through(chain, _rules(lines), passage, DEEPEST):
        case Way.OPEN:
            return ()
        case Way.ON:
            policy = next((line for line in lines if line.startswith(f":{chain} ")), "").split()
            return (f"policy of {chain}: {policy[1]}",) if policy[1:2] == ["DROP"] else ()
        case str() as line:
            return (line,)


def _rules(lines: tuple[str, ...]) -> Rules:
    found: Rules = {}
    for line in lines:
        words = split(line)
        if len(words) > 2 and words[0] == "-A" and MARK not in words:
            found.setdefault(words[1], []).append((line, words[2:]))
    return found


def _through(chain: str, rules: Rules, passage: Passage, deep: int) -> Way | str:
    for line, words in rules.get(chain, ()) if deep else ():
        match = _match(words, passage)
        target = _target(words)
        if match is Match.NEVER:
            continue
        if target == "ACCEPT":
            return Way.OPEN
        if target in ENDINGS and match is Match.ALWAYS:
            return line
        if target == "RETURN" and match is Match.ALWAYS:
            return Way.ON
        inner = _through(target, rules, passage, deep - 1) if target in rules else Way.ON
        if inner is Way.OPEN or (inner is not Way.ON and match is Match.ALWAYS):
            return inner
    return Way.ON


def _target(words: list[str]) -> str:
    places = [place for place, word in enumerate(words[:-1]) if word in ("-j", "-g")]
    return words[places[0] + 1] if places else ""


def _match(words: list[str], passage: Passage) -> Match:
    """Return the narrowest match of the rule's conditions. An unknown condition may match some packets."""
    answers = set(_conditions(words, passage))
    return next((match for match in (Match.NEVER, Match.PERHAPS) if match in answers), Match.ALWAYS)


def _conditions(words: list[str], passage: Passage) -> Iterator[Match]:
    rest = list(reversed(words))
    while rest:
        match rest.pop(), rest[-1] if rest else "":
            case (("-j" | "-g"), _):
                return
            case "-p", protocol:
                yield Match.ALWAYS if protocol in PROTOCOL_41 else Match.NEVER
            case "-d", network:
                yield _inside(passage.destination, network)
            case "-s", network:
                # There are other nodes, which a rule for some sources may be about.
                known = passage.source is not None and _inside(passage.source, network) is Match.ALWAYS
                yield Match.ALWAYS if known else Match.PERHAPS
            case "-i", interface:
                yield _by(interface, passage.into)
            case "-o", interface:
                yield _by(interface, passage.out)
            case "-m", ("comment" | "conntrack" | "state"):
                pass
            case "--comment", _:
                pass
            case (("--ctstate" | "--state"), states):
                yield Match.PERHAPS if {"NEW", "UNTRACKED"} & set(states.split(",")) else Match.NEVER
            case "!", _:
                yield Match.PERHAPS
                # What it negates may hold or not: its value is passed over, too.
                rest[-1:] = []
            case _:
                yield Match.PERHAPS
        rest[-1:] = []


def _by(interface: str, own: str) -> Match:
    """Match an interface. Other interfaces may lead to nodes too. `eth+` matches all names that begin with `eth`."""
    if interface == "lo":
        return Match.NEVER
    same = own and (interface == own or (interface.endswith("+") and own.startswith(interface[:-1])))
    return Match.ALWAYS if same else Match.PERHAPS


def _inside(address: IPv4Address, network: str) -> Match:
    try:
        return Match.ALWAYS if address in IPv4Network(network) else Match.NEVER
    except ValueError:
        return Match.PERHAPS


def split(line: str) -> list[str]:
    """Split a rule into words; a line that is not from iptables gives none."""
    try:
        return shlex.split(line)
    except ValueError:
        return []
