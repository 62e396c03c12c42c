"""The `fleet` command: all gateways in one table, as the local agent and the members' admin ports report them."""

import http.client
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.config.load import load
from kun_nat64.views.fleet import HEADER, FleetRow, cells, row_of, summary

TIMEOUT_S, LARGEST, PERIOD_S = 3.0, 1 << 20, 2.0


def show_fleet(run_dir: Path, config: Path | None, *, watch: bool, as_json: bool) -> int:
    """Print the table; with `watch` again and again. Exit 0: every gateway is announced, 1: one is not or is silent."""
    while True:
        try:
            rows = list(_rows(run_dir, config))
        except NoAgent as error:
            return complain(str(error), as_json=as_json)
        if as_json:
            print(json.dumps([asdict(row) for row in rows], indent=None if watch else 1), flush=True)
        else:
            _print(rows, redraw=watch)
        if not watch:
            return 0 if all(row.announced for row in rows) else 1
        time.sleep(PERIOD_S)


def _rows(run_dir: Path, config: Path | None) -> Iterator[FleetRow]:
    """This gateway first. Without an agent here, the members that the file names. Raises NoAgent, ConfigError."""
    try:
        status = ask(run_dir, "/status")
        yield row_of(status, "")
        urls = [*(member["url"] for member in status["fleet"]["members"]), *status["fleet"]["silent"]]
    except NoAgent:
        if config is None:
            raise
        urls = list(load(config).fleet.members)
    except (ValueError, KeyError) as error:
        raise NoAgent(f"the agent in {run_dir} is of another version than this command: {error!r}") from error
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        yield from pool.map(_member, sorted(urls))


def _member(url: str) -> FleetRow:
    try:
        return row_of(json.loads(_fetched(url)), url)
    except (OSError, http.client.HTTPException, ValueError, RecursionError) as error:
        return FleetRow(urlsplit(url).netloc or url, url, problem=str(error) or type(error).__name__)


def _fetched(url: str) -> bytes:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port or 80, timeout=TIMEOUT_S)
    try:
        connection.request("GET", f"{parts.path.rstrip('/')}/status")
        answer = connection.getresponse()
        body = answer.read(LARGEST + 1)
    finally:
        connection.close()
    if answer.status != 200 or len(body) > LARGEST:
        raise ValueError(f"HTTP status {answer.status}, {len(body)} bytes")
    return body


def _print(rows: list[FleetRow], *, redraw: bool) -> None:
    from rich.console import Console
    from rich.table import Table

    console, table = Console(highlight=False), Table(box=None, pad_edge=False)
    for title in HEADER:
        table.add_column(title, no_wrap=title not in ("REASON", "GATEWAY"), overflow="fold")
    for row in rows:
        table.add_row(*cells(row))
    if redraw:
        console.clear()
        console.print(time.strftime("%H:%M:%S"))
    console.print(table)
    console.print(summary(rows))
