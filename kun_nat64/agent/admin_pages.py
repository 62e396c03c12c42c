"""The admin ports: health, metrics, status, the page.

Changes are accepted from root through the unix socket, and through the ports with the token of [admin] token_file. A
port on the loopback is open to all programs of this host, and to pages in its browsers.
"""

import json
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from ipaddress import IPv6Address
from typing import Any, TypeVar

from kun_base.adminhttp import AdminServer, Handler, Page
from kun_base.html_page import HEADERS
from kun_nat64.agent.reload import Outcome
from kun_nat64.model.drain import Drain, Phase
from kun_nat64.model.fleet import Fleet
from kun_nat64.model.standing import WORDS
from kun_nat64.policy import drain as drain_policy
from kun_nat64.policy.fleet_view import drain_refused
from kun_nat64.state.agent_state import State
from kun_nat64.views.status import announced, brief, snapshot, why_unheard

METRICS_TYPE = "text/plain"
Started = TypeVar("Started")


@dataclass(frozen=True, slots=True)
class Orders:
    """What others may ask of the agent. `set_drain` stores a drain and acts on it; `reload` takes the file anew.

    `members`: the others' whole status by URL, or why there is none, as a string. `accept`: a change of the
    controller's table that is held, of that version ("": any). `drain_turn`: the fleet as it is now, while it is
    decided whether this gateway may drain. `lookups`: what is private, by path.
    """

    set_drain: Callable[[Drain, bool], str | None]
    reload: Callable[..., Awaitable[Outcome]]
    members: Callable[[], Awaitable[dict[str, Any]]]
    drain_turn: Callable[[], AbstractAsyncContextManager[Fleet]]
    accept: Callable[[str], bool] = lambda _version: False
    lookups: Mapping[str, Handler] = field(default_factory=dict)


class Admin:
    """Serve the admin pages. The caller handles an OSError of starting."""

    def __init__(self, state: State, orders: Orders) -> None:
        self._state, self._orders = state, orders
        self._servers: list[AdminServer] = []

    async def start_public(self, host: str, port: int) -> int:
        """Listens on `host` and `port`; returns the port."""
        access = lambda: self._state.spec.admin.access  # noqa: E731 - a reload makes another one
        server = AdminServer(self._gets(), self._posts(), minimal={"/status": self._brief}, access=access)
        return await self._kept(server, server.start(host, port))

    async def start_local(self, control: str) -> None:
        """Listens on the unix socket `control`."""
        server = AdminServer(self._gets(), self._posts(), may_post=_may_change)
        await self._kept(server, server.start_unix(control))

    async def _kept(self, server: AdminServer, start: Awaitable[Started]) -> Started:
        self._servers.append(server)
        try:
            return await start
        except OSError:
            self._servers.remove(server)
            await server.close()
            raise

    async def close(self) -> None:
        for server in self._servers:
            await server.close()
        self._servers = []

    def _gets(self) -> Mapping[str, Handler]:
        return {
            "/": self._page,
            "/fleet": self._fleet,
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._metrics,
            "/status": self._status,
            "/client": self._client,
        }

    def _posts(self) -> Mapping[str, Handler]:
        return {
            "/drain": self._drain,
            "/undrain": self._undrain,
            "/reload": self._reload,
            "/table/accept": self._accept,
            **self._orders.lookups,
        }

    async def _healthz(self, _query: Mapping[str, str]) -> Page:
        return Page("alive\n")

    async def _readyz(self, _query: Mapping[str, str]) -> Page:
        decision, wanted, there = self._state.standing.decision, self._state.announcement.wanted, announced(self._state)
        words = f"{decision.standing}: {decision.reason}: {WORDS[decision.reason]}"
        if wanted != there:
            words += f"; {why_unheard(self._state) or 'BGP has not taken it yet'}"
        return Page(f"{words}\n", status=200 if wanted and there else 503)

    async def _metrics(self, _query: Mapping[str, str]) -> Page:
        from kun_nat64.views.metrics_text import exposition

        ends = [server.certificate_end for server in self._servers if server.certificate_end is not None]
        text = exposition(self._state, certificate_end=min(ends, default=None))
        return Page(text, content_type=METRICS_TYPE)

    async def _status(self, _query: Mapping[str, str]) -> Page:
        return Page(json.dumps(self._snapshot(), indent=1) + "\n", content_type="application/json")

    async def _client(self, query: Mapping[str, str]) -> Page:
        """`address=`: an inside address."""
        from kun_nat64.views.tenants import client_data

        try:
            address = IPv6Address(query.get("address", ""))
        except ValueError:
            return Page("address= needs an IPv6 address\n", status=400)
        return Page(json.dumps(client_data(self._state, address)) + "\n", content_type="application/json")

    async def _brief(self, _query: Mapping[str, str]) -> Page:
        return Page(json.dumps(brief(self._state, now=self._state.clock())), content_type="application/json")

    async def _page(self, _query: Mapping[str, str]) -> Page:
        from kun_nat64.views.page import render

        return Page(render(self._snapshot()), content_type="text/html", headers={**HEADERS, "Refresh": "2"})

    async def _fleet(self, _query: Mapping[str, str]) -> Page:
        from kun_nat64.views.fleet import rows_of
        from kun_nat64.views.fleet_page import render_fleet

        rows = rows_of(self._snapshot(), await self._orders.members())
        body = render_fleet(rows, wall=self._state.wall())
        return Page(body, content_type="text/html", headers={**HEADERS, "Refresh": "5"})

    async def _drain(self, query: Mapping[str, str]) -> Page:
        """`until_start=1`: not stored, so that the next start serves again. `force=1`: whatever the guard says."""
        if query.get("force") == "1" or self._state.drain.phase is not Phase.SERVING:
            return self._drain_now(query)
        async with self._orders.drain_turn() as fleet:
            refused = drain_refused(fleet, announced=announced(self._state))
            if not refused:
                return self._drain_now(query)
        body = json.dumps({"phase": self._state.drain.phase, "refused": refused}) + "\n"
        return Page(body, status=409, content_type="application/json")

    def _drain_now(self, query: Mapping[str, str]) -> Page:
        why = query.get("why", "")[:200]
        drain = drain_policy.requested(self._state.drain, why, now=self._state.clock(), wall=time.time())
        return self._change(drain, keep="until_start" not in query)

    async def _undrain(self, _query: Mapping[str, str]) -> Page:
        if self._state.drain.by_table:
            words = "the controller's table drains this gateway: see desired and status.rollout of its EgressGateway"
            body = {"phase": self._state.drain.phase, "warning": words}
            return Page(json.dumps(body) + "\n", content_type="application/json")
        return self._change(drain_policy.revoked(self._state.drain), keep=True)

    async def _reload(self, query: Mapping[str, str]) -> Page:
        outcome = await self._orders.reload(force=query.get("force") == "1")
        body = {"taken": outcome.taken, "refused": outcome.refused, "file": self._state.spec.source}
        return Page(json.dumps(body) + "\n", content_type="application/json")

    async def _accept(self, query: Mapping[str, str]) -> Page:
        taken = self._orders.accept(query.get("version", ""))
        return Page(json.dumps({"accepted": taken}) + "\n", content_type="application/json")

    def _change(self, drain: Drain, *, keep: bool) -> Page:
        problem = self._orders.set_drain(drain, keep)
        body = {"phase": drain.phase, "warning": problem}
        return Page(json.dumps(body) + "\n", content_type="application/json")

    def _snapshot(self) -> dict[str, object]:
        return snapshot(self._state, now=self._state.clock(), wall=time.time())


def _may_change(user: int) -> bool:
    return user in (0, os.geteuid())
