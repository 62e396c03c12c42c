# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""generations.py compiled, and what the miss path keeps and looks up: the cache's and the memo's entries as bytes.

The entries are those of cache/answers.py and cache/reply_cache.py, written and read without them.

Twin: cache/generations.py, cache/answers.py, formats/reply_key.py.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc
from libc.string cimport memchr, memcmp, memcpy

from kun_dns64.cache import answers, generations as plain, reply_cache
from kun_dns64.fastpath cimport layout
from kun_dns64.fastpath.layout cimport ANSWER_STAMP, HEADER, OPT_TAIL, REPLY_STAMP, put32, u16, u32
from kun_dns64.formats import options, reply_key, reply_size, wire as wire_rules
from kun_dns64.formats.reply_size cimport offered
from kun_dns64.model.question import RRType
from kun_dns64.policy import lifetime as lifetime_rules
from kun_dns64.policy.lifetime cimport due_age

# The head of an entry, what its block is rounded up by, and its slot in a table that has just grown; as measured.
ENTRY_BYTES = 64
cdef Py_ssize_t OVERHEAD = ENTRY_BYTES, FORGET_AT_ONCE = plain.FORGET_AT_ONCE
cdef long PREFETCH_PART = lifetime_rules.PREFETCH_PART
cdef bytes WITH_COOKIE = reply_key.WITH_COOKIE
cdef int FIRST_FLAGS = reply_key.FIRST_FLAGS, SECOND_FLAGS = reply_key.SECOND_FLAGS, DO_BIT = reply_key.DO_BIT


def check_layout(**found):
    """Compare the constants of layout.pxd with those of the Python side. Raises ImportError where one differs."""
    cdef dict own = {
        "HEADER": layout.HEADER, "OPT_TAIL": layout.OPT_TAIL, "QUESTION_TAIL": layout.QUESTION_TAIL,
        "ANSWER_STAMP": layout.ANSWER_STAMP, "REPLY_STAMP": layout.REPLY_STAMP, "CUT": layout.CUT,
        "COOKIE_OPTION": layout.COOKIE_OPTION, "CLIENT_COOKIE": layout.CLIENT_COOKIE,
        "LEAST_FULL_COOKIE": layout.LEAST_FULL_COOKIE, "MOST_FULL_COOKIE": layout.MOST_FULL_COOKIE,
        "PLAIN_UDP": layout.PLAIN_UDP, "OWN_PAYLOAD": layout.OWN_PAYLOAD, "MAX_TTL": layout.MAX_TTL,
        "A": layout.A, "NS": layout.NS, "SOA": layout.SOA, "AAAA": layout.AAAA, "OPT": layout.OPT,
    }
    wrong = [f"{name} is {own[name]} in fastpath/layout.pxd" for name in own if own[name] != found.get(name)]
    if wrong:
        raise ImportError("; ".join(wrong) + ": not as the Python files have it")


LAYOUT = {
    "HEADER": wire_rules.HEADER_SIZE, "OPT_TAIL": reply_key.PLAIN_TAIL, "QUESTION_TAIL": wire_rules.QTAIL.size,
    "ANSWER_STAMP": answers.STAMP.size, "REPLY_STAMP": reply_cache.STAMP.size, "CUT": reply_cache.CUT,
    "COOKIE_OPTION": options.COOKIE, "CLIENT_COOKIE": options.CLIENT_COOKIE,
    "LEAST_FULL_COOKIE": options.LEAST_FULL_COOKIE, "MOST_FULL_COOKIE": options.MOST_FULL_COOKIE,
    "PLAIN_UDP": reply_size.PLAIN_UDP, "OWN_PAYLOAD": wire_rules.OWN_PAYLOAD, "MAX_TTL": lifetime_rules.MAX_TTL,
    **{name: int(RRType[name]) for name in ("A", "NS", "SOA", "AAAA", "OPT")},
}
check_layout(**LAYOUT)


include "packed_table.pxi"


