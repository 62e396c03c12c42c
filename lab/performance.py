"""`make demo` from beginning to end: start, demonstrate, print, write, and leave nothing behind (unless asked to)."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from lab.api import Lab
from lab.demo import WEIGHTS, Report, demonstrate
from lab.errors import LabError
from lab.guest import attach
from lab.progress import reporting
from lab.show import show_step, show_summary


def perform_demo(name: str, keep: bool, json_file: Path | None, native: bool = False) -> bool:
    """True if every step had its evidence and the traffic went on."""
    console = Console()
    with reporting("demo") as reporter:
        reporter.expect(WEIGHTS)
        lab = Lab.start(name, detached=keep, reporter=reporter, native=native)
        with _stopped_if_it_fails(lab):
            accelerator = str(attach(name)[1]["accelerator"])
            report = demonstrate(lab, accelerator, reporter, lambda step: show_step(console, step))
    with _stopped_if_it_fails(lab):
        finish(console, lab, report, json_file)
    if keep:
        tell_how_to_look(console, lab, name)
    else:
        lab.stop()
    return report.ok


@contextmanager
def _stopped_if_it_fails(lab: Lab) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        try:
            _explain(lab, error)
        finally:
            lab.stop()
        raise


def _explain(lab: Lab, error: BaseException) -> None:
    """A lab that is about to vanish says first what its programs said last."""
    if isinstance(error, LabError):
        tail = lab.guest.run("", "sh", "-c", "tail -n 15 /run/lab/log/*", check=False, timeout_s=20.0).stdout
        print(tail, file=sys.stderr)


def finish(console: Console, lab: Lab, report: Report, json_file: Path | None) -> None:
    show_summary(console, lab.topology, report)
    if json_file:
        json_file.parent.mkdir(parents=True, exist_ok=True)
        json_file.write_text(report.as_json())
        console.print(f"written: {json_file}", soft_wrap=True)


def tell_how_to_look(console: Console, lab: Lab, name: str) -> None:
    console.print("\nThe lab stays up. A shell on each of its hosts:")
    for host in lab.topology.hosts:
        command = f"{sys.executable} -m lab shell {host.name} --name {name}"
        console.print(f"  {command:60} # {host.role}", soft_wrap=True, markup=False, highlight=False)
    console.print("Dead gateways come back with:", soft_wrap=True)
    for gateway in lab.topology.gateways[-2:]:
        console.print(f"  {sys.executable} -m lab heal {gateway.name} --name {name}", soft_wrap=True, highlight=False)
    console.print(f"End it: {sys.executable} -m lab down --name {name}", soft_wrap=True, highlight=False)
