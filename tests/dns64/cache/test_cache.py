"""What is remembered, for how long, and what is said when upstreams fail (RFC 2308, 8767, 9520)."""

# ruff: noqa: E501 - a row stays on one line

import random
import weakref

import pytest

from kun_dns64.cache.answers import FAILURE_FIRST_S, FAILURE_MAX_S, OUTAGE_MAX_S, STALE_RECHECK_S, Cache
from kun_dns64.cache.generations import ENTRY_BYTES, Generations
from kun_dns64.model.message import Ede, Response
from kun_dns64.model.question import Question
from kun_dns64.model.step import AskedFlags, FailureKind, Heard, UpstreamFailure

from ..world import Outcome, answer, bare_nodata, error, lost, nodata, nxdomain, wire_name

Q = Question(wire_name("w.t.example"), 1)
FLAGS = AskedFlags()
A = answer("w 100 A 192.0.2.33")


def kept(outcome: Outcome, question: Question = Q, **more: int) -> Cache:
    cache = Cache(**more)
    cache.store(question, FLAGS, "", outcome, 1000.0)
    return cache


def at(cache: Cache, age: float, question: Question = Q, flags: AskedFlags = FLAGS, group: str = "") -> Heard | None:
    return cache.lookup(question, flags, group, 1000.0 + age)


def response(heard: Heard | None) -> Response:
    assert heard is not None
    assert isinstance(heard.outcome, Response)
    return heard.outcome


def test_ttls_age_and_then_the_data_is_gone() -> None:
    cache = kept(A)
    assert response(at(cache, 0)).answer == A.answer
    assert response(at(cache, 40.9)).answer[0].ttl == 60
    assert at(cache, 100) is None


@pytest.mark.parametrize(
    ("outcome", "lives"),
    [
        (nodata(300, 60), 60),
        (nodata(60, 300), 60),
        (nxdomain(300, 100), 100),
        (nodata(300, 300, "w 30 CNAME x"), 30),
        (answer("w 30 CNAME x\nx 100 A 192.0.2.33"), 30),
        (answer("w 100 A 192.0.2.33", "@ 10 NS ns"), 100),
        (nodata(3600, 60, "w 500 CNAME x\nevil 700 A 192.0.2.66"), 60),
        (nodata(3600, 60, "evil 700 A 192.0.2.66"), 60),
        (bare_nodata("evil 700 A 192.0.2.66"), 0),
        (bare_nodata(), 0),
        (bare_nodata("w 30 CNAME x"), 30),
        (nodata(300, 0), 0),
        (answer("w 0 A 192.0.2.33"), 0),
    ],
    ids=["minimum", "soa-ttl", "nxdomain", "chain-to-nothing", "chain", "authority", "off-chain", "off-name", "off-name-no-soa", "no-soa", "cname-no-soa", "min-0", "ttl-0"],
)  # fmt: skip
def test_how_long_answers_are_kept(outcome: Outcome, lives: int) -> None:
    cache = kept(outcome)
    assert (at(cache, 0) is not None) == (lives > 0)
    if lives:
        assert at(cache, lives - 0.01) is not None
        assert at(cache, lives) is None


def test_the_operators_longest_lifetime_counts() -> None:
    assert at(kept(A, max_ttl_s=50), 50) is None


def test_a_negative_ttl_is_counted_once() -> None:
    assert response(at(kept(nodata(300, 300)), 100)).authority[0].ttl == 200


def test_keys_fold_case_and_keep_apart_what_differs() -> None:
    cache = kept(A)
    upper = Question(Q.name.upper(), 1)
    assert response(at(cache, 0, upper)).answer[0].name == upper.name
    assert at(cache, 0, Question(Q.name, 28)) is None
    assert at(cache, 0, Question(Q.name, 1, 3)) is None
    assert at(cache, 0, flags=AskedFlags(cd=True)) is None
    assert at(cache, 0, flags=AskedFlags(do=True)) is None
    assert at(cache, 0, flags=AskedFlags(subnet=b"\x00\x01\x18\x00\x0a\x00\x00")) is None
    assert at(cache, 0, group="far") is None


