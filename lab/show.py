"""Prints the demonstration for a person."""

from rich.console import Console
from rich.table import Table
from rich.text import Text

from lab.demo import PER_SECOND, TIMEOUT_S, Report
from lab.evidence import Step
from lab.topology import Topology
from lab.unbroken import Lived


def show_step(console: Console, step: Step) -> None:
    mark = Text("✓", style="bold green") if step.ok else Text("✗", style="bold red")
    console.print(Text(" ").join([mark, Text(str(step.number), style="bold"), Text(step.title, style="bold")]))
    for line in step.evidence:
        console.print(Text(f"      {line}", style="red" if not step.ok else "default"), soft_wrap=True)


def show_summary(console: Console, topology: Topology, report: Report) -> None:
    names = {gateway.public: gateway.name for gateway in topology.gateways}
    shares = ", ".join(f"{names.get(address, address)} {count}" for address, count in report.served.items())
    console.print()
    show_lived(console, report.lived)
    console.print(f"[bold]{PER_SECOND} requests a second from the pod, each over a new connection, no retries")
    console.print(f"      before: {shares or 'none'}", soft_wrap=True)
    console.print(deaths_table(report))
    proven = sum(step.ok for step in report.steps)
    verdict = "[bold green]everything was seen" if report.ok else "[bold red]evidence is missing"
    after = "all served by the gateways that are left" if report.recovered else "NOT all served by the gateways left"
    console.print(
        f"{proven} of {len(report.steps)} steps proven; requests of the last two seconds: {after}", soft_wrap=True
    )
    console.print(f"{report.accelerator}, {report.seconds:.0f} s: {verdict}", soft_wrap=True)


def show_lived(console: Console, lived: Lived) -> None:
    console.print(f"[bold]a download through {lived.gateway}, which is drained and comes back; a UDP flow beside it")
    for change in (lived.drained, lived.returned):
        console.print(f"      {change}", soft_wrap=True, highlight=False)
    places = ", then ".join(place.replace(" ", " port ") for place in lived.seen)
    console.print(f"      the server saw the UDP flow come from {places}", soft_wrap=True, highlight=False)


def deaths_table(report: Report) -> Table:
    table = Table()
    for heading in ("gateway", "death"):
        table.add_column(heading)
    for heading in ("left the ECMP route", "requests", "failed", "last failure began", "slowest success"):
        table.add_column(heading, justify="right")
    for death in report.deaths:
        table.add_row(
            death.gateway,
            death.how,
            f"after {death.withdrawn_s:.1f} s" if death.withdrawn_s < 60 else "never",
            str(death.requests),
            f"{death.failed} (no answer in {TIMEOUT_S:.0f} s)" if death.failed else "0",
            f"after {death.outage_s:.1f} s" if death.failed else "–",
            f"{death.slowest_s:.2f} s",
        )
    return table
