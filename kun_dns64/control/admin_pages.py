"""The admin pages: alive, ready, numbers, status, explanations."""

import json
import time
from collections.abc import Mapping
from typing import Any

from kun_base.adminhttp import AdminServer, Handler, Page
from kun_base.html_page import HEADERS
from kun_base.table_metrics import table_samples
from kun_base.version import build, version
from kun_dns64.control.control_loop import Control
from kun_dns64.fastpath.selection import COMPILED
from kun_dns64.policy.suffix import SuffixSet
from kun_dns64.serving.worker_group import WorkerGroup, WorkerStatus

JSON = "application/json"
EXPOSITION = "text/plain"
# What may be changed by the control socket, or with a token.
CHANGES = ("/reload", "/flush", "/log-level", "/table/accept")


class Pages:
    """What stands behind each path."""

    def __init__(self, control: Control, fleet: WorkerGroup) -> None:
        self._control, self._fleet = control, fleet
        self._began = time.time()

    def server(self, changes: Mapping[str, Handler] | None = None) -> AdminServer:
        """`changes`: what the token of [admin] token_file lets others do."""
        return AdminServer(
            {
                "/": self.page,
                "/healthz": self.healthz,
                "/readyz": self.readyz,
                "/metrics": self.metrics,
                "/status": self.status,
                "/explain": self.explain,
            },
            changes,
            access=lambda: self._control.settings.access,
        )

    async def healthz(self, _: Mapping[str, str]) -> Page:
        """The process is alive; nothing more."""
        return Page("ok\n")

    async def readyz(self, asked: Mapping[str, str]) -> Page:
        """200 while it answers and can forward: a dead gateway must not take the only resolver away.

        `?want=synthesise` is 200 only while there is a way out for synthesised addresses too.
        """
        control, standing = self._control, await self._fleet.standing()
        secret = control.settings.cookie_secret
        if secret is not None:
            count = max(1, control.settings.workers)
            await control.self_check.run(self._fleet.listening, count, standing.workers, secret)
        told = self._readiness(standing)
        ready = told["synthesise"] if asked.get("want") == "synthesise" else told["forward"]
        return json_page(told, 200 if ready and told["answer"] else 503)

    async def metrics(self, _: Mapping[str, str]) -> Page:
        from kun_dns64.control.metrics_text import exposition

        numbers, control = await self._fleet.numbers(), self._control
        for result, count in control.reloads.items():
            numbers.count("config_reloads", result, by=count)
        numbers.gauge("compiled", float(COMPILED))
        numbers.gauge("build_info", 1.0, version(), build().commit, build().kind)
        numbers.gauge("config_valid", float(not control.problems))
        numbers.gauge("config_generation", control.settings.rules.generation)
        for file, end in control.events.certificate_ends.items():
            numbers.gauge("certificate_expiry_timestamp_seconds", end, file)
        table = control.settings.rules.pool_of
        numbers.gauge("pool_suffixes", len(table) if isinstance(table, SuffixSet) else 0)
        for pool in control.settings.gateways.urls:
            numbers.gauge("gateways_up", float(pool not in control.pools_down), pool or "default")
        for sample in table_samples(control.feed.status()) if control.feed is not None else ():
            if sample.kind == "counter":
                numbers.set_count(sample.name.removesuffix("_total"), sample.value)
            else:
                numbers.gauge(sample.name, sample.value)
        return Page(exposition(numbers), content_type=EXPOSITION)

    async def status(self, _: Mapping[str, str]) -> Page:
        return json_page(self._status(await self._fleet.standing()))

    def _status(self, standing: WorkerStatus) -> dict[str, Any]:
        control = self._control
        settings = control.settings
        return {
            "program": "kun-dns64",
            "version": version(),
            "commit": build().commit,
            "build": build().kind,
            "compiled": COMPILED,
            "uptime_s": round(time.time() - self._began, 1),
            "ready": self._readiness(standing),
            "config": {
                "file": str(control.source.path or ""),
                "generation": settings.rules.generation,
                "problems": list(control.problems),
            },
            "listen": [str(one.endpoint) for one in self._fleet.listening if not one.tls],
            "tls_listen": [str(one.endpoint) for one in self._fleet.listening if one.tls],
            "prefixes": [str(prefix) for prefix in settings.rules.prefixes],
            "pools": {pool.name: [str(prefix) for prefix in pool.prefixes] for pool in settings.rules.pools},
            "follow": control.feed.status() if control.feed is not None else None,
            "workers": list(standing.workers),
        }

    async def page(self, _: Mapping[str, str]) -> Page:
        from kun_dns64.control.page_data import page_data
        from kun_dns64.views.page import render

        standing = await self._fleet.standing()
        body = render({**self._status(standing), **page_data(self._control, standing)})
        return Page(body, content_type="text/html", headers={**HEADERS, "Refresh": "5"})

    async def explain(self, asked: Mapping[str, str]) -> Page:
        from kun_dns64.control.explanation import as_dict, query_for, with_owner

        if not asked.get("name"):
            return json_page({"error": "needs ?name=, for example /explain?name=www.example.org&type=AAAA"}, 400)
        try:
            query = query_for(asked["name"], asked.get("type") or "AAAA", asked.get("client", ""))
        except ValueError as error:
            return json_page({"error": str(error)}, 400)
        try:
            told = as_dict(await self._fleet.explain(query))
        except (OSError, TimeoutError) as error:
            return json_page({"error": f"no worker answers: {error}"}, 503)
        who = self._control.feed.who(query.source) if self._control.feed is not None else None
        return json_page(with_owner(told, who))

    def _readiness(self, standing: WorkerStatus) -> dict[str, Any]:
        control = self._control
        pools = {pool or "default": pool not in control.pools_down for pool in control.settings.gateways.urls}
        return {
            "answer": not control.self_check.silent,
            "silent": list(control.self_check.silent),
            "forward": standing.forward,
            "synthesise": standing.forward and "" not in control.pools_down,
            "gateways": pools,
        }


def json_page(value: object, status: int = 200) -> Page:
    return Page(json.dumps(value, indent=2) + "\n", status, JSON)
