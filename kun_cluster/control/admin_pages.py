"""/healthz, /readyz, /status, /metrics and /explain of the controller."""

import json
import time
from collections.abc import Mapping

from kun_base.adminhttp import Handler, Page
from kun_base.version import version
from kun_cluster.control.controller import Controller
from kun_cluster.views.metrics_text import metrics_text
from kun_cluster.views.pod_text import pod_value


def pages(controller: Controller) -> dict[str, Handler]:
    """Handlers by path."""

    async def healthz(_: Mapping[str, str]) -> Page:
        return Page("ok\n")

    async def readyz(_: Mapping[str, str]) -> Page:
        if controller.is_ready:
            return Page("ready\n")
        missing = [kind for kind, one in controller.informers.items() if not one.is_synced]
        return Page(f"no table yet: waits for {', '.join(missing)}\n", 503)

    async def status(_: Mapping[str, str]) -> Page:
        return Page(json.dumps(status_value(controller), indent=2) + "\n", content_type="application/json")

    async def metrics(_: Mapping[str, str]) -> Page:
        return Page(controller_metrics(controller))

    async def explain(query: Mapping[str, str]) -> Page:
        namespace, _, name = query.get("pod", "").partition("/")
        pod = controller.world.live.pods.get((namespace, name))
        if pod is None:
            return Page(f"there is no pod {namespace}/{name}\n", 404)
        return Page(json.dumps(pod_value(controller.world.live, pod)), content_type="application/json")

    return {"/healthz": healthz, "/readyz": readyz, "/status": status, "/metrics": metrics, "/explain": explain}


def status_value(controller: Controller) -> dict[str, object]:
    """The whole state in a few lines."""
    now = time.monotonic()
    journal = controller.journals["all"]
    return {
        "identity": controller.identity,
        "version": version(),
        "ready": controller.is_ready,
        "leads": controller.leadership.leads,
        "leader": controller.leadership.holder,
        "lease_error": controller.leadership.error,
        "table": {"version": journal.version, "revision": journal.revision, "counts": dict(journal.counts)},
        "watches": {
            kind: {
                "synced": one.is_synced,
                "heard_s_ago": round(now - one.last_heard, 3) if one.last_heard else None,
                "error": controller.failures.get(kind, (0.0, ""))[1],
            }
            for kind, one in controller.informers.items()
        },
        "consumers": [
            {
                "name": one.name,
                "role": one.role,
                "view": one.view,
                "connections": one.connections,
                "sent": one.sent,
                "applied": one.applied,
            }
            for one in controller.followers.all()
        ],
        "rollouts": {
            pool: {"reason": one.reason, "message": one.message}
            for pool, one in sorted(controller.writer.outlooks.items())
        },
        "problems": [str(problem) for problem in controller.world.problems()[:1000]],
    }


def controller_metrics(controller: Controller) -> str:
    """Prometheus text format."""
    journal, now = controller.journals["all"], time.monotonic()
    informers = controller.informers.items()
    return metrics_text(
        {
            "table_records": [((kind,), count) for kind, count in journal.counts.items()],
            "events_total": [(tuple(name.split(" ")), count) for name, count in sorted(controller.events.items())],
            "watch_heard_seconds": [((kind,), now - one.last_heard) for kind, one in informers if one.last_heard],
            "write_errors_total": [((str(code),), count) for code, count in sorted(controller.writer.errors.items())],
            "rollout": [((pool, one.reason), 1.0) for pool, one in sorted(controller.writer.outlooks.items())],
            "consumers_dropped_total": [((), controller.dropped)],
            "ready": [((), float(controller.is_ready))],
            "leader": [((), float(controller.leadership.leads))],
            "consumers": [((), sum(one.connections for one in controller.followers.all()))],
            "table_revision": [((), journal.revision)],
        }
    )
