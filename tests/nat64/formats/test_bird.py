"""What BIRD 2.0 and 2.17 said on their control socket, on a gateway with the shipped configuration; and our file."""

from dataclasses import replace
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_nat64.formats import birdpaths, birdreply
from kun_nat64.formats.birdreply import BirdAnswer, read_answer
from kun_nat64.formats.table import FormatError
from kun_nat64.model.bgpfacts import BgpPath
from tests.nat64.formats.golden import golden

EACH = pytest.mark.parametrize("version", ["2.0.12", "2.17.6"])
VIP = BgpPath(ip_network("203.0.113.1/32"), ip_address("10.2.1.2"), 2000, ("64512:100", "65535:0"))
SIX = BgpPath(ip_network("2002:cb00:7101::/48"), ip_address("fd00:11::2"), 10)


def said(version: str, name: str) -> BirdAnswer:
    return read_answer(golden(f"bird-{version}-{name}.txt").splitlines())


@EACH
def test_a_neighbour_has_session_hold_time_bfd_and_our_as(version: str) -> None:
    states = birdreply.bfd_sessions(said(version, "bfd"))
    found = [birdreply.neighbour(one, states) for one in birdreply.protocols(said(version, "protocols"))]
    (peer,) = [one for one in found if one is not None]
    assert (peer.address, peer.asn, peer.state, peer.established) == ("10.2.1.1", 65000, "established", True)
    assert (peer.hold_s, peer.bfd, peer.local_as, peer.restart_s) == (3, "up", 65001, 0)


@EACH
def test_paths_of_both_families_are_read_with_their_attributes(version: str) -> None:
    assert birdreply.path(said(version, "vip")) == VIP
    assert birdreply.path(said(version, "ipv6")) == SIX


@EACH
def test_what_the_neighbour_was_sent_is_read(version: str) -> None:
    assert list(birdreply.prefixes(said(version, "exported"))) == [str(VIP.prefix), str(SIX.prefix)]


@EACH
def test_our_protocols_carry_the_names_that_the_file_gives_them(version: str) -> None:
    names = {one.name for one in birdreply.protocols(said(version, "own-protocols"))}
    assert names == {birdpaths.protocol_name(path.prefix) for path in (VIP, SIX)}


@EACH
@pytest.mark.parametrize(
    ("name", "failed", "words"),
    [
        ("configure", False, ""),
        ("configure-error", True, "syntax error"),
        ("nobody", True, "No protocols match"),
        ("nonsense", True, "syntax error"),
    ],
)
def test_a_failure_is_told_from_a_success(version: str, name: str, failed: bool, words: str) -> None:
    answer = said(version, name)
    assert answer.failed is failed
    assert words in answer.words


RESTARTS = """\
1002-tor        BGP        ---        up     16:28:54.990  Established
1006-  BGP state:          Established
     Neighbor address: fe80::1%uplink
     Neighbor AS:      65000
     Local AS:         65001
     Local capabilities
       Graceful restart
{own}     Neighbor capabilities
       Graceful restart
         Restart time: 240
     Hold timer:       2.371/3
0000
"""


@pytest.mark.parametrize(("own", "seconds"), [("         Restart time: 120\n", 120), ("", 0)], ids=["on", "only helps"])
def test_graceful_restart_counts_where_our_own_side_has_a_time(own: str, seconds: int) -> None:
    (protocol,) = birdreply.protocols(read_answer(RESTARTS.format(own=own).splitlines()[:-1] + ["0000 "]))
    peer = birdreply.neighbour(protocol, {"fe80::1": "down"})
    assert peer is not None
    assert (peer.restart_s, peer.address, peer.bfd) == (seconds, "fe80::1", "down")


def test_the_file_holds_each_path_once_and_nothing_without_paths() -> None:
    text = birdpaths.with_path(birdpaths.with_path("", VIP), SIX)
    changed = birdpaths.with_path(text, replace(VIP, med=10, communities=()))
    assert changed.count("protocol static") == 2
    assert "bgp_med = 2000" in text
    assert "bgp_med = 2000" not in changed
    assert "community" not in changed
    assert birdpaths.without(changed, VIP.prefix) == birdpaths.with_path("", SIX)
    assert birdpaths.without(birdpaths.with_path("", SIX), SIX.prefix) == ""


def test_a_file_that_somebody_damaged_is_written_anew() -> None:
    damaged = birdpaths.with_path("", VIP)[:-20] + "\nnonsense"
    assert birdpaths.with_path(damaged, SIX) == birdpaths.with_path("", SIX)


@given(
    st.lists(st.text(max_size=60) | st.sampled_from(["0000 ", "1007-Table master4:", " 1.2.3.0/24 x [y "]), max_size=8)
)
def test_no_text_makes_a_reader_fail_in_another_way(lines: list[str]) -> None:
    try:
        answer = read_answer(lines)
        birdreply.path(answer)
        for one in birdreply.protocols(answer):
            birdreply.neighbour(one, birdreply.bfd_sessions(answer))
    except FormatError:
        pass


@given(st.integers(0, 2**32 - 1), st.integers(0, 32), st.integers(0, 2**32 - 1), st.integers(0, 32))
def test_two_prefixes_never_share_a_protocol(one: int, length: int, other: int, other_length: int) -> None:
    first, second = (ip_network((value, bits), strict=False) for value, bits in ((one, length), (other, other_length)))
    assert (birdpaths.protocol_name(first) == birdpaths.protocol_name(second)) == (first == second)