def failed(cache: Cache, age: float, outcome: Outcome | None = None) -> Heard:
    return cache.settle(Q, FLAGS, "", outcome or lost(), 1000.0 + age)


def test_failures_are_remembered_a_little_longer_each_time() -> None:
    cache, age, delay = Cache(), 0.0, FAILURE_FIRST_S
    assert 1 <= FAILURE_FIRST_S <= FAILURE_MAX_S <= 300
    for _ in range(12):
        failed(cache, age)
        remembered = at(cache, age + delay - 0.01)
        assert remembered is not None
        assert remembered.cached
        assert isinstance(remembered.outcome, UpstreamFailure)
        age += delay
        assert at(cache, age) is None
        delay = min(delay * 2, FAILURE_MAX_S)
    assert delay == FAILURE_MAX_S


@pytest.mark.parametrize("outcome", [error(), error(5), error(2, (6,))])
def test_error_codes_are_failures(outcome: Response) -> None:
    cache = kept(outcome)
    remembered = response(at(cache, 1))
    assert (remembered.rcode, remembered.ede) == (outcome.rcode, outcome.ede)
    assert at(cache, FAILURE_FIRST_S) is None


def test_a_referral_is_remembered_as_the_failure_it_is() -> None:
    heard = at(kept(answer("", "@ 60 NS ns")), 1)
    assert heard is not None
    assert isinstance(heard.outcome, UpstreamFailure)
    assert (heard.outcome.kind, heard.cached) == (FailureKind.LAME, True)


def test_a_failure_keeps_what_a_reply_needs_and_no_more() -> None:
    said = error(2, (6,))._replace(
        answer=A.answer, authority=(*A.answer, *nodata().authority), additional=A.answer, ede=(Ede(6, "x" * 999),) * 9
    )
    remembered = response(at(kept(said), 1))
    assert remembered.authority == nodata().authority
    assert not remembered.answer + remembered.additional
    assert [len(ede.text) for ede in remembered.ede] == [200] * 3


def test_success_ends_the_row_of_failures() -> None:
    cache = Cache()
    failed(cache, 0)
    failed(cache, 5)
    cache.store(Q, FLAGS, "", answer("w 1 A 192.0.2.33"), 1010.0)
    cache.store(Q, FLAGS, "", answer("w 0 A 192.0.2.33"), 1012.0)
    failed(cache, 20)
    assert at(cache, 20 + FAILURE_FIRST_S) is None


def test_old_failures_do_not_count_for_ever() -> None:
    cache = Cache()
    failed(cache, 0)
    failed(cache, 2000)
    assert at(cache, 2000 + FAILURE_FIRST_S) is None


def test_expired_data_is_served_when_asking_failed() -> None:
    cache = kept(A)
    assert at(cache, 150) is None, "the upstreams are asked first"
    heard = failed(cache, 151)
    assert heard.stale
    assert response(heard).answer[0].rdata == A.answer[0].rdata
    again = at(cache, 152)
    assert again is not None
    assert (again.stale, again.refresh) == (True, False)


def test_stale_data_is_rechecked_once_per_recheck_time() -> None:
    cache = kept(A)
    failed(cache, 150)
    age = 150 + STALE_RECHECK_S
    hints = [heard.refresh for heard in (at(cache, age + step) for step in (0, 0.1, 1, 29)) if heard is not None]
    assert hints == [True, False, False, False]
    later = at(cache, age + STALE_RECHECK_S)
    assert later is not None
    assert later.refresh


def test_stale_data_is_steady_for_one_tick_and_not_when_its_recheck_is_due_in_it() -> None:
    cache = kept(A)
    failed(cache, 150.5)
    found = [at(cache, 150.5 + more) for more in (0.1, 1, STALE_RECHECK_S - 1, STALE_RECHECK_S - 0.1, STALE_RECHECK_S)]
    assert [heard.steady_s for heard in found if heard is not None] == [1, 1, 1, 0, 0]
    assert [heard.tick for heard in found[:3] if heard is not None] == [1150, 1151, 1179]


def test_fresh_data_ends_staleness() -> None:
    cache = kept(A)
    failed(cache, 150)
    cache.store(Q, FLAGS, "", A, 1160.0)
    heard = at(cache, 161)
    assert heard is not None
    assert not heard.stale


