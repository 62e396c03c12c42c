"""The controller's metrics in Prometheus' text format."""

from collections.abc import Iterable, Iterator, Mapping

PREFIX = "kun_controller_"
# Name to type, labels, meaning.
METRICS: Mapping[str, tuple[str, tuple[str, ...], str]] = {
    "table_records": ("gauge", ("kind",), "Records of the table"),
    "events_total": ("counter", ("kind", "event"), "Events of the watches"),
    "watch_heard_seconds": ("gauge", ("kind",), "Seconds since the last event or bookmark of this kind"),
    "write_errors_total": (
        "counter",
        ("code",),
        "Writes that the API server refused, by HTTP status",
    ),
    "rollout": ("gauge", ("pool", "reason"), "1 for the reason of each pool's condition RolledOut"),
    "consumers_dropped_total": ("counter", (), "Connections ended because the consumer took nothing"),
    "ready": ("gauge", (), "1 while there is a table to serve"),
    "leader": ("gauge", (), "1 while this replica writes statuses and allocations"),
    "consumers": ("gauge", (), "Connections of resolvers and gateways that follow the table"),
    "table_revision": ("gauge", (), "Changes of the table since the start"),
}
Samples = Iterable[tuple[tuple[str, ...], float]]


def metrics_text(samples: Mapping[str, Samples]) -> str:
    """`samples`: by name without PREFIX, values of the labels and a value. Raises KeyError for an unknown name."""
    return "".join(f"{line}\n" for name, rows in samples.items() for line in _family(name, rows))


def _family(name: str, rows: Samples) -> Iterator[str]:
    kind, labels, words = METRICS[name]
    yield f"# HELP {PREFIX}{name} {words}"
    yield f"# TYPE {PREFIX}{name} {kind}"
    for values, value in rows:
        told = ",".join(f'{label}="{text}"' for label, text in zip(labels, values, strict=True))
        yield f"{PREFIX}{name}{{{told}}} {value:.17g}" if told else f"{PREFIX}{name} {value:.17g}"
