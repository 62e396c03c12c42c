"""Commands that ask the running agent: status, drain, undrain."""

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kun_base.html_page import duration
from kun_nat64.cli.agent_client import NoAgent, ask, its_words
from kun_nat64.cli.errors import complain
from kun_nat64.cli.gateway_target import Ask, OrderRefused, target

JSON = dict[str, Any]
POLL_S = 0.5


def show_status(run_dir: Path, *, as_json: bool) -> int:
    try:
        status = ask(run_dir, "/status")
        with its_words(run_dir):
            announced = bool(status["announcement"]["announced"])
            if not as_json:
                _print_status(status)
    except NoAgent as error:
        return complain(str(error), as_json=as_json)
    if as_json:
        print(json.dumps(status, indent=1))
    return 0 if announced else 1


def start_drain(
    run_dir: Path,
    *,
    wait: bool,
    why: str,
    until_start: bool,
    force: bool,
    name: str = "",
    token_file: Path | None = None,
) -> int:
    """`name`: of another gateway of the fleet; "": this one. The gateway's own guard may refuse: 11."""
    try:
        with its_words(run_dir):
            asked = target(run_dir, name, token_file)
            return _drain(asked, wait=wait, why=why, until_start=until_start, force=force)
    except OrderRefused as error:
        print(f"{error}; `drain --force` does it all the same", file=sys.stderr)
        return 11
    except NoAgent as error:
        return complain(str(error))


def _drain(asked: Ask, *, wait: bool, why: str, until_start: bool, force: bool) -> int:
    flags = {"until_start": "1"} if until_start else {}
    query = urlencode({"why": why, **flags, **({"force": "1"} if force else {})})
    answer = asked(f"/drain?{query}", "POST")
    if answer["warning"]:
        print(answer["warning"], file=sys.stderr)
    print(_drain_words(asked("/status")))
    return _wait_for_drain(asked) if wait else 0


def _drain_words(status: JSON) -> str:
    """What is so right after a drain was asked for."""
    drain, announced = status["drain"], _served(status)
    if drain["phase"] != "draining":
        return f"{drain['phase']}: {announced} is {_announced(status)}"
    left_s = max(drain["grace_s"] - (drain["for_s"] or 0), 0)
    return (
        f"draining: new flows go to other gateways; {announced} is withdrawn in {duration(left_s)} at the latest; "
        f"{_left(drain)}. `kun-nat64 undrain` ends the drain"
    )


def _served(status: JSON) -> str:
    """What brings the pods' packets here."""
    return f"the prefix {status['prefix']}" if status.get("inside") == "native" else f"the VIP {status['vip']}"


def _announced(status: JSON) -> str:
    told = status["announcement"]
    med = f", MED {told['med']}" if told["med"] is not None else ""
    return f"{'announced' if told['announced'] else 'not announced'} ({told['standing']}{med}): {told['words']}"


def end_drain(run_dir: Path, name: str = "", token_file: Path | None = None) -> int:
    try:
        asked = target(run_dir, name, token_file)
        answer = asked("/undrain", "POST")
        if answer["phase"] != "serving":
            return complain(answer["warning"])
        with its_words(run_dir):
            status = asked("/status")
            print(f"the drain is over; now {_served(status)} is {_announced(status)}")
    except NoAgent as error:
        return complain(str(error))
    return 0


def _wait_for_drain(asked: Ask) -> int:
    """Until the agent has withdrawn; a bar on a terminal, a line a second elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("draining"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        while True:
            status = asked("/status")
            drain, told = status["drain"], status["announcement"]
            if drain["phase"] == "serving":
                print("the drain was taken back", file=sys.stderr)
                return 1
            grace = max(drain["grace_s"], 0.001)
            bar.update(task, completed=min(1.0, (drain["for_s"] or 0) / grace), description=_left(drain))
            if drain["phase"] == "drained" and told["standing"] == "out" and told["withdrawn"]:
                break
            time.sleep(POLL_S)
    print(f"withdrawn: {drain['ended']}")
    return 0


def _left(drain: JSON) -> str:
    left = "counting" if drain["left"] is None else f"{drain['left']} TCP sessions left"
    if drain.get("borrowed"):
        left += f", {drain['borrowed']} of them by way of other gateways"
    return left if drain["oldest_s"] is None else f"{left}, the oldest for at least {duration(drain['oldest_s'])}"


def _print_status(status: JSON) -> None:
    from rich.console import Console
    from rich.table import Table

    told, health, machine, traffic = (status[key] for key in ("announcement", "health", "machine", "traffic"))
    console = Console(highlight=False)
    med = f", MED {told['med']}" if told["med"] is not None else ""
    vip = f"VIP {status['vip']}  " if status["vip"] else ""
    console.print(f"[bold]{status['name']}[/bold]  {vip}prefix {status['prefix']}")
    state = "announced" if told["announced"] else "not announced"
    console.print(f"{state} ({told['standing']}{med}) for {duration(told['since_s'])}: {told['words']}")
    if told["back_in_s"] is not None:
        console.print(f"back in {duration(told['back_in_s'])} at the earliest, after {told['falls']} falls")
    table = Table("target", "state", "last", "lost")
    for one in health["targets"]:
        last = f"{one['latency_ms']} ms" if one["latency_ms"] is not None else one["symptom"] or "-"
        table.add_row(one["target"], one["state"], last, f"{one['lost']} of {one['sent']}")
    console.print(table)
    for peer in status["bgp"]["neighbours"]:
        console.print(f"BGP {peer['address']} AS {peer['as']}: {peer['state']}")
    _print_problems(status, machine)
    if traffic["tcp_sessions"] is not None:
        oldest = traffic["oldest_tcp_s"]
        since = "" if oldest is None else f", the oldest for at least {duration(oldest)}"
        console.print(f"{traffic['tcp_sessions']} live TCP sessions{since}")
    if status["drain"]["phase"] != "serving":
        console.print(f"{status['drain']['phase']}: {_left(status['drain'])}")


def _print_problems(status: JSON, machine: JSON) -> None:
    looked = duration(machine["looked_s_ago"])
    state = "as desired" if not machine["drift"] else f"differs in {len(machine['drift'])} places"
    print(f"machine {state}, looked at {looked} ago")
    if status["diagnosis"]["cause"] != "none":
        print(f"  diagnosis: {status['diagnosis']['words']} ({status['diagnosis']['remedy']})")
    for line in (*machine["drift"], *machine["refused"], *filter(None, (machine["failed"], status["bgp"]["failed"]))):
        print(f"  {line}")
    for area, error in machine["unknown"].items():
        print(f"  {area} does not answer: {error}")
    for warning in status["warnings"].values():
        print(f"  warning: {warning}")
