"""The controller's metrics: the real exposition reads as Prometheus text, and every name has HELP."""

from prometheus_client.parser import text_string_to_metric_families

from kun_cluster.views.metrics_text import METRICS, PREFIX, metrics_text


def test_every_metric_is_read_with_its_type_labels_and_help() -> None:
    samples = {name: [(tuple("x" for _ in labels), 1234567.0)] for name, (_, labels, _) in METRICS.items()}
    families = {one.name: one for one in text_string_to_metric_families(metrics_text(samples))}
    assert families.keys() == {PREFIX + name.removesuffix("_total") for name in METRICS}
    for name, (kind, labels, words) in METRICS.items():
        family = families[PREFIX + name.removesuffix("_total")]
        assert (family.type, family.documentation) == (kind, words)
        (sample,) = family.samples
        assert (set(sample.labels), sample.value) == (set(labels), 1234567.0)
