"""Facts about Jool: the instance, its globals, its pool of public addresses."""

from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address

from kun_base.prefix import Prefix
from kun_nat64.model.area import Area, Key


class Protocol(StrEnum):
    TCP = "tcp"
    UDP = "udp"
    ICMP = "icmp"


# Packets with this mark take their ports from entries of pool4 that have it. "kn", as a number.
LIMIT_MARK = 0x6B6E


@dataclass(frozen=True, slots=True)
class JoolInstance:
    """Neither pool6 nor framework can be changed in a living instance: a change makes a new one, without sessions."""

    name: str
    pool6: Prefix
    framework: str = "netfilter"

    @property
    def area(self) -> Area:
        return Area.JOOL

    @property
    def key(self) -> Key:
        return ("jool", self.name)

    @property
    def inside(self) -> Key | None:
        return None

    def __str__(self) -> str:
        return f"Jool instance {self.name}: pool6 {self.pool6}, {self.framework}"


@dataclass(frozen=True, slots=True)
class JoolGlobal:
    """`value` in one canonical form: `true`, `false`, whole numbers, times as H:MM:SS, lists with commas."""

    instance: str
    name: str
    value: str

    @property
    def area(self) -> Area:
        return Area.JOOL

    @property
    def key(self) -> Key:
        return ("jool-global", self.instance, self.name)

    @property
    def inside(self) -> Key | None:
        return ("jool", self.instance)

    def __str__(self) -> str:
        return f"Jool {self.instance} global {self.name} = {self.value}"


@dataclass(frozen=True, slots=True)
class Pool4:
    """Ports (for ICMP: identifiers) of a public address that sessions may use; both ends included.

    `mark`: for packets that have it.
    """

    instance: str
    protocol: Protocol
    address: IPv4Address
    first_port: int
    last_port: int
    mark: int = 0

    @property
    def area(self) -> Area:
        return Area.JOOL

    @property
    def key(self) -> Key:
        ports = f"{self.first_port}-{self.last_port}"
        return ("pool4", self.instance, self.protocol, str(self.address), ports, str(self.mark))

    @property
    def inside(self) -> Key | None:
        return ("jool", self.instance)

    @property
    def ports(self) -> int:
        return self.last_port - self.first_port + 1

    def __str__(self) -> str:
        mark = f" for mark {self.mark:#x}" if self.mark else ""
        return f"Jool {self.instance} pool4 {self.protocol} {self.address} {self.first_port}-{self.last_port}{mark}"
