"""What is counted, under which name, and how the numbers of several workers become one.

Counting costs a dictionary look-up; prometheus-client is imported only to print.

Twin: fastpath/latency_histogram.pxi.
"""

from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field

from kun_dns64.model.question import Rcode

LATENCY_BUCKETS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.8, 5.0)
PREFIX = "kun_dns64_"

# Name (without prefix, counters without _total): help, labels.
COUNTERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "queries": ("Queries received.", ("transport",)),
    "replies": ("Replies, by the rule that decided them.", ("rule", "rcode")),
    "dropped": ("Queries without a reply, by rule.", ("rule",)),
    "fast_replies": ("Replies from the reply cache (not counted in replies_total).", ("rule",)),
    "upstream_results": ("Attempts at upstreams, by rcode or kind of failure.", ("upstream", "result")),
    "upstream_wrong_replies": ("Packets from upstreams that match no outstanding question.", ()),
    "upstream_case_fallbacks": (
        "Upstream replies with a changed case of the name; the question was repeated over TCP.",
        (),
    ),
    "upstream_tcp_fallbacks": ("Truncated upstream replies; the question was repeated over TCP.", ()),
    "upstream_edns_fallbacks": ("FORMERR replies; the question was repeated without EDNS.", ()),
    "upstream_stream_retries": ("Upstream questions repeated because a connection was lost or silent.", ()),
    "upstream_checks": ("Health checks (`. NS`) of upstreams that are suspect or down.", ("upstream", "result")),
    "upstream_overflows": ("Upstream questions refused because max_outstanding was reached.", ()),
    "upstream_displaced": ("Upstream questions given up: newer ones needed the room, or a share was used up.", ()),
    "upstream_refused": ("Upstream questions not put because nothing in their zone was answered lately.", ()),
    "coalesced": ("Queries that joined an equal outstanding upstream question.", ()),
    "late_answers": ("Upstream answers that arrived after the reply to the client.", ()),
    "late_aaaa": ("Real AAAA records that arrived after synthesis; the next reply uses them.", ()),
    "stagger_saved": ("Queries whose A was asked before the AAAA answer arrived.", ()),
    "background_refreshes": ("Upstream questions for prefetch or for stale data.", ()),
    "loops": ("Own upstream questions received as queries: a forwarding loop.", ()),
    "tcp_closed_for_limit": ("Client connections closed because a limit was reached.", ()),
    "shadowed": ("Replies shadow mode would have synthesised (cached replies not counted).", ("rule",)),
    "dnstap_messages": ("Messages written by dnstap.", ("output",)),
    "dnstap_dropped": ("Messages dropped by dnstap because its reader or disk is slow or absent.", ("output",)),
    "internal_errors": ("Queries that raised an internal error; answered SERVFAIL.", ()),
    "config_reloads": ("Reloads of the configuration, by result.", ("result",)),
    "table_changes": ("Changes of the followed table that came into force.", ()),
    "table_faults": ("Changes of the followed table, and files with it, that were refused.", ()),
    "worker_restarts": ("Workers that crashed and were restarted.", ()),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "cache_entries": ("Upstream answers in the cache.", ()),
    "cache_bytes": ("Bytes of upstream answers in the cache.", ()),
    "memo_entries": ("Replies in the reply cache.", ()),
    "upstream_outstanding": ("Upstream questions without an answer.", ()),
    "tcp_connections": ("Open client connections.", ()),
    "upstream_srtt_seconds": ("Smoothed round-trip time of an upstream.", ("upstream",)),
    "upstream_up": ("1: up; 0: down, its health check is not answered.", ("upstream",)),
    "upstream_is_dns64": ("1: the upstream synthesises AAAA itself and must not be used.", ("upstream",)),
    "gateways_up": ("1: at least one gateway of the pool is up; 0: all are down.", ("pool",)),
    "build_info": ("Always 1; the labels name the running build.", ("version", "commit", "kind")),
    "compiled": ("1: the compiled modules run; 0: pure Python, which takes several times the CPU time.", ()),
    "config_valid": ("0: the file on disk is refused and the old configuration is in force.", ()),
    "certificate_expiry_timestamp_seconds": ("Expiry of a certificate, Unix time.", ("file",)),
    "config_generation": ("Number of rule changes since start.", ()),
    "pool_suffixes": ("Domain suffixes in pools.", ()),
    "table_connected": ("1: the stream of the followed table is open.", ()),
    "table_age_seconds": ("Seconds since the last line of the followed table; -1: none arrived.", ()),
    "table_committed_seconds": ("When the followed table in force was committed, Unix time.", ()),
    "table_revision": ("Newest resourceVersion of the followed table in force.", ()),
    "table_clients": ("Clients in the followed table in force.", ()),
    "table_held": ("1: a change of the followed table removes too much, and waits to be accepted.", ()),
    "workers": ("Running workers.", ()),
}
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "reply_seconds": ("Time from query to reply (reply cache hits not counted).", ()),
    "upstream_seconds": ("Time from upstream question to answer.", ("upstream",)),
}
# Gauges that mean the same in every worker: not summed.
SHARED_GAUGES = frozenset(GAUGES) - frozenset(
    ("cache_entries", "cache_bytes", "memo_entries", "upstream_outstanding", "tcp_connections", "workers")
)

