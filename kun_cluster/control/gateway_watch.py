"""Asks the agents of the gateways for their /status, the leader alone."""

import asyncio
import json
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp

from kun_cluster.formats.gateway_report import GatewayReport, read_report
from kun_cluster.model.egress import EgressGateway

EVERY_S = 2.0
DEADLINE_S = 2.0
MAX_BYTES = 1024 * 1024
MAX_AT_ONCE = 50


class GatewayWatch:
    """`reports`: what each agent said last, by the gateway's name; None: it does not answer.

    `is_known`: every agent was asked since this replica leads.
    """

    def __init__(self, gateways: Callable[[], Iterable[EgressGateway]], leads: Callable[[], bool]) -> None:
        self._gateways, self._leads = gateways, leads
        self.reports: dict[str, GatewayReport | None] = {}
        self.is_known = False

    async def run(self) -> None:
        """Ask until cancelled."""
        limit = asyncio.Semaphore(MAX_AT_ONCE)
        timeout = aiohttp.ClientTimeout(total=DEADLINE_S)
        async with aiohttp.ClientSession(timeout=timeout, headers={"Accept-Encoding": "identity"}) as session:
            while True:
                if self._leads():
                    gateways = list(self._gateways())
                    reports = await asyncio.gather(*(self._ask(session, one.admin, limit) for one in gateways))
                    self.reports = {one.meta.name: report for one, report in zip(gateways, reports, strict=True)}
                    self.is_known = True
                else:
                    self.reports, self.is_known = {}, False
                await asyncio.sleep(EVERY_S)

    async def _ask(self, session: aiohttp.ClientSession, admin: str, limit: asyncio.Semaphore) -> GatewayReport | None:
        try:
            async with limit, session.get(f"{admin}/status", allow_redirects=False) as response:
                if response.status != 200:
                    return None
                body = b""
                async for chunk in response.content.iter_chunked(65536):
                    body += chunk
                    if len(body) > MAX_BYTES:
                        return None
                found: Any = json.loads(body)
                return read_report(found)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError):
            return None
