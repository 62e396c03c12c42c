"""What crosses the translator and what rules drop, as metrics, /status, `status`, the page and the fleet tell it."""

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest

from kun_nat64.cli.status import show_status
from kun_nat64.model.publiccounts import PublicCounts, rate_between
from kun_nat64.state.traffic_rate import CarriedState
from kun_nat64.views.fleet import HEADER, cells, one_line_each, row_of, short_number
from tests.json_reference import undocumented
from tests.nat64.admin.serving import Served, come_up

PLACE = ("192.0.2.11", "tcp")
BEFORE = PublicCounts(packets_in=1000, bytes_in=1_000_000, packets_out=100, bytes_out=10_000)
AFTER = PublicCounts(packets_in=21_000, bytes_in=26_000_000, packets_out=10_100, bytes_out=510_000)


@pytest.fixture
async def carrying(served: Served) -> Served:
    """25 MB came in and 0.5 MB went out within ten seconds; 12 packets were dropped."""
    await come_up(served.agent)
    await served.agent.counters.sample()
    state = served.agent.state
    assert state.carried.by_address == await served.agent.host.carried(), "the loop takes them from the host"
    state.carried = CarriedState()
    state.carried.take_traffic({PLACE: BEFORE}, now=0.0)
    state.carried.take_traffic({PLACE: AFTER}, now=10.0)
    assert state.machine.seen is not None
    state.machine.seen = replace(state.machine.seen, counted=(("ip6 kun-nat64-full", "pods", 12),))
    return served


async def test_metrics_have_traffic_by_address_and_drops_by_reason(carrying: Served) -> None:
    text = (await carrying.get("/metrics"))[1]
    for name, way, count in (("bytes", "in", "2.6e+07"), ("bytes", "out", 510000.0), ("packets", "out", 10100.0)):
        labels = f'address="192.0.2.11",direction="{way}",protocol="tcp"'
        assert f"kun_nat64_pool4_{name}_total{{{labels}}} {count}" in text
    labels = 'reason="no-port-left",rule="ip6 kun-nat64-full pods"'
    assert f"kun_nat64_dropped_packets_total{{{labels}}} 12.0" in text


async def test_status_has_counts_rates_and_drops(
    carrying: Served, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status = json.loads((await carrying.get("/status"))[1])
    assert undocumented(status, "kun_nat64.views.status", "snapshot") == []
    traffic = status["traffic"]
    rate = {"mbit_in": 20.0, "mbit_out": 0.4, "packets_in": 2000.0, "packets_out": 1000.0}
    assert traffic["carried"]["rate"] == rate
    assert traffic["carried"]["public"][0]["bytes_in"] == 26_000_000
    assert [(one["reason"], one["packets"]) for one in traffic["drops"]["reasons"]] == [("no-port-left", 12)]
    await asyncio.to_thread(lambda: show_status(tmp_path, as_json=False))
    said = capsys.readouterr().out
    assert "Mbit/s: 20 in, 0.4 out; packets/s: 2k in, 1k out" in said
    assert "dropped by rules: 12 no-port-left" in said


async def test_the_page_and_the_fleet_show_it(carrying: Served) -> None:
    page = (await carrying.get("/"))[1]
    assert "20 Mbit/s in, 0.4 out" in page
    assert "no public port is left" in page
    row = dict(zip(HEADER, cells(row_of(json.loads((await carrying.get("/status"))[1]), "")), strict=True))
    assert (row["MBIT/S IN/OUT"], row["PACKETS/S"]) == ("20/0.4", "3k")
    assert ">20/0.4<" in (await carrying.get("/fleet"))[1]


def test_no_rate_is_told_over_a_time_in_which_counting_began_anew() -> None:
    carried = CarriedState()
    carried.take_traffic({PLACE: AFTER}, now=0.0)
    assert carried.rate is None
    carried.take_traffic({PLACE: BEFORE}, now=10.0)
    assert carried.rate is None, "counts went down"
    carried.take_traffic({PLACE: BEFORE, ("192.0.2.12", "tcp"): AFTER}, now=20.0)
    assert carried.rate is None, "another address was counted before"
    assert rate_between(BEFORE, AFTER, 0.0) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.4, "0.4"), (17, "17"), (99.96, "100"), (999.4, "999"), (999.7, "1k"), (1234, "1.23k"), (3e9, "3G")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short_number(value) == text


@pytest.mark.parametrize("width", [60, 80, 100, 132, 200])
def test_a_narrow_terminal_goes_without_columns_and_keeps_the_throughput(width: int) -> None:
    row = ["gw1", "full", "10", "12d", "1234567", "97%", "9.87k/1.23k", "1.23M", "0", "0.2.0.dev12+abcdef", "r" * 90]
    titles, line = one_line_each([row], width)
    assert sum(max(map(len, pair)) + 2 for pair in zip(titles[:-1], line[:-1], strict=True)) + len(line[-1]) <= width
    assert {"GATEWAY", "STATE", "MBIT/S IN/OUT", "REASON"} <= set(titles)
    assert ("VERSION" in titles) == (width >= 132)
