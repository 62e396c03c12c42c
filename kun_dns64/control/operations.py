"""The operator's commands on the control socket: what each path answers. All answers are JSON."""

from collections import defaultdict
from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any

import dns.rdatatype

from kun_base.adminhttp import AdminServer, Handler, Page
from kun_base.journal import LEVEL_OF
from kun_dns64.cache.inspection import CacheRow
from kun_dns64.control.admin_pages import Pages, json_page
from kun_dns64.control.client_view import client_view
from kun_dns64.control.control_loop import Control
from kun_dns64.control.explanation import failure_dict, response_dict
from kun_dns64.control.page_data import upstream_rows
from kun_dns64.formats.names import from_text, to_text
from kun_dns64.model.message import Response
from kun_dns64.policy.config_difference import differences
from kun_dns64.policy.prepared import prepare
from kun_dns64.policy.suffix import SuffixSet
from kun_dns64.serving.query_sample import MAX_SECONDS, Sample
from kun_dns64.serving.worker_group import WorkerGroup
from kun_dns64.state.metrics import rcode_name

MAX_TOP = 100
NO_TABLE = "there is no [follow] in the file: no table is followed"


class Operations:
    """What stands behind each path of the control socket."""

    def __init__(self, control: Control, workers: WorkerGroup, pages: Pages) -> None:
        self._control, self._workers, self._pages = control, workers, pages

    def server(self) -> AdminServer:
        gets: dict[str, Handler] = {
            "/status": self._pages.status,
            "/metrics": self._pages.metrics,
            "/explain": self._pages.explain,
            "/upstreams": self.upstreams,
            "/pools": self.pools,
            "/clients": self.clients,
            "/cache": self.cache,
            "/top": self.top,
            "/tail": self.tail,
            "/table": self.table,
        }
        return AdminServer(gets, self.changes())

    def changes(self) -> dict[str, Handler]:
        return {
            "/reload": self.reload,
            "/flush": self.flush,
            "/log-level": self.log_level,
            "/table/accept": self.accept,
        }

    async def upstreams(self, _: Mapping[str, str]) -> Page:
        """Each upstream once: up in how many workers, the mean smoothed time, answers of all."""
        return json_page({"upstreams": upstream_rows(self._control, await self._workers.standing())})

    async def pools(self, _: Mapping[str, str]) -> Page:
        control = self._control
        rules, urls = control.settings.rules, control.settings.gateways.urls
        table = rules.pool_of
        found = [
            {
                "pool": name or "default",
                "prefixes": [str(prefix) for prefix in prefixes],
                "fallback": fallback,
                "gateways": list(urls.get(name, ())),
                "up": name not in control.pools_down if name in urls else None,
            }
            for name, prefixes, fallback in [
                ("", rules.prefixes, ""),
                *((pool.name, pool.prefixes, pool.fallback) for pool in rules.pools),
            ]
        ]
        return json_page({"pools": found, "suffixes": len(table) if isinstance(table, SuffixSet) else 0})

    async def clients(self, asked: Mapping[str, str]) -> Page:
        try:
            address = ip_address(asked.get("address", ""))
        except ValueError:
            return _refused(f"{asked.get('address', '')!r} is not an IP address; for example 2001:db8::7")
        return json_page(client_view(address, self._control.settings.rules, self._who(str(address))))

    def _who(self, address: str) -> dict[str, str] | None:
        """Whose address it is, by the followed table."""
        feed = self._control.feed
        return feed.who(ip_address(address)) if feed is not None else None

    async def table(self, _: Mapping[str, str]) -> Page:
        """The followed table: version, age, what is held."""
        feed = self._control.feed
        return _refused(NO_TABLE) if feed is None else json_page(feed.status())

    async def accept(self, asked: Mapping[str, str]) -> Page:
        """Bring the held change into force; `version`: only if it is this one."""
        feed = self._control.feed
        if feed is None:
            return _refused(NO_TABLE)
        held = feed.status()["held"]
        if not feed.accept(asked.get("version", "")):
            return _refused(f"held is {held['version']}" if held else "no change is held")
        return json_page(feed.status())

    async def cache(self, asked: Mapping[str, str]) -> Page:
        name = _name(asked)
        if isinstance(name, Page):
            return name
        found = [row for rows in await self._workers.ask_workers("cache", name) for row in rows]
        return json_page({"name": to_text(name), "entries": [_row(row) for row in found]})

    async def flush(self, asked: Mapping[str, str]) -> Page:
        if asked.get("all"):
            return json_page({"flushed": sum(await self._workers.ask_workers("flush-all")), "of": "everything"})
        name = _name(asked)
        if isinstance(name, Page):
            return name
        tree = bool(asked.get("tree"))
        count = sum(await self._workers.ask_workers("flush", name, tree))
        return json_page({"flushed": count, "of": f"{to_text(name)}{' and below' if tree else ''}"})

    async def log_level(self, asked: Mapping[str, str]) -> Page:
        level = asked.get("level", "")
        if level not in LEVEL_OF:
            return _refused(f"{level!r} is not a log level; must be one of {', '.join(LEVEL_OF)}")
        await self._workers.ask_workers("log-level", level)
        return json_page({"log_level": level, "until": "the next reload"})

    async def reload(self, _: Mapping[str, str]) -> Page:
        """Reload, and say which keys changed and which of them wait for a restart."""
        before = self._control.settings.written
        if not await self._control.reload():
            return json_page({"reloaded": False, "errors": list(self._control.problems)}, 409)
        after = self._control.settings.written
        return json_page(
            {
                "reloaded": True,
                "generation": self._control.settings.rules.generation,
                "changed": list(differences(before, after)),
                "needs_restart": self._control.waiting_for_restart(before),
            }
        )

    async def tail(self, asked: Mapping[str, str]) -> Page:
        """Queries that passed in a while: `seconds`, and `filter`, which a line must contain."""
        seconds = _seconds(asked)
        if seconds is None:
            return _refused(f"seconds={asked.get('seconds')!r}: a number from 0.1 to {MAX_SECONDS:g}")
        samples: list[Sample] = await self._workers.ask_workers("sample", seconds)
        wanted = asked.get("filter", "").lower()
        queries = sorted((one for part in samples for one in part.queries), key=lambda one: one.at)
        rows = [
            {
                "at": round(one.at, 6),
                "client": one.client,
                "transport": one.transport,
                "name": one.name,
                "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(one.qtype)),
                "rcode": rcode_name(one.rcode),
                "rule": one.rule,
                "ms": round(one.took_s * 1000, 3),
                **self._owner(one.client),
            }
            for one in queries
        ]
        kept = [row for row in rows if wanted in " ".join(map(str, row.values())).lower()]
        looked = max((part.looked_s for part in samples), default=0.0)
        return json_page({"queries": kept, "seen_share": round(min(1.0, looked / seconds), 3)})

    def _owner(self, client: str) -> dict[str, str]:
        """Namespace, pod, class and policy of a client, as far as the followed table knows."""
        who = self._who(client)
        return {} if who is None else {key: who[key] for key in ("namespace", "pod", "class", "policy")}

    async def top(self, asked: Mapping[str, str]) -> Page:
        """The most frequent names, clients or pools of a sample, as queries a second."""
        seconds, by = _seconds(asked), asked.get("by", "names")
        if seconds is None or by not in ("names", "clients", "pools"):
            return _refused(f"by=names, clients or pools; seconds from 0.1 to {MAX_SECONDS:g}")
        samples: list[Sample] = await self._workers.ask_workers("sample", seconds)
        counts: defaultdict[str, float] = defaultdict(float)
        for part in samples:
            share = max(part.looked_s, 0.001)
            weight = (len(part.queries) + part.unkept) / max(1, len(part.queries))
            for one in part.queries:
                counts[self._label(one.name, one.client, by)] += weight / share
        most = sorted(counts.items(), key=lambda row: -row[1])[:MAX_TOP]
        rows = [{by[:-1]: label, "per_s": round(rate, 1)} for label, rate in most]
        return json_page({"by": by, "rows": rows, "total_per_s": round(sum(counts.values()), 1)})

    def _label(self, name: str, client: str, by: str) -> str:
        if by == "clients":
            return client
        if by == "names":
            return name.lower()
        table = prepare(self._control.settings.rules).rules.pool_of
        return (table.find(from_text(name).lower()) if table is not None else None) or "default"


def _row(row: CacheRow) -> dict[str, Any]:
    key = row.key
    outcome = row.outcome
    return {
        "type": dns.rdatatype.to_text(dns.rdatatype.RdataType.make(key.qtype)),
        "state": row.state,
        "left_s": row.left_s,
        "group": key.group or "default",
        "dnssec": key.do,
        **(response_dict(outcome) if isinstance(outcome, Response) else failure_dict(outcome)),
    }


def _name(asked: Mapping[str, str]) -> bytes | Page:
    text = asked.get("name", "")
    try:
        return from_text(text).lower() if text else _refused("must be a name, for example www.example.org")
    except ValueError as error:
        return _refused(str(error))


def _seconds(asked: Mapping[str, str]) -> float | None:
    try:
        seconds = float(asked.get("seconds", "1"))
    except ValueError:
        return None
    return seconds if 0.1 <= seconds <= MAX_SECONDS else None


def _refused(words: str) -> Page:
    return json_page({"error": words}, 400)
