"""All upstreams in their groups. Equal questions that are out at the same time are asked once (RFC 5452 section 5)."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Protocol

from kun_dns64.cache.answers import key_of
from kun_dns64.config.endpoint import Scheme, UpstreamAddress
from kun_dns64.config.settings import Asking
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.step import SILENT_ZONE, AskedFlags, FailureKind
from kun_dns64.policy.client_share import MOST_ALIKE, ClientShare
from kun_dns64.policy.retransmission import longest_rto_s
from kun_dns64.policy.zone_share import FREE, REFUSED, Allowance, ZoneShares
from kun_dns64.transport.attempt import Observed, Request, Result, Upstream, failure
from kun_dns64.transport.exchange import Exchange, Tried, nobody_counts
from kun_dns64.transport.health_check import HealthCheck
from kun_dns64.transport.portpool import PLAIN_PORTS, Port, PortTypes
from kun_dns64.transport.room import Room
from kun_dns64.transport.upstream_https import HttpsUpstream
from kun_dns64.transport.upstream_stream import StreamUpstream
from kun_dns64.transport.upstream_udp import UdpAttempt, UdpUpstream

TURN_S = 0.002
MOST_PUT_AGAIN = 500
LIMITED = failure(FailureKind.LIMITED, "too many wait for this answer")
NOBODY_TO_ASK = failure(FailureKind.UNREACHABLE, "no upstream is known yet")
TOO_MANY_OUT = failure(FailureKind.UNREACHABLE, "too many questions are out")
ZONE_SILENT = Result(SILENT_ZONE)


def is_answered(result: Result) -> bool:
    """Whether the result is an answer for the name. SERVFAIL is none: the upstream could not resolve it."""
    return isinstance(result.outcome, Response) and result.outcome.rcode != Rcode.SERVFAIL


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a question: the result, who said it, how long that took.

    `awaited`: somebody still waited, or nobody ever did. `given_up`: somebody ran out of time before.
    """

    question: Question
    flags: AskedFlags
    group: str
    result: Result
    upstream: str
    rtt_s: float
    awaited: bool
    given_up: bool = False


Waiter = Callable[[Outcome], None]
# An upstream, and whether it is up: called when that is another.
Changed = Callable[[UpstreamAddress, bool], None]


@dataclass(slots=True)
class InFlight:
    question: Question
    flags: AskedFlags
    group: str
    exchange: Exchange | None = None
    waiters: list[Waiter] = field(default_factory=list)
    given_up: bool = False
    # Put for the cache's sake alone.
    background: bool = False
    # How many of the waiters are one client's.
    by_client: dict[ClientShare, int] = field(default_factory=dict)
    # The allowances that it used: of its zone, and of its client (policy/zone_share.py).
    paid: int = FREE
    payer: Allowance | None = None

    def joins(self, waiter: Waiter | None, client: ClientShare | None) -> bool:
        """False: as many of this client as may are waiting already."""
        if waiter is None:
            return True
        if client is not None:
            alike = self.by_client.get(client, 0)
            if alike >= MOST_ALIKE and not client.is_forwarder:
                return False
            self.by_client[client] = alike + 1
        self.waiters.append(waiter)
        return True


class LightFlight(Protocol):
    """A question of the miss path (upstream_question.pxi) that is out with one upstream."""

    def general(self) -> InFlight:
        """The same question out in the general way."""
        ...

    def cancel(self) -> None: ...


