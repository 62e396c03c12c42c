"""What the page shows beside /status: upstreams, pools and their gateways, how things went, last events."""

import time
from typing import Any

from kun_dns64.control.control_loop import Control
from kun_dns64.policy.gateway import effect_of
from kun_dns64.serving.worker_group import WorkerStatus

MOST_EVENTS = 20


def page_data(control: Control, standing: WorkerStatus) -> dict[str, Any]:
    course = control.events.course
    return {
        "time": time.time(),
        "queries_per_s": list(course.queries_per_s),
        "upstreams": [
            {**one, "latencies_ms": list(course.latencies_ms.get(one["upstream"], ()))}
            for one in upstream_rows(control, standing)
        ],
        "pools": _pools(control),
        "events": [
            {"at": past.at, "event": past.event.name, "words": _words(past.event.fields)}
            for past in list(control.events.recent)[-MOST_EVENTS:]
        ],
    }


def upstream_rows(control: Control, standing: WorkerStatus) -> list[dict[str, Any]]:
    """Each upstream once: up in how many workers, the mean smoothed time, answers of all."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for worker in standing.workers:
        for one in worker["upstreams"]:
            rows.setdefault(one["upstream"], []).append(one)
    groups = control.settings.groups
    return [
        {
            "upstream": name,
            "groups": [group or "default" for group, servers in groups.items() if name in map(str, servers)],
            "up": any(one["up"] for one in seen),
            "up_in_workers": sum(one["up"] for one in seen),
            "workers": len(seen),
            "srtt_ms": round(1000 * sum(one["srtt_s"] for one in seen) / len(seen), 3),
            "answers": sum(one["answers"] for one in seen),
        }
        for name, seen in rows.items()
    ]


def _pools(control: Control) -> list[dict[str, Any]]:
    rules, urls = control.settings.rules, control.settings.gateways.urls
    pools = [("", rules.prefixes), *((pool.name, pool.prefixes) for pool in rules.pools)]
    return [
        {
            "pool": name or "default",
            "prefixes": [str(prefix) for prefix in prefixes],
            "gateways": [
                {"url": url, "why": control.gateways_seen.get(name, {}).get(url, "")} for url in urls.get(name, ())
            ],
            "effect": effect_of(rules, name) if name in rules.pools_down else "",
        }
        for name, prefixes in pools
    ]


def _words(fields: Any) -> str:
    return " ".join(f"{key}={value}" for key, value in fields.items() if value is not None)