cdef class Generations:
    """At most `max_entries` entries and about `max_bytes` bytes, keys, values and ENTRY_BYTES each counted.

    Values are bytes, and what is given is a copy.
    """

    def __init__(self, max_entries, max_bytes, weigh):
        self._half_entries, self._half_bytes = max_entries // 2, max_bytes // 2
        # None: of bytes their number, without a call.
        self._weigh = None if weigh is len else weigh
        self.clear()

    cdef Py_ssize_t weight(self, Entry *entry) except -1:
        cdef Py_ssize_t own = entry.size if self._weigh is None else self._weigh(value_in(entry))
        return entry.key_size + own + OVERHEAD

    cpdef bytes get(self, bytes key):
        cdef unsigned int hashed = hash_of(key)
        cdef Py_ssize_t at = self.young.find(key, hashed)
        cdef Entry *entry
        cdef bytes value
        if at >= 0:
            return value_in(self.young.entries[at])
        at = self.old.find(key, hashed)
        if at < 0:
            return None
        entry = self.old.entries[at]
        value = value_in(entry)
        self._bytes_old -= self.weight(entry)
        self.insert(self.old.take(at), hashed)
        return value

    def peek(self, bytes key):
        """As `get`, without counting as use."""
        cdef unsigned int hashed = hash_of(key)
        cdef Table table
        for table in (self.young, self.old):
            at = table.find(key, hashed)
            if at >= 0:
                return value_in(table.entries[<Py_ssize_t>at])
        return None

    def keys(self):
        """Return every key, the lately used ones first."""
        return [*self._young, *self._old]

    def __contains__(self, bytes key):
        """Whether `get` would find something; it does not count as use."""
        return self.has(key)

    cdef bint has(self, bytes key) except -1:
        cdef unsigned int hashed = hash_of(key)
        return self.young.find(key, hashed) >= 0 or self.old.find(key, hashed) >= 0

    cpdef put(self, bytes key, bytes value):
        cdef unsigned int hashed = hash_of(key)
        self.remove(key, hashed)
        self.insert(new_entry(key, value), hashed)

    cpdef replace(self, bytes key, bytes value):
        """Another value of the same weight for a key that `get` has just found."""
        cdef unsigned int hashed = hash_of(key)
        cdef Py_ssize_t at = self.young.find(key, hashed)
        cdef Entry *entry = self.young.entries[at] if at >= 0 else NULL
        if entry != NULL and entry.size == PyBytes_GET_SIZE(value):
            memcpy(bytes_of(entry) + entry.key_size, PyBytes_AS_STRING(value), entry.size)
            return
        if entry != NULL:
            PyMem_Free(self.young.take(at))
        self.young.add(new_entry(key, value), hashed)

    cpdef drop(self, bytes key):
        self.remove(key, hash_of(key))

    cdef int remove(self, bytes key, unsigned int hashed) except -1:
        cdef Py_ssize_t at = self.young.find(key, hashed)
        if at >= 0:
            self._bytes -= self.weight(self.young.entries[at])
            PyMem_Free(self.young.take(at))
            return 0
        at = self.old.find(key, hashed)
        if at >= 0:
            self._bytes_old -= self.weight(self.old.entries[at])
            PyMem_Free(self.old.take(at))
        return 0

    def clear(self):
        self.young, self.old, self._dying = Table(), Table(), []
        self._bytes = self._bytes_old = 0

    def retire(self):
        """`clear` without its pause: nothing is found any more, and the memory comes back with the next entries."""
        self._dying += [table for table in (self.old, self.young) if (<Table>table).count]
        self.young, self.old = Table(), Table()
        self._bytes = self._bytes_old = 0

    cdef int insert(self, Entry *entry, unsigned int hashed) except -1:
        """The entry is the store's from now on."""
        if self.young.count >= self._half_entries or self._bytes >= self._half_bytes:
            if not self._half_entries or not self._half_bytes:
                PyMem_Free(entry)
                return 0
            if self.old.count:
                self._dying.append(self.old)
            self.old, self.young = self.young, Table()
            self._bytes_old, self._bytes = self._bytes, 0
        self._bytes += self.weight(entry)
        self.young.add(entry, hashed)
        if self._dying:
            self.forget_some(self._dying[len(self._dying) - 1])
        return 0

    cdef int forget_some(self, Table dying) except -1:
        cdef Py_ssize_t i
        for i in range(FORGET_AT_ONCE):
            dying.free_last()
        if not dying.count:
            self._dying.pop()
        return 0

    @property
    def _young(self):
        """A copy, as its twin has it."""
        return self.young.copied()

    @property
    def _old(self):
        return self.old.copied()

    def __len__(self):
        return self.young.count + self.old.count

    @property
    def size_bytes(self):
        return self._bytes + self._bytes_old


cdef class MissStore:
    """A cache's answers for who has them as bytes. `stores`: as `Cache.stores` gives them."""

    def __init__(self, stores):
        self._data, self._failures, self._prefetch = stores

    cpdef find(self, bytes key, double now, bint exists=False):
        """(entry, age, steady seconds) of data that holds, 0 or less where it is due to be fetched anew.

        None: must be asked; False: `Cache.lookup` must say. `exists`: the name does, as has just been heard.
        """
        cdef const unsigned char *at
        cdef long age
        if len(self._failures) and key in self._failures:
            return False
        cdef bytes entry = self._data.get(key)
        if entry is None:
            return None if exists else self.unknown(key)
        at = <const unsigned char *>PyBytes_AS_STRING(entry)
        age = <long>now - u32(at)
        if age >= u32(at + 4):
            return None if exists else self.unknown(key)
        return entry, age, u32(at + 8) - age

    cdef object unknown(self, bytes key):
        """False where the name is known not to exist, as `cache.without_type` keeps it. No label has a zero in it."""
        cdef bytes nowhere = PyBytes_FromStringAndSize(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))
        cdef char *at = PyBytes_AS_STRING(nowhere)
        cdef char *root = <char *>memchr(at, 0, PyBytes_GET_SIZE(nowhere))
        root[1] = root[2] = 0
        return False if self._data.has(nowhere) else None

    cdef bint has(self, bytes key) except -1:
        """Whether there is data of any age, or a failure: what may be said of it is `Cache.lookup`'s."""
        return self._data.has(key) or (len(self._failures) and key in self._failures)

    cpdef put_off(self, bytes key, bytes entry, long age):
        """`Cache.put_off` for an entry that `find` has just found, so old."""
        cdef bytes made = PyBytes_FromStringAndSize(PyBytes_AS_STRING(entry), PyBytes_GET_SIZE(entry))
        put32(<unsigned char *>PyBytes_AS_STRING(made) + 8, age + 1)
        self._data.replace(key, made)

    cpdef long keep(self, bytes key, bytes packed, long lifetime, double now) except -1:
        """`Cache.store` for an answer heard now that is packed already; for how long `lookup` will say the same."""
        if len(self._failures):
            self._failures.drop(key)
        if lifetime <= 0:
            self._data.drop(key)
            return 0
        cdef long due = due_age(lifetime, PREFETCH_PART) if self._prefetch else lifetime
        cdef bytes entry = PyBytes_FromStringAndSize(NULL, ANSWER_STAMP + PyBytes_GET_SIZE(packed))
        cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(entry)
        put32(out, <unsigned long>now)
        put32(out + 4, lifetime)
        put32(out + 8, due)
        memcpy(out + ANSWER_STAMP, PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))
        self._data.put(key, entry)
        return due


