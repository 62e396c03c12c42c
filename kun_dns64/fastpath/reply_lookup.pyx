# cython: language_level=3, boundscheck=False, wraparound=False, initializedcheck=False
"""`ReplyLookup.udp` compiled: the finished reply to a packet seen this second, or kept for one like it.

It reads and ages what the memos keep; packets with other options than a cookie are the memos' own.

Twin: serving/reply_lookup.py, cache/reply_cache.py.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memchr, memcpy

from kun_dns64.formats import reply_key
from kun_dns64.fastpath.client_lookup cimport ClientLookup
from kun_dns64.fastpath.layout cimport (
    COOKIE_OPTION, CUT, HEADER, OPT_TAIL, REPLY_STAMP, is_cookie_size, put32, u16, u32,
)
from kun_dns64.fastpath.stores cimport Generations, limit_of, write_key
from kun_dns64.fastpath.system cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef enum:
    # Of what was said this second: what an entry takes beside its bytes.
    HOT_ENTRY = 250

cdef Py_ssize_t COOKIE_REPLY_BYTES = reply_key.COOKIE_REPLY_BYTES
cdef bytes WITH_COOKIE = reply_key.WITH_COOKIE, NO_OPTIONS = b""


cdef bytes aged(bytes value, long tick):
    """As cache/reply_cache.py does it: the same entry with its TTLs as they are at `tick`.

    Here because a second begins with as many as there are names in use, and nobody is answered meanwhile.
    """
    cdef bytes made = PyBytes_FromStringAndSize(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(made)
    cdef unsigned char *ttl
    cdef long age = tick - u32(out), count = out[9], i
    for i in range(count):
        ttl = out + REPLY_STAMP + 2 * count + u16(out + REPLY_STAMP + 2 * i)
        put32(ttl, u32(ttl) - age)
    put32(out, tick)
    return made


cdef class Second:
    """What all readers keep of this second: its end empties those that are not asked again, too.

    `most`: bytes, of all memos together.
    """

    cdef long tick
    cdef Py_ssize_t size_bytes, most
    cdef list filled

    cdef int turn(self, long tick) except -1:
        cdef ReplyReader reader
        for reader in self.filled:
            reader.hot = {}
        self.tick, self.size_bytes, self.filled = tick, 0, []
        return 0


cdef class ReplyReader:
    """One memo's. What was said this second is kept by packet, as the memo does."""

    cdef object memo, make_cookie
    cdef Generations store
    cdef bytes prefix
    cdef list hits
    cdef dict hot
    cdef Second second
    cdef int most

    cdef object quick(self, bytes wire, long tick, source):
        cdef tuple said
        cdef list cell
        cdef bytes rest = wire[2:], name, lower, value, reply
        cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(wire)
        cdef const unsigned char *kept
        cdef const unsigned char *root
        cdef Py_ssize_t size = PyBytes_GET_SIZE(wire), end, start
        if tick != self.second.tick:
            self.second.turn(tick)
        found = self.hot.get(rest)
        if found is not None:
            said = found
            cell = said[1]
            cell[0] += 1
            return wire[:2] + <bytes>said[0]
        root = <const unsigned char *>memchr(at + HEADER, 0, size - HEADER) if size > HEADER else NULL
        if root == NULL:
            return self.memo.quick(wire, tick, source)
        end = root - at + 1
        if size > end + OPT_TAIL:
            return self.with_cookie(wire, end, tick, source)
        name = wire[HEADER:end]
        lower = name.lower()
        value = self.found(wire, lower, end, size, NO_OPTIONS, tick)
        if value is None:
            return None
        if is_cut(value):
            return self.memo.quick(wire, tick, source)
        kept = <const unsigned char *>PyBytes_AS_STRING(value)
        cell = self.hits[kept[8]]
        cell[0] += 1
        start = REPLY_STAMP + 2 * kept[9]
        reply = with_name(kept + start, PyBytes_GET_SIZE(value) - start, at + HEADER, end - HEADER)
        if name == lower and self.second.size_bytes < self.second.most:  # a case made at random does not come again
            if not self.hot:
                self.second.filled.append(self)
            self.hot[rest] = reply, cell
            self.second.size_bytes += PyBytes_GET_SIZE(rest) + PyBytes_GET_SIZE(reply) + HOT_ENTRY
        return wire[:2] + reply

    cdef object with_cookie(self, bytes wire, Py_ssize_t end, long tick, source):
        """The reply to a packet with no option but a cookie; the memo knows the others."""
        cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(wire)
        cdef const unsigned char *kept
        cdef const unsigned char *opt = at + end + 4
        cdef Py_ssize_t size = PyBytes_GET_SIZE(wire) - end - OPT_TAIL, start
        cdef bytes value, reply, lower
        cdef list cell
        # As reply_key.lone_cookie: the options' length, COOKIE's code and length.
        if not is_cookie_size(size - 4):
            return self.memo.quick(wire, tick, source)
        if u16(opt + 9) != size or u16(opt + 11) != COOKIE_OPTION or u16(opt + 13) != size - 4:
            return self.memo.quick(wire, tick, source)
        if self.make_cookie is None:
            return self.memo.quick(wire, tick, source)
        lower = wire[HEADER:end].lower()
        value = self.found(wire, lower, end, end + OPT_TAIL - 2, WITH_COOKIE, tick)
        if value is None:
            return None
        if is_cut(value):
            return self.memo.quick(wire, tick, source)
        kept = <const unsigned char *>PyBytes_AS_STRING(value)
        cell = self.hits[kept[8]]
        cell[0] += 1
        start = REPLY_STAMP + 2 * kept[9]
        reply = with_name(
            kept + start, PyBytes_GET_SIZE(value) - start - COOKIE_REPLY_BYTES, at + HEADER, end - HEADER
        )
        return wire[:2] + reply + <bytes>self.make_cookie(wire[end + OPT_TAIL + 4 :], source)

    cdef bytes found(self, bytes wire, bytes lower, Py_ssize_t end, Py_ssize_t until, bytes mark, long tick):
        """The entry for packets like this one; where it is to be cut, the memo must do that."""
        cdef int limit = limit_of(wire, end, self.most), needs
        cdef bytes value = self.kept(write_key(self.prefix, wire, lower, end, until, mark, 0), tick)
        if not limit:
            return value
        if value is not None:
            needs = u16(<const unsigned char *>PyBytes_AS_STRING(value) + 10)
            if needs == CUT or needs <= limit:
                return value
        return self.kept(write_key(self.prefix, wire, lower, end, until, mark, limit), tick)

    cdef bytes kept(self, bytes key, long tick):
        """What stands under the key, aged to `tick`; None: the general path must answer."""
        cdef bytes value = self.store.get(key)
        cdef const unsigned char *stamp
        if value is None:
            return None
        stamp = <const unsigned char *>PyBytes_AS_STRING(value)
        if u32(stamp) == tick:
            return value
        if not u32(stamp) < tick < u32(stamp + 4):
            return None
        value = aged(value, tick)
        self.store.replace(key, value)
        return value


