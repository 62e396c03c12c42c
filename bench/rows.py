"""The rows of the table: what is measured, in which unit, and what we want of it."""

from dataclasses import dataclass

from bench.plan import FAR_MS


@dataclass(frozen=True, slots=True)
class Row:
    key: str
    title: str
    unit: str
    more_is_better: bool = True
    digits: int = 0


ROWS = (
    Row("hot_cpu", "hot, answers per CPU second", "/CPU s"),
    Row("hot", "hot, answers per second", "/s"),
    Row("cold", "cold, answers per second", "/s"),
    Row("cold_cpu", "cold, CPU per answer", "µs", more_is_better=False, digits=1),
    Row("mixed", "mixed (90 % hot, 0x20, EDNS, cookies)", "/s"),
    Row("mixed_cpu", "mixed, CPU per answer", "µs", more_is_better=False, digits=1),
    Row("p50", "latency p50 at half load", "µs", more_is_better=False),
    Row("p99", "latency p99 at half load", "µs", more_is_better=False),
    Row("p999", "latency p99.9 at half load", "µs", more_is_better=False),
    Row("same_p50", "latency p50 at the same rate for all", "µs", more_is_better=False),
    Row("same_p99", "latency p99 at the same rate for all", "µs", more_is_better=False),
    Row("same_p999", "latency p99.9 at the same rate for all", "µs", more_is_better=False),
    Row("tcp", "TCP pipelined", "/s"),
    Row("tcp_cpu", "TCP pipelined, answers per CPU second", "/CPU s"),
    Row("pair", "2 workers, answers per CPU second of the busier", "/CPU s"),
    Row("pair_gain", "2 workers as a multiple of 1", "×", digits=2),
    Row("start", "start to first answer", "ms", more_is_better=False),
    Row("rss_small", "RSS per cached name, small cache", "B", more_is_better=False),
    Row("rss_big", "RSS per cached name, big cache", "B", more_is_better=False),
    Row("rss_big_total", "RSS with the big cache", "MiB", more_is_better=False),
    *(
        row
        for session, ms in FAR_MS.items()
        for row in (
            Row(f"asked_{session}", f"upstream {ms} ms off, 0.1 % lost: packets per question", "", False, 3),
            Row(f"far_cpu_{session}", f"upstream {ms} ms off: CPU per answer", "µs", False, 1),
        )
    ),
    Row("pool_start", "million-suffix pool: start to first answer", "ms", more_is_better=False),
    Row("pool_rss", "million-suffix pool: RSS it adds", "MiB", more_is_better=False),
    Row("pool_reload", "million-suffix pool: changed list to changed answer", "ms", more_is_better=False),
    Row("pool_reload_worst", "million-suffix pool: slowest answer meanwhile", "ms", more_is_better=False, digits=1),
    Row("pool_cold_cpu", "million-suffix pool: cold, CPU per answer", "µs", more_is_better=False, digits=1),
    Row("pool_hot_cpu", "million-suffix pool: hot, answers per CPU second", "/CPU s"),
)
ROW_BY_KEY = {row.key: row for row in ROWS}


@dataclass(frozen=True, slots=True)
class Target:
    """Our figure against a peer's in the same run ("" for a plain limit): at least, or at most, `factor` times it."""

    row: str
    peer: str
    factor: float
    at_least: bool = True


TARGETS = (
    Target("hot_cpu", "unbound", 1.2),
    Target("hot_cpu", "echo", 0.75),
    Target("cold", "unbound", 3.0),
    Target("mixed", "unbound", 1.5),
    Target("p99", "unbound", 1.0, at_least=False),
    Target("pair_gain", "", 1.9),
    Target("tcp", "unbound", 1.0),
    *(Target(f"asked_{session}", "", 1.02, at_least=False) for session in FAR_MS),
    Target("start", "", 300.0, at_least=False),
    Target("rss_big", "", 1024.0, at_least=False),
)
