# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
"""generations.py compiled, and what the miss path keeps and looks up: the cache's and the memo's entries as octets.

`Generations` is the plain one's twin. The entries are those of cache.py and memo.py, written and read without them.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.math cimport ceil
from libc.string cimport memcpy

from kun_dns64.cache import answers as cache_rules
from kun_dns64.cache import generations as plain

cdef enum:
    STAMP = 12  # of cache.py: arrival, lifetime, the age from which it is due
    MEMO_STAMP = 10  # of memo.py: tick, until, rule, number of TTLs
    PLAIN_TAIL = 13  # of a key with a cookie: type, class, OPT up to the options' length

cdef Py_ssize_t ENTRY_OCTETS = plain.ENTRY_OCTETS, FORGET_AT_ONCE = plain.FORGET_AT_ONCE
cdef double PREFETCH_SHARE = cache_rules.PREFETCH_SHARE
cdef bytes WITH_COOKIE = b"\xff\xff\x01"


cdef class Generations:
    """At most `max_entries` entries and about `max_octets` octets, keys, values and ENTRY_OCTETS each counted."""

    def __init__(self, max_entries, max_octets, weigh):
        self._half_entries, self._half_octets = max(1, max_entries // 2), max(1, max_octets // 2)
        # None: of octets their number, without a call.
        self._weigh = None if weigh is len else weigh
        self.clear()

    cdef Py_ssize_t weight(self, bytes key, value) except -1:
        cdef Py_ssize_t own = len(value) if self._weigh is None else self._weigh(value)
        return PyBytes_GET_SIZE(key) + own + ENTRY_OCTETS

    cpdef get(self, bytes key):
        value = self._young.get(key)
        if value is None and self._old:
            value = self._old.pop(key, None)
            if value is not None:
                self._octets_old -= self.weight(key, value)
                self.insert(key, value)
        return value

    def __contains__(self, bytes key):
        """Whether `get` would find something; it does not count as use."""
        return key in self._young or key in self._old

    cpdef put(self, bytes key, value):
        cdef dict young = self._young
        cdef Py_ssize_t before = len(young)
        if self._old or self._dying or before >= self._half_entries or self._octets >= self._half_octets:
            if key in young or key in self._old:
                self.drop(key)
            self.insert(key, value)
            return
        # Mostly the key is new: one look-up in a table that no cache of the processor holds.
        known = young.setdefault(key, value)
        if len(young) == before:
            self._octets -= self.weight(key, known)
            young[key] = value
        self._octets += self.weight(key, value)

    cpdef replace(self, bytes key, value):
        """Another value of the same weight for a key that `get` has just found."""
        self._young[key] = value

    cpdef drop(self, bytes key):
        value = self._young.pop(key, None)
        if value is not None:
            self._octets -= self.weight(key, value)
            return
        value = self._old.pop(key, None)
        if value is not None:
            self._octets_old -= self.weight(key, value)

    def clear(self):
        self._young, self._old, self._dying = {}, {}, []
        self._octets = self._octets_old = 0

    def retire(self):
        """`clear` without its pause: nothing is found any more, and the memory comes back with the next entries."""
        self._dying += [entries for entries in (self._old, self._young) if entries]
        self._young, self._old = {}, {}
        self._octets = self._octets_old = 0

    cdef int insert(self, bytes key, value) except -1:
        if len(self._young) >= self._half_entries or self._octets >= self._half_octets:
            if self._old:
                self._dying.append(self._old)
            self._old, self._young = self._young, {}
            self._octets_old, self._octets = self._octets, 0
        self._young[key] = value
        self._octets += self.weight(key, value)
        if self._dying:
            self.forget_some(self._dying[len(self._dying) - 1])
        return 0

    cdef int forget_some(self, dict dying) except -1:
        cdef Py_ssize_t i
        for i in range(min(FORGET_AT_ONCE, len(dying))):
            dying.popitem()
        if not dying:
            self._dying.pop()
        return 0

    def __len__(self):
        return len(self._young) + len(self._old)

    @property
    def octets(self):
        return self._octets + self._octets_old


cdef inline void put32(unsigned char *at, unsigned long value) noexcept:
    at[0], at[1], at[2], at[3] = value >> 24 & 0xFF, value >> 16 & 0xFF, value >> 8 & 0xFF, value & 0xFF


cdef inline long u32(const unsigned char *at) noexcept:
    return <long>at[0] << 24 | at[1] << 16 | at[2] << 8 | at[3]


cdef class MissStore:
    """A cache's answers for who has them as octets. `stores`: as `Cache.stores` gives them."""

    def __init__(self, stores):
        self._data, self._failures, self._prefetch = stores

    cpdef find(self, bytes key, double now):
        """(entry, age, steady seconds) of data that holds, 0 or less where it is due to be fetched anew.

        None: must be asked; False: `Cache.lookup` must say.
        """
        cdef const unsigned char *at
        cdef long age
        if len(self._failures) and key in self._failures:
            return False
        cdef bytes entry = self._data.get(key)
        if entry is None:
            return None
        at = <const unsigned char *>PyBytes_AS_STRING(entry)
        age = <long>now - u32(at)
        if age >= u32(at + 4):
            return None
        return entry, age, u32(at + 8) - age

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
        cdef long due = lifetime
        if self._prefetch and lifetime > 1:
            due = lifetime - <long>ceil(lifetime * PREFETCH_SHARE) + 1
        cdef bytes entry = PyBytes_FromStringAndSize(NULL, STAMP + PyBytes_GET_SIZE(packed))
        cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(entry)
        put32(out, <unsigned long>now)
        put32(out + 4, lifetime)
        put32(out + 8, due)
        memcpy(out + STAMP, PyBytes_AS_STRING(packed), PyBytes_GET_SIZE(packed))
        self._data.put(key, entry)
        return due


cpdef int keep_reply(
    Generations store, bytes prefix, bytes wire, Py_ssize_t end, bytes cookie, bytes packet, int rule, long seconds,
    bytes places, long tick,
) except -1:
    """`Memo.remember` for who knows it all. `cookie`: the lone option; `rule`: its place; `places`: of the TTLs."""
    cdef Py_ssize_t count = PyBytes_GET_SIZE(places) // 2, rest = PyBytes_GET_SIZE(packet) - end
    if seconds <= 0 or count > 255:
        return 0
    cdef bytes tail = wire[end : end + PLAIN_TAIL] + WITH_COOKIE if cookie else wire[end:]
    cdef bytes key = prefix + wire[2:12] + wire[12:end].lower() + tail
    cdef bytes entry = PyBytes_FromStringAndSize(NULL, MEMO_STAMP + 2 * count + 10 + rest)
    cdef unsigned char *out = <unsigned char *>PyBytes_AS_STRING(entry)
    put32(out, tick)
    put32(out + 4, tick + seconds)
    out[8], out[9] = rule, count
    memcpy(out + MEMO_STAMP, PyBytes_AS_STRING(places), 2 * count)
    out += MEMO_STAMP + 2 * count
    memcpy(out, PyBytes_AS_STRING(packet) + 2, 10)
    memcpy(out + 10, PyBytes_AS_STRING(packet) + end, rest)
    store.put(key, entry)
    return 0
