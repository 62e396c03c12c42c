from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.model.audit import PROTOCOLS, UNKNOWN, Record, SessionKey, Timeouts
from kun_nat64.model.joolfacts import Protocol
from kun_nat64.model.sessionlist import FLOW, key_of, packed, unpacked
from kun_nat64.model.traffic import Endpoint4, Endpoint6, Session
from kun_nat64.policy import session_tracking
from kun_nat64.policy.session_tracking import Ledger, Look, News
from tests.nat64.audit.flows import TIMEOUTS, flow, listed, session

ports = st.integers(0, 65535)
flows = st.builds(
    SessionKey,
    st.sampled_from(PROTOCOLS),
    st.builds(Endpoint6, st.ip_addresses(v=6), ports),
    st.builds(Endpoint4, st.ip_addresses(v=4), ports),
    st.builds(Endpoint4, st.ip_addresses(v=4), ports),
)


def look(at: float, *sessions: Session, takes: float = 0.0, whole: bool = True) -> Look:
    return Look(listed(sessions).pages, at, at + takes, whole)


def take(ledger: Ledger, *looks: Look, timeouts: Timeouts = TIMEOUTS) -> News:
    """What the last of the looks says."""
    return [joined(ledger.take(one, timeouts, 7)) for one in looks][-1]


def joined(parts: Iterable[News]) -> News:
    every = tuple(parts)
    return News(
        tuple(one for part in every for one in part.started), tuple(one for part in every for one in part.ended)
    )


@given(flows)
def test_a_flow_is_packed_and_comes_back(one: SessionKey) -> None:
    assert unpacked(key_of(one), packed(one)) == one
    assert len(packed(one)) == FLOW


def test_extreme_flows_do_not_run_into_each_other() -> None:
    one = SessionKey(
        Protocol.ICMP,
        Endpoint6(IPv6Address(2**128 - 1), 65535),
        Endpoint4(IPv4Address(0), 0),
        Endpoint4(IPv4Address("255.255.255.255"), 65535),
    )
    assert unpacked(key_of(one), packed(one)) == one


@pytest.mark.parametrize(
    ("one", "idle_s"),
    [
        pytest.param(session(left=7197), 3, id="tcp established"),
        pytest.param(session(left=7197, state="V6_FIN_RCV"), 3, id="tcp half closed has the long timeout"),
        pytest.param(session(left=237, state="V4_FIN_RCV"), 3, id="tcp half closed, then reset, has the short one"),
        pytest.param(session(left=236, state="TRANS"), 4, id="tcp closed has the short one"),
        pytest.param(session(left=238, state="V6_INIT"), 2, id="tcp syn sent"),
        pytest.param(session(protocol=Protocol.UDP, left=299), 1, id="udp"),
        pytest.param(session(protocol=Protocol.ICMP, left=55), 5, id="icmp"),
        pytest.param(session(protocol=Protocol.UDP, left=400), 0, id="a timeout that was shortened says nothing"),
    ],
)
def test_a_session_began_between_the_look_before_and_its_last_packet(one: Session, idle_s: float) -> None:
    news = take(Ledger(), look(1000), look(1010, one))
    assert news.started == (Record(flow(one), 1000, 1010 - idle_s, None, 7),)


def test_the_beginning_is_never_before_the_look_that_did_not_see_it() -> None:
    news = take(Ledger(), look(1000), look(1010, session(left=7000)))
    assert (news.started[0].after, news.started[0].began) == (1000, 1000)


def test_what_was_there_at_the_first_look_has_no_known_beginning() -> None:
    assert take(Ledger(), look(1000, session(left=7190))).started[0].after == UNKNOWN


def test_a_session_ended_when_its_time_was_over_and_not_when_it_was_missed() -> None:
    gone = session(left=3, state="TRANS")
    ended = take(Ledger(), look(1000), look(1010, gone), look(1020)).ended
    assert ended == (Record(flow(gone), 1000, 1000, 1013, 7),)


def test_a_session_that_was_removed_by_hand_ended_at_the_latest_when_it_was_missed() -> None:
    assert take(Ledger(), look(1000, session()), look(1010)).ended[0].ended == 1010


