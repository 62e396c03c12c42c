"""What a canary probe is and what it said. Health has three values: ok, failed, and could-not-tell."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import AddressValueError, IPv4Address, IPv6Address

DNS_PORT = 53
# Answered or refused, any resolver that hears it answers; ".": the root zone's name servers are always there.
DEFAULT_DNS_NAME = "."


class Kind(StrEnum):
    TCP = "tcp"
    ICMP = "icmp"
    DNS = "dns"


class Outcome(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNKNOWN = "unknown"


class Symptom(StrEnum):
    """What was seen at the end of one probe."""

    ANSWERED = "answered"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    NO_ROUTE_HERE = "no-route-from-gateway"
    NO_ROUTE_BEYOND = "no-route-from-beyond"
    NOT_SENT = "not-sent"
    STALLED = "agent-stalled"


# A refusal (TCP reset, DNS REFUSED) is an answer of the target: the packet made the whole trip and came back.
OUTCOME_OF: dict[Symptom, Outcome] = {
    Symptom.ANSWERED: Outcome.OK,
    Symptom.REFUSED: Outcome.OK,
    Symptom.TIMEOUT: Outcome.FAILED,
    Symptom.NO_ROUTE_HERE: Outcome.FAILED,
    Symptom.NO_ROUTE_BEYOND: Outcome.FAILED,
    Symptom.NOT_SENT: Outcome.UNKNOWN,
    Symptom.STALLED: Outcome.UNKNOWN,
}


@dataclass(frozen=True, slots=True)
class Target:
    """An IPv4 host that the canary asks through the own translator. `port` is 0 for ICMP."""

    kind: Kind
    address: IPv4Address
    port: int = 0
    name: str = ""

    @classmethod
    def parse(cls, text: str) -> "Target":
        """`tcp://198.51.100.80:80`, `icmp://198.51.100.81`, `dns://198.51.100.53[:53][/name]`; raises ValueError."""
        scheme, separator, rest = text.partition("://")
        if not separator or scheme not in tuple(Kind):
            raise ValueError(f"{text!r}: want tcp://IPV4:PORT, icmp://IPV4 or dns://IPV4[:PORT][/NAME]")
        kind = Kind(scheme)
        host, _, path = rest.partition("/")
        if path and kind is not Kind.DNS:
            raise ValueError(f"{text!r}: only dns:// takes a name after the address")
        address, _, port_text = host.partition(":")
        port = _port_of(kind, port_text, text)
        try:
            parsed = IPv4Address(address)
        except AddressValueError as error:
            raise ValueError(f"{text!r}: {error}; a target is an IPv4 address") from error
        return cls(kind, parsed, port, (path or DEFAULT_DNS_NAME) if kind is Kind.DNS else "")

    def __str__(self) -> str:
        port = f":{self.port}" if self.kind is Kind.TCP or (self.kind is Kind.DNS and self.port != DNS_PORT) else ""
        name = f"/{self.name}" if self.name and self.name != DEFAULT_DNS_NAME else ""
        return f"{self.kind}://{self.address}{port}{name}"


def _port_of(kind: Kind, text: str, whole: str) -> int:
    if kind is Kind.ICMP:
        if text:
            raise ValueError(f"{whole!r}: ICMP has no ports")
        return 0
    if not text and kind is Kind.DNS:
        return DNS_PORT
    if not text.isascii() or not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{whole!r}: want a port from 1 to 65535 after the address")
    return int(text)


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """How one probe of `target` ended. `error_from` is the sender of the ICMPv6 error, where there was one."""

    target: Target
    symptom: Symptom
    latency_s: float | None = None
    error_from: IPv6Address | None = None
    detail: str = ""

    @property
    def outcome(self) -> Outcome:
        return OUTCOME_OF[self.symptom]


class Verdict(StrEnum):
    HEALTHY = "healthy"
    FAILED = "failed"
    UNPROVEN = "unproven"