class Upstreams:
    """`heard` is told of every outcome before those who wait for it, also when nobody does any more."""

    def __init__(
        self,
        groups: Mapping[str, Sequence[UpstreamAddress]],
        asking: Asking,
        heard: Callable[[Outcome], None],
        ports: PortTypes = PLAIN_PORTS,
        changed: Changed | None = None,
        tried: Tried = nobody_counts,
    ) -> None:
        self._asking, self._heard, self._ports, self._changed = asking, heard, ports, changed
        self._tried = tried
        self._checks: dict[UpstreamAddress, HealthCheck] = {}
        self.most = asking.max_outstanding
        self.observed = Observed()
        self._made: dict[UpstreamAddress, Upstream] = {}
        self._groups = {name: [self._upstream(a) for a in addresses] for name, addresses in groups.items()}
        self.in_flight: dict[bytes, InFlight | LightFlight] = {}
        self.coalesced = self.overflows = self.displaced = self.refused = 0
        self._room = Room(self.most)
        self.zones = ZoneShares(max(1, self.most // 4), asking.parts)

    @property
    def outstanding(self) -> int:
        return len(self.in_flight)

    @property
    def all(self) -> Mapping[UpstreamAddress, Upstream]:
        return self._made

    @property
    def checks(self) -> Mapping[UpstreamAddress, HealthCheck]:
        return self._checks

    def usable(self, group: str = "") -> bool:
        """Whether any upstream of the group is not known to be down."""
        return any(not upstream.health.down for upstream in self._groups.get(group, ()))

    def groups_of(self, address: UpstreamAddress) -> Iterator[str]:
        """The groups that this upstream is in."""
        return (name for name, group in self._groups.items() if any(one.address == address for one in group))

    def freshen(self) -> None:
        """Asks those of the default group that have not said anything for long whether they are there."""
        for upstream in self._groups[""]:
            self._checks[upstream.address].freshen()

    def inherit(self, before: "Upstreams") -> None:
        """A reload changes nothing about an upstream that stays."""
        for address, check in self._checks.items():
            known = before.all.get(address)
            if known is not None:
                check.take_over(known.health)

    def is_own(self, wire: bytes) -> bool:
        """Whether this very packet is a question of ours that is out now: somebody forwards us to ourselves."""
        return wire in self.observed.out

    def ask(
        self,
        question: Question,
        flags: AskedFlags,
        group: str,
        waiter: Waiter | None,
        client: ClientShare | None = None,
        payer: Allowance | None = None,
    ) -> None:
        """The waiter is called once, never before `ask` returns unless the question cannot be put at all.

        `client`: whose share the waiter counts in; None: nobody's, as where an address is proven. `payer`: whose share
        a question in a silent zone counts in.
        """
        key = key_of(question, flags, group)
        flight = self.in_flight.get(key)
        if flight is not None and not isinstance(flight, InFlight):
            flight = flight.general()
        if flight is not None:
            self.coalesced += 1
            if not flight.joins(waiter, client):
                self._refuse(question, flags, group, waiter, LIMITED)
            elif waiter is not None:
                self._room.wait(key, waited=True)
            return
        upstreams = self._order(group)
        if not upstreams:
            self._refuse(question, flags, group, waiter, NOBODY_TO_ASK)
            return
        now, name = monotonic(), question.name.lower()
        paid = self.zones.admits(name, group, now, payer)
        if paid == REFUSED:
            self.refused += 1
            self._refuse(question, flags, group, waiter, ZONE_SILENT)
            return
        if not self._has_room(question.name, now):
            self.overflows += 1
            self._refuse(question, flags, group, waiter, TOO_MANY_OUT)
            return
        paid = paid or self.zones.charge(name, group, now, now)
        flight = InFlight(question, flags, group, background=waiter is None, paid=paid, payer=payer)
        self.in_flight[key] = flight
        flight.joins(waiter, client)
        self._room.add(key, question.name, now, waited=waiter is not None)
        flight.exchange = self._exchange(Request(question, flags), upstreams, key, flight)
        flight.exchange.start()

    def _exchange(self, request: Request, upstreams: Sequence[Upstream], key: bytes, flight: InFlight) -> Exchange:
        return Exchange(request, upstreams, partial(self._finished, key, flight), self._tried)

    @staticmethod
    def _refuse(question: Question, flags: AskedFlags, group: str, waiter: Waiter | None, why: Result) -> None:
        if waiter is not None:
            waiter(Outcome(question, flags, group, why, "", 0.0, True))

    def _has_room(self, name: bytes, now: float) -> bool:
        """Room for one more question about `name`, if need be in another's place."""
        full = len(self.in_flight) >= self.most
        if self._room.is_free(name, full=full):
            return True
        key = self._room.to_go(name, now, full=full)
        if key is None:
            return False
        self._displace(key)
        return True

    def _displace(self, key: bytes) -> None:
        """The question is given up. Nothing is remembered: its upstreams may be well."""
        flight = self.in_flight.pop(key)
        self._room.remove(key)
        assert isinstance(flight, InFlight)
        self.displaced += 1
        if flight.exchange is not None:
            flight.exchange.cancel()
        result = failure(FailureKind.DISPLACED, "others needed the room")
        outcome = Outcome(flight.question, flight.flags, flight.group, result, "", 0.0, True)
        if flight.waiters:
            asyncio.get_running_loop().call_soon(self._tell, deque(flight.waiters), outcome)

    def first(self, group: str) -> UdpUpstream | None:
        """The upstream to ask by UDP; None: `ask` must."""
        if len(self.in_flight) >= self.most or self.observed.tap is not None:
            return None
        upstreams = self._order(group)
        first = upstreams[0] if upstreams else None
        return first if isinstance(first, UdpUpstream) else None

    def lone(self, group: str) -> UdpUpstream | None:
        """The only upstream of the group, asked by UDP: `first` as long as nothing is told and not too much is out."""
        upstreams = self._groups.get(group) or self._groups[""]
        only = upstreams[0] if len(upstreams) == 1 else None
        return only if isinstance(only, UdpUpstream) else None

    def adopt(
        self,
        question: Question,
        flags: AskedFlags,
        group: str,
        first: UdpUpstream,
        port: Port,
        ident: int,
        wire: bytes,
        randomised: bool,
        left_here: bool,
        sent_at: float,
        paid: int = FREE,
        payer: Allowance | None = None,
    ) -> tuple[InFlight, UdpAttempt]:
        """A question the miss path has put to `first`, from `port`, goes on as if `ask` had put it."""
        key = key_of(question, flags, group)
        flight = self.in_flight[key] = InFlight(question, flags, group, paid=paid, payer=payer)
        if not self._room.is_free(question.name, full=False):
            # It is out already, so it takes the oldest's place; where all are young, it waits among them.
            oldest = self._room.to_go(question.name, monotonic(), full=False)
            if oldest is not None:
                self._displace(oldest)
        self._room.add(key, question.name, sent_at, waited=False)
        others: list[Upstream] = [first, *(other for other in self._order(group) if other is not first)]
        request = Request(question, flags)
        exchange = flight.exchange = self._exchange(request, others, key, flight)
        attempt = UdpAttempt.out_already(first, request, exchange.adopted(), port, ident, wire, randomised, left_here)
        exchange.adopt(first, attempt, sent_at)
        return flight, attempt

    def abandon(
        self,
        question: Question,
        flags: AskedFlags,
        group: str,
        waiter: Waiter,
        client: ClientShare | None = None,
    ) -> None:
        """The waiter waits no longer; the question stays out, and its answer goes to the cache."""
        key = key_of(question, flags, group)
        flight = self.in_flight.get(key)
        if isinstance(flight, InFlight) and waiter in flight.waiters:
            flight.waiters.remove(waiter)
            if client is not None and client in flight.by_client:
                flight.by_client[client] -= 1
            if not flight.waiters:
                self._room.wait(key, waited=False)

    def give_up(self, question: Question, flags: AskedFlags, group: str) -> bool:
        """True for the first who runs out of time while the question is out."""
        flight = self.in_flight.get(key_of(question, flags, group))
        if not isinstance(flight, InFlight) or flight.given_up:
            return False
        flight.given_up = True
        return True

    async def close(self) -> None:
        for flight in self.in_flight.values():
            if not isinstance(flight, InFlight):
                flight.cancel()
            elif flight.exchange is not None:
                flight.exchange.cancel()
        self.in_flight.clear()
        for check in self._checks.values():
            check.close()
        for upstream in self._made.values():
            await upstream.close()

    def _finished(self, key: bytes, flight: InFlight, result: Result, upstream: str, rtt_s: float) -> None:
        self.in_flight.pop(key, None)
        self._room.remove(key)
        if is_answered(result):
            self.zones.answered(flight.question.name.lower(), flight.group, monotonic(), flight.paid, flight.payer)
        outcome = Outcome(
            flight.question,
            flight.flags,
            flight.group,
            result,
            upstream,
            rtt_s,
            bool(flight.waiters) or flight.background,
            flight.given_up,
        )
        self._heard(outcome)
        self._tell(deque(flight.waiters), outcome)

    def _tell(self, waiters: deque[Waiter], outcome: Outcome) -> None:
        """Hundreds may have waited for one large answer: others get their turn in between."""
        turn_ends = monotonic() + TURN_S
        while waiters:
            waiters.popleft()(outcome)
            if waiters and monotonic() > turn_ends:
                asyncio.get_running_loop().call_soon(self._tell, waiters, outcome)
                return

    def _order(self, group: str) -> list[Upstream]:
        """Those that are up by speed, in the operator's order where that is alike; then those that are down."""
        # A reload may have taken away the group of a query that began before it.
        upstreams = self._groups.get(group) or self._groups[""]
        if len(upstreams) < 2:
            return upstreams
        now = monotonic()
        return sorted(upstreams, key=lambda one: (one.health.down, one.health.band(now)))

    def _upstream(self, address: UpstreamAddress) -> Upstream:
        if address not in self._made:
            made = self._made[address] = self._make(address)
            made.health.round_trip.ceiling_s = longest_rto_s(self._asking.budget_s)
            self._checks[address] = HealthCheck(made, partial(self._is_other, address))
        return self._made[address]

    def _is_other(self, address: UpstreamAddress, up: bool) -> None:
        if self._changed is not None:
            self._changed(address, up)
        if up:
            # Told from within an answer: the others have their turn later.
            asyncio.get_running_loop().call_soon(self._put_again)

    def _put_again(self) -> None:
        """Who asked during an outage, or asks the same now, need not wait for that question's end.

        As many as a receive buffer holds, first those that somebody waits for.
        """
        flights = [one for one in self.in_flight.values() if isinstance(one, InFlight)]
        flights.sort(key=lambda flight: not flight.waiters)
        for flight in flights[:MOST_PUT_AGAIN]:
            if flight.exchange is not None:
                flight.exchange.put_again()

    def _make(self, address: UpstreamAddress) -> Upstream:
        randomise = self._asking.case_randomisation
        if address.scheme is Scheme.UDP:
            by_tcp = StreamUpstream(address, self.observed)
            return UdpUpstream(address, by_tcp, self.observed, self._ports, randomise_case=randomise)
        if address.scheme is Scheme.TCP:
            return StreamUpstream(address, self.observed)
        # Imported only where TLS is used: 15 ms.
        from kun_dns64.transport.tls import upstream_context

        context = upstream_context(self._asking.ca_file)
        if address.scheme is Scheme.TLS:
            return StreamUpstream(address, self.observed, context=context)
        return HttpsUpstream(address, self.observed, context)
