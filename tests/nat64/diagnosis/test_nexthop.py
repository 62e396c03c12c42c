"""Whether the next router is there, as the kernel finds out when it is asked to."""

import asyncio

import pytest

from kun_nat64.drivers.command import CommandResult, Feed
from kun_nat64.drivers.nexthop import silent_hops
from kun_nat64.model.errors import DriverError, FailureKind

WAY = CommandResult(0, "198.51.100.80 via 192.0.2.1 dev eth1 src 192.0.2.11 uid 0", "")
ON_LINK = CommandResult(0, "192.0.2.80 dev eth1 src 192.0.2.11 uid 0", "")
UNREACHABLE = CommandResult(2, "", "RTNETLINK answers: Network is unreachable")
AT_ONCE = (0.0, 0.0, 0.0)


class Neighbours:
    """Answers of `ip neigh show`, one after the other, the last one for ever; `asked`: hops that were to be probed."""

    def __init__(self, *states: str) -> None:
        self.states, self.asked = list(states), list[str]()

    async def run(
        self, *argv: str, stdin: str = "", deadline_s: float = 5.0, feed: Feed | None = None
    ) -> CommandResult:
        match argv:
            case ("ip", "-4", "neigh", "show", "dev", "eth1"):
                state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
                return CommandResult(0, f"192.0.2.9 lladdr 02:00:00:00:00:09 FAILED\n192.0.2.1 {state}\n", "")
            case ("ip", "neigh", "change", hop, "dev", "eth1", "nud", "probe"):
                self.asked.append(hop)
                return CommandResult(0, "", "")
        raise DriverError(FailureKind.MISSING_TOOL, argv, "no such command")


def silent(neighbours: Neighbours, *ways: CommandResult | None) -> tuple[str, ...]:
    return asyncio.run(silent_hops(neighbours, "eth1", ways, AT_ONCE))


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        pytest.param(("REACHABLE", "PROBE", "PROBE", "PROBE"), ("192.0.2.1",), id="asked in vain"),
        pytest.param(("REACHABLE", "PROBE", "FAILED"), ("192.0.2.1",), id="given up meanwhile"),
        pytest.param(("STALE", "PROBE", "REACHABLE"), (), id="answers after a moment"),
        pytest.param(("STALE", "REACHABLE"), (), id="answers at once"),
    ],
)
def test_a_router_is_asked_and_not_believed_to_be_there(states: tuple[str, ...], expected: tuple[str, ...]) -> None:
    neighbours = Neighbours(*states)
    assert silent(neighbours, WAY, WAY) == expected
    assert neighbours.asked == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("state", "expected"),
    [("FAILED", ("192.0.2.1",)), ("INCOMPLETE", ("192.0.2.1",)), ("PERMANENT", ()), ("NOARP", ())],
)
def test_nobody_is_asked_where_the_kernel_asks_already_or_never(state: str, expected: tuple[str, ...]) -> None:
    neighbours = Neighbours(state)
    assert silent(neighbours, WAY) == expected
    assert neighbours.asked == []


@pytest.mark.parametrize("way", [ON_LINK, UNREACHABLE, None], ids=["on the link", "no way", "nobody could look"])
def test_without_a_next_router_nobody_is_asked(way: CommandResult | None) -> None:
    neighbours = Neighbours("REACHABLE")
    assert silent(neighbours, way) == ()
    assert neighbours.asked == []
