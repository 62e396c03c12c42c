"""The `fleet` command: all gateways in one table, as the local agent and the members' admin ports report them."""

import json
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from kun_base.watched_screen import watch as watch_screen
from kun_nat64.cli.agent_client import NoAgent, ask
from kun_nat64.cli.errors import complain
from kun_nat64.config.load import load
from kun_nat64.drivers.member_client import MemberSilent, ask_member
from kun_nat64.views.fleet import HEADER, FleetRow, cells, fitting, one_line_each, row_of, summary

PERIOD_S = 2.0
# Lines of a watched screen that are no gateway's: time, head, summary of up to two, the cursor's.
AROUND_TABLE = 4


def show_fleet(run_dir: Path, config: Path | None, *, watch: bool, as_json: bool) -> int:
    """Print the table; with `watch` again and again. Exit 0: every gateway is announced, 1: one is not or is silent."""
    try:
        if watch and not as_json:
            watch_screen(lambda columns, lines: _screen(list(_rows(run_dir, config)), columns, lines), PERIOD_S)
            return 0
        while True:
            rows = list(_rows(run_dir, config))
            if as_json:
                print(json.dumps([asdict(row) for row in rows], indent=None if watch else 1), flush=True)
            else:
                _print(rows)
            if not watch:
                return 0 if all(row.announced for row in rows) else 1
            time.sleep(PERIOD_S)
    except NoAgent as error:
        return complain(str(error), as_json=as_json)


def _rows(run_dir: Path, config: Path | None) -> Iterator[FleetRow]:
    """This gateway first. Without an agent here, the members that the file names. Raises NoAgent, ConfigError."""
    try:
        status = ask(run_dir, "/status")
        yield row_of(status, "")
        urls = [*(member["url"] for member in status["fleet"]["members"]), *status["fleet"]["silent"]]
        ca_file = str(status["fleet"].get("ca_file", ""))
    except NoAgent:
        if config is None:
            raise
        fleet = load(config).fleet
        urls, ca_file = list(fleet.members), fleet.ca_file
    except (ValueError, KeyError) as error:
        raise NoAgent(f"the agent in {run_dir} is of another version than this command: {error!r}") from error
    with ThreadPoolExecutor(max(1, len(urls))) as pool:
        yield from pool.map(lambda url: _member(url, ca_file), sorted(urls))


def _member(url: str, ca_file: str) -> FleetRow:
    try:
        return row_of(ask_member(url, "/status", ca_file=ca_file), url)
    except (MemberSilent, ValueError) as error:
        return FleetRow(urlsplit(url).netloc or url, url, problem=str(error))


def _screen(rows: list[FleetRow], columns: int, lines: int) -> list[str]:
    """A line for each gateway, and how many more there are."""
    room = max(1, lines - AROUND_TABLE)
    titles, *texts = one_line_each([cells(row) for row in rows[:room]], columns)
    widths = [max(map(len, column)) for column in zip(titles, *texts, strict=True)]
    more = f"; {len(rows) - room} more do not fit" if len(rows) > room else ""
    return [
        time.strftime("%H:%M:%S   q ends"),
        *("  ".join(map(str.ljust, line, widths)).rstrip() for line in (titles, *texts)),
        *textwrap.wrap(summary(rows) + more, columns),
    ]


def _print(rows: list[FleetRow]) -> None:
    from rich.console import Console
    from rich.table import Table

    console, table = Console(highlight=False), Table(box=None, pad_edge=False)
    titles, *lines = fitting([cells(row) for row in rows], console.width)
    for title in titles:
        table.add_column(title, no_wrap=title != HEADER[-1], overflow="fold")
    for line in lines:
        table.add_row(*line)
    console.print(table)
    console.print(summary(rows))
