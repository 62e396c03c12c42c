import json
from ipaddress import IPv4Address

import pytest

from kun_nat64.formats.elastic_common_schema import EcsLines, iso
from kun_nat64.model.audit import UNKNOWN, Record
from tests.nat64.audit.flows import POOL6, flow, session

LINES = EcsLines("gw1", IPv4Address("203.0.113.1"), POOL6, "0.1.0")
RECORD = Record(flow(session()), 1_763_600_000.0, 1_763_600_004.25, 1_763_600_064.5)


def test_an_end_says_who_had_which_public_port_and_where_it_went() -> None:
    assert json.loads(LINES.ended(RECORD)) == {
        "@timestamp": "2025-11-20T00:54:24.500Z",
        "event": {
            "kind": "event",
            "category": ["network"],
            "type": ["connection", "end"],
            "dataset": "kun_nat64.session",
            "action": "session-ended",
            "start": "2025-11-20T00:53:24.250Z",
            "end": "2025-11-20T00:54:24.500Z",
            "duration": 60_250_000_000,
        },
        "network": {"transport": "tcp", "type": "ipv6"},
        "source": {"ip": "2002:a01:2:1::10", "port": 50000, "nat": {"ip": "192.0.2.11", "port": 40000}},
        "destination": {
            "ip": "2002:cb00:7101::c633:6450",
            "port": 443,
            "nat": {"ip": "198.51.100.80", "port": 443},
        },
        "kun_nat64": {"earliest_start": "2025-11-20T00:53:20.000Z"},
        "observer": {
            "name": "gw1",
            "type": "nat64",
            "product": "kun-nat64",
            "version": "0.1.0",
            "ip": ["203.0.113.1"],
        },
        "ecs": {"version": "8.17.0"},
    }


def test_a_beginning_has_no_end() -> None:
    said = json.loads(LINES.started(RECORD))
    assert said["@timestamp"] == said["event"]["start"]
    assert said["event"]["action"] == "session-started"
    assert {"end", "duration"}.isdisjoint(said["event"])


def test_a_session_older_than_the_log_claims_no_earliest_beginning() -> None:
    assert "kun_nat64" not in json.loads(LINES.started(Record(flow(session()), UNKNOWN, 1000.0)))


@pytest.mark.parametrize(
    ("at", "text"), [(0.0, "1970-01-01T00:00:00.000Z"), (1_763_600_004.25, "2025-11-20T00:53:24.250Z")]
)
def test_times_are_utc_with_milliseconds(at: float, text: str) -> None:
    assert iso(at) == text
