"""The ports of one upstream, plain and compiled: fresh ones within the allowance, shared ones beyond, none for long."""

import asyncio
import errno
import socket
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.transport import portpool, randomness
from kun_dns64.transport.attempt import Observed
from kun_dns64.transport.errnos import MEANING, Meaning
from kun_dns64.transport.health import Health
from kun_dns64.transport.portpool import GUESSES, KEEP, MOST, RENEWED_PER_S, SAVED

try:
    from kun_dns64.fastpath import port_pool as compiled
except ImportError:
    KINDS: list[Any] = [pytest.param((portpool.PortPool, randomness.Randomness), id="plain")]
else:
    KINDS = [
        pytest.param((portpool.PortPool, randomness.Randomness), id="plain"),
        pytest.param((compiled.PortPool, compiled.Randomness), id="compiled"),
    ]


class Owner:
    """An upstream that swallows everything."""

    def __init__(self, random: Any) -> None:
        self.random, self.observed = random, Observed()
        # The port of each socket that was opened.
        self.opened: list[int] = []
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind(("127.0.0.1", 0))

    def connect(self) -> socket.SocketType:
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        sock.connect(self.server.getsockname())
        self.opened.append(sock.getsockname()[1])
        return sock


class Asked:
    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.hints: list[str] = []
        self.by_tcp = 0

    def received(self, wire: bytes) -> bool:
        self.heard.append(wire)
        return wire.endswith(b"right")

    def move_to_tcp(self) -> None:
        self.by_tcp += 1

    def hinted(self, reason: str) -> None:
        self.hints.append(reason)


@pytest.fixture(params=KINDS)
async def pool(request: pytest.FixtureRequest) -> Any:
    make, random = request.param
    made = make(Owner(random()), asyncio.get_running_loop())
    yield made
    made.close()
    made.owner.server.close()


def busy_seconds(pool: Any, seconds: float, per_s: int, begin: float = 1000.0) -> Iterator[tuple[float, Any]]:
    """So many questions a second, answered at once."""
    for number in range(int(seconds * per_s)):
        now = begin + number / per_s
        port = pool.port(now)
        port.free(port.take(Asked()))
        yield now, port


async def test_each_question_has_a_port_of_its_own_within_the_allowance(pool: Any) -> None:
    asked = len(list(busy_seconds(pool, 2.0, int(RENEWED_PER_S) - 10)))
    assert len(pool.owner.opened) == asked
    assert len(pool) <= KEEP


async def test_thousands_of_questions_at_once_leave_from_thousands_of_ports(pool: Any) -> None:
    assert len(list(busy_seconds(pool, 1.0, 5000))) == 5000
    assert len(set(pool.owner.opened)) >= 3000


async def test_what_was_not_used_is_saved_up(pool: Any) -> None:
    use_up(pool, 1000.0)
    began = len(pool.owner.opened)
    use_up(pool, 1003.0)
    assert len(pool.owner.opened) - began == 3 * RENEWED_PER_S
    use_up(pool, 2000.0)
    assert len(pool.owner.opened) - began == 3 * RENEWED_PER_S + SAVED


def use_up(pool: Any, now: float) -> None:
    """All that is saved by then."""
    for _ in range(int(SAVED) + 100):
        port = pool.port(now)
        port.free(port.take(Asked()))


async def test_under_load_ports_are_renewed_evenly_and_none_lives_long(pool: Any) -> None:
    use_up(pool, 999.0)
    began, born = len(pool.owner.opened), dict[int, float]()
    ages, kept = [], []
    for now, port in busy_seconds(pool, 4.0, 5000):
        kept.append(port)  # so that no other port gets its place in memory
        ages.append(now - born.setdefault(id(port), now))
    assert abs(len(pool.owner.opened) - began - RENEWED_PER_S * (1 + 4)) <= 1
    assert max(ages) <= KEEP / RENEWED_PER_S + 0.02
    assert len(pool) == KEEP


async def test_a_shared_port_is_any_of_those_open(pool: Any) -> None:
    use_up(pool, 1001.0)
    # No time passes any more: nothing is renewed.
    drawn = Counter(pool.port(1001.0).fileno for _ in range(40 * KEEP))
    assert len(drawn) >= KEEP - 1
    assert max(drawn.values()) < 100


async def test_a_port_with_a_question_out_stays_until_it_is_answered(pool: Any) -> None:
    port, asked = pool.port(1000.0), Asked()
    ident = port.take(asked)
    for _ in busy_seconds(pool, 2.0, 2000, 1000.1):
        pass
    assert port.leaving
    pool.owner.server.sendto(ident.to_bytes(2) + bytes(10) + b"right", ("127.0.0.1", local_port(port, pool)))
    pool.drain()
    assert asked.heard
    port.free(ident)
    assert port.fileno < 0


def local_port(port: Any, pool: Any) -> int:
    port.send(b"which port")
    return int(pool.owner.server.recvfrom(100)[1][1])


