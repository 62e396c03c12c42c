"""A name's home: the same for every way to ask for it, evenly spread, and the kernel's choice is ours."""

import random
import socket
from collections import Counter
from collections.abc import Iterator

import dns.message
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_dns64.config.endpoint import Endpoint
from kun_dns64.formats import names
from kun_dns64.transport.sharding import KNOWN_KEY, NAME_BYTES, Sharding, home, program, secret_key, sockets_of_port
from kun_dns64.transport.sockets import Listening, bind_sets, leave_group

COUNT = 3
HOSTS = pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])


def asking(name: str, qtype: str = "AAAA", **more: object) -> bytes:
    return dns.message.make_query(name, qtype, **more).to_wire()


@pytest.mark.parametrize(
    "same",
    [
        asking("WwW.eXample.ORG"),
        asking("www.example.org", "A"),
        asking("www.example.org", "HTTPS", use_edns=0),
        asking("www.example.org", use_edns=0, options=[dns.edns.CookieOption(bytes(8), bytes(8))], want_dnssec=True),
    ],
    ids=["case", "A", "edns", "cookie"],
)
def test_the_home_of_a_name_is_the_same_however_it_is_asked(same: bytes) -> None:
    assert home(same, 1 << 16) == home(asking("www.example.org"), 1 << 16)


@pytest.mark.parametrize("count", [2, 3, 4, 7, 16])
@pytest.mark.parametrize("shape", ["n{:06}.bench.example", "{}.svc.cluster.local", "{:x}.4.2.ip6.arpa", "www.{}.com"])
def test_names_are_spread_evenly(shape: str, count: int) -> None:
    wires = (bytes(12) + names.from_text(shape.format(number)) + b"\x00\x1c\x00\x01" for number in range(4000))
    found = Counter(home(wire, count) for wire in wires)
    assert min(found.values()) > 0.8 * 4000 / count
    assert max(found.values()) < 1.2 * 4000 / count


@given(st.binary(max_size=60), st.integers(1, 8))
def test_every_datagram_has_a_home(wire: bytes, count: int) -> None:
    picked = home(wire, count)
    assert picked is None or 0 <= picked < count


def test_the_program_is_within_what_the_kernel_takes() -> None:
    """BPF_MAXINSNS; and after translation, at 16 instructions a byte, net.core.optmem_max of older kernels."""
    assert len(program(8)) // 8 <= 4096
    assert NAME_BYTES * 16 * 8 < 20480


@pytest.fixture
def sets(host: str) -> Iterator[list[list[Listening]]]:
    made = bind_sets([Endpoint.parse(f"{host}:0")], [], COUNT)
    yield made
    for listening in (one for own in made for one in own):
        listening.close()


def attached(sets: list[list[Listening]]) -> Sharding:
    sharding = Sharding(sets, KNOWN_KEY)
    if reason := sharding.attach():
        pytest.skip(f"this machine's kernel takes no SO_ATTACH_REUSEPORT_CBPF: {reason}")
    return sharding


def udp(listening: Listening) -> socket.socket:
    assert listening.udp is not None
    return listening.udp


def arrived(sets: list[list[Listening]], wires: list[bytes]) -> list[int]:
    """Which worker's socket each datagram came to; every one is sent from a port of its own."""
    endpoint, found = sets[0][0].endpoint, []
    for wire in wires:
        with socket.socket(udp(sets[0][0]).family, socket.SOCK_DGRAM) as client:
            client.sendto(wire, (endpoint.host, endpoint.port))
        for number, own in enumerate(sets):
            try:
                assert udp(own[0]).recv(65535) == wire
            except BlockingIOError:
                continue
            found.append(number)
    return found


@HOSTS
def test_the_kernel_brings_every_name_home(sets: list[list[Listening]]) -> None:
    attached(sets)
    draw = random.Random(1)
    cases = ["".join(draw.choice((c, c.upper())) for c in f"n{number}.example.org") for number in range(200)]
    wires = [asking(name) for name in cases]
    wires += [wire[:cut] for wire in wires[:5] for cut in (1, 11, 12, 13, 20)]
    wires += [asking(".".join(["x" * 50] * 4)), asking("."), bytes(40), b"\xff" * 400]
    homes = [home(wire, COUNT) for wire in wires]
    assert all(found == own for found, own in zip(arrived(sets, wires), homes, strict=True) if own is not None)
    assert homes.count(None) == 2


@HOSTS
def test_another_key_is_another_home_and_the_kernel_uses_it(sets: list[list[Listening]]) -> None:
    key = secret_key()
    sharding = Sharding(sets, key)
    if reason := sharding.attach():
        pytest.skip(f"this kernel cannot: {reason}")
    wires = [asking(f"n{number}.example.org") for number in range(100)]
    homes = [home(wire, COUNT, key=key) for wire in wires]
    assert arrived(sets, wires) == homes
    assert homes != [home(wire, COUNT) for wire in wires]


