"""What is counted, under which name, and how the numbers of several workers become one.

Counting costs a dictionary look-up; prometheus-client is imported only to print.
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
    "replies": ("Replies by the rule that decided them.", ("rule", "rcode")),
    "dropped": ("Queries not answered, by the rule that said so.", ("rule",)),
    "fast_replies": ("Replies sent again from the memory of finished answers, not in replies_total.", ("rule",)),
    "upstream_results": ("Attempts at upstreams: the rcode that came, or the kind of failure.", ("upstream", "result")),
    "upstream_wrong_replies": ("Packets from upstream addresses that answer no question of ours.", ()),
    "upstream_case_fallbacks": ("Replies that changed the case of the name; asked again by TCP.", ()),
    "upstream_tcp_fallbacks": ("Truncated replies; asked again by TCP.", ()),
    "upstream_edns_fallbacks": ("FORMERR from servers without EDNS; asked again without.", ()),
    "upstream_stream_retries": ("Questions put again because a connection was lost or said nothing.", ()),
    "upstream_checks": ("Health checks (`. NS`) of upstreams that were in doubt or down.", ("upstream", "result")),
    "upstream_overflows": ("Questions not put because too many were out.", ()),
    "upstream_displaced": ("Questions given up because others needed the room.", ()),
    "coalesced": ("Questions that joined an equal one already out.", ()),
    "late_answers": ("Upstream answers that came after the client had been answered.", ()),
    "late_aaaa": ("Real AAAA that came after synthesis; the next answer is the real one.", ()),
    "stagger_saved": ("Queries whose A had been asked before AAAA was answered.", ()),
    "background_refreshes": ("Questions put for prefetch or to renew stale data.", ()),
    "loops": ("Own questions that came back as queries: an upstream forwards to us.", ()),
    "tcp_closed_for_limit": ("Client connections closed because there were too many.", ()),
    "shadowed": ("Replies that shadow mode kept from being synthesised, without those from memory.", ("rule",)),
    "dnstap_messages": ("Messages told by dnstap.", ("output",)),
    "dnstap_dropped": ("Messages not told by dnstap because its reader or disk is slow or gone.", ("output",)),
    "internal_errors": ("Queries that met a defect of this program; answered SERVFAIL.", ()),
    "config_reloads": ("Reloads of the configuration.", ("result",)),
    "table_changes": ("Changes of the followed table that came into force.", ()),
    "table_faults": ("Changes of the followed table, and files with it, that were refused.", ()),
    "worker_restarts": ("Workers that ended by themselves and were started again.", ()),
}
GAUGES: dict[str, tuple[str, tuple[str, ...]]] = {
    "cache_entries": ("Upstream answers in the cache.", ()),
    "cache_bytes": ("Octets of upstream answers in the cache.", ()),
    "memo_entries": ("Finished answers remembered.", ()),
    "upstream_outstanding": ("Questions out now.", ()),
    "tcp_connections": ("Client connections open now.", ()),
    "upstream_srtt_seconds": ("Smoothed time an upstream takes.", ("upstream",)),
    "upstream_up": ("1: answers; 0: down, its health check is not answered.", ("upstream",)),
    "upstream_is_dns64": ("1: synthesises AAAA itself and must not be used.", ("upstream",)),
    "gateways_up": ("1: at least one gateway of the pool is up; 0: none is.", ("pool",)),
    "build_info": ("Always 1; its labels say which build runs.", ("version", "commit", "kind")),
    "compiled": ("1: the compiled modules run; 0: pure Python, which takes several times the CPU time.", ()),
    "config_valid": ("0: the file on disk is refused and the old configuration is in force.", ()),
    "certificate_expiry_timestamp_seconds": ("When a certificate of ours ends, seconds since 1970.", ("file",)),
    "config_generation": ("Counts changes of the rules in force.", ()),
    "pool_suffixes": ("Domain suffixes in pools.", ()),
    "table_connected": ("1: the stream of the followed table is open.", ()),
    "table_age_seconds": ("Since the last line of the followed table; -1: none has come.", ()),
    "table_committed_seconds": ("When the followed table in force was committed, Unix time.", ()),
    "table_revision": ("Newest resourceVersion of the followed table in force.", ()),
    "table_clients": ("Clients in the followed table in force.", ()),
    "table_held": ("1: a change of the followed table removes too much, and waits to be accepted.", ()),
    "workers": ("Workers that serve.", ()),
}
HISTOGRAMS: dict[str, tuple[str, tuple[str, ...]]] = {
    "reply_seconds": ("From query to reply, without those answered from memory.", ()),
    "upstream_seconds": ("From question to answer.", ("upstream",)),
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
