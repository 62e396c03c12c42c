"""The numbers as Prometheus reads them."""

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from kun_dns64.state.metrics import COUNTERS, GAUGES, HISTOGRAMS, LATENCY_BUCKETS, PREFIX, Metrics


class _Collector(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        for name, (text, labels) in COUNTERS.items():
            counter = CounterMetricFamily(PREFIX + name, text, labels=labels)
            rows = self._metrics.counters.get(name) or ({} if labels else {(): 0.0})
            for values, number in rows.items():
                counter.add_metric(values, number)
            yield counter
        for name, (text, labels) in GAUGES.items():
            gauge = GaugeMetricFamily(PREFIX + name, text, labels=labels)
            for values, number in self._metrics.gauges.get(name, {}).items():
                gauge.add_metric(values, number)
            yield gauge
        yield from self._histograms()

    def _histograms(self) -> Iterator[Metric]:
        for name, (text, labels) in HISTOGRAMS.items():
            histogram = HistogramMetricFamily(PREFIX + name, text, labels=labels)
            for values, buckets in self._metrics.histograms.get(name, {}).items():
                total, cumulative = 0.0, []
                for bound, count in zip((*LATENCY_BUCKETS, "+Inf"), buckets, strict=False):
                    total += count
                    cumulative.append((str(bound), total))
                histogram.add_metric(values, buckets=cumulative, sum_value=buckets[-1])
            yield histogram


def exposition(metrics: Metrics) -> str:
    """Text format 0.0.4."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Collector(metrics))
    return generate_latest(registry).decode()
