"""One finished reply kept for the next packet like it: by packet for the second, by key for as long as it holds.

A reply is kept only while the general path would say the same from the cache, with every TTL one second less per tick
(`Heard.steady_s`, `Reply.steady_s`). One test drives both paths and demands the same bytes
(tests/dns64/cache/test_memo.py).

Twin: fastpath/reply_lookup.pyx.
"""

from collections.abc import Callable, Sequence
from struct import Struct

from kun_dns64.cache.generations import Generations
from kun_dns64.formats.reply_key import (
    COOKIE_REPLY_BYTES,
    PLAIN_TAIL,
    WITH_COOKIE,
    MemoKey,
    answer_end,
    cut_records,
    is_complete,
    limit_of,
    lone_cookie,
    memo_key,
    ttl_places,
)
from kun_dns64.model.message import Source
from kun_dns64.model.question import RRType
from kun_dns64.model.step import Heard, Reply, Rule
from kun_dns64.policy.lifetime import reply_lifetime

# These answers are made here and do not age.
LOCAL = frozenset((Rule.LOCAL_DISCOVERY, Rule.LOCAL_REVERSE, Rule.LOCAL_SPECIAL, Rule.LOCAL_CHAOS))
LOCAL_STEADY_S = 300
# Strangers must not fill the store; reverse answers mix ageing TTLs with bounded ones; the others tell of the moment.
NEVER = frozenset((
    Rule.REFUSED_CLIENT, Rule.RATE_LIMITED, Rule.DISPLACED, Rule.REVERSE, Rule.NOT_RECURSIVE, Rule.LOOP, Rule.MALFORMED,
))  # fmt: skip
RULES = tuple(Rule)
PLACES = {rule: place for place, rule in enumerate(RULES)}
# Packets whose reply is kept as it is for the rest of the second.
HOT_MAX = 16384
COOKIE_HEAD = b"\x00\x0a\x00\x18"
# Made at this tick, good until that one, rule, number of TTLs, bytes a client must be able to take (or CUT), bytes of
# OPT where it is cut; then where each TTL stands, then the reply.
STAMP = Struct("!IIBBHH")
# A reply that was truncated at the largest limit: a smaller one has fewer of its records.
CUT = 0xFFFF
_SIZES, _SIZES_AT = Struct("!HH"), 10
TC_BIT = 0x02
_OFFSET = Struct("!H")
_TTL = Struct("!I")

# The reply's COOKIE data for the query's, from one source address.
MakeCookie = Callable[[bytes, Source], bytes]
# The memo of the client that an EDNS client subnet names; None: the general path must look.
BySubnet = Callable[[bytes], "ReplyCache | None"]


def steady_s(reply: Reply, heard: Sequence[Heard], tick: int) -> int:
    """For how many ticks, this one included, the general path makes this reply of the same answers."""
    if reply.rule in NEVER:
        return 0
    if reply.rule in LOCAL and not heard:
        return LOCAL_STEADY_S
    if not heard or any(one.tick != tick for one in heard):
        return 0
    return min(one.steady_s for one in heard)


