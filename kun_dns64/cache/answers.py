"""What upstreams said, for as long as it holds: answers, denials, failures, and stale data for bad days.

Sources: RFC 2308 (denials), RFC 8020 (NXDOMAIN), RFC 9520 (failures), RFC 8767 (stale). Only what was heard is kept,
never what was made of it: synthesis happens anew for every answer, so a new policy or prefix shows at once.

Twin: fastpath/stores.pyx.
"""

from struct import Struct
from typing import Any

from kun_dns64.cache.generations import Generations
from kun_dns64.formats.packed_answer import is_longer, pack, unpack
from kun_dns64.model.message import Response
from kun_dns64.model.question import Question, Rcode
from kun_dns64.model.step import AskedFlags, FailureKind, Heard, UpstreamFailure
from kun_dns64.policy.denial import is_referral
from kun_dns64.policy.failure_memory import bare, weight
from kun_dns64.policy.lifetime import PREFETCH_PART, begin, due_age

# RFC 9520 section 3.2: at least a second, at most five minutes, longer with each failure in a row. A name whose servers
# are back must not stay away for as long again.
FAILURE_FIRST_S = 2.0
FAILURE_MAX_S = 30.0
# While no upstream of the group is up: the next question may be the one that finds one.
OUTAGE_MAX_S = 5.0
# RFC 8767 section 5: how long stale data is served before the upstreams are tried again.
STALE_RECHECK_S = 30.0
# Of the bytes a cache may hold: what failures may take.
FAILURES_SHARE = 8

ANSWERS = frozenset((Rcode.NOERROR, Rcode.NXDOMAIN))
# Arrival in seconds of the clock; lifetime; the age from which a use fetches the data anew.
STAMP = Struct("!III")
_ARRIVAL = 4
_KEY_TAIL = Struct("!HHB")
# Remembered until, for how long, what was heard, and when.
_Failure = tuple[float, float, Response | UpstreamFailure, float]
Stores = tuple[Generations[bytes], Generations[_Failure], bool]