cdef inline bint is_cut(bytes value) noexcept:
    return u16(<const unsigned char *>PyBytes_AS_STRING(value) + 10) == CUT


cdef bytes with_name(const unsigned char *body, Py_ssize_t size, const unsigned char *name, Py_ssize_t length):
    """The body of a reply, which begins behind the id, with the question's name put in."""
    cdef bytes made = PyBytes_FromStringAndSize(NULL, size + length)
    cdef char *out = PyBytes_AS_STRING(made)
    memcpy(out, body, 10)
    memcpy(out + 10, name, length)
    memcpy(out + 10 + length, body + 10, size - 10)
    return made


cdef class CompiledReplyLookup:
    """One per worker. `memo_of(source)`: its memo for UDP, the same for many. `renew` when those are others."""

    cdef object _memo_of
    cdef dict _of_source, _of_memo, _of_class
    cdef ClientLookup _classes
    cdef Second _second
    cdef Py_ssize_t _most_hot, _most_sources

    def __init__(self, memo_of, hot_bytes, sources):
        """`hot_bytes`: of replies for the rest of the second. `sources`: how many are known at a time."""
        self._memo_of, self._most_hot, self._most_sources = memo_of, hot_bytes, sources
        self.renew()

    def renew(self, ClientLookup classes=None):
        """`classes` tells which sources have the same memo; without it each is looked up."""
        self._of_memo = {}
        self._classes = None
        self.forget_members(classes)
        self._second = Second.__new__(Second)
        self._second.tick, self._second.filled, self._second.most = -1, [], self._most_hot

    def forget_members(self, ClientLookup classes):
        """Other clients are in the classes: which one a source is in is looked up again. All replies stay.

        `classes` None: the same object tells it.
        """
        self._of_source, self._of_class = {}, {}
        if classes is not None:
            self._classes = classes

    def udp(self, bytes wire, source):
        """The finished reply to a datagram, if there is one."""
        cdef timespec now
        clock_gettime(CLOCK_MONOTONIC, &now)
        return self.at(wire, now.tv_sec, source)

    cpdef object at(self, bytes wire, long tick, source):
        """`udp` at this tick of the clock."""
        found = self._of_source.get(source)
        cdef ReplyReader reader = found if found is not None else self.reader_of(source)
        return reader.quick(wire, tick, source)

    cdef ReplyReader reader_of(self, source):
        cdef ReplyReader reader
        key = self._classes.key(source) if self._classes is not None and type(source) is bytes else None
        known = self._of_class.get(key) if key is not None else None
        if known is not None:
            reader = known
        else:
            memo = self._memo_of(source)
            found = self._of_memo.get(memo)
            reader = found if found is not None else self.made(memo)
            if key is not None:
                self._of_class[key] = reader
        if len(self._of_source) >= self._most_sources:
            self._of_source = {}
        self._of_source[source] = reader
        return reader

    cdef ReplyReader made(self, memo):
        cdef ReplyReader made = ReplyReader.__new__(ReplyReader)
        made.memo, made.make_cookie = memo, memo.make_cookie
        made.store, made.prefix = memo.place()
        made.hits, made.hot, made.second, made.most = memo.hits, {}, self._second, memo.most
        self._of_memo[memo] = made
        return made