def test_a_session_that_lives_is_no_news() -> None:
    assert take(Ledger(), look(1000, session()), look(1010, session(left=7190))) == News()


def test_a_port_that_went_to_another_pod_is_an_end_and_a_beginning() -> None:
    first, second = session(left=1, state="TRANS"), session(pod=1)
    news = take(Ledger(), look(1000, first), look(1010, second))
    assert [one.flow for one in news.ended] == [flow(first)]
    assert [one.flow for one in news.started] == [flow(second)]
    assert (news.ended[0].ended or 0) <= news.started[0].began


def test_a_row_that_is_listed_twice_counts_once() -> None:
    assert len(take(Ledger(), look(1000, session(), session(left=7100))).started) == 1


def test_time_spent_on_reading_the_table_is_doubt_and_not_error() -> None:
    """A session made while the table was read, behind the reader's place, appears at the next look only."""
    news = take(Ledger(), look(1000, takes=4), look(1010, session(left=7200), takes=4))
    assert (news.started[0].after, news.started[0].began) == (1000, 1014)


def test_sessions_that_an_earlier_agent_left_are_continued() -> None:
    known = Record(flow(session()), 900, 905, None, 3)
    ledger = Ledger([known], looked_at=1000)
    assert take(ledger, look(1100, session(left=7100))) == News()
    assert take(ledger, look(1110)).ended[0].place == 3


def test_what_ended_while_no_agent_looked_ended_when_it_was_seen_last() -> None:
    ledger = Ledger([Record(flow(session()), 900, 905, None, 3)], looked_at=1000)
    assert take(ledger, look(1100)).ended[0].ended == 1000


@given(st.lists(st.sets(st.integers(1, 30)), max_size=12))
def test_beginnings_and_ends_add_up_to_what_is_seen(tables: list[set[int]]) -> None:
    ledger, living = Ledger(), set()
    for turn, table in enumerate(tables):
        news = take(ledger, look(1000 + turn * 10, *(session(port, left=100) for port in table)))
        started, ended = ({one.flow.outside.port for one in part} for part in (news.started, news.ended))
        assert not started & living
        assert ended <= living
        living = (living | started) - ended
        assert living == table
        assert len(ledger) == len(table)


def test_a_clock_set_back_makes_no_session_end_before_it_began() -> None:
    ledger = Ledger()
    take(ledger, look(1000), look(1010, session(left=7200)))
    ended = take(ledger, look(500)).ended[0]
    assert ended.ended is not None
    assert ended.ended >= ended.began


def test_a_session_that_a_look_did_not_list_has_not_ended_before_its_time_is_over() -> None:
    """A look that was cut short, or left out some of a client who holds too many."""
    ledger = Ledger([], 1000.0)
    take(ledger, look(1000.0, session(left=100), session(40001, left=100)))
    assert take(ledger, look(1015.0, session(40001, left=7000), whole=False)) == News()
    assert len(ledger) == 2
    ended = take(ledger, look(1101.0, session(40001, left=6900), whole=False)).ended
    assert [(one.flow.outside.port, one.ended) for one in ended] == [(40000, 1100.0)]


def test_many_beginnings_and_ends_are_told_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_tracking, "BATCH", 100)
    ledger = Ledger()
    for one in (look(1000, *(session(port) for port in range(0, 60_000, 50))), look(2000)):
        parts = [*ledger.take(one, TIMEOUTS, 1)]
        assert len(parts) > 4
        told = joined(parts)
        assert len(told.started or told.ended) == 1200
        assert max(len(part.started) + len(part.ended) for part in parts) < 300, "a page more than a part at most"


def test_a_session_ends_where_it_is_kept_however_many_parts_there_have_been() -> None:
    ledger = Ledger([Record(flow(session()), 900, 905, None, 70_000)], looked_at=1000)
    joined(ledger.take(look(1010, session(left=100), session(40001, left=100)), TIMEOUTS, 70_003))
    joined(ledger.take(look(1020, session(left=90), session(40001, left=90), whole=False), TIMEOUTS, 135_000))
    ended = take(ledger, look(2000)).ended
    assert {one.flow.outside.port: one.place for one in ended} == {40000: 70_000, 40001: 70_003}
