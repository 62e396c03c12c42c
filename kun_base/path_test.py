"""Test the way from here to IPv4, step by step: DNS, prefix, route, connection, segment size.

Each step is ok, failed, or cannot be seen from here. A failed step ends the steps that need it.
"""

import errno
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from ipaddress import IPv4Address, IPv6Address

from kun_base.prefix import Prefix

MSS = 1420
TIMEOUT_S = 5.0
DISCARD_PORT = 9


class StepState(StrEnum):
    OK = "ok"
    FAILED = "failed"
    UNSEEN = "cannot be seen from here"


@dataclass(frozen=True, slots=True)
class PathStep:
    """One step. `remedy`: what to do where it failed, "" otherwise."""

    name: str
    state: StepState
    detail: str
    remedy: str = ""


def route_step(address: IPv6Address) -> PathStep:
    """Ask the kernel for a route to the address; nothing is sent."""
    name = "route to the prefix"
    with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((str(address), DISCARD_PORT))
            source = probe.getsockname()[0]
        except OSError as error:
            remedy = "add a route to the prefix by the 6to4 tunnel: `ip -6 route get` shows what the kernel does"
            return PathStep(name, StepState.FAILED, f"{address}: {error.strerror}", remedy)
    return PathStep(name, StepState.OK, f"{address} from {source}")


def connection_steps(prefix: Prefix, target: tuple[IPv4Address, int] | None) -> Iterator[PathStep]:
    """Connect to an IPv4 server by the translator; report the segment size that was agreed on."""
    if target is None:
        yield PathStep("TCP through the gateway", StepState.UNSEEN, "no target", "name one: --target 192.0.2.80:80")
        return
    address = prefix.embed(target[0])
    began = time.monotonic()
    try:
        with socket.create_connection((str(address), target[1]), TIMEOUT_S) as connection:
            took_ms = (time.monotonic() - began) * 1000
            yield PathStep("TCP through the gateway", StepState.OK, f"[{address}]:{target[1]} after {took_ms:.0f} ms")
            yield _mss_step(connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
    except OSError as error:
        yield PathStep("TCP through the gateway", StepState.FAILED, f"[{address}]:{target[1]}: {error}", _remedy(error))


def _mss_step(size: int) -> PathStep:
    if size <= MSS:
        return PathStep("segment size", StepState.OK, f"{size} bytes")
    remedy = "the gateway's MSS rule does not see this SYN: run `kun-nat64 doctor` there"
    return PathStep("segment size", StepState.FAILED, f"{size} bytes, more than {MSS}", remedy)


def _remedy(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "the target refuses: packets pass; try another port"
    if error.errno in (errno.ENETUNREACH, errno.EHOSTUNREACH):
        return "no gateway takes the packet: run `kun-nat64 fleet` on a gateway"
    return "packets are lost on the way: run `kun-nat64 test` on a gateway, and `kun-nat64 doctor`"


def parse_target(text: str) -> tuple[IPv4Address, int]:
    """Read `192.0.2.80:80`. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    try:
        if not colon or not 0 < int(port) < 65536:
            raise ValueError
        return IPv4Address(host), int(port)
    except ValueError:
        raise ValueError(f"{text!r} is not an IPv4 address with a port; for example 192.0.2.80:80") from None