async def test_open_ports_are_bounded(pool: Any) -> None:
    waiting = []
    for number in range(4 * MOST):
        port = pool.port(1000.0 + number / 100)
        waiting.append((port, port.take(Asked())))
    assert len(pool) == MOST
    for port, ident in waiting:
        port.free(ident)
    assert len(pool) == KEEP


async def test_guesses_close_the_port_and_move_its_questions_to_tcp(pool: Any) -> None:
    port, asked = pool.port(1000.0), Asked()
    ident = port.take(asked)
    there = "127.0.0.1", local_port(port, pool)
    for number in range(GUESSES):
        assert not asked.by_tcp
        wrong = (ident ^ number + 1 if number % 2 else ident).to_bytes(2) + bytes(10) + b"wrong"
        pool.owner.server.sendto(wrong if number % 3 else b"short", there)
        pool.drain()
    assert (asked.by_tcp, pool.owner.observed.wrong_replies, port.fileno) == (1, GUESSES, -1)
    assert pool.port(1000.0) is not port
    port.free(ident)


async def test_icmp_tells_all_that_are_out_on_the_port(pool: Any) -> None:
    port, both = pool.port(1000.0), (Asked(), Asked())
    for asked in both:
        port.take(asked)
    pool.owner.server.close()
    port.send(b"to nobody")
    pool.drain()
    assert [asked.hints for asked in both] == [["Connection refused"]] * 2
    assert port.fileno == -1


@pytest.mark.parametrize("number", sorted(errno.errorcode), ids=errno.errorcode.get)
async def test_an_error_of_this_machine_is_a_loss_and_any_other_makes_the_port_be_left(pool: Any, number: int) -> None:
    port, asked = pool.port(1000.0), Asked()
    port.take(asked)
    port.failed(number)
    is_loss = MEANING.get(number) is Meaning.LOCAL
    assert (asked.hints == [], port.fileno >= 0) == (is_loss, is_loss)


async def test_a_packet_that_cannot_be_sent_is_told_and_a_full_queue_leaves_the_port_open(pool: Any) -> None:
    port, asked = pool.port(1000.0), Asked()
    port.take(asked)
    assert port.send(b"it goes")
    assert not port.send(bytes(70_000)), "no datagram is as large"
    await asyncio.sleep(0)
    assert asked.hints == ["Message too long"]
    # A unix socket that nobody reads is full soon, and says EAGAIN.
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    here.setblocking(False)
    pool.owner.connect = lambda: here
    full, other = pool.port(1000.0), Asked()
    full.take(other)
    assert any(not full.send(b"until it is full") for _ in range(10_000))
    await asyncio.sleep(0)
    assert (other.hints, full.fileno) == ([], here.fileno())
    there.close()


def no_more() -> socket.SocketType:
    raise OSError(24, "no descriptor left")


async def test_no_socket_is_an_error_of_the_caller_and_costs_nothing_later(pool: Any) -> None:
    connect, pool.owner.connect = pool.owner.connect, no_more
    with pytest.raises(OSError, match="descriptor"):
        pool.port(1000.0)
    pool.owner.connect = connect
    assert pool.port(1000.0).fileno >= 0


async def test_without_a_descriptor_any_open_port_is_shared(pool: Any) -> None:
    opened = {pool.port(1000.0).fileno for _ in range(20)}
    connect, pool.owner.connect = pool.owner.connect, no_more
    drawn = Counter(pool.port(1000.0).fileno for _ in range(1000))
    assert drawn.keys() == opened
    assert len(pool) == 20
    for port in list(pool.ports.values()):
        pool.drop(port)
    with pytest.raises(OSError, match="descriptor"):
        pool.port(1000.0)
    pool.owner.connect = connect
    assert pool.port(1000.0).fileno >= 0


@pytest.mark.parametrize("kind", KINDS)
def test_random_numbers_cover_their_range_evenly(kind: Any) -> None:
    random = kind[1]()
    drawn = Counter(random.below(10) for _ in range(20_000))
    assert set(drawn) == set(range(10))
    assert max(drawn.values()) < 2 * min(drawn.values())
    idents = {random.id() for _ in range(5000)}
    assert len(idents) > 4500
    assert 0 <= min(idents) <= max(idents) < 1 << 16
    assert [len(random.random_bytes(size)) for size in (1, 257, 8000, 8000)] == [1, 257, 8000, 8000]
    assert 0 <= random.bits(4) < 1 << 32


@pytest.mark.skipif(len(KINDS) == 1, reason="kun_dns64.fastpath.port_pool is not compiled (make venv)")
@given(st.lists(st.tuples(st.sampled_from(["heard", "silent", "failed", "alive"]), st.floats(0, 3)), max_size=40))
def test_the_compiled_way_of_hearing_from_an_upstream_is_the_plain_one(events: list[tuple[str, float]]) -> None:
    plain, other = Health(), Health()
    for number, (kind, rtt_s) in enumerate(events, 1):
        if kind == "heard":
            plain.heard(rtt_s, number)
            compiled.heard(other, other.round_trip, rtt_s, number)
        else:
            getattr(plain, kind)(number)
            getattr(other, kind)(number)
        assert plain == other
        assert plain.round_trip.srtt_s == other.round_trip.srtt_s
