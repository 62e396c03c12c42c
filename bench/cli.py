"""`python -m bench dns64 | soak | nat64 | sessions | fleet`."""

import shlex
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer

from bench.peers import PEERS
from bench.plan import SESSIONS, Plan, quick
from bench.process import BenchError

app = typer.Typer(no_args_is_help=True, add_completion=False)
PEER_KEYS = tuple(peer.key for peer in PEERS)


def chosen(text: str, known: tuple[str, ...], what: str) -> tuple[str, ...]:
    """A comma-separated choice; "" is everything."""
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    wrong = [part for part in found if part not in known]
    if wrong:
        raise typer.BadParameter(f"no such {what}: {', '.join(wrong)}; there are {', '.join(known)}")
    return found


@app.callback()
def benchmarks() -> None:
    """Benchmarks of the KUN egress gateway."""


@app.command()
def dns64(
    rounds: Annotated[int, typer.Option(min=1, help="Rounds; the table shows medians and spread.")] = 5,
    seconds: Annotated[float, typer.Option(min=0.5, help="Length of each timed measurement.")] = 3.0,
    peers: Annotated[str, typer.Option(help=f"Only these, comma-separated: {', '.join(PEER_KEYS)}.")] = "",
    sessions: Annotated[str, typer.Option(help=f"Only these: {', '.join(SESSIONS)}.")] = "",
    out: Annotated[Path, typer.Option(help="Folder for bench.md, bench.svg and bench.json.")] = Path("out"),
    short: Annotated[bool, typer.Option("--quick", help="One short round; figures mean little.")] = False,
    install: Annotated[
        bool, typer.Option("--install", help="Install missing servers from Debian (root or sudo).")
    ] = False,
) -> None:
    """kun-dns64 beside Unbound, BIND, PowerDNS Recursor, Knot Resolver and CoreDNS."""
    from bench.dns64 import bench_dns64

    names = chosen(sessions, SESSIONS, "session")
    if short:
        plan = quick(names or ("steady", "mixed"))
    else:
        plan = Plan(rounds=rounds, seconds=seconds, sessions=names or SESSIONS)
    bench_dns64(plan, chosen(peers, PEER_KEYS, "server"), out, may_install=install, command=command_line())
    print(f"{out / 'bench.md'} {out / 'bench.svg'}")


@app.command()
def nat64(
    times: Annotated[int, typer.Option(min=1, help="Repetitions of each timed call.")] = 20,
    idle_seconds: Annotated[
        float, typer.Option(min=1, help="How long the idle agent is watched, in five parts.")
    ] = 100.0,
    out: Annotated[Path, typer.Option(help="Folder for nat64.md.")] = Path("out"),
    short: Annotated[bool, typer.Option("--quick", help="Few repetitions; figures mean little.")] = False,
) -> None:
    """The gateway agent: plans of 10,000 facts, a cycle with 1,000 pool4 entries, CPU while idle (needs root)."""
    from bench.nat64.run import bench_nat64

    if short:
        times, idle_seconds = 3, 4.0
    print(bench_nat64(out, times=times, idle_s=idle_seconds, command=command_line()), end="")


@app.command("sessions")
def session_log(
    records: Annotated[int, typer.Option(min=1000, help="Sessions in the database.")] = 10_000_000,
    live: Annotated[int, typer.Option(min=1000, help="Sessions in the translator.")] = 1_000_000,
    times: Annotated[int, typer.Option(min=1, help="How often `who` is asked.")] = 20,
    folder: Annotated[Path, typer.Option(help="Where to write; about 1 GB for 10 million.")] = Path("out/sessions"),
) -> None:
    """The session log: writing, asking `who`, looking at live sessions. Minutes, for 10 million records."""
    from bench.nat64.sessions import report

    print(report(folder, records, live, times), end="")


@app.command()
def soak(
    minutes: Annotated[float, typer.Option(min=0.1, help="How long the load goes on.")] = 10.0,
    workers: Annotated[int, typer.Option(min=1, help="Workers of the server.")] = 1,
    share: Annotated[
        float, typer.Option(min=0.01, max=1, help="Of what the server can do; less on a busy machine.")
    ] = 0.8,
    attackers: Annotated[
        str, typer.Option(help="Instead of reloads and restarts: these beside normal questions, or all.")
    ] = "",
    rate: Annotated[float, typer.Option(min=100, help="Normal questions a second beside attackers, at most.")] = 50_000,
    out: Annotated[Path, typer.Option(help="Folder for soak.md or attacked.md.")] = Path("out"),
) -> None:
    """kun-dns64 at 80 % of what it can do, with reloads and upstream restarts; or beside attackers.

    Exit 1 on a wrong answer, growth, or a target that was missed.
    """
    from bench.soak.attackers import RATES
    from bench.soak.run import soak as run_soak
    from bench.soak.run import tell

    if attackers:
        from bench.soak.attacked import soak_attacked

        known = tuple(RATES)
        named = known if attackers == "all" else chosen(attackers, known, "attacker")
        raise typer.Exit(tell(soak_attacked(minutes * 60, workers, rate, named, out)))
    raise typer.Exit(tell(run_soak(minutes * 60, workers, share, out)))


@app.command()
def fleet(
    out: Annotated[Path, typer.Option(help="Folder for fleet.md and fleet.svg.")] = Path("out"),
    short: Annotated[bool, typer.Option("--quick", help="The smallest platform only.")] = False,
) -> None:
    """Simulate ECMP over 2 to 64 gateways: imbalance, flows that move, addresses needed. No traffic is sent."""
    from bench.fleet.run import bench_fleet

    print(bench_fleet(out, quick=short, command=command_line()), end="")


def command_line() -> str:
    return shlex.join(["python", "-m", "bench", *sys.argv[1:]])


def main() -> None:
    """Exit 1 when nothing could be measured, 130 after Ctrl-C; a SIGTERM cleans up just the same."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        app()
    except BenchError as wrong:
        print(f"bench: {wrong}", file=sys.stderr)
        sys.exit(1)
