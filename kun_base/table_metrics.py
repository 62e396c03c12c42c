"""The metrics about the table, from a follower's status."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class TableSample(NamedTuple):
    """`name` without the program's prefix; `kind`: gauge or counter."""

    name: str
    kind: str
    help: str
    value: float


def table_samples(status: Mapping[str, Any]) -> Iterator[TableSample]:
    """Give the metrics of `TableFollower.status`."""
    age = -1.0 if status["age_s"] is None else status["age_s"]
    # Whoever follows a file has no stream that could be closed.
    if status["source"] != status["file"]:
        yield TableSample("table_connected", "gauge", "1: the controller's stream is open.", float(status["connected"]))
    yield TableSample("table_age_seconds", "gauge", "Since the last line of stream or file; -1: none has come.", age)
    yield TableSample(
        "table_committed_seconds", "gauge", "When the table in force was committed, Unix time.", status["committed_at"]
    )
    yield TableSample("table_revision", "gauge", "Newest resourceVersion of the table in force.", status["revision"])
    yield TableSample("table_clients", "gauge", "Clients in the table in force.", status["records"]["client"])
    held = float(status["held"] is not None)
    yield TableSample("table_held", "gauge", "1: a change that removes too much waits to be accepted.", held)
    yield TableSample("table_changes_total", "counter", "Changes that came into force.", status["changes"])
    yield TableSample("table_faults_total", "counter", "Changes and files that were refused.", status["faults"])