cdef int limit_of(bytes wire, Py_ssize_t end, int most):
    """As formats/reply_key.py has it."""
    cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(wire)
    if not most or PyBytes_GET_SIZE(wire) < end + 13 or not has_opt(at, at + end + 4):
        return 0
    return offered(u16(at + end + 7), most)


cdef inline bint has_opt(const unsigned char *at, const unsigned char *opt) noexcept:
    return not memcmp(at + 6, <char *>b"\0\0\0\0\0\1", 6) and not memcmp(opt, <char *>b"\0\0\x29", 3)


cdef bytes write_key(bytes prefix, bytes wire, bytes lower, Py_ssize_t end, Py_ssize_t until, bytes mark, int limit):
    """As `plain_key` of formats/reply_key.py, between `prefix` and `mark`. `lower`: the name in lower case."""
    cdef Py_ssize_t first = PyBytes_GET_SIZE(prefix), tail = until - end, marked = PyBytes_GET_SIZE(mark)
    cdef Py_ssize_t named = PyBytes_GET_SIZE(lower)
    cdef const unsigned char *at = <const unsigned char *>PyBytes_AS_STRING(wire)
    cdef bytes made = PyBytes_FromStringAndSize(NULL, first + 10 + named + tail + marked)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(made)
    memcpy(out, PyBytes_AS_STRING(prefix), first)
    out += first
    memcpy(out, at + 2, 10)
    out[0] &= FIRST_FLAGS
    out[1] &= SECOND_FLAGS
    memcpy(out + 10, PyBytes_AS_STRING(lower), named)
    out += 10 + named
    memcpy(out, at + end, tail)
    if tail >= 13 and has_opt(at, at + end + 4):
        out[7], out[8], out[9] = limit >> 8, limit & 0xFF, 0
        out[11] &= DO_BIT
        out[12] = 0
    memcpy(out + tail, PyBytes_AS_STRING(mark), marked)
    return made


cpdef int keep_reply(
    Generations store, bytes prefix, bytes wire, bytes lower, bint cookie, bytes packet, int rule, long seconds,
    bytes places, long tick,
) except -1:
    """`ReplyCache.remember` for who knows it all.

    `lower`: the name; `cookie`: whether it is the lone option; `rule`: its place; `places`: of the TTLs.
    """
    cdef Py_ssize_t end = PyBytes_GET_SIZE(lower) + HEADER
    cdef Py_ssize_t count = PyBytes_GET_SIZE(places) // 2, size = PyBytes_GET_SIZE(packet), rest = size - end
    # Nothing is left out of a reply that is made here; without OPT, none is larger than the client can take.
    cdef Py_ssize_t needs = size if PyBytes_GET_SIZE(wire) > end + 4 else 0
    if seconds <= 0 or count > 255:
        return 0
    cdef Py_ssize_t until = end + OPT_TAIL - 2 if cookie else PyBytes_GET_SIZE(wire)
    cdef bytes key = write_key(prefix, wire, lower, end, until, WITH_COOKIE if cookie else b"", 0)
    cdef bytes entry = PyBytes_FromStringAndSize(NULL, REPLY_STAMP + 2 * count + 10 + rest)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(entry)
    put32(out, tick)
    put32(out + 4, tick + seconds)
    out[8], out[9] = rule, count
    out[10], out[11], out[12], out[13] = needs >> 8 & 0xFF, needs & 0xFF, 0, 0
    memcpy(out + REPLY_STAMP, PyBytes_AS_STRING(places), 2 * count)
    out += REPLY_STAMP + 2 * count
    memcpy(out, PyBytes_AS_STRING(packet) + 2, 10)
    memcpy(out + 10, PyBytes_AS_STRING(packet) + end, rest)
    store.put(key, entry)
    return 0
