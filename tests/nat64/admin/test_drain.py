import io
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest

from kun_base.journal import Journal
from kun_nat64.model.drain import SERVING, Drain, Phase
from kun_nat64.model.facts import Protocol
from kun_nat64.model.spec import AgentSpec
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6, Session, Traffic
from kun_nat64.policy import drain
from kun_nat64.policy.drain import DrainRules
from kun_nat64.policy.flow_loss import without_probes
from kun_nat64.policy.port_use import port_use
from kun_nat64.policy.probepath import probe_address
from kun_nat64.state.agent_state import State
from tests.nat64.audit.flows import listed

RULES = DrainRules(grace_s=30.0, sessions_left=2)
STARTED = drain.requested(SERVING, "new kernel", now=1000.0, wall=1.7e9)
POD = IPv6Address("2002:a01:2:1::10")


def session(
    port: int, state: str = "ESTABLISHED", inside: IPv6Address = POD, protocol: Protocol = Protocol.TCP
) -> Session:
    return Session(
        protocol,
        Endpoint6(inside, port),
        Endpoint6(IPv6Address("2002:cb00:7101::c633:6450"), 80),
        Endpoint4(IPv4Address("192.0.2.11"), port),
        Endpoint4(IPv4Address("198.51.100.80"), 80),
        7200.0,
        state,
    )


@pytest.mark.parametrize(
    ("left", "later_s", "phase"),
    [
        (None, 0, Phase.DRAINING),
        (3, 29.9, Phase.DRAINING),
        (2, 1, Phase.DRAINED),
        (0, 0, Phase.DRAINED),
        (3, 30, Phase.DRAINED),
        (None, 30, Phase.DRAINED),
    ],
)
def test_a_drain_ends_with_few_sessions_or_the_grace_time(left: int | None, later_s: float, phase: Phase) -> None:
    assert drain.progressed(replace(STARTED, left=left), RULES, now=1000.0 + later_s).phase is phase


def test_the_end_of_a_drain_says_why() -> None:
    over = drain.progressed(replace(STARTED, left=7), RULES, now=1030.0)
    assert over.ended == "grace time over with 7 TCP sessions left"


def test_asking_twice_does_not_begin_anew() -> None:
    assert drain.requested(STARTED, "again", now=1020.0, wall=1.7e9 + 20) == STARTED


def test_a_clock_that_jumps_ends_no_drain(spec: AgentSpec) -> None:
    walls = [1.7e9 + 86400, 1.0]
    state = State(spec, Journal("test", stream=io.StringIO()), clock=lambda: 100.0, wall=lambda: walls[0])
    state.take_drain(drain.requested(SERVING, "", now=100.0, wall=1.7e9))
    while walls:
        state.evaluate(now=100.0)
        assert state.drain.phase is Phase.DRAINING
        walls.pop(0)
    state.evaluate(now=100.0 + spec.drain.grace_s)
    assert state.drain.phase is Phase.DRAINED


def test_undrain_serves_again_whatever_the_phase() -> None:
    assert drain.revoked(Drain(Phase.DRAINED, 1.0, why="x")) == SERVING


def test_live_are_the_tcp_sessions_that_neither_end_has_closed() -> None:
    sessions = (session(1), session(2, "TRANS"), session(3, "V4_FIN_RCV"), session(4, "V6_INIT"),
                session(5, "", protocol=Protocol.UDP))  # fmt: skip
    found = listed(sessions)
    assert (found.live_tcp, len(found.live or ())) == (2, 2)


def test_a_session_is_as_old_as_the_first_look_at_it() -> None:
    first, second = listed((session(1),)).live or (), listed((session(2),)).live or ()
    ages = drain.first_seen({}, first, now=100.0)
    ages = drain.first_seen(ages, (*first, *second), now=160.0)
    assert drain.oldest_s(ages, now=161.0) == 61.0
    ages = drain.first_seen(ages, second, now=170.0)
    assert drain.oldest_s(ages, now=171.0) == 11.0
    assert drain.oldest_s({}, now=0.0) is None


def test_the_canary_is_not_counted_among_the_pods(spec: AgentSpec) -> None:
    probe = probe_address(spec)
    traffic = Traffic(sessions=(session(1), session(2, inside=probe)))
    assert without_probes(traffic, probe).sessions == (session(1),)


def test_port_use_is_counted_by_address_and_protocol(spec: AgentSpec) -> None:
    entry = spec.nat64.pool4[0]
    outside = Endpoint4(entry.address, entry.first_port)
    use = port_use(Traffic(bindings=(Binding(Protocol.TCP, Endpoint6(POD, 1), outside),)), spec)
    assert use[str(entry.address), "tcp"] == (1, entry.last_port - entry.first_port + 1)
    assert use[str(entry.address), "udp"][0] == 0
