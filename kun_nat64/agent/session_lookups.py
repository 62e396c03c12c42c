"""Answers operators' questions about sessions. They are private: through the unix socket or with the token."""

import asyncio
import json
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Protocol

from kun_base.adminhttp import Handler, Page
from kun_base.errors import ConfigError
from kun_nat64.drivers.session_search import search
from kun_nat64.formats.port_question import answer_data, parse
from kun_nat64.model.errors import DriverError
from kun_nat64.model.traffic import Session, Traffic
from kun_nat64.policy.explain import explain
from kun_nat64.policy.port_use import owned_ports, ports_of
from kun_nat64.policy.session_match import parse_endpoint, sessions_with
from kun_nat64.state.agent_state import State
from kun_nat64.views.explanation import LISTED, as_data, session_data

JSON = dict[str, Any]


class Looks(Protocol):
    async def sessions_at(self, instance: str, port: int) -> tuple[tuple[Session, ...], bool]: ...
    async def traffic(self, instance: str) -> Traffic: ...
    async def own_addresses(self) -> frozenset[IPv4Address]: ...


class SessionLookups:
    """Answer one question at a time, because a list of sessions takes memory."""

    def __init__(self, state: State, host: Looks) -> None:
        self._state, self._host = state, host
        self._one = asyncio.Lock()

    def handlers(self) -> Mapping[str, Handler]:
        return {"/sessions": self._sessions, "/who": self._who, "/explain": self._explain}

    async def _sessions(self, query: Mapping[str, str]) -> Page:
        """`with=`: an address and port, of either end, seen from either side."""
        try:
            endpoint = parse_endpoint(query.get("with", ""))
        except ValueError as error:
            return _problem(str(error), status=400)
        async with self._one:
            try:
                listed, whole = await self._host.sessions_at(self._state.spec.nat64.instance, endpoint.port)
            except DriverError as error:
                return _problem(f"Jool could not be asked: {error}")
            found = list(sessions_with(listed, endpoint))
        body = {"found": len(found), "whole": whole, "sessions": [session_data(one) for one in found[:LISTED]]}
        return _page(self._named(body))

    async def _who(self, query: Mapping[str, str]) -> Page:
        """`public=`, `at=`, `proto=`: as the command's."""
        audit = self._state.spec.audit
        try:
            question = parse(
                query.get("public", ""), query.get("at", ""), query.get("proto", ""), now=self._state.wall()
            )
        except ConfigError as error:
            return _problem(str(error), status=400)
        if not audit.log:
            return _problem("no sessions are logged: [nat64] session_log is empty")
        try:
            answer = await asyncio.to_thread(search, Path(audit.database), question)
        except OSError as error:
            return _problem(f"{audit.database} cannot be read: {error.strerror or error}")
        return _page(self._named(answer_data(question, answer)))

    async def _explain(self, query: Mapping[str, str]) -> Page:
        """`destination=`, and `client=` or nothing: IPv6 addresses."""
        try:
            destination = IPv6Address(query.get("destination", ""))
            sender = IPv6Address(query["client"]) if query.get("client") else None
        except ValueError as error:
            return _problem(str(error), status=400)
        spec = self._state.spec
        async with self._one:
            try:
                traffic: Traffic | None = await self._host.traffic(spec.nat64.instance)
            except DriverError:
                traffic = None
            found = explain(destination, spec, traffic or Traffic(), sender, self._state.machine.own)
            ports = None if traffic is None else ports_of(found.owner, owned_ports(traffic, spec))
        data = as_data(found, spec, ports, None)
        data |= {name: data[name][:LISTED] for name in ("sessions", "bindings")}
        data |= {"sessions_counted": traffic is not None, "sessions_found": len(found.sessions)}
        return _page(self._named({**data, "bindings_found": len(found.bindings)}))

    def _named(self, body: JSON) -> JSON:
        return {"gateway": self._state.spec.gateway.name, **body}


def _page(body: JSON, *, status: int = 200) -> Page:
    return Page(json.dumps(body) + "\n", status=status, content_type="application/json")


def _problem(words: str, *, status: int = 200) -> Page:
    return _page({"problem": words}, status=status)