Labels = tuple[str, ...]
Numbers = dict[str, dict[Labels, float]]
# Per histogram and labels: a count for each bucket and one beyond the last, then the sum.
Buckets = dict[str, dict[Labels, list[float]]]


@dataclass(slots=True)
class Metrics:
    """The numbers of one process."""

    counters: Numbers = field(default_factory=lambda: {name: {} for name in COUNTERS})
    gauges: Numbers = field(default_factory=lambda: {name: {} for name in GAUGES})
    histograms: Buckets = field(default_factory=lambda: {name: {} for name in HISTOGRAMS})

    def count(self, name: str, *labels: str, by: float = 1) -> None:
        numbers = self.counters[name]
        numbers[labels] = numbers.get(labels, 0) + by

    def set_count(self, name: str, value: float, *labels: str) -> None:
        """For what is counted elsewhere."""
        self.counters[name][labels] = value

    def gauge(self, name: str, value: float, *labels: str) -> None:
        self.gauges[name][labels] = value

    def observe(self, name: str, value: float, *labels: str) -> None:
        buckets = self.histograms[name].get(labels)
        if buckets is None:
            buckets = self.histograms[name][labels] = [0.0] * (len(LATENCY_BUCKETS) + 2)
        buckets[bisect_left(LATENCY_BUCKETS, value)] += 1
        buckets[-1] += value

    def add(self, name: str, row: list[float], *labels: str) -> None:
        """A histogram's row that was counted elsewhere."""
        if any(row):
            known = self.histograms[name].get(labels, [0.0] * len(row))
            self.histograms[name][labels] = [a + b for a, b in zip(known, row, strict=True)]


def summed(parts: Iterable[Metrics]) -> Metrics:
    """One set of numbers for several workers."""
    total = Metrics()
    for part in parts:
        for name, rows in part.counters.items():
            for labels, value in rows.items():
                total.count(name, *labels, by=value)
        for name, rows in part.gauges.items():
            for labels, value in rows.items():
                before = 0 if name in SHARED_GAUGES else total.gauges[name].get(labels, 0)
                total.gauges[name][labels] = before + value
        for name, histogram in part.histograms.items():
            for labels, buckets in histogram.items():
                known = total.histograms[name].get(labels, [0.0] * len(buckets))
                total.histograms[name][labels] = [a + b for a, b in zip(known, buckets, strict=True)]
    return total


_RCODE_NAMES = {int(rcode): rcode.name for rcode in Rcode}


def rcode_name(rcode: int) -> str:
    """The label of an rcode."""
    return _RCODE_NAMES.get(rcode) or f"RCODE{rcode}"
