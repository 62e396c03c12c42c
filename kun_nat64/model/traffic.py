"""What is flowing through Jool now: bindings (BIB entries) and sessions, as `jool` lists them (RFC 6146, 3.1)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
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


def bindings_of(sessions: Iterable[Session]) -> tuple[Binding, ...]:
    """Those that the sessions rest on: a dynamic binding ends with its last session (RFC 6146, 3.5)."""
    held = {(one.protocol, int(one.outside.address), one.outside.port): one for one in sessions}
    return tuple(Binding(one.protocol, one.inside, one.outside) for one in held.values())


@dataclass(frozen=True, slots=True)
class Traffic:
    """`ports`: public ports in use by address and protocol, None where `bindings` says it. `left_out`: sessions that
    are counted and not among `sessions`, by the pod's address. `partial`: the list did not come to its end.
    """

    bindings: tuple[Binding, ...] = ()
    sessions: tuple[Session, ...] = ()
    ports: Mapping[tuple[IPv4Address, str], int] | None = None
    left_out: Mapping[IPv6Address, int] = field(default_factory=dict)
    partial: bool = False

    @property
    def whole(self) -> bool:
        """Whether every session is among `sessions`."""
        return not self.partial and not self.left_out
