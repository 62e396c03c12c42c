"""The miss path beside the general one: which queries it may take, and what becomes of those it hands back."""

import asyncio
from collections.abc import Callable

from kun_dns64.fastpath.selection import Parts
from kun_dns64.formats.query import parse_query
from kun_dns64.model.message import Query, Source, Transport
from kun_dns64.model.question import Question, Rcode, RRType
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import AskedFlags, FailureKind, Heard, Rule, UpstreamFailure
from kun_dns64.policy.client_share import HELD_BACK_S, ClientShare
from kun_dns64.policy.plain_query import Plain, PlainClients
from kun_dns64.policy.prepared import prepare
from kun_dns64.serving.admission import Admission
from kun_dns64.serving.reply_lookup import ReplyLookup, address_of
from kun_dns64.serving.resolution import Decided
from kun_dns64.serving.resolver import Resolver
from kun_dns64.state.metrics import Metrics, rcode_name
from kun_dns64.transport.attempt import Request, Upstream, read
from kun_dns64.transport.query_handler import Send

Datagram = Callable[[bytes, Source, Send], None]
# Front.awaited: registers a pending query; what it returns is called once, with the decision.
Awaited = Callable[[bytes, Query, Source, Send, float, Rules, ClientShare], Decided]
# Of the budget: a question that is out for longer is no common one. Until then nothing is due but that it is sent again
# (`RoundTrip.rto_s`), for which it goes to the general path, and the second question beside the first.
COMMON_SHARE = 0.25
NOERROR, SERVFAIL = rcode_name(Rcode.NOERROR), rcode_name(Rcode.SERVFAIL)
FAILING = frozenset((Rule.A_FAILED, Rule.UPSTREAM_FAILED, Rule.DISPLACED))


class MissHandler:
    """Without the compiled module it takes nothing, and the general path answers all: the same, byte for byte."""

    def __init__(
        self,
        resolver: Resolver,
        lookup: ReplyLookup,
        parts: Parts,
        awaited: Awaited,
        settled: Callable[[], None],
        admission: Admission,
    ) -> None:
        self._resolver, self._awaited, self._admission = resolver, awaited, admission
        self._queries = self._late = self._staggered = self._refreshed = 0
        self._path = None
        if parts.compiled:
            from kun_dns64.fastpath.miss_path import MissPath

            loop = asyncio.get_running_loop()
            self._path = MissPath(resolver, lookup, loop, self._resumed, settled, self._held_back)

    @property
    def pending(self) -> int:
        """Queries taken and not answered yet."""
        return 0 if self._path is None else self._path.pending

    @property
    def taken(self) -> int:
        """Queries taken so far."""
        return 0 if self._path is None else self._path.queries

    def way(self, otherwise: Datagram) -> Datagram:
        """Answers a datagram here, now or later, or gives it to `otherwise`."""
        return otherwise if self._path is None else self._path.way(otherwise)

    def forget_members(self) -> None:
        """Other clients are in the classes of the same rules."""
        if self._path is not None:
            self._path.forget_members()

    def renew(self, payload_max: int) -> None:
        """The rules, the limits or what upstreams are asked are others; queries under way keep theirs."""
        if self._path is None:
            return
        prepared = prepare(self._resolver.rules)
        clients = PlainClients(prepared)

        def plain_for(source: Source) -> Plain | None:
            return clients.of(address_of(source))

        self._path.renew(
            prepared,
            plain_for,
            payload_max,
            prepared.rules.max_ttl_s,
            self._resolver.budget_s * COMMON_SHARE,
            self._resolver.second_after_s,
            self._admission.share_of,
        )

    def count(self, metrics: Metrics) -> None:
        """Into the numbers of all paths."""
        if self._path is None:
            return
        replies, seconds, upstreams = self._path.counted()
        metrics.count("queries", Transport.UDP.value, by=self._path.queries - self._queries)
        metrics.count("late_answers", by=self._path.late - self._late)
        metrics.count("stagger_saved", by=self._path.staggered - self._staggered)
        metrics.count("background_refreshes", by=self._path.refreshed - self._refreshed)
        self._queries, self._late, self._staggered = self._path.queries, self._path.late, self._path.staggered
        self._refreshed = self._path.refreshed
        for rule, count in replies.items():
            metrics.count("replies", rule.value, SERVFAIL if rule in FAILING else NOERROR, by=count)
        metrics.add("reply_seconds", seconds)
        for name, row in upstreams.items():
            metrics.count("upstream_results", name, NOERROR, by=sum(row[:-1]))
            metrics.add("upstream_seconds", row, name)

    def _held_back(self, wire: bytes, source: Source, send: Send, packet: bytes) -> None:
        """Sends a reply that was long in coming, where it could be one of many to a forged address."""
        query = parse_query(wire, Transport.UDP, address_of(source))
        assert isinstance(query, Query)
        self._admission.leaving(query, self._admission.share_of(source), send, HELD_BACK_S)(packet)

    def _resumed(
        self,
        wire: bytes,
        source: Source,
        send: Send,
        began: float,
        rules: Rules,
        said: bytes | None,
        rtt_s: float,
        upstream: Upstream,
        steady_s: int,
        tick: int,
        aaaa_failed: bool,
    ) -> None:
        """The general path goes on with a query. `said`: the packet that denied the AAAA, if one has come.

        `aaaa_failed`: none will come in time, and the A is known.
        """
        query = parse_query(wire, Transport.UDP, address_of(source))
        assert isinstance(query, Query)
        heard: tuple[Heard, ...] = ()
        if said is not None:
            question = Question(query.question.name, RRType.AAAA)
            outcome = read(said, Request(question, AskedFlags(query.cd, query.do))).outcome
            name = str(upstream.address)
            heard = (Heard(question, outcome, upstream=name, rtt_s=rtt_s, steady_s=steady_s, tick=tick),)
        elif aaaa_failed:
            heard = (Heard(query.question, UpstreamFailure(FailureKind.DISPLACED)),)
        share = self._admission.share_of(source)
        decided = self._awaited(wire, query, source, send, began, rules, share)
        self._resolver.resume(query, decided, rules, began, heard, share)
