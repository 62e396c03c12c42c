"""The `status` command."""

import io
import json
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kun_base.html_page import duration
from kun_base.watched_screen import watch
from kun_nat64.cli.agent_client import NoAgent, ask, its_words
from kun_nat64.cli.drain import sessions_left
from kun_nat64.cli.errors import complain
from kun_nat64.views.fleet import short_number

if TYPE_CHECKING:
    from rich.console import Console

JSON = dict[str, Any]
PERIOD_S = 2.0


def watch_status(run_dir: Path) -> int:
    """Redraw until q or Ctrl-C."""
    try:
        watch(lambda columns, _lines: _text(run_dir, columns), PERIOD_S)
    except NoAgent as error:
        return complain(str(error))
    return 0


def _text(run_dir: Path, columns: int) -> list[str]:
    from rich.console import Console

    with its_words(run_dir):
        status = ask(run_dir, "/status")
        console = Console(highlight=False, file=io.StringIO(), width=columns, color_system=None)
        with console.capture() as shown:
            _print_status(status, console)
    return [time.strftime("%H:%M:%S   q ends"), *shown.get().splitlines()]


def show_status(run_dir: Path, *, as_json: bool) -> int:
    try:
        status = ask(run_dir, "/status")
        with its_words(run_dir):
            announced = bool(status["announcement"]["announced"])
            if not as_json:
                from rich.console import Console

                _print_status(status, Console(highlight=False))
    except NoAgent as error:
        return complain(str(error), as_json=as_json)
    if as_json:
        print(json.dumps(status, indent=1))
    return 0 if announced else 1


def _print_status(status: JSON, console: "Console") -> None:
    from rich.table import Table

    shown, health, machine, traffic = (status[key] for key in ("announcement", "health", "machine", "traffic"))
    med = f", MED {shown['med']}" if shown["med"] is not None else ""
    vip = f"VIP {status['vip']}  " if status["vip"] else ""
    console.print(f"[bold]{status['name']}[/bold]  {vip}prefix {status['prefix']}")
    state = "announced" if shown["announced"] else "not announced"
    console.print(f"{state} ({shown['standing']}{med}) for {duration(shown['since_s'])}: {shown['words']}")
    if shown["back_in_s"] is not None:
        console.print(f"back in {duration(shown['back_in_s'])} at the earliest, after {shown['falls']} falls")
    table = Table("target", "state", "last", "lost")
    for one in health["targets"]:
        last = f"{one['latency_ms']} ms" if one["latency_ms"] is not None else one["symptom"] or "-"
        table.add_row(one["target"], one["state"], last, f"{one['lost']} of {one['sent']}")
    console.print(table)
    for peer in status["bgp"]["neighbours"]:
        console.print(f"BGP {peer['address']} AS {peer['as']}: {peer['state']}")
    _print_problems(status, machine, console)
    if traffic["tcp_sessions"] is not None:
        oldest = traffic["oldest_tcp_s"]
        since = "" if oldest is None else f", the oldest for at least {duration(oldest)}"
        console.print(f"{traffic['tcp_sessions']} live TCP sessions{since}")
    _print_carried(console, traffic)
    if status["drain"]["phase"] != "serving":
        console.print(f"{status['drain']['phase']}: {sessions_left(status['drain'])}")


def _print_carried(console: "Console", traffic: JSON) -> None:
    """Print the traffic. Agents of older versions do not report it."""
    rate = traffic.get("carried", {}).get("rate")
    if rate:
        mbit, packets = (
            " in, ".join(short_number(rate[f"{unit}_{way}"]) for way in ("in", "out")) + " out"
            for unit in ("mbit", "packets")
        )
        console.print(f"Mbit/s: {mbit}; packets/s: {packets}")
    dropped = traffic.get("drops", {}).get("reasons", ())
    if dropped:
        console.print("dropped by rules: " + ", ".join(f"{one['packets']} {one['reason']}" for one in dropped))


def _print_problems(status: JSON, machine: JSON, console: "Console") -> None:
    # What others wrote is no markup.
    say = partial(console.print, markup=False)
    looked = duration(machine["looked_s_ago"])
    state = "as desired" if not machine["drift"] else f"differs in {len(machine['drift'])} places"
    say(f"machine {state}, looked at {looked} ago")
    if status["diagnosis"]["cause"] != "none":
        say(f"  diagnosis: {status['diagnosis']['words']} ({status['diagnosis']['remedy']})")
    for line in (*machine["drift"], *machine["refused"], *filter(None, (machine["failed"], status["bgp"]["failed"]))):
        say(f"  {line}")
    for area, error in machine["unknown"].items():
        say(f"  {area} does not answer: {error}")
    for warning in status["warnings"].values():
        say(f"  warning: {warning}")
