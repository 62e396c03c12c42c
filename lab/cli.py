"""The commands of the lab: python -m lab COMMAND."""

import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from lab import guest, terminal
from lab.api import Lab
from lab.debian import VARIABLE, chosen_debian
from lab.errors import LabError
from lab.image import ensure_image
from lab.incident import play
from lab.otherpython import prepare, run_tests
from lab.paths import cache_directory
from lab.performance import perform_demo
from lab.progress import reporting
from lab.unbroken import Load, measure

app = typer.Typer(
    help=f"A whole network in one virtual machine: pod, node, TOR, gateways, Internet. {VARIABLE}=12|13 picks Debian.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
Name = Annotated[str, typer.Option(help="Which lab: several can run side by side.")]
HostName = Annotated[str, typer.Argument(help="pod, node, dns, tor, gw1, gw2, gw3 or internet.")]
Inside = Annotated[str, typer.Option(help="How pods' packets reach the gateways: 6to4 or native.")]
_COMMAND = {"allow_extra_args": True, "ignore_unknown_options": True}


@app.command()
def build() -> None:
    """Build the guest image (once; needs root or sudo, and takes some minutes)."""
    with reporting("image") as reporter:
        image = ensure_image(chosen_debian(), reporter)
    print(image.directory)


@app.command(context_settings=_COMMAND)
def unit(context: typer.Context) -> None:
    """Run pytest, with the arguments given after --, under the Python of the Debian that DEBIAN names; needs root."""
    with reporting("unit") as reporter:
        place = prepare(chosen_debian(), cache_directory(), reporter)
    raise typer.Exit(run_tests(place, context.args))


@app.command()
def up(
    name: Name = "lab",
    gateways: Annotated[int, typer.Option(min=1, max=9)] = 3,
    inside: Inside = "6to4",
    wait: Annotated[bool, typer.Option(help="Return only when every gateway has announced itself.")] = True,
) -> None:
    """Start a lab that stays until `down`."""
    with reporting("lab") as reporter:
        lab = Lab.start(name, gateways, detached=True, reporter=reporter, native=_is_native(inside))
        if wait:
            reporter.step("waiting for the gateways to announce themselves")
            lab.wait_until_ready()
    print(f"the lab runs: python -m lab shell pod --name {name}; end it with: python -m lab down --name {name}")


@app.command()
def down(name: Name = "lab") -> None:
    """End a lab at once."""
    Lab.attach(name).stop()


@app.command()
def status(name: Name = "lab") -> None:
    """Hosts, the TOR's next hops for the VIP, and every service."""
    lab = Lab.attach(name)
    print(f"machine: Debian {lab.guest.image.debian.version}, process {lab.guest.pid}, files in {lab.guest.directory}")
    print(f"next hops of the VIP at the TOR: {', '.join(lab.next_hops()) or 'none'}")
    for process in lab.processes():
        state = "runs" if process["code"] is None else f"ended with {process['code']}"
        print(f"{process['host'] or 'guest':10} {process['name']:12} {state}")


@app.command()
def golden(directory: Path, name: Name = "lab") -> None:
    """Capture what the real tools print on a gateway, for the tests of kun_nat64/formats."""
    from lab.golden import capture

    for path in capture(Lab.attach(name), directory):
        print(path)


@app.command(context_settings=_COMMAND)
def run(
    context: typer.Context,
    host: HostName,
    name: Name = "lab",
    timeout: Annotated[float, typer.Option(help="Seconds; 0: none.")] = 0.0,
) -> None:
    """Run a command on a host: python -m lab run gw1 -- ip addr. Input, output and exit code are the command's."""
    lab = Lab.attach(name)
    lab.topology.host(host)
    raise typer.Exit(terminal.run_through(lab.guest, host, _command(context), timeout))


@app.command(context_settings=_COMMAND)
def shell(context: typer.Context, host: HostName, name: Name = "lab") -> None:
    """A shell (or the command given after --) on a host, with a terminal."""
    lab = Lab.attach(name)
    lab.topology.host(host)
    raise typer.Exit(terminal.interact(lab.guest, host, list(context.args) or ["bash", "-l"]))


@app.command()
def push(
    name: Name = "lab",
    restart: Annotated[bool, typer.Option(help="Restart kun-nat64 and kun-dns64 with the new code.")] = False,
) -> None:
    """Send the source tree as it is now into a running lab."""
    lab = Lab.attach(name)
    lab.push()
    if restart:
        for gateway in lab.topology.gateways:
            lab.restart_service(gateway.name, "kun-nat64")
        lab.restart_service("dns", "kun-dns64")


@app.command()
def service(
    action: Annotated[str, typer.Argument(help="start, stop, kill or restart.")],
    host: HostName,
    service_name: Annotated[str, typer.Argument(metavar="SERVICE", help="For example kun-nat64 or gobgpd.")],
    name: Name = "lab",
) -> None:
    """Start, stop, kill or restart one service of a host."""
    lab = Lab.attach(name)
    lab.service(host, service_name)
    match action:
        case "start":
            lab.start_service(host, service_name)
        case "stop" | "kill":
            lab.end(host, service_name, signal=9 if action == "kill" else 15)
        case "restart":
            lab.restart_service(host, service_name)
        case _:
            raise LabError(f"{action}: start, stop, kill or restart")


@app.command()
def kill(
    host: HostName,
    name: Name = "lab",
    silent: Annotated[bool, typer.Option(help="Its neighbours still see a link.")] = False,
) -> None:
    """Power cut of a host; `heal` brings it back."""
    lab = Lab.attach(name)
    lab.topology.host(host)
    if silent:
        lab.silence(host)
    else:
        lab.kill(host)


@app.command()
def heal(host: HostName, name: Name = "lab") -> None:
    """Boot a killed host again."""
    lab = Lab.attach(name)
    lab.topology.host(host)
    lab.heal(host)


@app.command()
def logs(
    directory: Annotated[Path | None, typer.Argument(help="Write every log here; without it: print them.")] = None,
    name: Name = "lab",
) -> None:
    """Collect the logs of every service, the kernel and the console."""
    lab = Lab.attach(name)
    if directory:
        lab.collect_logs(directory)
        print(directory)
        return
    sys.stdout.write(lab.guest.run("", "sh", "-c", "tail -n 50 /run/lab/log/*", check=False).stdout)


@app.command()
def demo(
    json_file: Annotated[Path | None, typer.Option("--json", help="Write what was found to this file too.")] = None,
    keep: Annotated[bool, typer.Option(help="Leave the lab up afterwards.")] = False,
    inside: Inside = "6to4",
    name: Name = "demo",
) -> None:
    """Walk the seven steps of the picture with evidence, then let gateways die under continuous requests."""
    if not perform_demo(name, keep, json_file, _is_native(inside)):
        raise typer.Exit(1)


@app.command()
def incident(
    output: Annotated[Path, typer.Option(help="Where the transcript goes.")] = Path("docs/incident.md"),
    name: Annotated[str, typer.Option(help="A lab that runs, or the name of a new one.")] = "incident",
) -> None:
    """Play an incident from the alert to its end, by the runbook, and write its transcript."""
    runs = name in guest.running()
    with reporting("incident") as reporter:
        lab = Lab.attach(name) if runs else Lab.start(name, reporter=reporter)
    try:
        output.write_text(play(lab, lambda line: print(line, flush=True)))
    finally:
        if not runs:
            lab.stop()
    print(f"written: {output}")


@app.command()
def unbroken(
    downloads: Annotated[int, typer.Option(min=0, max=500)] = 150,
    uploads: Annotated[int, typer.Option(min=0, max=500)] = 150,
    echoes: Annotated[int, typer.Option(min=0, max=1000)] = 300,
    interval: Annotated[float, typer.Option(help="Seconds between packets of a flow.")] = 3.0,
    name: Name = "lab",
) -> None:
    """Measure what long flows notice when a gateway is drained, comes back, dies, and the TOR hashes anew."""
    measure(Lab.attach(name), Load(downloads, uploads, echoes, interval), lambda line: print(line, flush=True))


@app.command(name="list")
def list_labs() -> None:
    """Names of the labs that run."""
    for running in guest.running():
        print(running)


def _is_native(inside: str) -> bool:
    if inside not in ("6to4", "native"):
        raise LabError(f"{inside}: 6to4 or native")
    return inside == "native"


def _command(context: typer.Context) -> list[str]:
    if not context.args:
        raise LabError("no command given: python -m lab run HOST -- COMMAND [ARGUMENT...]")
    return list(context.args)


def _end_in_order(number: int, frame: FrameType | None) -> None:
    # As Ctrl-C: every `finally` on the way out runs.
    raise KeyboardInterrupt


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end_in_order)
    try:
        app()
    except (LabError, KeyError) as error:
        print(f"lab: {error.args[0] if error.args else error}", file=sys.stderr)
        sys.exit(1)