class Cache:
    """Bounded by entries and bytes. All times are `now` of one monotonic clock, in seconds.

    Data ages by the whole seconds of that clock, all of it at the same ticks, so whatever is made of several answers
    ages at those ticks too. A key is the question without case, CD, DO, the client subnet sent along, and the group of
    upstreams. That a name does not exist is kept once, for all types (RFC 8020 section 2).
    """

    __slots__ = ("_data", "_failures", "_max_stale_s", "_max_ttl_s", "_prefetch", "_recovered_at")

    def __init__(
        self,
        max_entries: int = 500_000,
        max_bytes: int = 1 << 30,
        max_ttl_s: int = 86400,
        max_stale_s: int = 86400,
        prefetch: bool = True,
        store: type[Generations[Any]] = Generations,
    ) -> None:
        failures = max_bytes // FAILURES_SHARE
        self._data: Generations[bytes] = store(max_entries, max_bytes - failures, len)
        self._failures: Generations[_Failure] = Generations(max(64, max_entries // 8), failures, _weight)
        self._max_ttl_s = max_ttl_s
        self._max_stale_s = max_stale_s
        self._prefetch = prefetch
        self._recovered_at: dict[str, float] = {}

    def recovered(self, group: str, now: float) -> None:
        """An upstream of the group is back: what could not be asked there until now is a failure no more.

        What an upstream has said itself, a SERVFAIL for one name, stays as long as it would.
        """
        self._recovered_at[group] = now

    def _failure(self, key: bytes, group: str) -> _Failure | None:
        """What failed last, unless the reason is gone."""
        failure = self._failures.get(key) if len(self._failures) else None
        if failure is None or not isinstance(failure[2], UpstreamFailure):
            return failure
        if failure[3] > self._recovered_at.get(group, failure[3] - 1.0):
            return failure
        self._failures.drop(key)
        return None

    def lookup(self, question: Question, flags: AskedFlags, group: str, now: float, most: int = 0) -> Heard | None:
        """What can be said without asking: fresh data, or while a failure is remembered stale data or the failure.

        `most`: records of an answer that are enough (`Heard.cut`); 0: all.
        """
        key = key_of(question, flags, group)
        failure = self._failure(key, group)
        tick = int(now)
        _, packed = self._entry(question, key, tick)
        if packed is not None:
            arrival, lifetime, due = STAMP.unpack_from(packed)
            age = tick - arrival
            if age < lifetime:
                steady_s = due - age
                if steady_s <= 0 and failure is not None and now < failure[0]:
                    steady_s = 1
                packed = packed[STAMP.size :]
                cut = most > 0 and is_longer(packed, most)
                response = unpack(question, packed, age, most if cut else 0)
                refresh, steady_s = steady_s <= 0, max(0, steady_s)
                return Heard(question, response, cached=True, refresh=refresh, steady_s=steady_s, tick=tick, cut=cut)
            if failure is not None and age < lifetime + self._max_stale_s:
                return self._stale_again(key, question, packed, failure, now, most)
        if failure is not None and now < failure[0]:
            return Heard(
                question, _remembered(failure[2]), cached=True, steady_s=_failure_steady_s(failure, now), tick=tick
            )
        return None

    def _entry(self, question: Question, key: bytes, tick: int) -> tuple[bytes, bytes | None]:
        """What is known, and under which key: of the type, unless the name is known not to exist since later."""
        own = self._data.get(key)
        if own is not None:
            arrival, lifetime, _ = STAMP.unpack_from(own)
            if tick - arrival < lifetime:
                return key, own
        nowhere = without_type(key, len(question.name))
        absent = self._data.get(nowhere)
        if absent is None or (own is not None and own[:_ARRIVAL] > absent[:_ARRIVAL]):
            return key, own
        return nowhere, absent

    def _due(self, lifetime: int) -> int:
        """The age from which a use of the data fetches it anew."""
        return due_age(lifetime, PREFETCH_PART) if self._prefetch else lifetime

    def put_off(self, question: Question, flags: AskedFlags, group: str, now: float) -> None:
        """No `refresh` before the next tick: it is on its way, or must wait."""
        key, packed = self._entry(question, key_of(question, flags, group), int(now))
        if packed is not None:
            arrival, lifetime, _ = STAMP.unpack_from(packed)
            self._data.put(key, STAMP.pack(arrival, lifetime, int(now) - arrival + 1) + packed[STAMP.size :])

    def _stale_again(
        self, key: bytes, question: Question, packed: bytes, failure: _Failure, now: float, most: int
    ) -> Heard:
        """One background try per recheck time (RFC 8767 section 5); this hint is it."""
        due = now >= failure[0]
        if due:
            self._failures.put(key, (now + STALE_RECHECK_S, failure[1], failure[2], now))
            return _stale(question, packed, most, refresh=True)
        return _stale(question, packed, most)._replace(steady_s=_failure_steady_s(failure, now), tick=int(now))

    def stale(self, question: Question, flags: AskedFlags, group: str, now: float) -> Heard | None:
        """Expired data that may still be served when the upstreams fail or are too slow (RFC 8767 section 5)."""
        _, packed = self._entry(question, key_of(question, flags, group), int(now))
        if packed is None:
            return None
        arrival, lifetime, _ = STAMP.unpack_from(packed)
        age = int(now) - arrival
        if age < lifetime:
            return Heard(question, unpack(question, packed[STAMP.size :], age), cached=True)
        return _stale(question, packed) if age < lifetime + self._max_stale_s else None

    def steady_s(self, question: Question, flags: AskedFlags, group: str, now: float) -> int:
        """What `lookup` would put into `Heard.steady_s`, for an answer that was stored a moment ago."""
        _, packed = self._entry(question, key_of(question, flags, group), int(now))
        if packed is None:
            return 0
        arrival, _, due = STAMP.unpack_from(packed)
        steady_s: int = due - (int(now) - arrival)
        return max(0, steady_s)

    def store(
        self,
        question: Question,
        flags: AskedFlags,
        group: str,
        outcome: Response | UpstreamFailure,
        now: float,
        outage: bool = False,
    ) -> None:
        """Remember a reply or a failure heard at `now`. A failure leaves stale data where it is.

        `outage`: no upstream of the group is up.
        """
        key = key_of(question, flags, group)
        if is_failure(outcome):
            longest_s = OUTAGE_MAX_S if outage else FAILURE_MAX_S
            self._store_failure(question, key, group, outcome, now, longest_s)
            return
        assert isinstance(outcome, Response)
        self._failures.drop(key)
        nowhere = without_type(key, len(question.name))
        if outcome.rcode == Rcode.NXDOMAIN and not outcome.answer:
            self._data.drop(key)
            key = nowhere
        else:
            self._data.drop(nowhere)
        begun, lifetime = begin(question, outcome, self._max_ttl_s)
        packed = pack(question, begun) if lifetime > 0 else None
        if packed is None:
            self._data.drop(key)
        else:
            self._data.put(key, STAMP.pack(int(now), lifetime, self._due(lifetime)) + packed)

    def _store_failure(
        self,
        question: Question,
        key: bytes,
        group: str,
        outcome: Response | UpstreamFailure,
        now: float,
        longest_s: float,
    ) -> None:
        outcome = bare(outcome)
        before = self._failure(key, group)
        _, packed = self._entry(question, key, int(now))
        if packed is not None:
            arrival, lifetime, _ = STAMP.unpack_from(packed)
            if int(now) - arrival < lifetime + self._max_stale_s:
                self._failures.put(key, (now + STALE_RECHECK_S, FAILURE_FIRST_S, outcome, now))
                return
        in_a_row = before is not None and now < before[0] + FAILURE_MAX_S
        delay = min(before[1] * 2, longest_s) if before is not None and in_a_row else FAILURE_FIRST_S
        self._failures.put(key, (now + delay, delay, outcome, now))

    def settle(
        self,
        question: Question,
        flags: AskedFlags,
        group: str,
        outcome: Response | UpstreamFailure,
        now: float,
        upstream: str = "",
        rtt_s: float = 0.0,
    ) -> Heard:
        """Store, and say what `next_step` should hear: the outcome, or stale data in place of a failure."""
        self.store(question, flags, group, outcome, now)
        if is_failure(outcome):
            stale = self.stale(question, flags, group, now)
            return stale or Heard(question, outcome, upstream=upstream, rtt_s=rtt_s)
        steady_s = self.steady_s(question, flags, group, now)
        return Heard(question, outcome, upstream=upstream, rtt_s=rtt_s, steady_s=steady_s, tick=int(now))

    def stores(self) -> Stores:
        """Data by key, failures by key, and whether data is fetched anew before it ends: for stores.pyx."""
        return self._data, self._failures, self._prefetch

    def clear(self) -> None:
        """Forget answers and failures."""
        self._data.clear()
        self._failures.clear()

    def __len__(self) -> int:
        return len(self._data)

    @property
    def size_bytes(self) -> int:
        """Of all that is kept, failures too."""
        return self._data.size_bytes + self._failures.size_bytes


def is_failure(outcome: Response | UpstreamFailure) -> bool:
    """No reply, an error code, or a referral: nothing that says what data there is."""
    if isinstance(outcome, UpstreamFailure):
        return True
    return outcome.rcode not in ANSWERS or is_referral(outcome)


def key_of(question: Question, flags: AskedFlags, group: str) -> bytes:
    """Equal for equal questions that are put alike: what is kept and what is out goes by it."""
    tail = _KEY_TAIL.pack(question.qtype, question.qclass, flags.cd | flags.do << 1)
    key = question.name.lower() + tail
    return key + flags.subnet + b"/" + group.encode() if group or flags.subnet else key


def without_type(key: bytes, name_bytes: int) -> bytes:
    """The key under which a name is kept that does not exist: there is no type 0."""
    return key[:name_bytes] + b"\x00\x00" + key[name_bytes + 2 :]


def _stale(question: Question, packed: bytes, most: int = 0, refresh: bool = False) -> Heard:
    """With its first TTLs: `next_step` gives stale data the one it may have."""
    packed = packed[STAMP.size :]
    cut = most > 0 and is_longer(packed, most)
    response = unpack(question, packed, 0, most if cut else 0)
    return Heard(question, response, stale=True, cached=True, refresh=refresh, cut=cut)


def _failure_steady_s(failure: _Failure, now: float) -> int:
    """One tick at most: an answer may still come late and end the failure."""
    return min(1, int(failure[0]) - int(now))


def _weight(failure: _Failure) -> int:
    return weight(failure[2])


def _remembered(outcome: Response | UpstreamFailure) -> Response | UpstreamFailure:
    if isinstance(outcome, Response) or outcome.cached:
        return outcome
    return UpstreamFailure(FailureKind(outcome.kind), outcome.detail, cached=True)
