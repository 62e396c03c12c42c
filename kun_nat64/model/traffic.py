"""What is flowing through Jool now: bindings (BIB entries) and sessions, as `jool` lists them (RFC 6146, 3.1)."""

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from kun_nat64.model.joolfacts import Protocol


@dataclass(frozen=True, slots=True)
class Endpoint6:
    address: IPv6Address
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}"


@dataclass(frozen=True, slots=True)
class Endpoint4:
    address: IPv4Address
    port: int

    def __str__(self) -> str:
        return f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Binding:
    """A BIB entry: `inside` is seen outside as `outside`. Ports of ICMP are identifiers."""

    protocol: Protocol
    inside: Endpoint6
    outside: Endpoint4
    static: bool = False


@dataclass(frozen=True, slots=True)
class Session:
    """`inside` talks to `target`, which is `remote` in IPv4; `expires_s` from now; `state` for TCP only."""

    protocol: Protocol
    inside: Endpoint6
    target: Endpoint6
    outside: Endpoint4
    remote: Endpoint4
    expires_s: float
    state: str = ""


@dataclass(frozen=True, slots=True)
class Traffic:
    bindings: tuple[Binding, ...] = ()
    sessions: tuple[Session, ...] = ()