class ReplyCache:
    """Replies to one class of clients over one transport.

    First come the packets seen this second, byte for byte: their replies need a new id and nothing else. Then the
    store, under the packet's key: those replies are aged and get the question's case and the cookie of the client.

    `by_subnet`: for a source trusted to name clients, finds the memo of the one named. `padded`: replies to packets
    with padding are padded themselves, so there is none to keep. `most`: bytes of a reply by UDP; 0: by a stream.
    """

    __slots__ = ("_by_subnet", "_hits", "_hot", "_make_cookie", "_padded", "_prefix", "_store", "_tick", "most")

    def __init__(
        self,
        prefix: bytes,
        store: Generations[bytes],
        hits: list[list[int]],
        make_cookie: MakeCookie | None,
        by_subnet: "BySubnet | None",
        padded: bool,
        most: int,
    ) -> None:
        self.most = most
        self._prefix, self._store, self._hits, self._make_cookie = prefix, store, hits, make_cookie
        self._by_subnet, self._padded = by_subnet, padded
        self._tick = -1
        self._hot: dict[bytes, tuple[bytes, list[int]]] = {}

    def quick(self, wire: bytes, tick: int, source: Source) -> bytes | None:
        """The reply, or None: the general path must answer. `tick`: the whole seconds of the cache's clock."""
        if tick != self._tick:
            self._tick, self._hot = tick, {}
        hot = self._hot.get(wire[2:])
        if hot is not None:
            hot[1][0] += 1
            return wire[:2] + hot[0]
        end = wire.find(0, 12) + 1
        name = wire[12:end]
        lower = name.lower()
        if len(wire) > end + PLAIN_TAIL:
            return self._with_options(wire, end, tick, source)
        if not end:
            return None
        kept = self._found(wire, MemoKey(end, len(wire), b""), tick)
        if kept is None:
            return None
        body, cell = kept
        reply = body[:10] + name + body[10:]
        if name == lower and len(self._hot) < HOT_MAX:  # a case made at random does not come again
            self._hot[wire[2:]] = reply, cell
        return wire[:2] + reply

    def _with_options(self, wire: bytes, end: int, tick: int, source: Source) -> bytes | None:
        cookie = lone_cookie(wire, end)
        if cookie:
            memo: ReplyCache = self
            key = MemoKey(end, end + 13, WITH_COOKIE, cookie)
        else:
            found = self._keyed(wire)
            if found is None:
                return None
            memo, key = found
        end, cookie = key.name_end, key.cookie
        kept = memo._found(wire, key, tick)
        if kept is None:
            return None
        body, _ = kept
        if cookie and self._make_cookie is not None:
            return b"".join(
                (wire[:2], body[:10], wire[12:end], body[10:-COOKIE_REPLY_BYTES], self._make_cookie(cookie, source))
            )
        return wire[:2] + body[:10] + wire[12:end] + body[10:]

    def _keyed(self, wire: bytes) -> "tuple[ReplyCache, MemoKey] | None":
        """The key, and the memo of the client the packet speaks for."""
        key = memo_key(wire)
        if key is None or (key.padded and self._padded):
            return None
        memo = self._by_subnet(key.subnet) if key.subnet and self._by_subnet is not None else self
        return None if memo is None else (memo, key)

    def _found(self, wire: bytes, key: MemoKey, tick: int) -> tuple[bytes, list[int]] | None:
        """The header behind the id, then all behind the name, of the reply kept for packets like this one."""
        limit = limit_of(wire, key.name_end, self.most)
        value = self._kept(key.of(wire), tick)
        if value is not None and limit:
            needs, opt_bytes = _SIZES.unpack_from(value, _SIZES_AT)
            if needs == CUT:
                return self._cut(value, key.name_end, opt_bytes, limit)
            if needs > limit:
                value = None
        if value is None and limit:
            value = self._kept(key.of(wire, limit), tick)
        if value is None:
            return None
        return value[STAMP.size + 2 * value[9] :], self._counted(value)

    def _cut(self, value: bytes, name_end: int, opt_bytes: int, limit: int) -> tuple[bytes, list[int]]:
        """As the general path truncates: as many records as fit, then OPT."""
        body = value[STAMP.size + 2 * value[9] :]
        records_end = len(body) - opt_bytes
        # Behind the header lies the name, which is left out here, then type and class.
        room = limit - (name_end - 10) - opt_bytes
        count, end = cut_records(body, 14, records_end, room)
        return body[:4] + count.to_bytes(2) + body[6:end] + body[records_end:], self._counted(value)

    def _counted(self, value: bytes) -> list[int]:
        cell = self._hits[value[8]]
        cell[0] += 1
        return cell

    def _kept(self, key: bytes, tick: int) -> bytes | None:
        """The entry under the key, aged to `tick`."""
        key = self._prefix + key
        value = self._store.get(key)
        if value is None:
            return None
        made, until, _, count, _, _ = STAMP.unpack_from(value)
        if made != tick:
            if not made < tick < until:
                return None
            value = _aged(value, STAMP.size + 2 * count, tick)
            self._store.replace(key, value)
        return value

    def place(self) -> tuple[Generations[bytes], bytes]:
        """Where replies are kept, and what their keys begin with: for stores.pyx."""
        return self._store, self._prefix

    @property
    def make_cookie(self) -> MakeCookie | None:
        """None: no cookies."""
        return self._make_cookie

    @property
    def hits(self) -> list[list[int]]:
        """Replies given so far, by the rule's place in RULES; shared by all memos."""
        return self._hits

    def remember(
        self,
        wire: bytes,
        packet: bytes,
        reply: Reply,
        heard: Sequence[Heard],
        tick: int,
        at_most: bool = False,
    ) -> None:
        """Keep the finished `packet` that answered `wire`, if and as long as it is what the general path would say.

        `at_most`: it was made for the largest limit, whatever `wire` offers.
        """
        seconds = steady_s(reply, heard, tick)
        found = self._keyed(wire) if seconds > 0 else None
        if found is None:
            return
        memo, key = found
        if (
            key.cookie
            and self._make_cookie is not None
            and packet[-COOKIE_REPLY_BYTES - 4 : -COOKIE_REPLY_BYTES] != COOKIE_HEAD
        ):
            return
        places = [place for place in ttl_places(packet) if not _is_steady(reply, place)]
        own_steady_s = reply.steady_s if heard else 0
        seconds = reply_lifetime(seconds, own_steady_s, min([ttl for _, _, ttl, _ in places], default=seconds))
        if seconds <= 0 or len(places) > 255 or (places and places[-1][3] > 0xFFFF):
            return
        offsets = b"".join([(offset - key.name_end + 10).to_bytes(2) for _, _, _, offset in places])
        limit = limit_of(wire, key.name_end, memo.most)
        needs, opt_bytes = 0, 0
        if limit and is_complete(packet, reply):
            limit, needs = 0, len(packet)
        elif packet[2] & TC_BIT and (at_most or limit == memo.most):
            limit, needs, opt_bytes = 0, CUT, len(packet) - answer_end(packet)
        stamp = STAMP.pack(tick, tick + seconds, PLACES[reply.rule], len(places), needs, opt_bytes)
        memo._store.put(memo._prefix + key.of(wire, limit), stamp + offsets + packet[2:12] + packet[key.name_end :])


def _is_steady(reply: Reply, place: tuple[int, int, int, int]) -> bool:
    section, rtype, _, _ = place
    if reply.rule is Rule.GATEWAY_DOWN:
        return reply.steady_s > 0 and section == 1
    return reply.rule in LOCAL or (reply.steady_s > 0 and section == 0 and rtype == RRType.AAAA)


def _aged(value: bytes, start: int, tick: int) -> bytes:
    """The same entry with its TTLs as they are at `tick`; once a second at most for every entry."""
    out = bytearray(value)
    age = tick - _TTL.unpack_from(value)[0]
    for (offset,) in _OFFSET.iter_unpack(value[STAMP.size : start]):
        _TTL.pack_into(out, start + offset, _TTL.unpack_from(out, start + offset)[0] - age)
    _TTL.pack_into(out, 0, tick)
    return bytes(out)
