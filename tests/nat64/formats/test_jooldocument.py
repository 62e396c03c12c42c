import json
from ipaddress import IPv4Address

from kun_base.prefix import sixtofour_prefix
from kun_nat64.formats.jooldocument import document
from kun_nat64.model.facts import JoolGlobal, JoolInstance, Pool4, Protocol
from kun_nat64.model.joolglobals import canonical, problem_of

INSTANCE = JoolInstance("kun", sixtofour_prefix(IPv4Address("203.0.113.1")))


def test_values_have_the_types_that_jool_reads() -> None:
    settings = [
        JoolGlobal("kun", "manually-enabled", "true"),
        JoolGlobal("kun", "f-args", "8"),
        JoolGlobal("kun", "tcp-est-timeout", "2:00:00"),
        JoolGlobal("kun", "mtu-plateaus", "1492,68"),
    ]
    entry = Pool4("kun", Protocol.ICMP, IPv4Address("192.0.2.11"), 20000, 60000)
    found = json.loads(document(INSTANCE, settings, [entry]))
    assert found["instance"] == "kun"
    assert found["framework"] == "netfilter"
    assert found["global"] == {
        "pool6": "2002:cb00:7101::/96",
        "manually-enabled": True,
        "f-args": 8,
        "tcp-est-timeout": "2:00:00",
        "mtu-plateaus": [1492, 68],
    }
    assert found["pool4"] == [{"mark": 0, "protocol": "ICMP", "prefix": "192.0.2.11/32", "port range": "20000-60000"}]


def test_values_have_one_text_for_one_meaning() -> None:
    assert canonical("f-args", "08") == "8"
    assert canonical("logging-bib", "ON") == canonical("logging-bib", True) == "true"
    assert canonical("tcp-est-timeout", "7200") == canonical("tcp-est-timeout", "2:00:00.000") == "2:00:00"
    assert canonical("udp-timeout", "5:00") == "0:05:00"


def test_what_jool_would_refuse_is_told_beforehand() -> None:
    assert problem_of("tcp-est-timeout", "1:59:59") == "must be from 7200 to 4294967295"
    assert problem_of("tcp-est-timeout", 7200) is None
    assert problem_of("logging-bib", "maybe") == "must be true or false"
    assert problem_of("mtu-plateaus", "1500,-1") == problem_of("mtu-plateaus", "70000") == "must be from 68 to 65535"
    assert str(problem_of("mtu-plateaus", "many")).startswith("must be numbers with commas")
    assert canonical("mtu-plateaus", "68, 1500,68") == "1500,68"
    assert "known: " in str(problem_of("tcp-timeout", 1))