def test_names_that_meet_under_one_key_part_under_another() -> None:
    """Found by search for one key, they would load one worker alone."""
    wires = [asking(f"n{number}.example.org") for number in range(3000)]
    together = [wire for wire in wires if home(wire, COUNT) == 0]
    spread = Counter(home(wire, COUNT, key=secret_key()) for wire in together)
    assert max(spread.values()) < 0.5 * len(together)


@HOSTS
def test_names_that_begin_alike_for_long_are_spread_by_chance(sets: list[list[Listening]]) -> None:
    attached(sets)
    wires = [asking(".".join(["x" * 60, "y" * 60, f"n{number}", "example.org"])) for number in range(60)]
    assert set(arrived(sets, wires)) == set(range(COUNT))


@HOSTS
def test_the_program_waits_until_sockets_of_another_process_have_gone(sets: list[list[Listening]], host: str) -> None:
    wires = [asking(f"n{number}.example.org") for number in range(60)]
    homes = [home(wire, COUNT) for wire in wires]
    endpoint = sets[0][0].endpoint
    (other,) = bind_sets([endpoint], [], 1)
    assert sockets_of_port(udp(sets[0][0])) == COUNT + 1
    sharding = attached(sets)
    # Of the kernel's own choice a fourth would go to the other socket.
    assert arrived([*sets, other], wires) != homes
    other[0].close()
    assert not sharding.attach()
    assert arrived(sets, wires) == homes


@HOSTS
def test_after_detaching_the_kernel_picks_as_it_always_does(sets: list[list[Listening]]) -> None:
    wires = [asking("www.example.org")] * 60
    sharding = attached(sets)
    assert len(set(arrived(sets, wires))) == 1
    sharding.detach()
    assert len(set(arrived(sets, wires))) == COUNT
    sharding.attach()
    assert len(set(arrived(sets, wires))) == COUNT, "who leaves does not come back"


@HOSTS
@pytest.mark.parametrize("absent", [{0}, {1}, {2}, {0, 1}, {0, 2}, {1, 2}, {0, 1, 2}])
def test_names_of_those_who_are_absent_go_to_others_and_come_back(
    sets: list[list[Listening]], absent: set[int]
) -> None:
    wires = [asking(f"n{number}.example.org") for number in range(60)]
    sharding = attached(sets)
    sharding.leave_out(frozenset(absent))
    found = arrived(sets, wires)
    assert found == [home(wire, COUNT, frozenset(absent)) for wire in wires]
    if len(absent) < COUNT:
        assert not absent & set(found)
    stayed = [home(wire, COUNT) for wire in wires]
    assert all(now == before for now, before in zip(found, stayed, strict=True) if before not in absent)
    sharding.leave_out(frozenset())
    assert arrived(sets, wires) == stayed


@HOSTS
def test_connections_go_to_those_who_are_there(sets: list[list[Listening]]) -> None:
    sharding = attached(sets)
    assert set(accepted(sets)) == {0, 1, 2}
    sharding.leave_out(frozenset((1,)))
    found = Counter(accepted(sets))
    assert set(found) == {0, 2}
    assert min(found.values()) >= 8
    sharding.leave_out(frozenset())
    assert set(accepted(sets)) == {0, 1, 2}


def accepted(sets: list[list[Listening]]) -> list[int]:
    """Which worker's listener each of 60 connections came to."""
    endpoint, found = sets[0][0].endpoint, []
    for _ in range(60):
        with socket.create_connection((endpoint.host, endpoint.port)):
            for number, own in enumerate(sets):
                try:
                    own[0].tcp.accept()[0].close()
                except BlockingIOError:
                    continue
                found.append(number)
    return found


def test_a_group_that_is_gone_is_left_without_a_word() -> None:
    """Workers that were ended had their sockets connected: the end of the program met an error there."""
    made = bind_sets([Endpoint.parse("127.0.0.1:0")], [], 2)
    sharding = attached(made)
    for own in made:
        leave_group(udp(own[0]))
        own[0].tcp.close()
    sharding.leave_out(frozenset((1,)))
    sharding.detach()
    for own in made:
        own[0].close()


def test_a_kernel_that_refuses_is_told_once() -> None:
    """The option is for datagram and stream sockets that listen; a closed one refuses everything."""
    made = bind_sets([Endpoint.parse("127.0.0.1:0")], [], 2)
    sharding = Sharding(made, KNOWN_KEY)
    for own in made:
        own[0].close()
    assert sharding.attach() == "Bad file descriptor"
    assert sharding.attach() == ""
