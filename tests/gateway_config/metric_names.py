"""The metric names of both programs, as their sources state them."""

import ast
from pathlib import Path

from kun_base.table_metrics import table_samples
from kun_cluster.views.metrics_text import METRICS as CONTROLLER_METRICS
from kun_cluster.views.metrics_text import PREFIX as PREFIX_OF_CONTROLLER
from kun_dns64.state.metrics import COUNTERS, GAUGES, HISTOGRAMS, PREFIX

ROOT = Path(__file__).parent.parent.parent
HISTOGRAM_PARTS = ("_bucket", "_count", "_sum")
# Functions of kun_nat64/views/metrics_text.py that make a family, with what the exposition adds to the name.
NAT64_MAKERS = {
    "_gauge": ("",),
    "_labelled": ("",),
    "_one_of": ("",),
    "_flags": ("",),
    "_counts": ("_total",),
    "_histogram": HISTOGRAM_PARTS,
}
MADE_BY_PROMETHEUS = {"up"}


def of_dns64() -> set[str]:
    names = {f"{PREFIX}{name}_total" for name in COUNTERS} | {PREFIX + name for name in GAUGES}
    return names | {f"{PREFIX}{name}{part}" for name in HISTOGRAMS for part in HISTOGRAM_PARTS}


def of_nat64() -> set[str]:
    found = {"kun_nat64_agent_info", "kun_nat64_build_info"}
    for node in ast.walk(ast.parse((ROOT / "kun_nat64" / "views" / "metrics_text.py").read_text())):
        match node:
            case ast.Call(func=ast.Name(id=maker), args=[ast.Constant(value=str(name)), *_]):
                found |= {f"kun_nat64_{name}{end}" for end in NAT64_MAKERS.get(maker, ())}
    return found


def of_the_table() -> set[str]:
    """Those of the follower of the controller's table, which both programs have."""
    status = {
        "source": "https://controller:8443/", "file": "", "connected": True, "age_s": 1.0, "committed_at": 1.0,
        "revision": 1, "records": {"client": 1}, "held": None, "changes": 1, "faults": 0,
    }  # fmt: skip
    return {prefix + one.name for one in table_samples(status) for prefix in ("kun_nat64_", PREFIX)}


def exported() -> set[str]:
    return (
        of_dns64()
        | of_nat64()
        | {PREFIX_OF_CONTROLLER + name for name in CONTROLLER_METRICS}
        | of_the_table()
        | MADE_BY_PROMETHEUS
    )
