from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kun_base.prefix import sixtofour_prefix
from kun_nat64.formats import joolcsv
from kun_nat64.formats.table import FormatError
from kun_nat64.model.facts import JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.joolglobals import SETTINGS
from kun_nat64.model.traffic import Binding, Endpoint4, Endpoint6
from tests.nat64.formats.golden import golden

PUBLIC = IPv4Address("192.0.2.11")
POD = IPv6Address("2002:a01:2:1::10")
V = "jool-4.1.9"


def test_globals_are_read_in_canonical_form() -> None:
    found = joolcsv.parse_globals(golden(f"{V}-global.csv"))
    assert found["manually-enabled"] == "true"
    assert found["tcp-est-timeout"] == "2:00:00"
    assert found["mtu-plateaus"] == "65535,32000,17914,8166,4352,2002,1492,1006,508,296,68"
    assert found["f-args"] == "8"


def test_every_global_that_we_know_is_one_that_jool_prints() -> None:
    assert set(SETTINGS) | {"pool6"} == set(joolcsv.parse_globals(golden(f"{V}-global.csv")))


def test_the_instance_is_told_by_its_pool6() -> None:
    found = joolcsv.parse_globals(golden(f"{V}-global.csv"))
    assert joolcsv.instance_of("kun", found) == JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.1")))


def test_only_globals_that_are_asked_for_become_facts() -> None:
    found = joolcsv.parse_globals(golden(f"{V}-global.csv"))
    assert set(joolcsv.globals_of("kun", found, frozenset({"f-args"}))) == {JoolGlobal("kun", "f-args", "8")}


@pytest.mark.parametrize("protocol", Protocol)
def test_pool4_is_read(protocol: Protocol) -> None:
    text = golden(f"{V}-pool4-{protocol}.csv")
    assert joolcsv.parse_pool4(text, "kun") == [Pool4("kun", protocol, PUBLIC, 20000, 60000)]


def test_entries_of_pool4_with_a_mark_are_somebody_elses() -> None:
    text = golden(f"{V}-pool4-tcp.csv") + "7,TCP,192.0.2.99,1,9,0,0\n"
    assert [entry.address for entry in joolcsv.parse_pool4(text, "kun")] == [PUBLIC]


def test_entries_with_the_mark_of_a_tenant_are_ours_whatever_the_file_says() -> None:
    """Else a teardown would leave them, and drift be unseen."""
    text = golden(f"{V}-pool4-tcp.csv") + f"{0x4B000007},TCP,192.0.2.99,1,9,0,0\n"
    assert Pool4("kun", Protocol.TCP, IPv4Address("192.0.2.99"), 1, 9, 0x4B000007) in joolcsv.parse_pool4(text, "kun")


def test_bindings_are_read() -> None:
    found = joolcsv.parse_bib(golden(f"{V}-bib-udp.csv"))
    assert found == [Binding(Protocol.UDP, Endpoint6(POD, 54401), Endpoint4(PUBLIC, 52612))]


def test_sessions_of_tcp_have_a_state_and_those_of_udp_and_icmp_a_cell_less() -> None:
    tcp = joolcsv.parse_sessions(golden(f"{V}-session-tcp.csv"))
    (udp,) = joolcsv.parse_sessions(golden(f"{V}-session-udp.csv"))
    icmp = joolcsv.parse_sessions(golden(f"{V}-session-icmp.csv"))
    assert len(tcp) == golden(f"{V}-session-tcp.csv").count("TCP,")
    assert all(session.state for session in tcp)
    assert {session.state for session in (udp, *icmp)} == {""}
    assert str(udp.inside) == "[2002:a01:2:1::10]:54401"
    assert str(udp.target) == "[2002:cb00:7101::c633:6435]:53"
    assert str(udp.outside) == "192.0.2.11:52612"
    assert str(udp.remote) == "198.51.100.53:53"
    assert udp.expires_s == pytest.approx(278.892)


def test_statistics_lose_their_common_first_part() -> None:
    found = joolcsv.parse_stats(golden(f"{V}-stats.csv"))
    assert found["RECEIVED6"] > 0
    assert found["SUCCESS"] > 0
    every = joolcsv.parse_stats(golden(f"{V}-stats-all.csv"))
    assert found.keys() <= every.keys()
    assert len(every) == 69


def test_a_gauge_that_fell_below_zero_is_unknown_and_not_enormous() -> None:
    text = "Stat,Value\nJSTAT_SESSIONS,18446744073709551614\nJSTAT_SUCCESS,5\n"
    assert joolcsv.parse_stats(text) == {"SUCCESS": 5}


def test_instances_of_all_namespaces_are_listed() -> None:
    assert joolcsv.parse_instances(golden(f"{V}-instance.csv")) == [("kun", "netfilter")] * 2


def test_a_column_that_a_newer_version_adds_changes_nothing() -> None:
    text = "New,Mark,Protocol,Address,Min port,Max port\nx,0,UDP,192.0.2.11,1,2\n"
    assert joolcsv.parse_pool4(text, "kun") == [Pool4("kun", Protocol.UDP, PUBLIC, 1, 2)]


BROKEN = {
    "empty": "",
    "an error in place of a table": "Error: something is wrong\n",
    "another table": "Field,Value\na,b\n",
    "a port that is not a number": "Mark,Protocol,Address,Min port,Max port\n0,TCP,192.0.2.11,one,2\n",
    "an address that is none": "Mark,Protocol,Address,Min port,Max port\n0,TCP,192.0.2.300,1,2\n",
    "an unknown protocol": "Mark,Protocol,Address,Min port,Max port\n0,SCTP,192.0.2.11,1,2\n",
    "a row that is cut off": "Mark,Protocol,Address,Min port,Max port\n0,TCP,192\n",
    "a quote that does not end": 'Mark,Protocol,Address,Min port,Max port\n0,"TCP,192.0.2.11,1,2\n',
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN.keys())
def test_garbage_is_said_to_be_garbage(text: str) -> None:
    with pytest.raises(FormatError):
        joolcsv.parse_pool4(text, "kun")


@given(st.text(alphabet=',"\n0123456789abcTCPUDP.:#', max_size=200))
def test_no_text_makes_a_parser_fail_in_another_way(text: str) -> None:
    headers = {
        joolcsv.parse_bib: golden(f"{V}-bib-tcp.csv").split("\n")[0],
        joolcsv.parse_sessions: golden(f"{V}-session-tcp.csv").split("\n")[0],
        joolcsv.parse_stats: "Stat,Value",
        joolcsv.parse_globals: "Field,Value",
    }
    for parse, header in headers.items():
        for whole in (text, f"{header}\n{text}"):
            try:
                parse(whole)
            except FormatError:
                continue
