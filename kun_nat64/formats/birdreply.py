"""What BIRD 2 answers on its control socket: lines with a code of four digits (doc/reply_codes in its source).

1007-Table master4:         more lines follow
 203.0.113.1/32 ...         more of the same code
0000                        the last line
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import ip_address, ip_network

from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath, Neighbour

CODE = re.compile(r"(\d{4})([- ])(.*)")
# Of a command that BIRD did not carry out: 8 is a runtime error, 9 a word it does not know.
FIRST_FAILURE = 8000
PROTOCOL, DETAIL = 1002, 1006
ROUTE = re.compile(r"(\S+/\d+)\s+.*\[(\S+) ")
ATTRIBUTE = re.compile(r"\s+BGP\.(\w+): ?(.*)")
PAIR = re.compile(r"\((\d+),\s*(\d+)\)")


@dataclass(frozen=True, slots=True)
class Line:
    code: int
    text: str


@dataclass(frozen=True, slots=True)
class BirdAnswer:
    """All lines; `code` and `words` of the last one, which says how it ended."""

    lines: tuple[Line, ...]

    @property
    def code(self) -> int:
        return self.lines[-1].code

    @property
    def words(self) -> str:
        return "; ".join(line.text.strip() for line in self.lines if line.code >= FIRST_FAILURE)

    @property
    def failed(self) -> bool:
        return self.code >= FIRST_FAILURE

    def text(self) -> list[str]:
        return [line.text for line in self.lines]


def is_last(line: str) -> bool:
    found = CODE.match(line)
    return found is not None and found[2] == " "


def read_answer(lines: Iterable[str]) -> BirdAnswer:
    """Raises FormatError for what no BIRD says."""
    found: list[Line] = []
    for line in lines:
        if match := CODE.match(line):
            found.append(Line(int(match[1]), match[3]))
        elif line.startswith(" ") and found:
            found.append(Line(found[-1].code, line[1:]))
        elif line:
            raise FormatError("an answer of BIRD", line)
    if not found:
        raise FormatError("an answer of BIRD", "")
    return BirdAnswer(tuple(found))


@dataclass(frozen=True, slots=True)
class BirdProtocol:
    """One of `show protocols all`; `details` are indented lines."""

    name: str
    kind: str
    details: tuple[str, ...]


def protocols(answer: BirdAnswer) -> list[BirdProtocol]:
    """Those that match, of `show protocols`."""
    heads: list[tuple[str, str]] = []
    details: list[list[str]] = []
    for line in answer.lines:
        cells = line.text.split()
        if line.code == PROTOCOL and len(cells) >= 2:
            heads.append((cells[0], cells[1]))
            details.append([])
        elif line.code == DETAIL and details:
            details[-1].append(line.text)
    return [BirdProtocol(*head, tuple(lines)) for head, lines in zip(heads, details, strict=True)]


def neighbour(protocol: BirdProtocol, bfd: dict[str, str]) -> Neighbour | None:
    """None for what is no session with one router. `bfd`: of `bfd_sessions`. Raises FormatError."""
    fields = dict(_fields(protocol.details))
    address = fields.get("Neighbor address", "").partition("%")[0]
    if protocol.kind != "BGP" or not address:
        return None
    state = fields.get("BGP state", "unknown").lower()
    try:
        return Neighbour(
            address=str(ip_address(address)),
            asn=int(fields.get("Neighbor AS", "0")),
            state=state,
            established=state == "established",
            hold_s=int(fields["Hold timer"].rpartition("/")[2]) or None if "Hold timer" in fields else None,
            restart_s=_restart_s(protocol.details),
            bfd=bfd.get(str(ip_address(address)), ""),
            local_as=int(fields["Local AS"]) if "Local AS" in fields else None,
        )
    except ValueError as error:
        raise FormatError("a neighbour of BIRD", str(error)) from None


def _fields(lines: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Those before the first channel, whose words are the same."""
    for line in lines:
        if line.strip().startswith("Channel "):
            return
        name, colon, value = line.strip().partition(":")
        if colon:
            yield name, value.strip()


def _restart_s(lines: Iterable[str]) -> int:
    """Of our own capabilities, not of the router's; without a time BIRD only helps others to restart."""
    own = False
    for line in lines:
        words = line.strip()
        own = (own or words == "Local capabilities") and words != "Neighbor capabilities"
        if own and words.startswith("Restart time:"):
            return int(words.rpartition(":")[2])
    return 0


def bfd_sessions(answer: BirdAnswer) -> dict[str, str]:
    """State of BFD by address; none where BIRD runs no BFD."""
    rows = (line.split() for line in answer.text())
    return {cells[0].partition("%")[0]: cells[2].lower() for cells in rows if len(cells) >= 6 and _is_address(cells[0])}


def _is_address(text: str) -> bool:
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True


def prefixes(answer: BirdAnswer) -> Iterator[str]:
    """Of `show route`: of each prefix once."""
    yield from dict.fromkeys(found[1] for line in answer.text() if (found := ROUTE.match(line)))


def path(answer: BirdAnswer) -> BgpPath | None:
    """The path of `show route all protocol NAME` of a protocol that has one; None: it has none. Raises FormatError."""
    prefix = next(prefixes(answer), None)
    if prefix is None:
        return None
    held = {found[1]: found[2] for line in answer.text() if (found := ATTRIBUTE.match(line))}
    try:
        return BgpPath(
            prefix=ip_network(prefix),
            # A link-local address may follow the one that counts.
            next_hop=ip_address(held["next_hop"].split()[0]),
            med=int(held["med"]) if "med" in held else None,
            communities=tuple(sorted(f"{high}:{low}" for high, low in PAIR.findall(held.get("community", "")))),
            origin=held.get("origin", "incomplete").lower(),
        )
    except (KeyError, ValueError, IndexError) as error:
        raise FormatError("a path of BIRD", f"{prefix}: {error!r}") from None