@pytest.mark.parametrize("fresh", [nxdomain(), nodata(), A], ids=["nxdomain", "nodata", "data"])
def test_every_real_answer_replaces_stale_data(fresh: Response) -> None:
    cache = kept(A)
    failed(cache, 150)
    heard = cache.settle(Q, FLAGS, "", fresh, 1160.0)
    assert (heard.stale, heard.outcome) == (False, fresh)
    assert response(at(cache, 161)).rcode == fresh.rcode


def test_an_answer_that_may_not_be_kept_still_replaces_stale_data() -> None:
    cache = kept(A)
    cache.store(Q, FLAGS, "", bare_nodata(), 1160.0)
    assert not failed(cache, 170).stale


@pytest.mark.parametrize("max_stale", [0, 500])
def test_stale_data_has_an_end(max_stale: int) -> None:
    cache = kept(A, max_stale_s=max_stale)
    assert failed(cache, 100 + max_stale - 1).stale == (max_stale > 0)
    assert not failed(cache, 100 + max_stale).stale
    gone = at(cache, 100 + max_stale + 1)
    assert gone is None or isinstance(gone.outcome, UpstreamFailure)


def test_a_stale_denial_keeps_its_soa() -> None:
    cache = kept(nodata(300, 300))
    heard = failed(cache, 400)
    assert heard.stale
    assert [one.rtype for one in response(heard).authority] == [6]


def test_stale_data_helps_when_upstreams_are_slow() -> None:
    cache = kept(A)
    heard = cache.stale(Q, FLAGS, "", 1150.0)
    assert heard is not None
    assert heard.stale
    assert cache.stale(Q, FLAGS, "x", 1150.0) is None


def test_a_failure_while_data_is_fresh_changes_nothing_but_the_prefetch() -> None:
    cache = kept(A)
    near = at(cache, 95)
    assert near is not None
    assert near.refresh, "the last tenth of the lifetime"
    failed(cache, 95)
    tried = at(cache, 96)
    assert tried is not None
    assert (tried.stale, tried.refresh, tried.steady_s) == (False, False, 1)


def test_a_refresh_that_is_on_its_way_is_not_asked_for_again_before_the_next_second() -> None:
    cache = kept(A)
    cache.put_off(Q, FLAGS, "", 1095.2)
    again, later = at(cache, 95.9), at(cache, 96)
    assert again is not None
    assert (again.refresh, again.steady_s) == (False, 1)
    assert later is not None
    assert (later.refresh, later.steady_s) == (True, 0)


def test_prefetch_can_be_off_and_waits_for_the_last_tenth() -> None:
    early, off = at(kept(A), 89), at(kept(A, prefetch=False), 99)
    assert early is not None
    assert not early.refresh
    assert off is not None
    assert not off.refresh


def test_extended_errors_survive() -> None:
    assert [ede.code for ede in response(at(kept(answer("w 60 A 192.0.2.1", ede=(4,))), 1)).ede] == [4]


def test_generations_are_bounded_and_keep_what_is_used() -> None:
    store: Generations[bytes] = Generations(1000, 1 << 30, len)
    hot = [b"hot%d" % number for number in range(100)]
    for key in hot:
        store.put(key, b"v")
    for number in range(20000):
        store.put(b"cold%d" % number, b"v")
        store.get(hot[number % 100])
        assert len(store) <= 1000
    assert all(store.get(key) == b"v" for key in hot)


def test_generations_are_bounded_by_bytes() -> None:
    store: Generations[bytes] = Generations(1 << 30, 100_000, len)
    random.seed(1)
    for number in range(5000):
        store.put(b"%d" % number, bytes(random.randrange(2000)))
        assert store.size_bytes <= 100_000 + 2 * (2000 + ENTRY_BYTES)
    assert len(store) > 10


def test_counting_survives_replacing_and_dropping() -> None:
    store: Generations[bytes] = Generations(10, 1 << 20, len)
    for _ in range(3):
        for number in range(8):
            store.put(b"%d" % number, bytes(number))
    for number in range(8):
        store.drop(b"%d" % number)
    assert (len(store), store.size_bytes) == (0, 0)


