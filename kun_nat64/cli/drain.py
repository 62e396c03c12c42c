"""The `drain` and `undrain` commands."""

import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from kun_base.html_page import duration
from kun_nat64.cli.agent_client import NoAgent, its_words
from kun_nat64.cli.errors import complain
from kun_nat64.cli.gateway_target import Ask, OrderRefused, target

JSON = dict[str, Any]
POLL_S = 0.5


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
    """Start a drain of gateway `name` ("": this one); return the exit code. 11: the gateway's own guard refuses."""
    try:
        with its_words(run_dir):
            asked = target(run_dir, name, token_file)
            return _drain(asked, wait=wait, why=why, until_start=until_start, force=force)
    except OrderRefused as error:
        print(f"{error}; `drain --force` drains anyway", file=sys.stderr)
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
    """Describe the state right after the request for a drain."""
    drain, announced = status["drain"], _served(status)
    if drain["phase"] != "draining":
        return f"{drain['phase']}: {announced} is {_announced(status)}"
    left_s = max(drain["grace_s"] - (drain["for_s"] or 0), 0)
    return (
        f"draining: new flows go to other gateways; {announced} is withdrawn in {duration(left_s)} at the latest; "
        f"{sessions_left(drain)}. `kun-nat64 undrain` ends the drain"
    )


def _served(status: JSON) -> str:
    """Return the announced object: the VIP, or the prefix without a tunnel."""
    return f"the prefix {status['prefix']}" if status.get("inside") == "native" else f"the VIP {status['vip']}"


def _announced(status: JSON) -> str:
    shown = status["announcement"]
    med = f", MED {shown['med']}" if shown["med"] is not None else ""
    return f"{'announced' if shown['announced'] else 'not announced'} ({shown['standing']}{med}): {shown['words']}"


def end_drain(run_dir: Path, name: str = "", token_file: Path | None = None) -> int:
    """End the drain of a gateway, "" for this one; return the exit code."""
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
    """Wait until the agent has withdrawn; a bar on a terminal, a line a second elsewhere."""
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("draining"), BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, transient=True) as bar:
        task = bar.add_task("", total=1.0)
        while True:
            status = asked("/status")
            drain, announcement = status["drain"], status["announcement"]
            if drain["phase"] == "serving":
                print("the drain was taken back", file=sys.stderr)
                return 1
            grace = max(drain["grace_s"], 0.001)
            bar.update(task, completed=min(1.0, (drain["for_s"] or 0) / grace), description=sessions_left(drain))
            if drain["phase"] == "drained" and announcement["standing"] == "out" and announcement["withdrawn"]:
                break
            time.sleep(POLL_S)
    print(f"withdrawn: {drain['ended']}")
    return 0


def sessions_left(drain: JSON) -> str:
    """Say how many TCP sessions a drain has left, and how old they are."""
    left = "counting" if drain["left"] is None else f"{drain['left']} TCP sessions left"
    if drain.get("borrowed"):
        left += f", {drain['borrowed']} of them by way of other gateways"
    return left if drain["oldest_s"] is None else f"{left}, the oldest for at least {duration(drain['oldest_s'])}"
