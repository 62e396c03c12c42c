"""Decides which queries may wait for upstreams, and when their answers may leave."""

import asyncio
import time

from kun_dns64.config.settings import Limits
from kun_dns64.formats.cookies import CookieState, check_cookie
from kun_dns64.model.message import Query, Source, Transport
from kun_dns64.model.rules import Rules
from kun_dns64.model.step import Rule
from kun_dns64.policy.client_share import HELD_BACK_S, ClientShare, ClientShares
from kun_dns64.policy.networks import MISS
from kun_dns64.policy.prepared import prepare
from kun_dns64.serving.reply_lookup import address_of
from kun_dns64.state.metrics import Metrics
from kun_dns64.state.rate_limit import client_key
from kun_dns64.transport.query_handler import Send


class Admission:
    """Admit queries of one worker. Call `change` for new rules, limits or secrets."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._shares: ClientShares
        self._rules: Rules
        self._secrets: tuple[bytes, ...] = ()

    def change(self, rules: Rules, limits: Limits, secrets: tuple[bytes, ...]) -> None:
        """Use new limits. Waiting queries keep their places and count in the old shares."""
        self._rules, self._secrets = rules, secrets
        self._shares = ClientShares(limits.client_max_waiting, client_key, self.is_forwarder, limits.parts)

    def share_of(self, source: Source) -> ClientShare:
        return self._shares.of(source)

    def has_room(self, query: Query, share: ClientShare, now: float) -> bool:
        """Whether one more query of this client may wait, if necessary in place of an older one."""
        if share.waiting < share.most or (share.waiting < share.most_proven and self.is_proven(query)):
            return True
        return share.make_room(now)

    def is_proven(self, query: Query) -> bool:
        """Whether the source address is proven: a forged one gets no connection and no cookie."""
        if query.transport is not Transport.UDP:
            return True
        return check_cookie(query, self._secrets, int(time.time())) is CookieState.VALID

    def leaving(self, query: Query, share: ClientShare, send: Send, waited_s: float) -> Send:
        """Return `send`, or a function that delays the reply: delayed replies must not leave all at once."""
        if waited_s < HELD_BACK_S or self.is_proven(query):
            return send
        return lambda packet: self.send_at_pace(share, send, packet)

    def send_at_pace(self, share: ClientShare, send: Send, packet: bytes | None) -> None:
        """Send within the client's rate, else delay the reply; drop it if it would leave too late."""
        if share.is_forwarder or packet is None or (not share.held and share.may_leave(len(packet), time.monotonic())):
            send(packet)
        elif not share.hold(send, packet):
            self._metrics.count("dropped", Rule.RATE_LIMITED.value)
            send(None)
        elif len(share.held) == 1:
            self._release_later(share)

    def _release_later(self, share: ClientShare) -> None:
        asyncio.get_running_loop().call_later(share.next_in_s(), self._release, share)

    def _release(self, share: ClientShare) -> None:
        for send, packet in share.release(time.monotonic()):
            send(packet)
        if share.held:
            self._release_later(share)

    def is_forwarder(self, source: Source) -> bool:
        """Whether this address is a forwarder of many clients."""
        return prepare(self._rules).forwarders.first(address_of(source)) != MISS