class Entry(bytearray):
    """What a weak reference can point to."""


def test_what_is_retired_is_not_found_and_goes_with_later_entries() -> None:
    store: Generations[Entry] = Generations(1000, 1 << 30, len)
    references = []
    for number in range(600):
        store.put(b"old%d" % number, entry := Entry(b"bytes"))
        references.append(weakref.ref(entry))
    del entry
    store.retire()
    assert (len(store), store.size_bytes, store.get(b"old0"), store.get(b"old599")) == (0, 0, None, None)
    for number in range(250):
        store.put(b"new%d" % number, Entry())
    assert len(store) == 250
    assert not [one for one in references if one() is not None]


AAAA = Question(Q.name, 28)


def test_a_name_that_does_not_exist_is_not_asked_for_another_type() -> None:
    """RFC 8020 section 2."""
    cache = kept(nxdomain(300, 100), AAAA)
    for other in (Q, AAAA, Question(Q.name.upper(), 16)):
        heard = at(cache, 40, other)
        assert response(heard).rcode == 3
        assert response(heard).authority[0].ttl == 60
        assert at(cache, 100, other) is None
    assert at(cache, 40, Question(Q.name, 1, 3)) is None
    assert at(cache, 40, flags=AskedFlags(do=True)) is None
    assert at(cache, 40, Question(wire_name("x.w.t.example"), 1)) is None
    assert len(cache) == 1


def test_data_that_holds_outlives_a_denial_of_another_type() -> None:
    cache = kept(A)
    cache.store(AAAA, FLAGS, "", nxdomain(300, 300), 1050.0)
    assert response(at(cache, 60)).rcode == 0
    assert response(at(cache, 110)).rcode == 3


def test_an_alias_to_nothing_says_nothing_about_the_alias() -> None:
    assert at(kept(nxdomain(text="w 30 CNAME x"), AAAA), 1) is None


def test_any_data_ends_that_a_name_does_not_exist() -> None:
    cache = kept(nxdomain(300, 300), AAAA)
    cache.store(Q, FLAGS, "", A, 1010.0)
    assert at(cache, 20, AAAA) is None


def test_a_name_that_did_not_exist_is_said_so_when_asking_failed() -> None:
    cache = kept(nxdomain(300, 100), AAAA)
    heard = failed(cache, 200)
    assert (heard.stale, response(heard).rcode) == (True, 3)


def test_no_entry_is_kept_where_none_may_be() -> None:
    for limits in ({"max_entries": 0}, {"max_bytes": 0}):
        assert at(kept(A, **limits), 0) is None


def test_the_first_failure_is_remembered_shortly_and_an_outage_never_long() -> None:
    cache, age = Cache(), 0.0
    for _ in range(12):
        cache.store(Q, FLAGS, "", lost(), 1000.0 + age, outage=True)
        assert at(cache, age + 0.9) is not None
        assert at(cache, age + OUTAGE_MAX_S) is None
        age += OUTAGE_MAX_S


@pytest.mark.parametrize(
    ("outcome", "group", "remembered"),
    [
        pytest.param(lost(), "", False, id="could not be asked there"),
        pytest.param(lost(), "zone far", True, id="could not be asked elsewhere"),
        pytest.param(error(), "", True, id="said so itself"),
    ],
)
def test_what_an_upstream_that_is_back_could_not_be_asked_is_a_failure_no_more(
    outcome: Outcome, group: str, remembered: bool
) -> None:
    cache = Cache()
    for _ in range(6):
        cache.store(Q, FLAGS, group, outcome, 1000.0)
    cache.recovered("", 1000.5)
    assert (at(cache, 0.6, group=group) is not None) == remembered
    cache.store(Q, FLAGS, group, outcome, 1001.0)
    assert at(cache, 1.5, group=group) is not None, "a failure since then is one"


def test_stale_data_is_checked_again_at_once_when_the_upstream_is_back() -> None:
    cache = kept(A)
    cache.store(Q, FLAGS, "", lost(), 1151.0)
    assert at(cache, 152) is not None
    cache.recovered("", 1153.0)
    assert at(cache, 154) is None
